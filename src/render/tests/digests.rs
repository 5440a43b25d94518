//! Several events told as one.

use std::rc::Rc;

use serde_json::{Value, json};

use super::{body, format, message};
use crate::domain::text::{LONGEST, harmless};
use crate::domain::time::DAY;
use crate::domain::{CertId, Certificate, Event, EventKind, Role, Usage};
use crate::render::format::{Format, OptionValue, Preset};
use crate::render::samples::sample;

/// An event about a certificate of that name which ends in so many days.
fn event(name: &str, days: u32) -> Event {
    let mut event = sample(EventKind::CertificateExpiringSoon, Role::Client, name);
    let end = event.timestamp.after(DAY * days);
    let certificate = Certificate::bare(CertId::of_der(name.as_bytes()), name, end);
    event.certificate = Rc::new(certificate);
    event.usage = Usage::new(Role::Client, Some("orders".to_owned()));
    event.id = format!("{days:032}");
    event
}

fn digest(names: &[String]) -> Event {
    let events: Vec<_> = (1..).zip(names).map(|(days, name)| event(name, days)).collect();
    Event::digest(&events.iter().collect::<Vec<_>>(), 0).unwrap()
}

fn named(count: usize) -> Event {
    digest(&(1..=count).map(|number| format!("host-{number}")).collect::<Vec<_>>())
}

/// The formats that can tell of several events at once.
fn formats() -> impl Iterator<Item = (Preset, Format)> {
    let presets = Preset::WORDS.into_iter().map(|(_, preset)| preset).filter(|preset| preset.digests());
    let blocks = (Preset::Slack, format(Preset::Slack, vec![("blocks", OptionValue::Flag(true))]));
    presets.map(|preset| (preset, format(preset, vec![]))).chain([blocks])
}

#[test]
fn programs_get_a_list_that_begins_with_the_worst() {
    let told = named(3);
    let body = body(&format(Preset::Default, vec![]), told.clone());
    assert_eq!(body["message"], "Certificate host-1 is expiring in 1 day, and there is news of 2 other certificates");
    assert_eq!((&body["event"], &body["cert_name"]), (&json!("CertificateExpiringSoon"), &json!("host-1")));
    assert_eq!((&body["id"], &body["certificates_count"]), (&json!(told.id), &json!(3)));
    let entry = |number: u32| {
        let name = format!("host-{number}");
        json!({
            "cert_id": CertId::of_der(name.as_bytes()).to_string(),
            "cert_name": name,
            "expires_at": format!("1969-12-{:02}T00:00:00Z", number + 2),
            "days_remaining": number,
            "cert_role": "client",
            "api_id": "orders",
            "id": format!("{number:032}"),
            "event": "CertificateExpiringSoon",
            "severity": "warning",
            "rule": "30d",
            "message": event(&name, number).message(),
        })
    };
    assert_eq!(body["certificates"], json!([entry(1), entry(2), entry(3)]));
    let cloud = super::body(&format(Preset::CloudEvents, vec![]), told.clone());
    assert_eq!((&cloud["id"], &cloud["data"]), (&json!(told.id), &body));
    assert_eq!(cloud["type"], "cert-expiry-monitor.certificate.expiring_soon");
}

#[test]
fn an_entry_says_since_when_and_nothing_that_is_not_known() {
    let mut expired = event("gone", 1);
    (expired.kind, expired.timestamp) = (EventKind::CertificateExpired, expired.timestamp.after(DAY * 3));
    let mut rejected = sample(EventKind::CertificateRejected, Role::Client, "");
    rejected.severity = expired.severity;
    let body = body(&format(Preset::Default, vec![]), Event::digest(&[&expired, &rejected], 0).unwrap());
    let [gone, unknown] = body["certificates"].as_array().unwrap().as_slice() else { panic!("{body:#}") };
    assert_eq!((&gone["expired_at"], &gone["days_since_expiry"]), (&json!("1969-12-03T00:00:00Z"), &json!(2)));
    assert_eq!((gone.get("expires_at"), gone.get("days_remaining")), (None, None));
    assert_eq!(
        (unknown.get("cert_id"), unknown.get("cert_name"), &unknown["cert_role"]),
        (None, None, &json!("client"))
    );
}

/// Every text of a document, one after the other.
fn texts(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text}\n"),
        Value::Array(items) => items.iter().map(texts).collect(),
        Value::Object(fields) => fields.values().map(texts).collect(),
        _ => String::new(),
    }
}

#[test]
fn people_get_ten_lines_and_how_many_more_there_are() {
    for (preset, format) in formats().filter(|(preset, _)| !matches!(preset, Preset::Default | Preset::CloudEvents)) {
        let said = texts(&body(&format, named(12))).replace('\\', "");
        for number in 1..=12 {
            let line = format!("Certificate host-{number} is expiring in {number} day");
            assert_eq!(said.contains(&line), number <= 10, "{preset:?}: {said}");
        }
        assert!(said.contains("and 2 more"), "{preset:?}: {said}");
        assert!(said.contains("and there is news of 11 other certificates"), "{preset:?}: {said}");
        assert!(!said.contains("Valid until") && !said.contains("Role: "), "{preset:?}: what holds for one alone");
        let few = texts(&body(&format, named(10)));
        assert!(!few.contains(" more"), "{preset:?}: {few}");
    }
}

#[test]
fn a_list_leaves_out_what_there_is_no_room_for() {
    for (name, least) in [("🔒", 10), ("\"", 10), ("x", 10)] {
        let names: Vec<_> = (0..150).map(|number| harmless(&format!("{number}{}", name.repeat(LONGEST)))).collect();
        let told = digest(&names);
        for (preset, format) in formats() {
            let body = message(&format, std::slice::from_ref(&told), false).body;
            assert!(body.len() <= 64 * 1_024, "{preset:?}: {} bytes", body.len());
            let body = super::parse(&body);
            if preset == Preset::Default {
                let listed = body["certificates"].as_array().map(Vec::len).unwrap();
                assert!((least..100).contains(&listed), "{listed} of {name}");
                assert_eq!(body["certificates_count"], 150);
            }
        }
    }
    let body = body(&format(Preset::Default, vec![]), named(150));
    assert!(body["certificates"].as_array().unwrap().len() >= 70, "of names as they are usual");
}

#[test]
fn a_template_can_go_through_the_list() {
    let template =
        "{{ certificates_count }}{% for one in certificates[:2] %} {{ one.cert_name }}: {{ one.message }};{% endfor %}";
    let format = Format::template(template, false).unwrap();
    let said = message(&format, &[named(3)], false).body;
    let one = |number: u32| event(&format!("host-{number}"), number).message();
    assert_eq!(said, format!("3 host-1: {}; host-2: {};", one(1), one(2)));
    let lines = Format::template("{{ lines|join(', ') }}", false).unwrap();
    assert_eq!(message(&lines, &[named(2)], false).body, format!("{}, {}", one(1), one(2)));
    assert_eq!(message(&lines, &[event("one", 1)], false).body, "", "where there is no list");
}
