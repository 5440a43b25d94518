//! The fields of an event: what a template can name.

use std::time::Duration;

use minijinja::Value;

use super::facts;
use super::listing;
use super::record::Record;
pub use super::samples::samples;
use super::timestamp::rfc3339;
use crate::domain::text::harmless;
use crate::domain::time::MINUTE;
use crate::domain::{Event, EventKind, Role, UnixTime};

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
pub(super) const FIELDS: [Field; 51] = [
    ("event", |event, _| event.kind.as_str().into()),
    ("message", |event, _| event.message().into()),
    ("cert_id", |event, _| facts::is_shown(event).then(|| event.certificate.id.to_string()).into()),
    ("cert_name", |event, _| known(&event.certificate.name)),
    ("expires_at", |event, _| facts::is_valid(event).then(|| rfc3339(event.certificate.not_after)).into()),
    ("days_remaining", |event, _| facts::is_valid(event).then(|| event.days_remaining()).into()),
    ("expired_at", |event, _| facts::is_expired(event).then(|| rfc3339(event.certificate.not_after)).into()),
    ("days_since_expiry", |event, _| facts::is_expired(event).then(|| event.days_since_expiry()).into()),
    ("cert_role", |event, _| event.is_of_certificate().then(|| event.usage.role().as_str()).into()),
    ("api_id", |event, _| event.usage.api_id().into()),
    ("timestamp", |event, _| rfc3339(event.timestamp).into()),
    ("id", |event, _| event.id.as_str().into()),
    ("severity", |event, _| event.severity.as_str().into()),
    ("rule", |event, _| known(&event.rule)),
    ("seconds_remaining", |event, _| facts::is_dated(event).then(|| event.seconds_remaining()).into()),
    ("serial_number", |event, _| known(&event.certificate.serial_number)),
    ("issuer", |event, _| known(&event.certificate.issuer)),
    ("subject", |event, _| known(&event.certificate.subject)),
    ("sans", |event, _| event.certificate.sans.clone().into()),
    ("sans_count", |event, _| facts::sans_count(event).into()),
    ("not_before", |event, _| facts::is_dated(event).then(|| rfc3339(event.certificate.not_before)).into()),
    ("fingerprint_sha256", |event, _| facts::is_fingerprinted(event).then(|| event.certificate.id.to_string()).into()),
    ("key", |event, _| event.certificate.key.as_text().into()),
    ("position", |event, _| event.certificate.position.as_str().into()),
    ("source", |event, _| facts::is_shown(event).then(|| event.presence.origin.as_str()).into()),
    ("places", |event, _| facts::some_of(&event.presence.places)),
    ("api_ids", |event, _| facts::some_of(&event.presence.api_ids)),
    ("first_seen", |event, _| event.presence.first_seen.map(rfc3339).into()),
    ("last_seen", |event, _| event.presence.last_seen.map(rfc3339).into()),
    ("proxy", |event, context| group(&PROXY, event, context)),
    ("cert_id_source", |event, _| event.is_of_certificate().then(|| event.certificate.source.as_str()).into()),
    ("reason", |event, _| facts::rejection(event).map(|rejection| rejection.reason.as_str()).into()),
    ("detail", |event, _| facts::said(event).into()),
    ("address", |event, _| facts::rejection(event).and_then(|rejection| rejection.address.as_deref()).into()),
    ("held", |event, context| other(EventKind::CertificateStale, event, context)),
    ("replaced_by", |event, context| other(EventKind::CertificateRenewed, event, context)),
    ("ends_first", |event, context| other(EventKind::ChainExpiresFirst, event, context)),
    ("expected_at", |event, _| facts::expected(event).map(rfc3339).into()),
    ("certificates", |event, _| listing::certificates(event)),
    ("certificates_count", |event, _| listing::count(event).into()),
    ("watching", |event, context| group(&WATCHING, event, context)),
    ("next_expiry", |event, context| group(&NEXT_EXPIRY, event, context)),
    ("version", |event, _| facts::report(event).map(|_| env!("CARGO_PKG_VERSION")).into()),
    ("configuration", |event, _| facts::report(event).map(|report| report.configuration.as_str()).into()),
    ("not_after", |event, _| facts::is_dated(event).then(|| rfc3339(event.certificate.not_after)).into()),
    ("place", |event, _| event.presence.place().into()),
    ("lines", |event, _| listing::lines(event).into()),
    ("resolved", |event, _| event.is_over().into()),
    ("alert", |event, context| group(&ALERT, event, context)),
    ("unix", |event, context| group(&UNIX, event, context)),
    ("data", |event, context| group(&DATA, event, context)),
];

/// Fields that hold others. One of which nothing is known is nothing itself.
pub(super) const GROUPS: [(&str, &[Field]); 9] = [
    ("alert", &ALERT),
    ("unix", &UNIX),
    ("data", &DATA),
    ("held", &OTHER),
    ("replaced_by", &OTHER),
    ("ends_first", &OTHER),
    ("watching", &WATCHING),
    ("next_expiry", &NEXT_EXPIRY),
    ("proxy", &PROXY),
];

/// News that is no alert is seen, and then gone.
const NEWS_LASTS: Duration = MINUTE.saturating_mul(5);

/// The alert that an event is, or that it closes: the same from its first event to its last.
const ALERT: [Field; 7] = [
    ("name", |event, _| event.alert().kind.as_str().into()),
    ("key", |event, _| event.key().into()),
    ("severity", |event, _| event.alert().severity.as_str().into()),
    ("place", |event, _| facts::place_of_alert(event).into()),
    ("is_open", |event, _| facts::is_open(event).into()),
    ("starts_at", |event, _| rfc3339(event.since).into()),
    ("ends_at", |event, context| {
        let lasts = match event.is_over() {
            true => Duration::ZERO,
            false if facts::is_open(event) => context.lasts,
            false => NEWS_LASTS,
        };
        rfc3339(context.now.after(lasts)).into()
    }),
];

/// Another certificate.
const OTHER: [Field; 3] = [
    ("cert_id", |event, _| event.other().map(|other| other.id.to_string()).into()),
    ("cert_name", |event, _| event.other().map(|other| other.name.as_str()).into()),
    ("expires_at", |event, _| event.other().map(|other| rfc3339(other.not_after)).into()),
];

/// How many certificates the monitor watches.
const WATCHING: [Field; 4] = [
    ("server", |event, _| counts(event, Role::Server)),
    ("ca", |event, _| counts(event, Role::Ca)),
    ("client", |event, _| counts(event, Role::Client)),
    ("upstream", |event, _| counts(event, Role::Upstream)),
];

/// Which of them ends next.
const NEXT_EXPIRY: [Field; 2] = [
    ("cert_name", |event, _| facts::next(event).map(|(name, _)| name.as_str()).into()),
    ("expires_at", |event, _| facts::next(event).map(|(_, end)| rfc3339(*end)).into()),
];

/// The proxy that tells.
const PROXY: [Field; 2] = [
    ("node", |_, context| context.proxy.map(|proxy| known(&proxy.node)).into()),
    ("cluster", |_, context| context.proxy.map(|proxy| known(&proxy.cluster)).into()),
];

/// Times in seconds since 1970.
const UNIX: [Field; 3] = [
    ("timestamp", |event, _| event.timestamp.secs().into()),
    ("not_before", |event, _| facts::is_dated(event).then(|| event.certificate.not_before.secs()).into()),
    ("not_after", |event, _| facts::is_dated(event).then(|| event.certificate.not_after.secs()).into()),
];

/// What a body that was written for `NetBox` SSL names.
const DATA: [Field; 9] = [
    ("common_name", |event, _| known(&event.certificate.name)),
    ("valid_to", |event, _| facts::is_dated(event).then(|| rfc3339(event.certificate.not_after)).into()),
    ("issuer", |event, _| known(&event.certificate.issuer)),
    ("days_remaining", |event, _| facts::is_dated(event).then(|| facts::days_left(event)).into()),
    ("threshold", |event, _| facts::threshold(event)),
    // That one counts the services that use a certificate. An event is about one use of it.
    ("assignment_count", |_, _| 1.into()),
    ("serial_number", |event, _| known(&event.certificate.serial_number)),
    ("subject", |event, _| known(&event.certificate.subject)),
    ("sans", |event, _| event.certificate.sans.clone().into()),
];

fn known(text: &str) -> Value {
    Some(text).filter(|text| !text.is_empty()).into()
}

/// What is known of the certificates in a role: nothing, unless an event says how the monitor is.
fn counts(event: &Event, role: Role) -> Value {
    let counts = facts::report(event).and_then(|report| report.roles.get(role as usize));
    Value::from_object(Record(vec![
        ("total", counts.map(|counts| counts.total).into()),
        ("expiring", counts.map(|counts| counts.expiring).into()),
        ("expired", counts.map(|counts| counts.expired).into()),
    ]))
}

fn group(fields: &[Field], event: &Event, context: Context<'_>) -> Value {
    Value::from_object(Record(fields.iter().map(|(name, read)| (*name, read(event, context))).collect()))
}

/// The other certificate of events of this kind.
fn other(kind: EventKind, event: &Event, context: Context<'_>) -> Value {
    let read = |(name, read): &Field| (*name, if event.kind == kind { read(event, context) } else { ().into() });
    Value::from_object(Record(OTHER.iter().map(read).collect()))
}
