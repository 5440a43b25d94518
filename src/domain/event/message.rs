//! One sentence for people about an event.

use std::time::Duration;

use super::{Detail, Event, EventKind, Listing};
use crate::domain::certificate::Certificate;
use crate::domain::incident::Incident;
use crate::domain::rejection::Reason;
use crate::domain::role::Role;
use crate::domain::time::{DAY, HOUR, MINUTE};

impl Event {
    /// One sentence for people.
    pub fn message(&self) -> String {
        let Certificate { name, not_after, not_before, .. } = &*self.certificate;
        let now = self.timestamp;
        if let (Detail::Listing(listing), true) = (&self.detail, self.kind.is_of_certificate()) {
            return self.digest_message(listing);
        }
        let place = self.presence.place().unwrap_or("an unknown place");
        match self.kind {
            EventKind::CertificateExpiringSoon => {
                format!("Certificate {name} is expiring in {}", time_left(now.until(*not_after)))
            }
            EventKind::CertificateExpired => {
                format!("Certificate {name} expired {} ago", largest_unit(not_after.until(now)))
            }
            EventKind::CertificateResolved => self.closing_message(),
            EventKind::CertificateStale => match (self.usage.role(), &self.detail) {
                (Role::Upstream, Detail::Other(_)) if self.rule == Incident::SPLIT => {
                    format!("Certificate {name} is still presented at {place}, although others present a newer one")
                }
                _ => format!("Certificate {name} is still in use at {place}, although Envoy holds a newer one"),
            },
            EventKind::CertificateRejected => self.rejection_message(),
            EventKind::CertificateRenewed => match self.other() {
                Some(by) => {
                    format!("Certificate {name} was renewed, and ends in {} now", time_left(now.until(by.not_after)))
                }
                None => format!("Certificate {name} was renewed"),
            },
            EventKind::CertificateRenewalOverdue => {
                let due = match &self.detail {
                    Detail::Due { at, .. } if *at > now => {
                        format!("is to be renewed in {} already", time_left(now.until(*at)))
                    }
                    Detail::Due { at, .. } => format!("was to be renewed {} ago", largest_unit(at.until(now))),
                    _ => "was to be renewed".to_owned(),
                };
                format!("Certificate {name} {due}, and ends in {}", time_left(now.until(*not_after)))
            }
            EventKind::CertificateDiscovered => {
                let role = self.usage.role();
                if *not_after <= now {
                    return format!("Certificate {name} was met for the first time as {role}, and has expired");
                }
                let end = time_left(now.until(*not_after));
                format!("Certificate {name} was met for the first time as {role}, and ends in {end}")
            }
            EventKind::CertificateNotYetValid => {
                format!("Certificate {name} is not valid yet: it begins in {}", time_left(now.until(*not_before)))
            }
            EventKind::ChainExpiresFirst => match self.other() {
                Some(first) => format!(
                    "Certificate {name} depends on {}, which ends {} before it",
                    first.name,
                    time_left(first.not_after.until(*not_after))
                ),
                None => format!("Certificate {name} depends on one that ends before it"),
            },
            EventKind::CertificateWeak => format!("Certificate {name} is weak: {}", self.text()),
            EventKind::ExpiryStorm => self.storm_message(),
            EventKind::MonitorHeartbeat => self.heartbeat_message(),
            EventKind::ClockSkewSuspected => format!("The clock of this proxy may be wrong: {}", self.text()),
            EventKind::WebhookTest => "This is a test of a webhook, no certificate is concerned".to_owned(),
        }
    }

    /// The other certificate that it tells of.
    pub fn other(&self) -> Option<&Certificate> {
        match &self.detail {
            Detail::Other(certificate) => Some(certificate),
            _ => None,
        }
    }

    /// What it says for people beside its message.
    pub fn text(&self) -> &str {
        match &self.detail {
            Detail::Text(text) | Detail::Due { text, .. } => text,
            Detail::Rejection(rejection) => &rejection.text,
            _ => "",
        }
    }

    fn closing_message(&self) -> String {
        let name = &self.certificate.name;
        let alert = self.closes.as_ref().map(|alert| alert.kind);
        let is_over = match alert {
            Some(EventKind::CertificateStale) => "is not in use any more in place of a newer one",
            Some(EventKind::CertificateNotYetValid) => "is valid now, or not in use any more",
            Some(EventKind::CertificateWeak) => "is not weak, or not in use any more",
            Some(EventKind::ChainExpiresFirst) => "does not outlive what it depends on any more",
            Some(EventKind::CertificateRenewalOverdue) if self.certificate.not_after <= self.timestamp => {
                "has ended, and nobody waits for its renewal any more"
            }
            Some(EventKind::CertificateRenewalOverdue) => "is not overdue any more",
            Some(EventKind::ClockSkewSuspected) => {
                return "The clock of this proxy agrees with those of its receivers again".to_owned();
            }
            _ => "is not in use any more",
        };
        format!("Certificate {name} {is_over}")
    }

    fn rejection_message(&self) -> String {
        let place = self.presence.place().unwrap_or("an unknown place");
        let rule = &self.rule;
        let name = &self.certificate.name;
        let name = if name.is_empty() { String::new() } else { format!(" {name}") };
        match self.usage.role() {
            _ if *rule == Reason::Refused.as_str() => format!("The upstream at {place} refuses our certificate"),
            Role::Upstream => format!("Certificate{name} of the upstream at {place} was rejected: {rule}"),
            _ => format!("Certificate{name} of a client at {place} was rejected: {rule}"),
        }
    }

    fn digest_message(&self, listing: &Listing) -> String {
        let name = &self.certificate.name;
        let others = listing.total.saturating_sub(1);
        let single = Self { detail: Detail::Nothing, ..self.clone() };
        match others {
            0 => single.message(),
            1 => format!("{}, and there is news of another certificate", single.message()),
            _ if name.is_empty() => format!("There is news of {} certificates", listing.total),
            _ => format!("{}, and there is news of {others} other certificates", single.message()),
        }
    }

    fn storm_message(&self) -> String {
        let Detail::Listing(listing) = &self.detail else { return "Many certificates end within a day".to_owned() };
        let first = listing.certificates.first();
        let first = first.map_or_else(String::new, |first| {
            format!(", the first of them, {}, in {}", first.name, time_left(self.timestamp.until(first.not_after)))
        });
        format!("{} certificates end within 24 hours{first}", listing.total)
    }

    fn heartbeat_message(&self) -> String {
        let Detail::Report(report) = &self.detail else { return "The certificate monitor is alive".to_owned() };
        let total: u32 = report.roles.iter().map(|role| role.total).fold(0, u32::saturating_add);
        let watching = counted(total.into(), "certificate");
        let next = report.next.as_ref().map_or_else(
            || "no next expiry".to_owned(),
            |(name, end)| format!("next expiry {name} in {}", time_left(self.timestamp.until(*end))),
        );
        format!("The certificate monitor is alive: {watching}, {next}")
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

pub(super) fn whole(length: Duration, unit: Duration) -> u64 {
    length.as_secs().checked_div(unit.as_secs()).unwrap_or_default()
}

fn counted(count: u64, unit: &str) -> String {
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}
