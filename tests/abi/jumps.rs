//! A clock that jumps while twenty thousand certificates are watched, with all that is told of the whole proxy.

use std::time::Duration;

use serde_json::json;

use crate::host::Host;
use crate::scene::{Bill, Document, Heritage, Instance, metric, patient_host, seconds};

const MOST: u32 = 20_000;
const DAY: u64 = 86_400;

fn events(host: &Host, kind: &str) -> u64 {
    metric(host, &format!("events_total;.;event=.={kind}"))
}

#[test]
fn where_there_is_a_storm_every_day_no_callback_holds_the_main_thread_up() {
    for (least, each_day) in [(2, 2), (10, 10), (100, 100)] {
        let host = patient_host();
        let document = Document::empty()
            .discovering()
            .webhook(json!({ "events": ["ExpiryStorm"] }))
            .with("certificate_expiry_monitor", json!({ "expiry_storm": least }));
        let mut first = Instance::monitor(&host, &document);
        host.run_for(&mut [&mut first.vm], seconds(2));
        Heritage::of_clients(MOST, host.now()).found().ending_each_day(each_day).leave(&host);
        first.vm.fault("proxy_get_current_time_nanoseconds").trap_before();
        assert!(first.vm.tick(first.root).is_err());
        let mut bill = Bill::default();
        let mut monitor = Instance::monitor(&host, &document);
        host.run_for(&mut [&mut monitor.vm], seconds(60));
        bill.note(&format!("storms of {each_day} on each day"), &mut monitor);
        assert_eq!(events(&host, "ExpiryStorm"), 16);
        bill.settle();
    }
}

#[test]
fn with_storms_signs_of_life_and_a_clock_that_jumps_no_callback_holds_the_main_thread_up() {
    let host = patient_host();
    let kinds = json!({ "events": ["CertificateExpired", "ExpiryStorm", "MonitorHeartbeat", "ClockSkewSuspected"] });
    // They end within a minute, a year from now.
    let document = Document::empty().discovering().webhook(kinds).with(
        "certificate_expiry_monitor",
        json!({ "heartbeat_seconds": 600, "check_interval_seconds": 600, "expired_max_age": "3650d" }),
    );
    let mut first = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut first.vm], seconds(2));
    Heritage::of_clients(MOST, host.now()).found().leave(&host);
    first.vm.fault("proxy_get_current_time_nanoseconds").trap_before();
    assert!(first.vm.tick(first.root).is_err());
    let mut bill = Bill::default();
    let mut monitor = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut monitor.vm], seconds(30));
    bill.note("a storm and a sign of life of 20,000 certificates", &mut monitor);
    assert_eq!((events(&host, "ExpiryStorm"), events(&host, "MonitorHeartbeat")), (1, 2), "one of each monitor");

    let before = host.now();
    host.advance(Duration::from_secs(380 * DAY));
    host.run_for(&mut [&mut monitor.vm], seconds(30));
    bill.note("20,000 certificates that seem to have ended at once", &mut monitor);
    assert_eq!(events(&host, "CertificateExpired"), 1, "the others wait for somebody to say what time it is");

    host.set_time(before + seconds(60));
    for _ in 0..1_000 {
        monitor.tick();
        host.settle(&mut [&mut monitor.vm]);
        host.advance(Duration::from_millis(10));
    }
    bill.note("20,000 certificates that have not ended after all", &mut monitor);
    assert_eq!((events(&host, "CertificateExpired"), events(&host, "CertificateResolved")), (1, 1));

    host.advance(Duration::from_secs(380 * DAY));
    host.run_for(&mut [&mut monitor.vm], seconds(300));
    bill.note("20,000 certificates that are told after a minute", &mut monitor);
    assert!(events(&host, "CertificateExpired") > 10_000);
    bill.settle();
}
