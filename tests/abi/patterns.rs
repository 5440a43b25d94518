//! As many patterns as a document may have, and certificates with as many and as long names as are kept.

use serde_json::{Value, json};

use crate::host::Host;
use crate::scene::{Bill, Document, Heritage, Instance, metric, patient_host, seconds};

const MANY: u32 = 300;

/// A monitor that takes over thousands of clients with long names, and its second round of them.
fn rounds(bill: &mut Bill, what: &str, overrides: &[Value], silences: &[Value]) -> Host {
    let host = patient_host();
    let monitor = json!({
        "overrides": overrides,
        "silences": silences,
        "check_interval_seconds": 60,
        "check_cooldown_seconds": 30,
    });
    let document = Document::telling().with("certificate_expiry_monitor", monitor);
    let mut first = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut first.vm], seconds(2));
    Heritage::of_clients(MANY, host.now()).with_long_names().leave(&host);
    first.vm.fault("proxy_get_current_time_nanoseconds").trap_before();
    assert!(first.vm.tick(first.root).is_err());
    let mut monitor = Instance::monitor(&host, &document);
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
