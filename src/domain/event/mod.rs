//! What a receiver is told.

mod detail;
mod digest;
mod kind;
mod message;

use std::rc::Rc;
use std::time::Duration;

use sha2::{Digest, Sha256};

pub use self::detail::{Counts, Detail, Listed, ListedEvent, Listing, MOST_LISTED, Report};
pub use self::kind::{EventKind, Severity};
pub use self::message::{largest_unit, time_left};

use self::message::whole;
use super::assessment::Crossing;
use super::certificate::{CertId, Certificate};
use super::incident::Incident;
use super::ledger::Notice;
use super::presence::Presence;
use super::role::{Role, Usage};
use super::rule::Rule;
use super::text::hex;
use super::time::{DAY, UnixTime};

/// One event about one certificate in one usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Derived from what the event says and the cooldown period it falls into, so that every proxy of a fleet, and the
    /// same proxy after a restart, computes the same one and a receiver can drop doubles.
    pub id: String,
    /// What happened.
    pub kind: EventKind,
    /// How bad it is.
    pub severity: Severity,
    /// The alert that it closes, if it closes one.
    pub closes: Option<Alert>,
    /// What it is about, as the ledger and the outbox know it: the certificate's id, or one that stands for the place
    /// where it happened.
    pub about: CertId,
    /// The certificate it happened to.
    pub certificate: Rc<Certificate>,
    /// What the certificate is used for.
    pub usage: Usage,
    /// Where and when this proxy has met the certificate.
    pub presence: Presence,
    /// What else there is to say.
    pub detail: Detail,
    /// The name of the rule that was crossed, or of what is wrong.
    pub rule: String,
    /// When it was crossed, or began.
    pub since: UnixTime,
    /// When the event was made.
    pub timestamp: UnixTime,
}

/// What was told, as long as it is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The kind of event that was told last.
    pub kind: EventKind,
    /// How bad it was.
    pub severity: Severity,
    /// How bad the warnings were that came before: whoever got one of them wants to hear of the end, too.
    pub warned: Vec<Severity>,
}

impl Event {
    /// The event of `certificate` crossing a rule. `counted_from` is the moment whose cooldown `period` numbers the
    /// event: `now`, or for a repeated delivery the moment of the first one.
    pub fn new(
        certificate: &Rc<Certificate>,
        usage: &Usage,
        presence: Presence,
        crossing: &Crossing<'_>,
        period: Duration,
        counted_from: UnixTime,
        now: UnixTime,
    ) -> Self {
        let kind = EventKind::of(crossing.rule);
        let number = number(kind, crossing.at, period, counted_from);
        Self {
            id: told_id(certificate.id, usage, kind, crossing.rule.name(), &Detail::Nothing, number),
            kind,
            severity: crossing.severity,
            closes: None,
            about: certificate.id,
            certificate: Rc::clone(certificate),
            usage: usage.clone(),
            presence,
            detail: Detail::Nothing,
            rule: crossing.rule.name().to_owned(),
            since: crossing.at,
            timestamp: now,
        }
    }

    /// The event that closes the alert of which `notice` tells and that was about `about`: the certificate is not used like
    /// this any more, or `successor` has taken its place. Its id is derived from that of the event it closes, whose cooldown
    /// `period` has numbered that one.
    pub fn closing(
        about: CertId,
        notice: &Notice,
        successor: Option<&Rc<Certificate>>,
        usage: &Usage,
        period: Duration,
        now: UnixTime,
    ) -> Self {
        let Notice { certificate, rule, since, presence, .. } = notice;
        let kind = successor.map_or(EventKind::CertificateResolved, |_| EventKind::CertificateRenewed);
        let number = number(notice.kind, *since, period, notice.at);
        let closed = told_id(about, usage, notice.kind, rule, &notice.detail, number);
        let by = successor.map(|successor| successor.id.to_string()).unwrap_or_default();
        Self {
            id: id(about, usage, &[kind.as_str(), &closed, &by], 0),
            kind,
            severity: kind.severity(),
            closes: Some(notice.alert()),
            about,
            certificate: Rc::clone(certificate),
            usage: usage.clone(),
            presence: presence.clone(),
            detail: successor.map_or(Detail::Nothing, |successor| Detail::Other(Rc::clone(successor))),
            rule: rule.clone(),
            since: *since,
            timestamp: now,
        }
    }

    /// The event of an [`Incident`], which is numbered by the cooldown period that `counted_from` falls into.
    pub fn of_incident(
        incident: &Incident,
        since: UnixTime,
        period: Duration,
        counted_from: UnixTime,
        now: UnixTime,
    ) -> Self {
        let Incident { kind, about, certificate, usage, presence, detail, rule } = incident.clone();
        let number = match &detail {
            // Whenever it is told: it is told again when it has doubled.
            Detail::Listing(listing) if kind == EventKind::ExpiryStorm => {
                listing.total.checked_ilog2().unwrap_or_default().into()
            }
            _ => number(kind, since, period, counted_from),
        };
        Self {
            id: told_id(about, &usage, kind, &rule, &detail, number),
            kind,
            severity: kind.severity(),
            closes: None,
            about,
            certificate,
            usage,
            presence,
            detail,
            rule,
            since,
            timestamp: now,
        }
    }

    /// The event that asks whether the webhook of this name works, once for a document. It looks like any other, so that
    /// whatever takes real ones takes it.
    pub fn test(webhook: &str, document: u32, now: UnixTime) -> Self {
        let kind = EventKind::WebhookTest;
        let rule = Rule::days(30);
        let end = now.after(DAY.saturating_mul(30));
        let name = "cert-expiry-monitor";
        let certificate = Rc::new(Certificate {
            not_before: now,
            serial_number: "00".to_owned(),
            subject: format!("CN={name}"),
            issuer: format!("CN={name}"),
            ..Certificate::bare(CertId::of_der(webhook.as_bytes()), name, end)
        });
        let usage = Usage::new(Role::Server, None);
        Self {
            id: id(certificate.id, &usage, &[kind.as_str(), webhook], document.into()),
            kind,
            severity: kind.severity(),
            closes: None,
            about: certificate.id,
            certificate,
            usage,
            presence: Presence::default(),
            detail: Detail::Nothing,
            rule: rule.name().to_owned(),
            since: now,
            timestamp: now,
        }
    }

    /// The id of a request about these events: that of the only one, or one that stands for exactly these.
    pub fn id_of_all(events: &[&Self]) -> String {
        if let [event] = events {
            return event.id.clone();
        }
        let mut hash = Sha256::new();
        for event in events {
            hash.update(event.id.as_bytes());
        }
        short_hex(hash)
    }

    /// The alert that it is, or that it closes: the same from its first event to its last.
    pub fn alert(&self) -> Alert {
        self.closes.clone().unwrap_or_else(|| Alert { kind: self.kind, severity: self.severity, warned: Vec::new() })
    }

    /// Whether it says that something is over, or was renewed.
    pub const fn is_over(&self) -> bool {
        self.closes.is_some() || self.kind.closes()
    }

    /// The same for all events about one certificate in one usage: names the alert, or the incident, that they are part of.
    pub fn key(&self) -> String {
        id(self.about, &self.usage, &[], 0)
    }

    /// Whether it tells of one certificate: the end of an alert does if the alert did.
    pub fn is_of_certificate(&self) -> bool {
        self.kind.is_of_certificate() && self.closes.as_ref().is_none_or(|alert| alert.kind.is_of_certificate())
    }

    /// Whole seconds until the certificate's end, rounded down; below zero once it has ended.
    pub fn seconds_remaining(&self) -> i64 {
        self.certificate.not_after.millis().saturating_sub(self.timestamp.millis()).div_euclid(1_000)
    }

    /// Whole days until the certificate's end, rounded down; zero once it has ended.
    pub fn days_remaining(&self) -> u64 {
        whole(self.timestamp.until(self.certificate.not_after), DAY)
    }

    /// Whole days since the certificate's end, rounded down; zero before it.
    pub fn days_since_expiry(&self) -> u64 {
        whole(self.certificate.not_after.until(self.timestamp), DAY)
    }
}

/// The number of the cooldown period that `counted_from` falls into.
fn number(kind: EventKind, since: UnixTime, period: Duration, counted_from: UnixTime) -> u128 {
    // When a rule was crossed is the same for every proxy. Everything else begins for each when it is noticed there.
    let begin = if EventKind::OF_TYK.contains(&kind) { since } else { UnixTime::from_secs(0) };
    begin.until(counted_from).as_millis().checked_div(period.as_millis()).unwrap_or_default()
}

/// The id of an event that closes nothing.
fn told_id(about: CertId, usage: &Usage, kind: EventKind, rule: &str, detail: &Detail, number: u128) -> String {
    match detail {
        Detail::Other(certificate) => id(about, usage, &[kind.as_str(), rule, &certificate.id.to_string()], number),
        // Another proxy may have seen other renewals, and an authority may change its mind.
        Detail::Due { text, .. } => id(about, usage, &[kind.as_str(), rule, text], number),
        _ => id(about, usage, &[kind.as_str(), rule], number),
    }
}

fn id(about: CertId, usage: &Usage, what: &[&str], number: u128) -> String {
    let mut hash = Sha256::new();
    hash.update(about.to_bytes());
    // Each part ends in a byte that no part contains, so that no two lists of parts are the same bytes.
    for part in
        [usage.role().as_str(), usage.api_id().unwrap_or_default()].iter().chain(usage.place().iter()).chain(what)
    {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.update(number.to_be_bytes());
    short_hex(hash)
}

fn short_hex(hash: Sha256) -> String {
    hash.finalize().first_chunk::<16>().map(|bytes| hex(bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
