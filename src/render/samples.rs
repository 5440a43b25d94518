//! Events that templates are tried on before they are needed.

use std::rc::Rc;

use super::fields::Proxy;
use crate::domain::certificate::IdSource;
use crate::domain::event::{Counts, Listed, ListedEvent, Listing, MOST_LISTED, Report};
use crate::domain::text::LONGEST;
use crate::domain::time::DAY;
use crate::domain::{
    Alert, CertId, Certificate, Detail, Event, EventKind, Presence, Reason, Rejection, Role, Rule, Severity, UnixTime,
    Usage,
};

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
        unknown.certificate = if kind == EventKind::CertificateRejected || !kind.is_of_certificate() {
            nothing(*id)
        } else {
            Rc::new(Certificate { source: IdSource::Provisional, ..Certificate::bare(*id, name, *not_after) })
        };
        unknown.presence.places.clear();
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
        EventKind::CertificateStale | EventKind::CertificateRenewed | EventKind::ChainExpiresFirst => {
            Detail::Other(Rc::new(Certificate::bare(CertId::of_der(b"other"), text, UnixTime::from_secs(0))))
        }
        EventKind::CertificateWeak | EventKind::ClockSkewSuspected => Detail::Text(text.to_owned()),
        EventKind::CertificateRenewalOverdue => Detail::Due { at: UnixTime::from_secs(0), text: text.to_owned() },
        EventKind::ExpiryStorm => Detail::Listing(Rc::new(listing(text))),
        EventKind::MonitorHeartbeat => {
            let next = Some((text.to_owned(), UnixTime::from_secs(0)));
            let roles = [Counts { total: 3, expiring: 2, expired: 1 }; Role::ALL.len()];
            Detail::Report(Rc::new(Report { roles, next, configuration: "0".repeat(16) }))
        }
        EventKind::CertificateRejected => {
            let (text, address) = (text.to_owned(), Some(text.to_owned()));
            Detail::Rejection(Rc::new(Rejection { reason: Reason::Expired, text, address }))
        }
        _ => Detail::Nothing,
    }
}

/// As many certificates as there may be. The first few are called `text`, every other one is told of by an event, and not
/// all are listed.
fn listing(text: &str) -> Listing {
    const NAMED: usize = 4;
    let listed = |number: usize| {
        let text = if number < NAMED { text } else { "x" };
        let event = number.is_multiple_of(2).then(|| ListedEvent {
            id: "0".repeat(32),
            kind: EventKind::CertificateExpiringSoon,
            severity: Severity::Warning,
            rule: "30d".to_owned(),
            message: text.to_owned(),
        });
        let usage = Usage::new(Role::Client, Some(text.to_owned()));
        Listed { id: CertId::of_der(b"listed"), name: text.to_owned(), usage, not_after: UnixTime::from_secs(0), event }
    };
    let mut certificates = Vec::new();
    certificates.extend((0..MOST_LISTED).map(listed));
    Listing { total: MOST_LISTED.saturating_mul(2), certificates }
}

/// An event of `kind` about a certificate that is called `name`, as is everything else about it that has a name.
pub(super) fn sample(kind: EventKind, role: Role, name: &str) -> Event {
    let end = UnixTime::from_secs(0);
    let is_over = kind == EventKind::CertificateExpired;
    let crossed = if is_over { Rule::expired() } else { Rule::days(30) };
    let since = end.before(crossed.remaining_of(None).unwrap_or_default());
    let event = Event {
        id: "0".repeat(32),
        kind,
        severity: kind.severity(),
        closes: kind.closes().then(|| Alert {
            kind: EventKind::CertificateExpiringSoon,
            severity: Severity::Warning,
            warned: Vec::new(),
        }),
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
        presence: Presence::at(&[name.to_owned()]),
        detail: detail(kind, name),
        rule: crossed.name().to_owned(),
        since,
        timestamp: since,
    };
    if kind.is_of_certificate() {
        return event;
    }
    let usage = Usage::new(Role::Server, None);
    Event { certificate: nothing(event.about), usage, presence: Presence::default(), ..event }
}

fn nothing(about: CertId) -> Rc<Certificate> {
    Rc::new(Certificate { source: IdSource::Unknown, ..Certificate::bare(about, "", UnixTime::NEVER) })
}
