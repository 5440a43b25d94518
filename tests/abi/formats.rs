//! What the formats cost, whatever they have to say.

use serde_json::{Value, json};

use crate::host::Host;
use crate::scene::{Bill, Certificate, Document, Instance, RECEIVER, patient_host, seconds};

/// Every format, with what it cannot do without.
fn formats() -> Vec<(&'static str, Value)> {
    let plain = |format: &'static str| (format, json!({ "format": format }));
    let with = |format: &'static str, options: Value| (format, json!({ "format": format, "format_options": options }));
    vec![
        plain("default"),
        plain("cloudevents"),
        ("cloudevents, binary", json!({ "format": "cloudevents", "content_mode": "binary" })),
        with("vaultls", json!({ "metadata": { "a": "b" } })),
        plain("infisical"),
        with("alertmanager", json!({ "labels": { "team": "edge" } })),
        plain("slack"),
        ("slack, blocks", json!({ "format": "slack", "format_options": { "blocks": true } })),
        plain("teams"),
        with("pagerduty", json!({ "routing_key": "0123456789abcdef0123456789abcdef" })),
        plain("discord"),
        plain("google-chat"),
        with("ntfy", json!({ "topic": "certificates" })),
        with("telegram", json!({ "chat_id": "-100" })),
        with("datadog", json!({ "tags": ["env:test"] })),
        (
            "a template",
            json!({ "template": "{\"a\": \"{{ cert_name }}\", \"b\": {{ sans }}, \"c\": {{ data.issuer }}}" }),
        ),
    ]
}

/// Certificates whose names take all the room there is.
fn certificates(count: u32) -> impl Iterator<Item = Certificate> {
    let certificate = Certificate::stored("long");
    (0..count).map(move |number| certificate.numbered(number))
}

fn listing(document: Document, count: u32) -> Document {
    certificates(count).fold(document, |document, certificate| document.server(&certificate))
}

fn run(document: &Document, what: &str) -> (Host, Bill) {
    let host = patient_host();
    let mut monitor = Instance::monitor(&host, document);
    let mut bill = Bill::default();
    host.run_for(&mut [&mut monitor.vm], seconds(20));
    bill.note(what, &mut monitor);
    (host, bill)
}

#[test]
fn no_format_holds_the_main_thread_up() {
    for (what, keys) in formats() {
        let (host, bill) = run(&listing(Document::empty().webhook(keys), 20), what);
        assert_eq!(host.callouts_to(RECEIVER).len(), 20, "{what}");
        for callout in host.callouts_to(RECEIVER) {
            serde_json::from_str::<Value>(callout.text()).unwrap_or_else(|error| panic!("{what}: {error}"));
        }
        bill.settle();
    }
}

#[test]
fn no_batch_holds_the_main_thread_up_however_it_is_signed() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let signing = json!({ "scheme": "standard-webhooks", "secrets": [secret, secret, secret, secret] });
    for format in ["default", "cloudevents", "infisical", "alertmanager"] {
        let keys = json!({ "format": format, "batch": { "max": 50, "wait_seconds": 2 }, "signing": signing });
        let (host, bill) = run(&listing(Document::empty().webhook(keys), 120), format);
        let requests = host.callouts_to(RECEIVER);
        let largest = requests.iter().map(|callout| callout.body.len()).max();
        println!("{format}: {} requests, the largest of {largest:?} bytes", requests.len());
        assert!((2..=24).contains(&requests.len()), "{format}: {} requests", requests.len());
        assert!(largest < Some(64 * 1_024), "{format}: {largest:?} bytes");
        let certificates: Vec<_> = certificates(120).map(|certificate| certificate.id()).collect();
        let bodies: String = requests.iter().fold(String::new(), |all, callout| all + callout.text());
        assert!(certificates.iter().all(|id| bodies.contains(id)), "{format}: one is missing");
        bill.settle();
    }
}

#[test]
fn no_digest_holds_the_main_thread_up_however_many_it_tells_of() {
    let mut bill = Bill::default();
    for (what, count, keys) in [
        ("a digest of 120", 120, json!({})),
        ("a digest of 1,000", 1_000, json!({})),
        ("a digest in CloudEvents", 120, json!({ "format": "cloudevents" })),
        ("a digest in Teams", 120, json!({ "format": "teams" })),
    ] {
        let expiry = json!({ "digest": { "interval_seconds": 60 } });
        let host = patient_host();
        let mut monitor = Instance::monitor(
            &host,
            &listing(Document::empty().webhook(keys).with("certificate_expiry_monitor", expiry), count),
        );
        host.run_for(&mut [&mut monitor.vm], seconds(120));
        bill.note(what, &mut monitor);
        let requests = host.callouts_to(RECEIVER);
        println!("{what}: {} requests, {} bytes", requests.len(), requests[0].body.len());
        assert!(requests.len() <= 3, "{what}: {} requests", requests.len());
        assert!(requests[0].body.len() <= 64 * 1_024, "{what}: {} bytes", requests[0].body.len());
    }
    bill.settle();
}

#[test]
fn what_is_signed_is_what_is_sent() {
    let keys = json!({ "signing": { "scheme": "sha256", "secrets": ["${SECRET}"] } });
    let document = Document::empty().webhook(keys).server(&Certificate::stored("localhost"));
    let host = patient_host();
    // What is not answered stays.
    host.receiver(RECEIVER, |_| None);
    let vm = host.vm("monitor").configuration("monitor").env("SECRET", "s3cret");
    let mut monitor = Instance::of(vm, &document);
    host.run_for(&mut [&mut monitor.vm], seconds(2));
    let callout = host.callouts_to(RECEIVER).remove(0);
    assert!(callout.header("x-signature").is_some_and(|value| value.starts_with("sha256=") && value.len() == 71));
    let blobs: Vec<_> = host.shared_keys().iter().filter_map(|key| host.shared_data(key)).collect();
    assert!(!blobs.is_empty());
    let holds =
        |secret: &str| blobs.iter().any(|blob| blob.windows(secret.len()).any(|part| part == secret.as_bytes()));
    assert!(holds(callout.header("idempotency-key").unwrap().trim_matches('"')), "the event");
    assert!(!holds("s3cret"), "and no secret");
    assert!(!holds("/certificates") && !holds("hooks.example.com"), "nor where it goes");
}

#[test]
fn an_observer_stays_within_two_megabytes_whatever_formats_its_document_has() {
    let named = |(number, (_, mut keys)): (usize, (_, Value))| {
        keys["name"] = json!(format!("webhook-{number}"));
        keys
    };
    let document = formats().into_iter().enumerate().map(named).fold(Document::empty(), Document::webhook);
    let host = Host::new();
    let observer = Instance::observer(&host, "worker", &document);
    println!("an observer with every format: {} bytes", observer.vm.memory());
    assert!(observer.vm.memory() <= 2 * 1_024 * 1_024, "{} bytes", observer.vm.memory());
}
