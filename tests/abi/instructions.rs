//! How long the monitor holds the proxy's main thread up, in instructions.
//!
//! No callback may take 5 ms. On V8 an instruction took 0.05 ns in a loop that has been optimised and 0.17 ns in a VM
//! that has just been started; with three times that for a small machine, 5 ms are ten million instructions. Only
//! `on_configure` is exempt: it is called when somebody changes the configuration.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use crate::host::{Answer, Host};
use crate::scene::{
    Bill, Certificate, Document, Forged, Heritage, Instance, Observations, QUEUE, RECEIVER, START, Told, metric,
    patient_host, seconds,
};

/// Instructions that a tick may take while nothing is due.
const AT_REST: u64 = 30_000;

/// Instructions that a look into an empty queue may take beside that.
const LOOK: u64 = 10_000;

/// As many certificates as are watched by default.
const MOST: u32 = 20_000;

/// A monitor that has been started, with nothing noted yet.
fn monitor(host: &Host, document: &Document) -> Instance {
    let mut monitor = Instance::monitor(host, document);
    host.run_for(&mut [&mut monitor.vm], seconds(2));
    monitor.vm.take_most_fuel();
    monitor
}

/// Lets this instance die.
fn kill(monitor: &mut Instance) {
    monitor.vm.fault("proxy_get_current_time_nanoseconds").trap_before();
    assert!(monitor.vm.tick(monitor.root).is_err());
}

/// Puts observations of that many relatives of a certificate into the queue.
fn observe(host: &Host, certificate: &Certificate, count: u32) {
    let observations = Observations::of_clients();
    for number in 0..count {
        host.enqueue(QUEUE, observations.item(&certificate.numbered(number)));
    }
}

/// A certificate that ends this many seconds after the clock has started.
fn ending_in(seconds: u64) -> Certificate {
    let end = START.as_secs() + seconds;
    Certificate::stored("client").ending_at(i64::try_from(end).unwrap())
}

const MONTH: u64 = 30 * 86_400;

#[test]
fn a_monitor_of_twenty_thousand_certificates_never_holds_the_main_thread_up() {
    let host = patient_host();
    let document = Document::telling();
    let mut bill = Bill::default();
    let mut first = monitor(&host, &document);
    Heritage::of_clients(MOST, host.now()).leave(&host);
    kill(&mut first);
    let mut monitor = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut monitor.vm], seconds(10));
    bill.note("taking over 20,000 certificates", &mut monitor);
    assert_eq!(metric(&host, "certificates;.;role=.=client"), u64::from(MOST));
    println!("a monitor of 20,000 certificates: {} bytes of memory", monitor.vm.memory());

    // The first may look into the queue, the second does not.
    monitor.tick();
    host.advance(seconds(1));
    let at_rest = monitor.tick();
    println!("at rest: a tick takes {at_rest} instructions");
    assert!(at_rest <= AT_REST, "{at_rest} instructions for a tick at rest");

    observe(&host, &ending_in(12 * MONTH), 1_000);
    let are_taken_in = |host: &Host| metric(host, "dropped_total;.;reason=.=inventory_full") == 1_000;
    assert!(host.run_until(&mut [&mut monitor.vm], seconds(100), are_taken_in));
    host.run_for(&mut [&mut monitor.vm], seconds(10));
    bill.note("taking in 1,000 beside 20,000 certificates", &mut monitor);
    assert_eq!(metric(&host, "certificates;.;role=.=client"), u64::from(MOST));

    host.run_for(&mut [&mut monitor.vm], seconds(3_600));
    bill.note("a round that finds 20,000 cooldowns active", &mut monitor);
    host.advance(seconds(86_400));
    host.run_for(&mut [&mut monitor.vm], seconds(60));
    bill.note("a round that checks 20,000 certificates", &mut monitor);
    bill.settle();
}

#[test]
fn asking_what_is_true_of_thousands_of_certificates_never_holds_the_main_thread_up() {
    const MANY: u32 = 3_000;
    let host = patient_host();
    let events =
        ["CertificateNotYetValid", "CertificateWeak", "ChainExpiresFirst", "CertificateStale", "CertificateDiscovered"];
    let monitor = json!({ "policies": { "require_san": false } });
    let document = Document::empty().webhook(json!({ "events": events })).with("certificate_expiry_monitor", monitor);
    // As many authorities as are looked at have the name of everybody's issuer.
    let document = (0..20).fold(document, |document, number| {
        let authority = Forged::authority("Test CA", "Another CA", number).ending_in(800 * 86_400).certificate();
        document.certificate(json!({ "role": "ca", "pem": authority.pem() }))
    });
    let mut bill = Bill::default();
    let mut first = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut first.vm], seconds(2));
    Heritage::of_clients(MANY, host.now()).leave(&host);
    kill(&mut first);
    let mut monitor = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut monitor.vm], seconds(60));
    bill.note("taking over thousands of certificates with authorities", &mut monitor);
    assert_eq!(metric(&host, "certificates;.;role=.=client"), u64::from(MANY));
    host.run_for(&mut [&mut monitor.vm], seconds(3_700));
    bill.note("a round that asks what is true of them, although cooldowns are active", &mut monitor);
    bill.settle();
}

#[test]
fn while_many_certificates_cross_a_rule_at_once_no_callback_holds_the_main_thread_up() {
    let host = patient_host();
    let mut bill = Bill::default();
    let mut monitor = monitor(&host, &Document::telling());
    observe(&host, &ending_in(MONTH + 60), 2_000);
    host.run_for(&mut [&mut monitor.vm], seconds(40));
    bill.note("taking in 2,000 certificates", &mut monitor);
    assert_eq!(host.callouts().len(), 0);
    host.run_for(&mut [&mut monitor.vm], seconds(60));
    bill.note("telling of 2,000 certificates", &mut monitor);
    assert_eq!(metric(&host, "events_total;.;event=.=CertificateExpiringSoon"), 2_000);
    assert_eq!(metric(&host, "deliveries_total;.;webhook=.=ops;.;outcome=.=delivered"), 2_000);
    bill.settle();
}

#[test]
fn while_a_receiver_is_behind_by_whole_cooldowns_no_callback_holds_the_main_thread_up() {
    let host = patient_host();
    host.receiver(RECEIVER, |_| None);
    let document = Document::empty().webhook(json!({ "timeout_seconds": 300 })).seconds(600, 600, 300);
    let mut bill = Bill::default();
    let mut monitor = monitor(&host, &document);
    observe(&host, &ending_in(86_400), 1_000);
    host.run_for(&mut [&mut monitor.vm], seconds(120));
    bill.note("telling of 1,000 certificates in vain", &mut monitor);
    host.run_for(&mut [&mut monitor.vm], seconds(2_000));
    bill.note("telling of them again and again", &mut monitor);
    // Newer events about those that are being sent come on top.
    assert!(metric(&host, "outbox_entries;.;webhook=.=ops") <= 1_004);

    let before = Told::all(&host).len();
    host.receiver(RECEIVER, |_| Some(Answer::status(200)));
    host.run_for(&mut [&mut monitor.vm], seconds(900));
    bill.note("telling of them at last", &mut monitor);
    let told: BTreeSet<_> = Told::all(&host).into_iter().skip(before).map(|told| told.cert_id).collect();
    assert_eq!((told.len(), metric(&host, "outbox_entries;.;webhook=.=ops")), (1_000, 0), "nobody is forgotten");
    bill.settle();
}

#[test]
fn while_a_receiver_goes_for_good_no_callback_holds_the_main_thread_up() {
    let host = patient_host();
    host.receiver(RECEIVER, |_| None);
    let rescue = json!({ "name": "rescue", "cluster": "rescue", "events": [] });
    let document = Document::empty().webhook(json!({ "on_failure": "rescue", "timeout_seconds": 60 })).webhook(rescue);
    host.receiver("rescue", |_| Some(Answer::status(200)));
    let mut bill = Bill::default();
    let mut monitor = monitor(&host, &document);
    observe(&host, &ending_in(86_400), 1_000);
    host.run_for(&mut [&mut monitor.vm], seconds(50));
    host.receiver(RECEIVER, |_| Some(Answer::status(410)));
    host.run_for(&mut [&mut monitor.vm], seconds(200));
    bill.note("passing 1,000 events on", &mut monitor);
    assert_eq!(metric(&host, "outbox_entries;.;webhook=.=ops"), 0);
    assert_eq!(metric(&host, "deliveries_total;.;webhook=.=rescue;.;outcome=.=delivered"), 1_000);
    bill.settle();
}

#[test]
fn with_many_webhooks_the_first_ticks_do_not_hold_the_main_thread_up() {
    let host = patient_host();
    let mut document = Document::empty();
    for number in 0..60 {
        let name = format!("team-{number}");
        document = document.webhook(json!({ "name": name, "test_on_start": true }));
    }
    let mut bill = Bill::default();
    let mut monitor = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut monitor.vm], seconds(30));
    bill.note("the first seconds with 60 webhooks", &mut monitor);
    assert_eq!(metric(&host, "events_total;.;event=.=WebhookTest"), 60);
    assert_eq!(metric(&host, "deliveries_total;.;webhook=.=team-59;.;outcome=.=delivered"), 1);
    bill.settle();
}

#[test]
fn when_a_request_with_a_thousand_events_fails_no_callback_holds_the_main_thread_up() {
    let mut bill = Bill::default();
    let rescue = json!({ "name": "rescue", "cluster": "rescue", "events": [] });
    let digest = json!({ "digest": { "interval_seconds": 60 } });
    let batch = json!({ "max": 50, "wait_seconds": 10 });
    for (status, delivered, rescued) in [(200, 1_000, 0), (410, 0, 1_000), (400, 0, 1_000), (500, 0, 0)] {
        for (what, rules, batch) in [("a digest", &digest, None), ("batches", &json!({}), Some(&batch))] {
            let mut webhook = json!({ "on_failure": "rescue" });
            if let Some(batch) = batch {
                webhook["batch"] = batch.clone();
            }
            let document = Document::empty().with("certificate_expiry_monitor", rules.clone());
            let document = document.webhook(webhook).webhook(rescue.clone());
            let host = patient_host();
            host.receiver(RECEIVER, move |_| Some(Answer::status(status)));
            host.receiver("rescue", |_| Some(Answer::status(200)));
            let mut monitor = monitor(&host, &document);
            observe(&host, &ending_in(86_400), 1_000);
            host.run_for(&mut [&mut monitor.vm], seconds(200));
            bill.note(&format!("{what} that is answered {status}"), &mut monitor);
            let count =
                |webhook: &str| metric(&host, &format!("deliveries_total;.;webhook=.={webhook};.;outcome=.=delivered"));
            assert_eq!((count("ops"), count("rescue")), (delivered, rescued), "{what}, {status}");
        }
    }
    bill.settle();
}

#[test]
fn what_has_failed_is_not_decided_about_while_another_large_request_is_sent() {
    let mut bill = Bill::default();
    let rules = json!({ "digest": { "interval_seconds": 60 } });
    // Answers arrive while the next digest is put together, sooner or later.
    for late in [5, 15, 25, 40] {
        let mut document = Document::empty().with("certificate_expiry_monitor", rules.clone());
        for name in ["a", "b", "c"] {
            document = document.webhook(json!({ "name": name }));
        }
        let host = patient_host();
        host.receiver(RECEIVER, move |_| Some(Answer::status(500).after(Duration::from_millis(late))));
        let mut monitor = monitor(&host, &document);
        observe(&host, &ending_in(86_400), 1_000);
        host.run_for(&mut [&mut monitor.vm], seconds(90));
        bill.note(&format!("digests that fail after {late} ms"), &mut monitor);
        let tried = |name| metric(&host, &format!("deliveries_total;.;webhook=.={name};.;outcome=.=status"));
        assert!(["a", "b", "c"].map(tried).iter().all(|count| *count >= 1_000));
    }
    bill.settle();
}

#[test]
fn while_a_receiver_refuses_everything_no_callback_holds_the_main_thread_up() {
    let host = patient_host();
    host.receiver(RECEIVER, |_| Some(Answer::reset()));
    let mut bill = Bill::default();
    let mut monitor = monitor(&host, &Document::telling().seconds(600, 600, 60));
    observe(&host, &ending_in(86_400), 1_000);
    host.run_for(&mut [&mut monitor.vm], seconds(120));
    bill.note("failing to tell of 1,000 certificates", &mut monitor);
    bill.settle();
}

#[test]
fn with_large_items_in_the_queue_no_callback_holds_the_main_thread_up() {
    let mut bill = Bill::default();
    let observations = Observations::of_clients();
    let texts = [
        ("a certificate with a name of 10 kB", Certificate::stored("long").pem().into_bytes()),
        ("64 kB of letters", vec![b'x'; 64 * 1_024]),
        ("64 kB of block", format!("-----BEGIN CERTIFICATE-----\n{}", "A".repeat(65_000)).into_bytes()),
        ("64 kB of beginnings", b"-----BEGIN ".repeat(5_900)),
        ("64 kB of percent signs", vec![b'%'; 64 * 1_024]),
        ("16 kB of letters", vec![b'x'; 16 * 1_024]),
        ("16 kB of beginnings", b"-----BEGIN ".repeat(1_480)),
    ];
    for (what, text) in texts {
        let host = patient_host();
        let mut monitor = monitor(&host, &Document::telling());
        for _ in 0..12 {
            host.enqueue(QUEUE, observations.of_text(&text));
        }
        host.run_for(&mut [&mut monitor.vm], seconds(20));
        bill.note(&format!("12 times {what}"), &mut monitor);
    }
    bill.settle();
}

#[test]
fn with_a_thousand_configured_certificates_no_tick_holds_the_main_thread_up() {
    for (what, certificate) in [("healthy", ending_in(12 * MONTH)), ("expiring", ending_in(86_400))] {
        let host = patient_host();
        let document =
            (0..1_000).fold(Document::telling(), |document, number| document.server(&certificate.numbered(number)));
        let mut bill = Bill::default();
        let mut monitor = Instance::monitor(&host, &document);
        println!("on_configure with 1,000 certificates takes {} instructions", monitor.vm.last_fuel());
        host.run_for(&mut [&mut monitor.vm], seconds(60));
        bill.note(&format!("the first minute with 1,000 configured {what} certificates"), &mut monitor);
        bill.settle();
    }
}

/// What an instance has asked of the host, by how often.
fn asked(instance: &Instance) -> Vec<(String, u64)> {
    instance.vm.call_counts().into_iter().collect()
}

fn calls(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[test]
fn a_hundred_seconds_at_rest_are_a_renewed_lease_a_second_and_a_look_into_the_queue_every_five() {
    let host = patient_host();
    let mut monitor = monitor(&host, &Document::telling().server(&Certificate::stored("localhost")));
    let memory = monitor.vm.memory();
    println!("a monitor of one certificate: {memory} bytes of memory");
    host.run_for(&mut [&mut monitor.vm], seconds(20));
    let mut dearest = Vec::new();
    for _ in 0..5 {
        host.reset_calls();
        host.run_for(&mut [&mut monitor.vm], seconds(100));
        let expected = calls(&[
            ("proxy_dequeue_shared_queue", 20),
            ("proxy_get_current_time_nanoseconds", 100),
            ("proxy_get_log_level", 100),
            ("proxy_get_shared_data", 200), // the lease and the roster once a second
            ("proxy_record_metric", 100),   // the time
            ("proxy_set_shared_data", 200), // the lease and the roster once a second
        ]);
        assert_eq!(asked(&monitor), expected);
        dearest.push(monitor.vm.take_most_fuel()["proxy_on_tick"]);
    }
    println!("a tick without anything due takes at most {} instructions", dearest[0]);
    // Numbers that grow take a byte more now and then.
    assert!(dearest.iter().all(|fuel| fuel.abs_diff(dearest[0]) < 1_000 && *fuel <= AT_REST + LOOK), "{dearest:?}");
    assert_eq!(monitor.vm.memory(), memory);
}

#[test]
fn a_standby_that_waits_costs_three_looks_and_at_most_one_renewal_a_second() {
    let host = patient_host();
    let mut monitor = monitor(&host, &Document::telling());
    let mut standby = Instance::standby(&host, &Document::telling());
    host.run_for(&mut [&mut monitor.vm, &mut standby.vm], seconds(10));
    host.reset_calls();
    standby.vm.take_most_fuel();
    host.run_for(&mut [&mut monitor.vm, &mut standby.vm], seconds(100));
    println!("a standby that waits: at most {:?} instructions", standby.vm.take_most_fuel());
    let expected = calls(&[
        ("proxy_get_current_time_nanoseconds", 100),
        ("proxy_get_log_level", 100),
        ("proxy_get_shared_data", 300), // the lease, and the roster twice
        ("proxy_set_shared_data", 100), // the roster
    ]);
    assert_eq!(asked(&standby), expected);
    assert_eq!(monitor.vm.calls("proxy_set_shared_data"), 100, "the roster has been seen to already");
}
