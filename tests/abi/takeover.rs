//! What it costs to go on from what a predecessor has left, and how long it takes.

use std::time::Duration;

use serde_json::json;

use crate::host::Host;
use crate::scene::{
    Bill, Certificate, Crew, Document, HEADER, Heritage, Instance, Observations, QUEUE, SHARD, metric, patient_host,
    seconds, shard_of,
};

/// The time in which a successor has read everything and begins to check.
const SOON: Duration = seconds(10);

/// A monitor of that many certificates traps beside a standby.
fn take_over(count: u32, document: &Document) {
    let host = patient_host();
    let members = [Instance::monitor(&host, document), Instance::standby(&host, document)];
    let mut crew = Crew::new(&host, members);
    crew.until_holds("monitor");
    crew.run_for(seconds(2));
    let size = Heritage::of_clients(count, host.now()).leave(&host);
    crew.kill("monitor");
    crew.member("standby").vm.take_most_fuel();
    host.take_log();
    let start = host.now();
    // Said by the tick that has read everything and begins to check.
    let checks = |host: &Host| host.logged("watching ");
    assert!(crew.run_until(seconds(60), checks), "{:#?}", host.log());
    let pause = host.now().saturating_sub(start);
    println!("{count} certificates, {size} bytes in shared data: the first check comes {pause:?} after the trap");
    assert!(crew.run_until(seconds(60), |host| host.logged("Checked ")), "{:#?}", host.log());
    let standby = crew.member("standby");
    println!("{count} certificates: {} bytes of memory", standby.vm.memory());
    assert_eq!(metric(&host, "certificates;.;role=.=client"), u64::from(count));
    let mut bill = Bill::default();
    bill.note(&format!("taking over {count} certificates"), standby);
    assert!(pause < SOON, "{count} certificates: {pause:?}");
    bill.settle();
}

#[test]
fn a_thousand_certificates_are_taken_over_in_slices_and_in_time() {
    take_over(1_000, &Document::telling());
}

#[test]
fn twenty_thousand_certificates_are_taken_over_in_slices_and_in_time() {
    take_over(20_000, &Document::telling());
}

#[test]
fn a_hundred_thousand_certificates_are_taken_over_in_slices_and_in_time() {
    let most = json!({ "max_certificates": 100_000 });
    take_over(100_000, &Document::telling().with("certificate_expiry_monitor", most));
}

#[test]
fn what_these_tests_leave_behind_is_what_a_monitor_leaves_behind() {
    let host = patient_host();
    let mut monitor = Instance::monitor(&host, &Document::telling());
    host.run_for(&mut [&mut monitor.vm], seconds(3));
    let end = seconds(host.now().as_secs() + 365 * 86_400);
    let certificate = Certificate::stored("client").ending_at(i64::try_from(end.as_secs()).unwrap());
    host.enqueue(QUEUE, Observations::of_clients().item(&certificate));
    host.run_for(&mut [&mut monitor.vm], seconds(10));
    let shard = format!("{SHARD}{}", shard_of(&certificate.fingerprint()));
    let real = host.shared_data(&shard).expect("a shard");
    // When it was taken in, nobody but the monitor knows to the millisecond.
    let is_the_same = |age: u64| {
        let mut heritage = Heritage::default();
        heritage.add(certificate.fingerprint(), host.now().saturating_sub(Duration::from_millis(age)), end);
        heritage.leave(&host);
        host.shared_data(&shard).unwrap()[HEADER..] == real[HEADER..]
    };
    assert!((0..20_000).any(is_the_same), "{real:?}");
}
