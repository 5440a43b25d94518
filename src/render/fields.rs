//! The fields of an event: what a template can name.

use std::sync::Arc;
use std::time::Duration;

use minijinja::Value;
use minijinja::value::{Enumerator, Object};

pub use super::samples::samples;
use super::timestamp::rfc3339;
use crate::domain::certificate::IdSource;
use crate::domain::text::harmless;
use crate::domain::time::MINUTE;
use crate::domain::{Certificate, Detail, Event, EventKind, Rejection, UnixTime};

/// The proxy that tells, by the names that its operator gave it. Nothing of an event depends on it: the same event of
/// another proxy of the fleet is the same event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxy {
    /// Envoy's `node.id`; empty if it has none.
    pub node: String,
    /// Envoy's `node.cluster`; empty if it has none.
    pub cluster: String,
}

impl Proxy {
    /// A proxy of which the host says this; what it does not say is empty.
    pub fn new(node: &[u8], cluster: &[u8]) -> Self {
        let text = |bytes| harmless(&String::from_utf8_lossy(bytes));
        Self { node: text(node), cluster: text(cluster) }
    }
}

/// What a body says beside its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context<'a> {
    /// When the body is made.
    pub now: UnixTime,
    /// How long an alert lasts that is not repeated.
    pub lasts: Duration,
    /// Who tells; `None` where nobody does yet.
    pub proxy: Option<&'a Proxy>,
}

impl Context<'_> {
    /// The context of a body that is made together with `event`, by nobody in particular.
    pub const fn of(event: &Event) -> Self {
        Self { now: event.timestamp, lasts: Duration::ZERO, proxy: None }
    }
}

/// A field and how it is read.
pub(super) type Field = (&'static str, fn(&Event, Context<'_>) -> Value);

/// Every field: those of the default body first, then what other receivers ask for. What an event does not have (`api_id`
/// of a server, `expired_at` of one that is expiring) is nothing: false in an `if`, `null` in JSON, and empty in a text.
pub(super) const FIELDS: [Field; 34] = [
    ("event", |event, _| event.kind.as_str().into()),
    ("message", |event, _| event.message().into()),
    ("cert_id", |event, _| is_shown(event).then(|| event.certificate.id.to_string()).into()),
    ("cert_name", |event, _| known(&event.certificate.name)),
    ("expires_at", |event, _| is_valid(event).then(|| rfc3339(event.certificate.not_after)).into()),
    ("days_remaining", |event, _| is_valid(event).then(|| event.days_remaining()).into()),
    ("expired_at", |event, _| is_expired(event).then(|| rfc3339(event.certificate.not_after)).into()),
    ("days_since_expiry", |event, _| is_expired(event).then(|| event.days_since_expiry()).into()),
    ("cert_role", |event, _| event.usage.role().as_str().into()),
    ("api_id", |event, _| event.usage.api_id().into()),
    ("timestamp", |event, _| rfc3339(event.timestamp).into()),
    ("id", |event, _| event.id.as_str().into()),
    ("key", |event, _| event.key().into()),
    ("severity", |event, _| event.severity().as_str().into()),
    ("rule", |event, _| event.rule.as_str().into()),
    ("resolved", |event, _| (event.kind == EventKind::CertificateResolved).into()),
    ("serial_number", |event, _| known(&event.certificate.serial_number)),
    ("subject", |event, _| known(&event.certificate.subject)),
    ("issuer", |event, _| known(&event.certificate.issuer)),
    ("sans", |event, _| event.certificate.sans.clone().into()),
    ("not_before", |event, _| is_dated(event).then(|| rfc3339(event.certificate.not_before)).into()),
    ("not_after", |event, _| is_dated(event).then(|| rfc3339(event.certificate.not_after)).into()),
    ("cert_id_source", |event, _| event.certificate.source.as_str().into()),
    ("cert_position", |event, _| event.certificate.position.as_str().into()),
    ("places", |event, _| event.places.clone().into()),
    ("place", |event, _| event.places.first().map(String::as_str).into()),
    ("reason", |event, _| rejection(event).map(|rejection| rejection.reason.as_str()).into()),
    ("detail", |event, _| rejection(event).map(|rejection| rejection.text.as_str()).into()),
    ("address", |event, _| rejection(event).and_then(|rejection| rejection.address.as_deref()).into()),
    ("held", |event, context| group(&HELD, event, context)),
    ("proxy", |event, context| group(&PROXY, event, context)),
    ("alert", |event, context| group(&ALERT, event, context)),
    ("unix", |event, context| group(&UNIX, event, context)),
    ("data", |event, context| group(&DATA, event, context)),
];

/// Fields that hold others. One of which nothing is known is nothing itself.
pub(super) const GROUPS: [(&str, &[Field]); 5] =
    [("alert", &ALERT), ("unix", &UNIX), ("data", &DATA), ("held", &HELD), ("proxy", &PROXY)];

/// An alert that is a test is seen, and then gone.
const TEST_LASTS: Duration = MINUTE.saturating_mul(5);

/// The alert that an event is, or that it closes: the same from its first event to its last.
const ALERT: [Field; 4] = [
    ("name", |event, _| event.alert().as_str().into()),
    ("severity", |event, _| event.alert().severity().as_str().into()),
    ("starts_at", |event, _| rfc3339(event.since).into()),
    ("ends_at", |event, context| {
        let lasts = match event.kind {
            EventKind::CertificateResolved => Duration::ZERO,
            EventKind::WebhookTest => TEST_LASTS,
            _ => context.lasts,
        };
        rfc3339(context.now.after(lasts)).into()
    }),
];

/// The certificate that Envoy holds and does not serve.
const HELD: [Field; 3] = [
    ("cert_id", |event, _| held(event).map(|held| held.id.to_string()).into()),
    ("cert_name", |event, _| held(event).map(|held| held.name.as_str()).into()),
    ("expires_at", |event, _| held(event).map(|held| rfc3339(held.not_after)).into()),
];

/// The proxy that tells.
const PROXY: [Field; 2] = [
    ("node", |_, context| context.proxy.map(|proxy| known(&proxy.node)).into()),
    ("cluster", |_, context| context.proxy.map(|proxy| known(&proxy.cluster)).into()),
];

/// Times in seconds since 1970.
const UNIX: [Field; 3] = [
    ("timestamp", |event, _| event.timestamp.secs().into()),
    ("not_before", |event, _| is_dated(event).then(|| event.certificate.not_before.secs()).into()),
    ("not_after", |event, _| is_dated(event).then(|| event.certificate.not_after.secs()).into()),
];

/// What a body that was written for `NetBox` SSL names.
const DATA: [Field; 9] = [
    ("common_name", |event, _| known(&event.certificate.name)),
    ("valid_to", |event, _| is_dated(event).then(|| rfc3339(event.certificate.not_after)).into()),
    ("issuer", |event, _| known(&event.certificate.issuer)),
    ("days_remaining", |event, _| is_dated(event).then(|| days_left(event)).into()),
    ("threshold", |event, _| threshold(&event.rule)),
    // That one counts the services that use a certificate. An event is about one use of it.
    ("assignment_count", |_, _| 1.into()),
    ("serial_number", |event, _| known(&event.certificate.serial_number)),
    ("subject", |event, _| known(&event.certificate.subject)),
    ("sans", |event, _| event.certificate.sans.clone().into()),
];

/// Whether the certificate's end is told as one that has passed.
fn is_expired(event: &Event) -> bool {
    match event.kind {
        EventKind::CertificateExpired => true,
        EventKind::CertificateStale | EventKind::CertificateRejected => {
            is_dated(event) && event.timestamp >= event.certificate.not_after
        }
        _ => false,
    }
}

/// Whether it is told as one that is to come.
fn is_valid(event: &Event) -> bool {
    is_dated(event) && !is_expired(event)
}

/// Whether it is known when the certificate begins and ends.
fn is_dated(event: &Event) -> bool {
    event.certificate.not_after < UnixTime::NEVER
}

/// Whether it is known which certificate it is.
fn is_shown(event: &Event) -> bool {
    event.certificate.source != IdSource::Unknown
}

fn rejection(event: &Event) -> Option<&Rejection> {
    match &event.detail {
        Detail::Rejection(rejection) => Some(rejection),
        Detail::Nothing | Detail::Held(_) => None,
    }
}

fn held(event: &Event) -> Option<&Certificate> {
    match &event.detail {
        Detail::Held(certificate) => Some(certificate),
        Detail::Nothing | Detail::Rejection(_) => None,
    }
}

fn known(text: &str) -> Value {
    Some(text).filter(|text| !text.is_empty()).into()
}

/// Whole days until the end, rounded down: below zero from the very moment of it.
fn days_left(event: &Event) -> i64 {
    let days = |days: u64| i64::try_from(days).unwrap_or(i64::MAX);
    if event.timestamp < event.certificate.not_after {
        days(event.days_remaining())
    } else {
        -1 - days(event.days_since_expiry())
    }
}

/// The days of a rule such as `30d`; the name of one that is not counted in days.
fn threshold(rule: &str) -> Value {
    let days = if rule == "expired" { Some(0) } else { rule.strip_suffix('d').and_then(|days| days.parse().ok()) };
    days.map_or_else(|| rule.into(), |days: u32| days.into())
}

fn group(fields: &[Field], event: &Event, context: Context<'_>) -> Value {
    Value::from_object(Record(fields.iter().map(|(name, read)| (*name, read(event, context))).collect()))
}

/// Names and values in an order of their own. There are few of them, so looking for one is cheaper than sorting all.
#[derive(Debug)]
pub(super) struct Record(pub(super) Vec<(&'static str, Value)>);

impl Record {
    /// Whether nothing is known of what it is about.
    pub(super) fn is_nothing(&self) -> bool {
        self.0.iter().all(|(_, value)| value.is_none())
    }
}

impl Object for Record {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.iter().map(|(name, _)| (*name).into()).collect())
    }

    fn is_true(self: &Arc<Self>) -> bool {
        !self.is_nothing()
    }
}
