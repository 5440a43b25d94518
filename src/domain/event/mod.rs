//! What a receiver is told.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::assessment::Crossing;
use super::certificate::{CertId, Certificate};
use super::incident::Incident;
use super::ledger::Notice;
use super::rejection::{Reason, Rejection};
use super::role::{Role, Usage};
use super::rule::Rule;
use super::text::hex;
use super::time::{DAY, HOUR, MINUTE, UnixTime};

/// The kinds of event. The names of the first two are Tyk's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// A certificate is within a threshold of its end.
    CertificateExpiringSoon,
    /// A certificate has ended.
    CertificateExpired,
    /// A certificate that people were warned of is not in use any more. Closes the warning.
    CertificateResolved,
    /// Envoy holds a certificate that it does not serve: the one before is in use still.
    CertificateStale,
    /// A handshake failed because of a certificate.
    CertificateRejected,
    /// Nothing happened: somebody wants to know whether a webhook works.
    WebhookTest,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::CertificateExpiringSoon,
        Self::CertificateExpired,
        Self::CertificateResolved,
        Self::CertificateStale,
        Self::CertificateRejected,
        Self::WebhookTest,
    ];
    /// Tyk's two: what a webhook is told of that does not say otherwise.
    pub const OF_TYK: [Self; 2] = [Self::CertificateExpiringSoon, Self::CertificateExpired];
    /// What happens to certificates.
    pub const OF_CERTIFICATES: [Self; 5] = [
        Self::CertificateExpiringSoon,
        Self::CertificateExpired,
        Self::CertificateResolved,
        Self::CertificateStale,
        Self::CertificateRejected,
    ];

    /// The name in configuration, bodies, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CertificateExpiringSoon => "CertificateExpiringSoon",
            Self::CertificateExpired => "CertificateExpired",
            Self::CertificateResolved => "CertificateResolved",
            Self::CertificateStale => "CertificateStale",
            Self::CertificateRejected => "CertificateRejected",
            Self::WebhookTest => "WebhookTest",
        }
    }

    /// The kind of that name, if there is one.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The kind that crossing `rule` makes.
    pub const fn of(rule: &Rule) -> Self {
        if rule.is_expiry() { Self::CertificateExpired } else { Self::CertificateExpiringSoon }
    }

    /// How bad it is.
    pub const fn severity(self) -> Severity {
        match self {
            Self::CertificateExpired | Self::CertificateRejected => Severity::Critical,
            Self::CertificateExpiringSoon | Self::CertificateStale => Severity::Warning,
            Self::CertificateResolved | Self::WebhookTest => Severity::Info,
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How bad an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Something is to be done, and there is time for it.
    Warning,
    /// Something is broken.
    Critical,
}

impl Severity {
    /// Every severity, the mildest first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The word of configuration and bodies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What an event has to say beside its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Nothing.
    Nothing,
    /// The certificate that Envoy holds and does not serve.
    Held(Rc<Certificate>),
    /// The handshake that failed.
    Rejection(Rc<Rejection>),
}

/// One event about one certificate in one usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Derived from what the event says and the cooldown period it falls into, so that every proxy of a fleet, and the
    /// same proxy after a restart, computes the same one and a receiver can drop doubles.
    pub id: String,
    /// What happened.
    pub kind: EventKind,
    /// The kind of the alert that it closes, if it closes one.
    pub closes: Option<EventKind>,
    /// What it is about, as the ledger and the outbox know it: the certificate's id, or one that stands for the place
    /// where it happened.
    pub about: CertId,
    /// The certificate it happened to.
    pub certificate: Rc<Certificate>,
    /// What the certificate is used for.
    pub usage: Usage,
    /// Where the certificate sits: `listener/ingress`, `cluster/orders`, `secret/edge`.
    pub places: Vec<String>,
    /// What else there is to say.
    pub detail: Detail,
    /// The name of the rule that was crossed, or of what is wrong.
    pub rule: String,
    /// When it was crossed, or began.
    pub since: UnixTime,
    /// When the event was made.
    pub timestamp: UnixTime,
}

impl Event {
    /// The event of `certificate` crossing a rule. `counted_from` is the moment whose cooldown `period` numbers the
    /// event: `now`, or for a repeated delivery the moment of the first one.
    pub fn new(
        certificate: &Rc<Certificate>,
        usage: &Usage,
        places: &[String],
        crossing: &Crossing<'_>,
        period: Duration,
        counted_from: UnixTime,
        now: UnixTime,
    ) -> Self {
        let kind = EventKind::of(crossing.rule);
        let number = periods_between(crossing.at, counted_from, period);
        Self {
            id: id(certificate.id, usage, &[kind.as_str(), crossing.rule.name()], number),
            kind,
            closes: None,
            about: certificate.id,
            certificate: Rc::clone(certificate),
            usage: usage.clone(),
            places: places.to_vec(),
            detail: Detail::Nothing,
            rule: crossing.rule.name().to_owned(),
            since: crossing.at,
            timestamp: now,
        }
    }

    /// The event that closes the alert of which `notice` tells and that was about `about`: the certificate is not used like
    /// this any more.
    pub fn closing(about: CertId, notice: &Notice, usage: &Usage, now: UnixTime) -> Self {
        let Notice { certificate, rule, since, places, at, .. } = notice;
        let kind = EventKind::CertificateResolved;
        let number = u128::from(at.millis().unsigned_abs());
        Self {
            id: id(about, usage, &[kind.as_str(), rule], number),
            kind,
            closes: Some(notice.kind),
            about,
            certificate: Rc::clone(certificate),
            usage: usage.clone(),
            places: places.clone(),
            detail: Detail::Nothing,
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
        let Incident { kind, about, certificate, usage, places, detail, rule } = incident.clone();
        let number = periods_between(UnixTime::from_secs(0), counted_from, period);
        let held = match &detail {
            Detail::Held(certificate) => certificate.id.to_string(),
            Detail::Nothing | Detail::Rejection(_) => String::new(),
        };
        Self {
            id: id(about, &usage, &[kind.as_str(), &rule, &held], number),
            kind,
            closes: None,
            about,
            certificate,
            usage,
            places,
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
        let end = now.after(rule.remaining());
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
            closes: None,
            about: certificate.id,
            certificate,
            usage,
            places: Vec::new(),
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

    /// How bad it is.
    pub const fn severity(&self) -> Severity {
        self.kind.severity()
    }

    /// The kind of the alert that it is, or that it closes: what the alert is called as long as it lasts.
    pub fn alert(&self) -> EventKind {
        self.closes.unwrap_or(self.kind)
    }

    /// The same for all events about one certificate in one usage: names the alert, or the incident, that they are part of.
    pub fn key(&self) -> String {
        id(self.about, &self.usage, &[], 0)
    }

    /// The first place, for people.
    fn place(&self) -> &str {
        self.places.first().map_or("an unknown place", String::as_str)
    }

    /// One sentence for people.
    pub fn message(&self) -> String {
        let Certificate { name, not_after, .. } = &*self.certificate;
        match self.kind {
            EventKind::CertificateExpiringSoon => {
                format!("Certificate {name} is expiring in {}", time_left(self.timestamp.until(*not_after)))
            }
            EventKind::CertificateExpired => {
                format!("Certificate {name} expired {} ago", largest_unit(not_after.until(self.timestamp)))
            }
            EventKind::CertificateResolved if self.closes == Some(EventKind::CertificateStale) => {
                format!("Certificate {name} is not in use any more in place of a newer one")
            }
            EventKind::CertificateResolved => format!("Certificate {name} is not in use any more"),
            EventKind::CertificateStale => {
                format!("Certificate {name} is still in use at {}, although Envoy holds a newer one", self.place())
            }
            EventKind::CertificateRejected => self.rejection_message(),
            EventKind::WebhookTest => "This is a test of a webhook, no certificate is concerned".to_owned(),
        }
    }

    fn rejection_message(&self) -> String {
        let (place, rule) = (self.place(), &self.rule);
        let name = &self.certificate.name;
        let name = if name.is_empty() { String::new() } else { format!(" {name}") };
        match self.usage.role() {
            _ if *rule == Reason::Refused.as_str() => format!("The upstream at {place} refuses our certificate"),
            Role::Upstream => format!("Certificate{name} of the upstream at {place} was rejected: {rule}"),
            _ => format!("Certificate{name} of a client at {place} was rejected: {rule}"),
        }
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

/// `2 days and 5 hours`, `2 days`, `5 hours`, `7 minutes` or `less than a minute`.
pub fn time_left(length: Duration) -> String {
    let hours = whole(length, HOUR) % 24;
    match whole(length, DAY) {
        0 => largest_unit(length),
        days if hours == 0 => counted(days, "day"),
        days => format!("{} and {}", counted(days, "day"), counted(hours, "hour")),
    }
}

/// `2 days`, `5 hours`, `7 minutes` or `less than a minute`.
pub fn largest_unit(length: Duration) -> String {
    [(DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")]
        .into_iter()
        .map(|(unit, name)| (whole(length, unit), name))
        .find(|(count, _)| *count > 0)
        .map_or_else(|| "less than a minute".to_owned(), |(count, name)| counted(count, name))
}

fn whole(length: Duration, unit: Duration) -> u64 {
    length.as_secs().checked_div(unit.as_secs()).unwrap_or_default()
}

fn counted(count: u64, unit: &str) -> String {
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

fn periods_between(crossing: UnixTime, now: UnixTime, period: Duration) -> u128 {
    crossing.until(now).as_millis().checked_div(period.as_millis()).unwrap_or_default()
}

fn id(about: CertId, usage: &Usage, what: &[&str], number: u128) -> String {
    let mut hash = Sha256::new();
    hash.update(about.to_bytes());
    // Each part ends in a byte that no part contains, so that no two lists of parts are the same bytes.
    for part in [usage.role().as_str(), usage.api_id().unwrap_or_default()].iter().chain(what) {
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
