//! A certificate that the parser does not survive: it ends one monitor and no other.

use std::time::Duration;

use serde_json::json;

use crate::host::{Answer, Host, Level};
use crate::scene::{
    Certificate, Crew, Document, HEADER, Instance, QUARANTINE, RECEIVER, Request, SUSPECT, Told, metric, seconds,
};

const QUARANTINED: &str = "dropped_total;.;reason=.=quarantined";

fn poison() -> Certificate {
    Certificate::stored("client").numbered(666)
}

/// A host on which whoever begins to parse the poison traps.
fn poisoned() -> Host {
    let host = Host::new();
    host.receiver(RECEIVER, |_| Some(Answer::status(200).after(Duration::from_millis(20))));
    host.fault("proxy_set_shared_data").about(SUSPECT).ending(poison().fingerprint()).trap_after();
    host
}

fn crew(host: &Host) -> Crew {
    crew_of(host, &Document::telling())
}

fn crew_of(host: &Host, document: &Document) -> Crew {
    Crew::new(
        host,
        [
            Instance::monitor(host, document),
            Instance::standby(host, document),
            Instance::auto(host, "auto", document),
            Instance::observer(host, "worker", document),
        ],
    )
}

/// A client shows this certificate on a route of that name.
fn shows(crew: &mut Crew, certificate: &Certificate, route: &str) {
    crew.member("worker").request(&Request::of_client(certificate).on_route(route));
}

fn dead(host: &Host) -> Vec<String> {
    host.traps().into_iter().map(|trap| trap.vm).collect()
}

#[test]
fn a_certificate_that_ends_the_monitor_is_quarantined_by_its_successor_and_never_parsed_again() {
    let host = poisoned();
    let mut crew = crew(&host);
    crew.until_holds("monitor");
    crew.run_for(seconds(2));
    let clients: Vec<_> = (0..4).map(|number| Certificate::stored("client").numbered(number)).collect();
    for (client, other) in clients.iter().zip(&clients[2..]) {
        shows(&mut crew, client, "orders");
        shows(&mut crew, &poison(), "orders");
        shows(&mut crew, other, "orders");
    }
    crew.until_holds("standby");
    assert_eq!(dead(&host), ["monitor"]);
    crew.run_for(seconds(2));
    // It keeps coming: on routes that it was not seen on yet, it is handed over each time.
    for number in 0..10 {
        shows(&mut crew, &poison(), &format!("route {number}"));
        for client in &clients {
            shows(&mut crew, client, "orders");
        }
        crew.run_for(seconds(6));
    }
    assert_eq!(dead(&host), ["monitor"], "whoever notes it as a suspect again traps");
    let lines = host.log_lines("A certificate is quarantined");
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!((lines[0].level, lines[0].vm.as_str()), (Level::Error, "standby"));
    let id = poison().id();
    assert!(id.starts_with(lines[0].text.rsplit_once("cert_id=").unwrap().1), "{}", lines[0].text);
    assert_eq!(metric(&host, QUARANTINED), 1 + 10, "found as a suspect, and handed over ten times");
    let told: Vec<_> = Told::all(&host).into_iter().map(|told| told.cert_id).collect();
    assert!(clients.iter().all(|client| told.contains(&client.id())), "the others are told of");
    assert!(!told.contains(&poison().id()));
}

#[test]
fn the_quarantine_outlives_every_holder() {
    let host = poisoned();
    let mut crew = crew(&host);
    crew.until_holds("monitor");
    crew.run_for(seconds(2));
    shows(&mut crew, &poison(), "orders");
    crew.until_holds("standby");
    for (before, next) in [("standby", "auto"), ("auto", "standby")] {
        crew.kill(before);
        if next == "standby" {
            crew.members.push(Instance::standby(&host, &Document::telling()));
        }
        crew.until_holds(next);
        crew.run_for(seconds(2));
        let before = metric(&host, QUARANTINED);
        shows(&mut crew, &poison(), "orders");
        crew.run_for(seconds(10));
        assert_eq!(metric(&host, QUARANTINED), before + 1, "{next}");
    }
    assert_eq!(host.traps().len(), 3, "the poison's victim, and those that the test has killed");
    assert_eq!(host.log_lines("A certificate is quarantined").len(), 1);
}

#[test]
fn two_poisons_cost_two_monitors_and_are_both_quarantined() {
    let host = poisoned();
    let other = Certificate::stored("upstream").numbered(667);
    host.fault("proxy_set_shared_data").about(SUSPECT).ending(other.fingerprint()).trap_after();
    let mut crew = crew(&host);
    crew.until_holds("monitor");
    crew.run_for(seconds(2));
    let good = Certificate::stored("client");
    for certificate in [&poison(), &other, &good] {
        shows(&mut crew, certificate, "orders");
    }
    crew.until_holds("auto");
    crew.run_for(seconds(2));
    for certificate in [&poison(), &other, &good] {
        shows(&mut crew, certificate, "orders");
    }
    crew.run_for(seconds(10));
    assert_eq!(dead(&host), ["monitor", "standby"]);
    let quarantine = host.shared_data(QUARANTINE).unwrap();
    for certificate in [&poison(), &other] {
        assert!(quarantine.windows(32).any(|window| window == certificate.fingerprint()));
    }
    assert!(Told::all(&host).iter().any(|told| told.cert_id == good.id()));
}

#[test]
fn a_certificate_that_was_parsed_leaves_no_note() {
    let host = poisoned();
    let mut crew = crew(&host);
    crew.until_holds("monitor");
    crew.run_for(seconds(2));
    shows(&mut crew, &Certificate::stored("client"), "orders");
    crew.run_for(seconds(10));
    assert_eq!(host.shared_data(SUSPECT).unwrap()[HEADER..], [0]);
    crew.kill("monitor");
    crew.until_holds("standby");
    crew.run_for(seconds(10));
    assert_eq!((metric(&host, QUARANTINED), host.shared_data(QUARANTINE)), (0, None));
}

#[test]
fn a_link_of_a_chain_that_ends_the_monitor_is_quarantined_alone() {
    let host = poisoned();
    let mut crew = crew_of(&host, &Document::telling().with("observe", json!({ "client_certificate": "xfcc" })));
    crew.until_holds("monitor");
    crew.run_for(seconds(2));
    let [leaf, other] = [1, 2].map(|number| Certificate::stored("client").numbered(number));
    let chain: String = [&leaf, &poison(), &other].map(Certificate::encoded_pem).concat();
    let xfcc = format!(r#"Hash={};Cert="{}";Chain="{chain}""#, leaf.id(), leaf.encoded_pem());
    for _ in 0..3 {
        let request = Request::of_client(&leaf).on_route("orders").with_header("x-forwarded-client-cert", &xfcc);
        crew.member("worker").request(&request);
        crew.run_for(seconds(20));
    }
    assert_eq!(dead(&host), ["monitor"], "whoever notes it as a suspect again traps");
    assert_eq!(host.log_lines("A certificate is quarantined").len(), 1);
    let mut told: Vec<_> = Told::all(&host).into_iter().map(|told| told.cert_id).collect();
    told.sort();
    let mut expected = [leaf.id(), other.id()];
    expected.sort();
    assert_eq!(told, expected);
}
