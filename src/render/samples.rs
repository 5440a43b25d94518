//! Events that templates are tried on before they are needed.

use std::rc::Rc;

use crate::domain::text::LONGEST;
use crate::domain::time::DAY;
use crate::domain::{CertId, Certificate, Event, EventKind, Role, Rule, UnixTime, Usage};

/// A text that no way of writing it leaves as it is.
const DELICATE: &str = "\"a\\b\" {{ c }} <d> @e](f) é漢🔒";

/// One event of each kind: first the two that Tyk has, the one about a certificate that is expiring and the one about a
/// certificate that has expired.
pub fn samples() -> Vec<Event> {
    EventKind::ALL.iter().map(|kind| sample(*kind, Role::Client, "sample")).collect()
}

/// Events of every kind about certificates in every role, with texts that are delicate, and with texts that are as long
/// as they get.
pub(super) fn trials() -> impl Iterator<Item = Event> {
    let longest = "🔒".repeat(LONGEST);
    EventKind::ALL.into_iter().flat_map(move |kind| {
        let longest = longest.clone();
        Role::ALL.into_iter().map(move |role| {
            let is_long = matches!(role, Role::Ca | Role::Upstream);
            sample(kind, role, if is_long { &longest } else { DELICATE })
        })
    })
}

/// An event of `kind` about a certificate that is called `name`, as is everything else about it that has a name.
pub(super) fn sample(kind: EventKind, role: Role, name: &str) -> Event {
    let end = UnixTime::from_secs(0);
    let is_over = kind == EventKind::CertificateExpired;
    let crossed = if is_over { Rule::expired() } else { Rule::days(30) };
    let since = end.before(crossed.remaining());
    Event {
        id: "0".repeat(32),
        kind,
        closes: (kind == EventKind::CertificateResolved).then_some(EventKind::CertificateExpiringSoon),
        certificate: Rc::new(Certificate {
            not_before: end.before(90 * DAY),
            serial_number: "1A2B3C".to_owned(),
            subject: format!("CN={name}"),
            issuer: format!("CN={name}"),
            sans: vec![name.to_owned(), name.to_owned()],
            ..Certificate::bare(CertId::of_der(b"sample"), name, end)
        }),
        usage: Usage::new(role, Some(name.to_owned())),
        rule: crossed.name().to_owned(),
        since,
        timestamp: since,
    }
}
