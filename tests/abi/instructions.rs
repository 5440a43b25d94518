//! How long the monitor holds the proxy's main thread up, in instructions.
//!
//! No callback may take 5 ms. On V8 an instruction took 0.05 ns in a loop that has been optimised and 0.17 ns in a VM
//! that has just been started; with three times that for a small machine, 5 ms are ten million instructions. Only
//! `on_configure` is exempt: it is called when somebody changes the configuration.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use crate::host::{Answer, Host, Level};
use crate::scene::{Certificate, Document, Instance, Observations, QUEUE, RECEIVER, START, metric, seconds};

/// Instructions that one callback may take.
const BUDGET: u64 = 10_000_000;

/// Instructions that a tick may take while nothing is due.
const AT_REST: u64 = 60_000;

/// As many certificates as are watched.
const MOST: u32 = 20_000;

/// What the callbacks of a monitor took.
#[derive(Default)]
struct Bill {
    exceeded: Vec<String>,
}

impl Bill {
    /// Notes the dearest callbacks since the last time.
    fn note(&mut self, phase: &str, monitor: &mut Instance) {
        for (callback, fuel) in monitor.vm.take_most_fuel() {
            if ["proxy_on_tick", "proxy_on_queue_ready", "proxy_on_http_call_response"].contains(&callback.as_str()) {
                println!("{phase}: {callback} took at most {fuel} instructions");
                if fuel > BUDGET {
                    self.exceeded.push(format!("{phase}: {callback} took {fuel} instructions"));
                }
            }
        }
        assert!(monitor.vm.trap().is_none(), "{phase}: {:?}", monitor.vm.trap());
    }

    fn settle(self) {
        assert!(self.exceeded.is_empty(), "more than {BUDGET} instructions: {:#?}", self.exceeded);
    }
}

/// A host that keeps the log lines that Envoy keeps by default, and gives an instance all the time it wants.
fn patient_host() -> Host {
    let host = Host::new();
    host.set_log_level(Level::Info);
    host.set_fuel_limit(u64::MAX / 2);
    host.receiver(RECEIVER, |_| Some(Answer::status(200).after(Duration::from_millis(10))));
    host
}

/// A monitor that has been started, with nothing noted yet.
fn monitor(host: &Host, document: &Document) -> Instance {
    let mut monitor = Instance::monitor(host, document);
    host.run_for(&mut [&mut monitor.vm], seconds(2));
    monitor.vm.take_most_fuel();
    monitor
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
    let mut monitor = monitor(&host, &document);
    observe(&host, &ending_in(12 * MONTH), MOST + 1);
    let is_done = |host: &Host| metric(host, "dropped_total;.;reason=.=inventory_full") == 1;
    assert!(host.run_until(&mut [&mut monitor.vm], seconds(1_000), is_done));
    host.run_for(&mut [&mut monitor.vm], seconds(10));
    bill.note("taking in 20,000 certificates", &mut monitor);
    assert_eq!(metric(&host, "certificates;.;role=.=client"), u64::from(MOST));
    println!("a monitor of 20,000 certificates: {} bytes of memory", monitor.vm.memory());

    let at_rest = monitor.tick();
    println!("at rest: a tick takes {at_rest} instructions");
    assert!(at_rest <= AT_REST, "{at_rest} instructions for a tick at rest");

    host.run_for(&mut [&mut monitor.vm], seconds(3_600));
    bill.note("a round that finds 20,000 cooldowns active", &mut monitor);
    host.advance(seconds(86_400));
    host.run_for(&mut [&mut monitor.vm], seconds(60));
    bill.note("a round that checks 20,000 certificates", &mut monitor);

    let blobs: usize = host.shared_keys().iter().map(|key| host.shared_data(key).unwrap().len()).sum();
    println!("the ledger of 20,000 certificates: {blobs} bytes");
    drop(monitor);
    let mut successor = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut successor.vm], seconds(10));
    bill.note("taking over the ledger of 20,000 certificates", &mut successor);
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
    assert_eq!(metric(&host, "outbox_entries;.;webhook=.=ops"), 1_000, "an older event makes room for a newer one");
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

#[test]
fn a_tick_without_anything_due_asks_four_things_of_the_host_and_costs_the_same_every_time() {
    let host = patient_host();
    let mut monitor = monitor(&host, &Document::telling().server(&Certificate::stored("localhost")));
    println!("on_configure, first time: {} bytes of memory", monitor.vm.memory());
    let memory = monitor.vm.memory();
    let mut ticks = Vec::new();
    for _ in 0..100 {
        host.advance(seconds(1));
        host.reset_calls();
        ticks.push(monitor.tick());
        let expected = [
            ("proxy_dequeue_shared_queue", 1),
            ("proxy_get_current_time_nanoseconds", 1),
            ("proxy_get_log_level", 1),
            ("proxy_record_metric", 1),
        ];
        let expected: BTreeMap<String, u64> = expected.map(|(name, count)| (name.to_owned(), count)).into();
        assert_eq!(monitor.vm.call_counts(), expected);
    }
    println!("a tick without anything due takes {} instructions", ticks[0]);
    assert!(ticks.iter().all(|fuel| *fuel == ticks[0]), "{ticks:?}");
    assert!(ticks[0] <= AT_REST, "{}", ticks[0]);
    assert_eq!(monitor.vm.memory(), memory);
}
