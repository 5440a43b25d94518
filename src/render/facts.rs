//! What there is to say of an event, and what is not known.

use minijinja::Value;

use crate::domain::certificate::IdSource;
use crate::domain::event::Report;
use crate::domain::{Detail, Event, EventKind, Incident, Rejection, UnixTime};

/// The most that the texts of a list take, in bytes: there may be many places, each with a long name.
const LARGEST_LIST: usize = 4 * 1_024;

/// Whether the certificate's end is told as one that has passed.
pub(super) fn is_expired(event: &Event) -> bool {
    match event.kind {
        EventKind::CertificateExpired => true,
        // These tell of a certificate as it was when people were warned.
        EventKind::CertificateExpiringSoon | EventKind::CertificateResolved | EventKind::WebhookTest => false,
        _ => is_dated(event) && event.timestamp >= event.certificate.not_after,
    }
}

/// Whether it is told as one that is to come.
pub(super) fn is_valid(event: &Event) -> bool {
    is_dated(event) && !is_expired(event)
}

/// Whether it is known when the certificate begins and ends.
pub(super) fn is_dated(event: &Event) -> bool {
    event.certificate.not_after < UnixTime::NEVER
}

/// Whether it is known which certificate it is.
pub(super) fn is_shown(event: &Event) -> bool {
    event.certificate.source != IdSource::Unknown
}

/// Whether the certificate's id is its fingerprint.
pub(super) fn is_fingerprinted(event: &Event) -> bool {
    event.certificate.source == IdSource::Fingerprint
}

/// How many alternative names the certificate has, if it has any.
pub(super) fn sans_count(event: &Event) -> Option<u32> {
    Some(event.certificate.sans_total).filter(|count| *count > 0)
}

/// The first of `texts`, as many as there is room for.
pub(super) fn some_of(texts: &[String]) -> Value {
    let mut room = LARGEST_LIST;
    let fits = |text: &&String| {
        let left = room.checked_sub(text.len());
        room = left.unwrap_or_default();
        left.is_some()
    };
    texts.iter().take_while(fits).map(String::as_str).collect()
}

/// The handshake that failed.
pub(super) fn rejection(event: &Event) -> Option<&Rejection> {
    match &event.detail {
        Detail::Rejection(rejection) => Some(rejection),
        _ => None,
    }
}

/// What it says for people beside its message, if it is of a kind that does.
pub(super) fn said(event: &Event) -> Option<&str> {
    let says = matches!(event.detail, Detail::Rejection(_) | Detail::Text(_) | Detail::Due { .. });
    says.then(|| event.text())
}

/// When something should have happened.
pub(super) fn expected(event: &Event) -> Option<UnixTime> {
    match event.detail {
        Detail::Due { at, .. } => Some(at),
        _ => None,
    }
}

/// How the monitor is.
pub(super) fn report(event: &Event) -> Option<&Report> {
    match &event.detail {
        Detail::Report(report) => Some(report),
        _ => None,
    }
}

/// The certificate that ends next, and when.
pub(super) fn next(event: &Event) -> Option<&(String, UnixTime)> {
    report(event)?.next.as_ref()
}

/// Whether it opens something that stays until somebody closes it. A failed handshake is closed by hand, there is no
/// event that would; other news has happened, and that is all.
pub(super) fn is_open(event: &Event) -> bool {
    !event.is_over() && (event.kind.lasts() || event.kind == EventKind::CertificateRejected)
}

/// The place that tells its alert from others about the same certificate.
pub(super) fn place_of_alert(event: &Event) -> Option<&str> {
    let is_of_place = match event.alert().kind {
        EventKind::CertificateRejected => true,
        EventKind::CertificateStale => event.rule != Incident::SPLIT,
        _ => false,
    };
    if is_of_place { event.presence.place() } else { event.usage.place() }
}

/// Whole days until the end, rounded down: below zero from the very moment of it.
pub(super) fn days_left(event: &Event) -> i64 {
    let days = |days: u64| i64::try_from(days).unwrap_or(i64::MAX);
    if event.timestamp < event.certificate.not_after {
        days(event.days_remaining())
    } else {
        -1 - days(event.days_since_expiry())
    }
}

/// The days of a rule such as `30d`; the name of one that is not counted in days.
pub(super) fn threshold(event: &Event) -> Value {
    let rule = event.rule.as_str();
    let days = if rule == "expired" { Some(0) } else { rule.strip_suffix('d').and_then(|days| days.parse().ok()) };
    days.map_or_else(|| rule.into(), |days: u32| days.into())
}
