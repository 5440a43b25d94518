//! Something that happened at a place, where an expiry belongs to a certificate.

use std::rc::Rc;

use super::certificate::{CertId, Certificate, IdSource};
use super::event::{Detail, EventKind};
use super::ledger::Notice;
use super::rejection::{Reason, Rejection};
use super::role::Usage;
use super::time::UnixTime;

/// What there is to tell of it. Its cooldown belongs to the place, whatever certificate is involved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// The kind of event that tells of it.
    pub kind: EventKind,
    /// Stands for the place and for what is wrong there.
    pub about: CertId,
    /// The certificate that is involved.
    pub certificate: Rc<Certificate>,
    /// What it is used for.
    pub usage: Usage,
    /// Where that is, the most telling place first.
    pub places: Vec<String>,
    /// What else there is to say.
    pub detail: Detail,
    /// One word for what is wrong.
    pub rule: String,
}

/// The rule of a certificate that is held and not served.
const NOT_SERVED: &str = "not_served";

impl Incident {
    /// Envoy holds one certificate at a place and serves another one.
    pub fn stale(served: &Rc<Certificate>, held: &Rc<Certificate>, usage: &Usage, places: &[String]) -> Self {
        let place = places.first().map(String::as_str).unwrap_or_default();
        Self {
            kind: EventKind::CertificateStale,
            about: CertId::of_words(&["cert-expiry-monitor/stale", usage.role().as_str(), place]),
            certificate: Rc::clone(served),
            usage: usage.clone(),
            places: places.to_vec(),
            detail: Detail::Held(Rc::clone(held)),
            rule: NOT_SERVED.to_owned(),
        }
    }

    /// A handshake has failed. The certificate is not known where nobody has shown it, and its name is empty and its end
    /// [`UnixTime::NEVER`] where only its fingerprint was.
    pub fn rejected(certificate: Option<Rc<Certificate>>, usage: &Usage, place: &str, rejection: Rejection) -> Self {
        let rule = rejection.reason.as_str();
        let about = Self::rejected_at(usage, place, rejection.reason);
        let unknown =
            || Rc::new(Certificate { source: IdSource::Unknown, ..Certificate::bare(about, "", UnixTime::NEVER) });
        Self {
            kind: EventKind::CertificateRejected,
            about,
            certificate: certificate.unwrap_or_else(unknown),
            usage: usage.clone(),
            places: vec![place.to_owned()],
            detail: Detail::Rejection(Rc::new(rejection)),
            rule: rule.to_owned(),
        }
    }

    /// One that was told before, as far as the notice about it says.
    pub fn again(about: CertId, notice: &Notice, usage: &Usage) -> Self {
        let Notice { certificate, kind, rule, places, .. } = notice;
        let reason = Reason::parse(rule);
        let rejection = reason.map(|reason| Rejection { reason, text: String::new(), address: None });
        Self {
            kind: *kind,
            about,
            certificate: Rc::clone(certificate),
            usage: usage.clone(),
            places: places.clone(),
            detail: rejection.map_or(Detail::Nothing, |rejection| Detail::Rejection(Rc::new(rejection))),
            rule: rule.clone(),
        }
    }

    /// Stands for the handshakes at a place that fail for a reason.
    pub fn rejected_at(usage: &Usage, place: &str, reason: Reason) -> CertId {
        CertId::of_words(&["cert-expiry-monitor/rejected", usage.role().as_str(), place, reason.as_str()])
    }
}
