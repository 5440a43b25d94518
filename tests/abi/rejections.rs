//! Handshakes that fail, on their way from a listener's access log to a receiver. Anybody can have them fail.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use crate::host::{Answer, Host};
use crate::scene::{
    Bill, Certificate, Crew, Document, Forged, Instance, LEASE, QUEUE, RECEIVER, ROSTER, Request, SHARD, SUSPECT, Told,
    metric, patient_host, seconds,
};

const EXPIRED: &str = "TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify cert failed: \
    X509_verify_cert: certificate verification error at depth 0: certificate has expired:TLS_error_end";

/// Ten failures at a place, and 64 places, are handed over in a minute.
const MOST: u64 = 10;
const MOST_PLACES: u64 = 128;

/// A receiver that hears of failed handshakes alone.
fn document() -> Document {
    Document::empty().webhook(json!({ "events": ["CertificateRejected"], "headers": { "x-id": "{{ id }}" } }))
}

fn crew(host: &Host) -> Crew {
    let members = [
        Instance::monitor(host, &document()),
        Instance::standby(host, &document()),
        Instance::observer(host, "worker", &document()),
    ];
    let mut crew = Crew::new(host, members);
    crew.run_for(seconds(3));
    crew
}

/// A connection to a listener that was refused because of its client's certificate.
fn refused(certificate: &Certificate, listener: &str) -> Request {
    Request::of_client(certificate)
        .with("source", "address", "10.0.0.9:4711")
        .with("xds", "filter_chain_name", listener)
        .with("connection", "transport_failure_reason", EXPIRED)
}

fn shows(crew: &mut Crew, certificate: &Certificate, listener: &str) {
    crew.member("worker").log(&refused(certificate, listener));
}

#[test]
fn ten_thousand_refused_clients_at_many_places_leave_no_trace_but_a_few_events() {
    let host = patient_host();
    let mut crew = crew(&host);
    let client = Certificate::stored("client");
    let mut memory = Vec::new();
    let start = host.now();
    for number in 0..10_000_u32 {
        shows(&mut crew, &client.numbered(number), &format!("listener {}", number % 200));
        if number % 50 == 49 {
            crew.run_for(seconds(1));
        }
        if number % 1_000 == 999 {
            let of = |name: &str, crew: &mut Crew| crew.member(name).vm.memory();
            memory.push((of("monitor", &mut crew), of("worker", &mut crew)));
        }
    }
    crew.run_for(seconds(30));
    let minutes = (host.now().saturating_sub(start)).as_secs() / 60 + 1;
    let dropped = metric(&host, "dropped_total;.;reason=.=rejections");
    let told = Told::all(&host);
    println!("10,000 refused clients in {minutes} min: {dropped} dropped, {} told, memory {memory:?}", told.len());
    assert!(10_000 - dropped <= minutes * MOST * MOST_PLACES, "{dropped}");
    let places = told.iter().map(|told| told.id.clone()).collect::<BTreeSet<_>>().len();
    assert_eq!(places, told.len(), "each place once");
    assert!(told.len() <= 200 && !told.is_empty());
    assert!(told.iter().all(|told| told.event == "CertificateRejected" && told.role == "client"));
    assert_eq!(metric(&host, "certificates;.;role=.=client"), 0);
    assert_eq!(host.queue_items(QUEUE).len(), 0);
    assert_eq!(memory[2], memory[9], "{memory:?}");
    for key in host.shared_keys() {
        assert!([LEASE, ROSTER, SUSPECT].contains(&key.as_str()) || key.starts_with(SHARD), "{key}");
    }
    let mut bill = Bill::default();
    bill.note("10,000 refused clients", crew.member("monitor"));
    bill.settle();
    assert_eq!(host.traps(), []);
}

#[test]
fn what_is_remembered_of_places_that_anybody_can_name_is_bounded() {
    let host = patient_host();
    let most = json!({ "max_certificates": 100 });
    let document = document().with("certificate_expiry_monitor", most);
    let members = [Instance::monitor(&host, &document), Instance::observer(&host, "worker", &document)];
    let mut crew = Crew::new(&host, members);
    crew.run_for(seconds(3));
    let client = Certificate::stored("client");
    let mut sizes = Vec::new();
    for minute in 0..150_u32 {
        for number in 0..64 {
            let place = format!("listener {}", minute * 64 + number);
            shows(&mut crew, &client.numbered(number), &place);
        }
        crew.run_for(seconds(61));
        if minute % 25 == 24 {
            let size: usize = host.shared_keys().iter().map(|key| host.shared_data(key).unwrap().len()).sum();
            sizes.push((crew.member("monitor").vm.memory(), size));
        }
    }
    println!("9,600 places in 150 minutes: memory of the monitor and bytes in shared data {sizes:?}");
    // Four a shard are remembered; the last shards are full late.
    assert!(sizes[5].0 <= sizes[4].0 + 2 * 65_536, "{sizes:?}");
    assert!(sizes[5].1 <= sizes[4].1 * 51 / 50, "{sizes:?}");
    let mut bill = Bill::default();
    bill.note("9,600 places", crew.member("monitor"));
    bill.settle();
}

#[test]
fn a_refused_certificate_that_the_parser_does_not_survive_is_quarantined_and_the_next_monitor_lives() {
    let host = Host::new();
    host.receiver(RECEIVER, |_| Some(Answer::status(200).after(Duration::from_millis(20))));
    let (poison, good) = (Certificate::stored("client").numbered(666), Certificate::stored("client"));
    host.fault("proxy_set_shared_data").about(SUSPECT).ending(poison.fingerprint()).trap_after();
    let mut crew = crew(&host);
    shows(&mut crew, &poison, "ingress");
    crew.until_holds("standby");
    crew.run_for(seconds(2));
    for listener in ["ingress", "other", "third"] {
        shows(&mut crew, &poison, listener);
        crew.run_for(seconds(6));
    }
    shows(&mut crew, &good, "fourth");
    crew.run_for(seconds(10));
    let dead: Vec<_> = host.traps().into_iter().map(|trap| trap.vm).collect();
    assert_eq!(dead, ["monitor"]);
    assert_eq!(host.log_lines("A certificate is quarantined").len(), 1);
    let told: Vec<_> = Told::all(&host).into_iter().map(|told| told.cert_id).collect();
    assert_eq!(told, [poison.id(), poison.id(), poison.id(), good.id()], "told of all the same, by its fingerprint");
    assert_eq!(metric(&host, "certificates;.;role=.=client"), 0);
}

#[test]
fn refused_upstreams_beside_thousands_of_good_ones_do_not_hold_the_main_thread_up() {
    let host = patient_host();
    let mut crew = crew(&host);
    for number in 0..4_500_u32 {
        let upstream = Forged::leaf(&format!("{number}.example.com"), "ca", number).certificate();
        let cluster = format!("cluster-{number}");
        let request = Request::plain().answered_by(&upstream).with("xds", "cluster_name", cluster);
        crew.member("worker").log(&request);
        if number % 200 == 199 {
            crew.run_for(seconds(6));
        }
    }
    crew.run_for(seconds(60));
    assert_eq!(metric(&host, "certificates;.;role=.=upstream"), 4_500);
    crew.member("monitor").vm.take_most_fuel();
    for number in 0..60 {
        let request = Request::plain()
            .with("xds", "cluster_name", format!("cluster-{}", number * 70))
            .with("upstream", "address", "10.0.0.1:443")
            .with("upstream", "transport_failure_reason", EXPIRED);
        crew.member("worker").log(&request);
    }
    crew.run_for(seconds(60));
    let bodies: Vec<_> = host.callouts_to(RECEIVER).iter().map(|callout| callout.text().to_owned()).collect();
    let named = bodies.iter().filter(|body| body.contains("\"cert_id\"")).count();
    println!("{} told, {named} with the certificate that was seen there last", bodies.len());
    // Not all of so many are looked through.
    assert!(bodies.len() == 60 && named > 50, "{named}: {bodies:#?}");
    let mut bill = Bill::default();
    bill.note("60 refused upstreams", crew.member("monitor"));
    bill.settle();
}
