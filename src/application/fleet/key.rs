//! The keys of a store that a fleet shares, as `redis-cli` shows them.

use std::fmt::Write;

use crate::domain::{CertId, Event, EventKind};

/// Longer parts are cut, and told apart by their SHA-256: routes and places may be named by anything.
const LONGEST_PART: usize = 128;

/// The key of what is told to a webhook by an event: the same for every proxy that would tell it, and in every period.
pub fn event(prefix: &str, event: &Event, webhook: &str) -> String {
    let what = match &event.closes {
        Some(alert) => format!("{}.{}", alert.kind, event.rule),
        None if is_numbered(event) => event.id.clone(),
        None => event.rule.clone(),
    };
    key(prefix, event, event.kind, &what, webhook)
}

/// The key of the alert that an event ends: from then on it may be told anew.
pub fn alert(prefix: &str, closing: &Event, webhook: &str) -> Option<String> {
    let alert = closing.closes.as_ref()?;
    Some(key(prefix, closing, alert.kind, &closing.rule, webhook))
}

/// The keys of the ends of an alert: where it is told anew, so is its end.
pub fn ends(prefix: &str, alert: &Event, webhook: &str) -> Option<[String; 2]> {
    let kinds = [EventKind::CertificateResolved, EventKind::CertificateRenewed];
    let what = format!("{}.{}", alert.kind, alert.rule);
    (alert.closes.is_none() && alert.kind.lasts()).then(|| kinds.map(|kind| key(prefix, alert, kind, &what, webhook)))
}

fn key(prefix: &str, event: &Event, kind: EventKind, what: &str, webhook: &str) -> String {
    let mut parts = vec![event.usage.role().as_str()];
    parts.extend(event.usage.api_id());
    parts.extend(event.usage.place());
    parts.extend([kind.as_str(), what, webhook]);
    parts.iter().fold(format!("{prefix}cert-cooldown:event:{}", subject(event)), |mut key, part| {
        key.push(':');
        push(&mut key, part);
        key
    })
}

/// The certificate's id; for what happened at a place, that of the place.
fn subject(event: &Event) -> CertId {
    let kind = event.alert().kind;
    let is_of_place = matches!(kind, EventKind::CertificateRejected | EventKind::CertificateStale);
    if is_of_place || !event.is_of_certificate() { event.about } else { event.certificate.id }
}

/// The key that says that a certificate was checked lately.
pub fn check(prefix: &str, id: &CertId) -> String {
    format!("{prefix}cert-cooldown:check:{id}")
}

/// Whether an event is told once, and not once in a period: its id is the same for every proxy, and says which one it is.
pub fn is_numbered(event: &Event) -> bool {
    event.closes.is_none() && (event.kind.happens_once() || event.kind == EventKind::ExpiryStorm)
}

/// Adds a part that cannot be taken for two: everything but letters, digits and three marks is percent-encoded.
fn push(key: &mut String, part: &str) {
    let begin = key.len();
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            key.push(byte.into());
        } else {
            // Writing to a String cannot fail.
            let _ = write!(key, "%{byte:02X}");
        }
    }
    if key.len().saturating_sub(begin) > LONGEST_PART {
        key.truncate(begin.saturating_add(LONGEST_PART));
        let _ = write!(key, "~{}", CertId::of_der(part.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Role, UnixTime, Usage};

    /// An event of a kind about a client's certificate, told apart by these.
    fn of(kind: EventKind, id: &str, about: &str, api_id: &str) -> Event {
        let test = Event::test("hooks", 1, UnixTime::from_secs(0));
        let about = if about.is_empty() { test.certificate.id } else { CertId::of_der(about.as_bytes()) };
        Event { kind, id: id.into(), about, usage: Usage::new(Role::Client, Some(api_id.into())), ..test }
    }

    fn key_of(event: &Event) -> String {
        super::event("", event, "ops").split_once(&event.certificate.id.to_string()).unwrap().1.to_owned()
    }

    #[test]
    fn a_key_names_what_is_told_and_not_when() {
        let soon = of(EventKind::CertificateExpiringSoon, "1", "", "orders");
        assert_eq!(key_of(&soon), ":client:orders:CertificateExpiringSoon:30d:ops");
        assert_eq!(key_of(&soon), key_of(&Event { id: "2".into(), ..soon.clone() }), "in every period");
        assert!(super::event("eu/", &soon, "ops").starts_with("eu/cert-cooldown:event:"));
        let rejected = |place| super::event("", &of(EventKind::CertificateRejected, "1", place, "orders"), "ops");
        assert_ne!(rejected("a place"), rejected("another"));
        assert_ne!(key_of(&soon), key_of(&of(EventKind::CertificateExpiringSoon, "1", "", "orders:30d")));
        for kind in [EventKind::ExpiryStorm, EventKind::CertificateRenewed, EventKind::CertificateDiscovered] {
            assert_eq!(
                key_of(&of(kind, "id-1", "", "orders")),
                format!(":client:orders:{kind}:id-1:ops"),
                "it is told once"
            );
        }
    }

    #[test]
    fn the_end_of_an_alert_has_a_key_of_its_own_and_names_that_of_the_alert() {
        let soon = of(EventKind::CertificateExpiringSoon, "1", "", "orders");
        let over =
            Event { kind: EventKind::CertificateResolved, id: "2".into(), closes: Some(soon.alert()), ..soon.clone() };
        assert_eq!(key_of(&over), ":client:orders:CertificateResolved:CertificateExpiringSoon.30d:ops");
        assert_eq!(alert("", &over, "ops"), Some(super::event("", &soon, "ops")));
        assert_eq!(alert("", &soon, "ops"), None);
        let renewed = Event { kind: EventKind::CertificateRenewed, ..over.clone() };
        assert_eq!(ends("", &soon, "ops"), Some([&over, &renewed].map(|end| super::event("", end, "ops"))));
        assert_eq!(ends("", &over, "ops"), None);
    }

    fn pushed(part: &str) -> String {
        let mut key = String::new();
        push(&mut key, part);
        key
    }

    #[test]
    fn no_part_looks_like_two() {
        assert_eq!(pushed("30d"), "30d");
        assert_eq!(pushed("orders:v1/ä"), "orders%3Av1%2F%C3%A4");
        assert_ne!(pushed("a:b"), pushed("a%3Ab"));
    }

    #[test]
    fn long_parts_are_told_apart() {
        let (one, other) = (format!("{}1", "x".repeat(5_000)), format!("{}2", "x".repeat(5_000)));
        assert!(pushed(&one).len() < 200);
        assert_ne!(pushed(&one), pushed(&other));
    }
}
