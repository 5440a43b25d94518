//! Something that happened at a place, or is true of a certificate beside its end.

use std::rc::Rc;

use super::certificate::{CertId, Certificate, IdSource};
use super::event::{Detail, EventKind};
use super::ledger::Notice;
use super::presence::{Origin, Presence};
use super::rejection::{Reason, Rejection};
use super::role::Usage;
use super::time::UnixTime;

/// What there is to tell of it. Its cooldown belongs to what it is about, whatever certificate is involved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// The kind of event that tells of it.
    pub kind: EventKind,
    /// Stands for the place, or for the certificate, and for what is wrong there.
    pub about: CertId,
    /// The certificate that is involved.
    pub certificate: Rc<Certificate>,
    /// What it is used for.
    pub usage: Usage,
    /// Where that is, the most telling place first.
    pub presence: Presence,
    /// What else there is to say.
    pub detail: Detail,
    /// One word for what is wrong.
    pub rule: String,
}

/// The rule of a certificate that is held and not served.
const NOT_SERVED: &str = "not_served";

impl Incident {
    /// The rule of a certificate that some addresses of an upstream present still, while others present a newer one.
    pub const SPLIT: &str = "split";
    /// The rule of one that has not begun.
    pub const NOT_YET_VALID: &str = "not_yet_valid";
    /// The rule of one that depends on another one that ends first.
    pub const CHAIN: &str = "chain";
    /// The rule of one that is seen for the first time.
    pub const DISCOVERED: &str = "discovered";
    /// The rule of one that was renewed before anybody was warned of its end.
    pub const RENEWED: &str = "renewed";
    /// The rule of one whose renewal is late by what is usual.
    pub const RENEWAL: &str = "renewal";
    /// The rule of one whose renewal is late by what its authority says.
    pub const RENEWAL_INFO: &str = "renewal_info";
    /// The rule of one that its authority wants renewed earlier than it has said before.
    pub const RENEWAL_INFO_MOVED: &str = "renewal_info_moved";

    /// Something is true of a certificate in one usage.
    pub fn of_certificate(
        kind: EventKind,
        certificate: &Rc<Certificate>,
        usage: &Usage,
        presence: Presence,
        rule: &str,
        detail: Detail,
    ) -> Self {
        let (certificate, usage, rule) = (Rc::clone(certificate), usage.clone(), rule.to_owned());
        Self { kind, about: Self::about(kind, certificate.id), certificate, usage, presence, detail, rule }
    }

    /// Stands for what a kind of event says of a certificate.
    pub fn about(kind: EventKind, certificate: CertId) -> CertId {
        certificate.marked(kind.as_str())
    }

    /// Something is true of the proxy, or of many certificates: `name` is what tells it from others of its kind.
    pub fn of_proxy(kind: EventKind, name: &str, detail: Detail) -> Self {
        let about = CertId::of_words(&["cert-expiry-monitor/proxy", kind.as_str(), name]);
        let usage = Usage::new(super::Role::Server, None);
        let (presence, rule) = (Presence::default(), name.to_owned());
        Self { kind, about, certificate: Rc::new(nothing(about)), usage, presence, detail, rule }
    }

    /// Envoy holds one certificate at a place and serves another one.
    pub fn stale(served: &Rc<Certificate>, held: &Rc<Certificate>, usage: &Usage, presence: Presence) -> Self {
        let place = presence.place().unwrap_or_default();
        Self {
            kind: EventKind::CertificateStale,
            about: CertId::of_words(&["cert-expiry-monitor/stale", usage.role().as_str(), place]),
            certificate: Rc::clone(served),
            usage: usage.clone(),
            presence,
            detail: Detail::Other(Rc::clone(held)),
            rule: NOT_SERVED.to_owned(),
        }
    }

    /// A handshake has failed. The certificate is not known where nobody has shown it, and its name is empty and its end
    /// [`UnixTime::NEVER`] where only its fingerprint was.
    pub fn rejected(certificate: Option<Rc<Certificate>>, usage: &Usage, place: &str, rejection: Rejection) -> Self {
        let rule = rejection.reason.as_str();
        let about = Self::rejected_at(usage, place, rejection.reason);
        Self {
            kind: EventKind::CertificateRejected,
            about,
            certificate: certificate.unwrap_or_else(|| Rc::new(nothing(about))),
            usage: usage.clone(),
            presence: Presence { places: vec![place.to_owned()], origin: Origin::Peer, ..Presence::default() },
            detail: Detail::Rejection(Rc::new(rejection)),
            rule: rule.to_owned(),
        }
    }

    /// One that was told before, as the notice about it says.
    pub fn again(about: CertId, notice: &Notice, usage: &Usage) -> Self {
        let Notice { certificate, kind, rule, presence, detail, .. } = notice.clone();
        Self { kind, about, certificate, usage: usage.clone(), presence, detail, rule }
    }

    /// Stands for the handshakes at a place that fail for a reason.
    pub fn rejected_at(usage: &Usage, place: &str, reason: Reason) -> CertId {
        CertId::of_words(&["cert-expiry-monitor/rejected", usage.role().as_str(), place, reason.as_str()])
    }
}

/// No certificate.
fn nothing(about: CertId) -> Certificate {
    Certificate { source: IdSource::Unknown, ..Certificate::bare(about, "", UnixTime::NEVER) }
}
