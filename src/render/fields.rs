//! The fields of an event: what a template can name.

use minijinja::Value;

use super::timestamp::rfc3339;
use crate::domain::{CertId, Certificate, Event, EventKind, Role, Rule, UnixTime, Usage};

/// The fields of `event`, as in the default body, and its `id` (for a header such as `Idempotency-Key: {{ id }}`). What the event does not have (`api_id` of a server, `expired_at` of
/// one that is expiring) is absent.
pub fn fields(event: &Event) -> Value {
    let certificate = &event.certificate;
    let mut fields = vec![
        ("id", Value::from(event.id.as_str())),
        ("event", Value::from(event.kind.as_str())),
        ("message", Value::from(event.message())),
        ("cert_id", Value::from(certificate.id.to_string())),
        ("cert_name", Value::from(certificate.name.as_str())),
        ("cert_role", Value::from(event.usage.role().as_str())),
        ("timestamp", Value::from(rfc3339(event.timestamp))),
    ];
    fields.extend(match event.kind {
        EventKind::CertificateExpiringSoon => [
            ("expires_at", Value::from(rfc3339(certificate.not_after))),
            ("days_remaining", Value::from(event.days_remaining())),
        ],
        EventKind::CertificateExpired => [
            ("expired_at", Value::from(rfc3339(certificate.not_after))),
            ("days_since_expiry", Value::from(event.days_since_expiry())),
        ],
    });
    fields.extend(event.usage.api_id().map(|api_id| ("api_id", Value::from(api_id))));
    Value::from_pairs(fields)
}

/// One event of each kind, with every field that its kind can have: what templates are tried on before they are needed.
pub fn samples() -> Vec<Event> {
    let certificate =
        Certificate { id: CertId::of_der(b"sample"), name: "sample".to_owned(), not_after: UnixTime::from_secs(0) };
    let usage = Usage::new(Role::Client, Some("sample".to_owned()));
    [Rule::days(30), Rule::expired()]
        .iter()
        .map(|rule| Event {
            id: "0".repeat(32),
            kind: EventKind::of(rule),
            certificate: certificate.clone(),
            usage: usage.clone(),
            rule: rule.name().to_owned(),
            timestamp: certificate.not_after.before(rule.remaining()),
        })
        .collect()
}
