//! Events that templates are tried on before they are needed.

use std::rc::Rc;

use super::fields::Proxy;
use crate::domain::certificate::IdSource;
use crate::domain::text::LONGEST;
use crate::domain::time::DAY;
use crate::domain::{CertId, Certificate, Detail, Event, EventKind, Reason, Rejection, Role, Rule, UnixTime, Usage};

/// A text that no way of writing it leaves as it is.
const DELICATE: &str = "\"a\\b\" {{ c }} <d> @e](f) é漢🔒";

/// One event of each kind: first the two that Tyk has, the one about a certificate that is expiring and the one about a
/// certificate that has expired.
pub fn samples() -> Vec<Event> {
    EventKind::ALL.iter().map(|kind| sample(*kind, Role::Client, "sample")).collect()
}

/// A proxy whose names are as delicate, and as long, as they get.
pub(super) fn trial_proxy() -> Proxy {
    Proxy { node: DELICATE.to_owned(), cluster: "🔒".repeat(LONGEST) }
}

/// Events of every kind about certificates in every role: one whose texts are delicate, one of which nothing is known,
/// one whose texts are as long as they get, and one whose end is near or past.
pub(super) fn trials() -> impl Iterator<Item = Event> {
    let longest = "🔒".repeat(LONGEST);
    EventKind::ALL.into_iter().flat_map(move |kind| {
        let mut unknown = sample(kind, Role::Ca, DELICATE);
        let Certificate { id, name, not_after, .. } = &*unknown.certificate;
        unknown.certificate = Rc::new(if kind == EventKind::CertificateRejected {
            Certificate { source: IdSource::Unknown, ..Certificate::bare(*id, "", UnixTime::NEVER) }
        } else {
            Certificate { source: IdSource::Provisional, ..Certificate::bare(*id, name, *not_after) }
        });
        unknown.places.clear();
        let mut late = sample(kind, Role::Upstream, DELICATE);
        let end = late.certificate.not_after;
        if kind == EventKind::CertificateExpired {
            late.timestamp = end.after(DAY);
        } else {
            late.timestamp = end.before(DAY);
            late.rule = "7d".into();
        }
        [sample(kind, Role::Server, DELICATE), unknown, sample(kind, Role::Client, &longest), late]
    })
}

fn detail(kind: EventKind, text: &str) -> Detail {
    match kind {
        EventKind::CertificateStale => {
            Detail::Held(Rc::new(Certificate::bare(CertId::of_der(b"held"), text, UnixTime::from_secs(0))))
        }
        EventKind::CertificateRejected => {
            let (text, address) = (text.to_owned(), Some(text.to_owned()));
            Detail::Rejection(Rc::new(Rejection { reason: Reason::Expired, text, address }))
        }
        _ => Detail::Nothing,
    }
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
        about: CertId::of_der(b"sample"),
        usage: Usage::new(role, Some(name.to_owned())),
        places: vec![name.to_owned()],
        detail: detail(kind, name),
        rule: crossed.name().to_owned(),
        since,
        timestamp: since,
    }
}
