//! The fields of an event: what a template can name.

use std::rc::Rc;

use minijinja::Value;

use super::timestamp::rfc3339;
use crate::domain::{CertId, Certificate, Event, EventKind, Role, Rule, UnixTime, Usage};

/// The fields of `event`: those of the default body, and its `id` for a header such as `Idempotency-Key: {{ id }}`. What
/// an event does not have (`api_id` of a server, `expired_at` of one that is expiring) is nothing: false in an `if`,
/// `null` in JSON, and empty in a text.
pub fn fields(event: &Event) -> Value {
    let certificate = &event.certificate;
    let ends = rfc3339(certificate.not_after);
    let is_expired = event.kind == EventKind::CertificateExpired;
    Value::from_pairs([
        ("id", Value::from(event.id.as_str())),
        ("event", Value::from(event.kind.as_str())),
        ("message", Value::from(event.message())),
        ("cert_id", Value::from(certificate.id.to_string())),
        ("cert_name", Value::from(certificate.name.as_str())),
        ("expires_at", Value::from((!is_expired).then(|| ends.clone()))),
        ("days_remaining", Value::from((!is_expired).then(|| event.days_remaining()))),
        ("expired_at", Value::from(is_expired.then_some(ends))),
        ("days_since_expiry", Value::from(is_expired.then(|| event.days_since_expiry()))),
        ("cert_role", Value::from(event.usage.role().as_str())),
        ("api_id", Value::from(event.usage.api_id())),
        ("timestamp", Value::from(rfc3339(event.timestamp))),
    ])
}

/// One event of each kind: what templates are tried on before they are needed.
pub fn samples() -> Vec<Event> {
    let certificate = Rc::new(Certificate::bare(CertId::of_der(b"sample"), "sample", UnixTime::from_secs(0)));
    let usage = Usage::new(Role::Client, Some("sample".to_owned()));
    [Rule::days(30), Rule::expired()]
        .iter()
        .map(|rule| Event {
            id: "0".repeat(32),
            kind: EventKind::of(rule),
            closes: None,
            certificate: Rc::clone(&certificate),
            usage: usage.clone(),
            rule: rule.name().to_owned(),
            since: certificate.not_after.before(rule.remaining()),
            timestamp: certificate.not_after.before(rule.remaining()),
        })
        .collect()
}
