//! Renewals of a thousand certificates at once, or none of them: no callback holds the main thread up.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::host::{Answer, Host};
use crate::scene::{Bill, Document, Envoy, Forged, Instance, by_secret, chain_of, metric, patient_host, seconds};

const MANY: u32 = 1_000;
const DAY: i64 = 86_400;
/// Two rounds of discovery are never further apart.
const ROUND: Duration = seconds(1_000);

const RENEWED: &str = "CertificateRenewed";
const OVERDUE: &str = "CertificateRenewalOverdue";

/// A document that tells of renewals, and of those that do not come.
fn document(expiry: Value) -> Document {
    Document::empty().webhook(json!({ "events": [RENEWED, OVERDUE] })).with("certificate_expiry_monitor", expiry)
}

/// How many events of a kind there were.
fn told(host: &Host, event: &str) -> u32 {
    u32::try_from(metric(host, &format!("events_total;.;event=.={event}"))).unwrap()
}

/// An Envoy whose certificates were renewed so often, every sixty days; each of them lives for 110.
fn holding(renewals: u32) -> Envoy {
    let mut envoy = Envoy::new();
    let names = || (0..MANY).map(|number| format!("secret-{number}"));
    for (name, number) in names().zip(renewals * MANY..) {
        let begins = i64::from(renewals) * 60 * DAY - 10 * DAY;
        let leaf = Forged::leaf(&name, "CA", number).beginning_in(begins).ending_in(begins + 110 * DAY);
        envoy.static_secret(&name, &chain_of(&[leaf.certificate()]));
        envoy.load(&[leaf.loaded("<inline>")], &[]);
    }
    envoy.listener("ingress", names().map(|name| by_secret(&name)));
    envoy
}

#[test]
fn when_all_are_renewed_at_once_and_when_none_is_no_callback_holds_the_main_thread_up() {
    let host = patient_host();
    let envoy = holding(0).answer_on(&host);
    let mut monitor = Instance::monitor(&host, &document(json!({ "notify_renewals": "all" })).discovering());
    let mut bill = Bill::default();
    host.run_for(&mut [&mut monitor.vm], ROUND);
    bill.note("finding 1,000 certificates", &mut monitor);
    for renewals in 1..=2 {
        *envoy.borrow_mut() = holding(renewals);
        host.advance(seconds(60 * 86_400));
        let are_told = |host: &Host| told(host, RENEWED) == renewals * MANY;
        assert!(host.run_until(&mut [&mut monitor.vm], ROUND, are_told), "{}", told(&host, RENEWED));
        host.run_for(&mut [&mut monitor.vm], seconds(60));
        bill.note(&format!("1,000 of them renewed, the {renewals}. time"), &mut monitor);
    }
    assert_eq!(told(&host, OVERDUE), 0);
    // As usual, and a quarter of what is left then.
    host.advance(seconds(80 * 86_400));
    host.run_for(&mut [&mut monitor.vm], seconds(60));
    bill.note("1,000 of them not renewed", &mut monitor);
    assert_eq!((told(&host, RENEWED), told(&host, OVERDUE)), (2 * MANY, MANY));
    assert_eq!(metric(&host, "deliveries_total;.;webhook=.=ops;.;outcome=.=delivered"), u64::from(3 * MANY));
    bill.settle();
}

#[test]
fn asking_an_authority_about_all_of_them_never_holds_the_main_thread_up() {
    let host = patient_host();
    let (asked, window) = (Rc::new(Cell::new(0)), Rc::new(Cell::new("2026-03-01")));
    let (count, says) = (Rc::clone(&asked), Rc::clone(&window));
    host.receiver("acme", move |_| {
        count.set(count.get() + 1);
        let window = json!({ "start": format!("{}T00:00:00Z", says.get()), "end": "2026-03-02T00:00:00Z" });
        // As large as an answer may be.
        let body = json!({ "suggestedWindow": window, "explanationURL": "x".repeat(3_900) }).to_string();
        let answer = Answer::status(200).header("retry-after", "600").body(body);
        Some(answer.after(Duration::from_millis(10)))
    });
    let info = json!([{ "issuer": "*", "cluster": "acme", "path": "/renewal-info" }]);
    let certificates = (0..MANY).map(|number| Forged::leaf("edge", "CA", number).signed_with(b"key").certificate());
    let document = certificates
        .fold(document(json!({ "renewal_info": info })), |document, certificate| document.server(&certificate));
    let mut monitor = Instance::monitor(&host, &document);
    let mut bill = Bill::default();
    assert!(host.run_until(&mut [&mut monitor.vm], seconds(300), |_| asked.get() == MANY), "{}", asked.get());
    bill.note("asking about 1,000 certificates", &mut monitor);
    assert_eq!(told(&host, OVERDUE), 0);
    // All of them are to be renewed earlier than that.
    window.set("2026-01-01");
    let are_told = |host: &Host| told(host, OVERDUE) == MANY;
    assert!(host.run_until(&mut [&mut monitor.vm], seconds(1_200), are_told), "{}", told(&host, OVERDUE));
    host.run_for(&mut [&mut monitor.vm], seconds(60));
    bill.note("1,000 of them to be renewed earlier", &mut monitor);
    bill.settle();
}
