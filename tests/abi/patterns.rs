//! As many patterns as a document may have, and certificates with as many and as long names as are kept.

use std::time::Duration;

use serde_json::{Value, json};

use crate::host::{Answer, Host};
use crate::scene::{Bill, Document, Heritage, Instance, RECEIVER, metric, patient_host, seconds};

const MANY: u32 = 300;

/// A monitor that is about to take over clients with long names.
fn heir(host: &Host, document: &Document) -> Instance {
    let mut first = Instance::monitor(host, document);
    host.run_for(&mut [&mut first.vm], seconds(2));
    Heritage::of_clients(MANY, host.now()).with_long_names().leave(host);
    first.vm.fault("proxy_get_current_time_nanoseconds").trap_before();
    assert!(first.vm.tick(first.root).is_err());
    Instance::monitor(host, document)
}

/// A monitor that takes over hundreds of clients with long names, and its second round of them.
fn rounds(bill: &mut Bill, what: &str, overrides: &[Value], silences: &[Value]) -> Host {
    let host = patient_host();
    let monitor = json!({
        "overrides": overrides,
        "silences": silences,
        "check_interval_seconds": 60,
        "check_cooldown_seconds": 30,
    });
    let document = Document::telling().with("certificate_expiry_monitor", monitor);
    let mut monitor = heir(&host, &document);
    host.run_for(&mut [&mut monitor.vm], seconds(60));
    bill.note(&format!("taking over with {what}"), &mut monitor);
    host.run_for(&mut [&mut monitor.vm], seconds(120));
    bill.note(&format!("a round with {what}"), &mut monitor);
    host
}

fn overrides(count: u32, name: impl Fn(u32) -> Value, keys: &Value) -> Vec<Value> {
    let entry = |number| {
        let mut entry = keys.clone();
        entry["match"] = json!({ "name": name(number) });
        entry
    };
    (0..count).map(entry).collect()
}

#[test]
fn with_hundreds_of_overrides_no_callback_holds_the_main_thread_up() {
    let mut bill = Bill::default();
    let thresholds = json!({ "thresholds": ["10d"] });
    let of_domains = |n| json!([format!("*.a{n}.internal"), format!("b{n}-*-c")]);
    let told = overrides(300, of_domains, &thresholds);
    let host = rounds(&mut bill, "300 overrides", &told, &[]);
    assert_eq!(metric(&host, "certificates;.;role=.=client"), u64::from(MANY));
    // The dearest: each is looked for everywhere.
    let anywhere = |n| json!(format!("*nobody-{n}*"));
    let until = json!({ "until": "2040-01-01T00:00:00Z" });
    let ignoring = overrides(100, anywhere, &json!({ "ignore": true }));
    rounds(&mut bill, "as many as may look everywhere", &ignoring, &overrides(20, anywhere, &until));
    bill.settle();
}

#[test]
fn with_hundreds_of_patterns_of_webhooks_no_callback_holds_the_main_thread_up() {
    let mut bill = Bill::default();
    let many = |count: u32, name: &dyn Fn(u32) -> String| (0..count).map(name).collect::<Vec<_>>();
    let of_domains = many(150, &|n| format!("*.a{n}.internal"));
    let anywhere = many(25, &|n| format!("*nobody-{n}*"));
    let monitor = json!({ "thresholds": ["400d"], "short_lived": "off", "check_interval_seconds": 60 });
    // Told from a name by its end only.
    let alike = many(150, &|n| format!("??.{}.in*{n}", "a-x-n".repeat(7)));
    for (what, names) in [("150 names", of_domains), ("25 anywhere", anywhere), ("150 that are nearly so", alike)] {
        let document = Document::empty().with("certificate_expiry_monitor", monitor.clone());
        let document = document.webhook(json!({ "names": names }));
        let host = patient_host();
        let mut monitor = heir(&host, &document);
        host.run_for(&mut [&mut monitor.vm], seconds(120));
        bill.note(what, &mut monitor);
        assert_eq!(metric(&host, "events_total;.;event=.=CertificateExpiringSoon"), u64::from(MANY), "{what}");
    }
    bill.settle();
}

#[test]
fn events_that_are_passed_on_past_hundreds_of_patterns_hold_nobody_up() {
    let mut bill = Bill::default();
    let patterns: Vec<_> = (0..150).map(|n| format!("??.{}.in*{n}", "a-x-n".repeat(7))).collect();
    let monitor = json!({ "thresholds": ["400d"], "short_lived": "off" });
    let together = json!({ "max": 50, "wait_seconds": 10 });
    let document = Document::empty()
        .with("certificate_expiry_monitor", monitor)
        .webhook(json!({ "on_failure": "rescue", "retry_attempts": 0, "batch": together }))
        .webhook(json!({ "name": "rescue", "cluster": "rescue", "names": patterns }));
    for status in [410, 500] {
        let host = patient_host();
        host.receiver(RECEIVER, move |_| Some(Answer::status(status)));
        host.receiver("rescue", |_| Some(Answer::status(200)));
        let mut monitor = heir(&host, &document);
        host.run_for(&mut [&mut monitor.vm], seconds(400));
        bill.note(&format!("batches that are answered {status}"), &mut monitor);
        let passed_on = metric(&host, "deliveries_total;.;webhook=.=rescue;.;outcome=.=delivered");
        assert_eq!(passed_on, u64::from(MANY), "{status}");
    }
    bill.settle();
}

/// The time of day, in hours and minutes.
fn clock(at: Duration) -> String {
    let minutes = at.as_secs() / 60;
    format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60)
}

#[test]
fn what_waits_for_the_morning_is_looked_at_little_by_little_when_the_clock_is_set_back() {
    let mut bill = Bill::default();
    let host = patient_host();
    let silences = overrides(20, |n| json!(format!("*nobody-{n}*")), &json!({ "until": "2040-01-01T00:00:00Z" }));
    let evening = Duration::from_secs((host.now().as_secs() / 60 + 2) * 60);
    let monitor = json!({
        "silences": silences,
        "thresholds": ["400d"],
        "short_lived": "off",
        "digest": { "interval_seconds": 60 },
        "quiet_hours": { "from": clock(evening), "to": clock(evening + seconds(6 * 3_600)) },
    });
    let document = Document::telling().with("certificate_expiry_monitor", monitor);
    let mut monitor = heir(&host, &document);
    // They are found in the last seconds of the day, and a digest waits for ten.
    host.set_time(evening.saturating_sub(seconds(9)));
    host.run_for(&mut [&mut monitor.vm], seconds(60));
    assert_eq!(metric(&host, "outbox_entries;.;webhook=.=ops"), u64::from(MANY));
    bill.note("until the evening", &mut monitor);
    for (later, phase) in [(0, "a clock that is set back"), (7 * 3_600, "the morning")] {
        host.set_time(evening.saturating_sub(seconds(86_400)) + seconds(later));
        for _ in 0..400 {
            monitor.tick();
            host.settle(&mut [&mut monitor.vm]);
            host.advance(Duration::from_millis(50));
        }
        bill.note(phase, &mut monitor);
    }
    assert_eq!(metric(&host, "outbox_entries;.;webhook=.=ops"), 0);
    bill.settle();
}
