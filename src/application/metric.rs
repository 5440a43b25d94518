//! The metrics and their labels. Envoy cannot delete a metric, so names come from the configuration and closed lists.

use std::fmt::Write;

use super::lease::Kind;
use crate::config::DocumentHash;
use crate::domain::{EventKind, Role};

/// The full name of a metric: labels travel in it as Istio does it, and Envoy's `stats_tags` lift them out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Metric(String);

impl Metric {
    /// The name that the host knows.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// How many certificates are watched in this role.
    pub fn certificates(role: Role) -> Self {
        Self::of("certificates", &[("role", role.as_str())])
    }

    /// The earliest end of a certificate in this role, in Unix time; zero if there is none.
    pub fn not_after_seconds(role: Role) -> Self {
        Self::of("not_after_seconds", &[("role", role.as_str())])
    }

    /// Events made.
    pub fn events_total(kind: EventKind) -> Self {
        Self::of("events_total", &[("event", kind.as_str())])
    }

    /// Tries to deliver, by how they ended.
    pub fn deliveries_total(webhook: &str, outcome: Outcome) -> Self {
        Self::of("deliveries_total", &[("webhook", webhook), ("outcome", outcome.as_str())])
    }

    /// Events that wait for this webhook.
    pub fn outbox_entries(webhook: &str) -> Self {
        Self::of("outbox_entries", &[("webhook", webhook)])
    }

    /// Certificates that observers handed over.
    pub fn observations_total(role: Role) -> Self {
        Self::of("observations_total", &[("role", role.as_str())])
    }

    /// What was given up, and why.
    pub fn dropped_total(reason: Dropped) -> Self {
        Self::of("dropped_total", &[("reason", reason.as_str())])
    }

    /// What came of asking the store that a fleet shares.
    pub fn cooldown_store_total(outcome: Stored) -> Self {
        Self::of("cooldown_store_total", &[("outcome", outcome.as_str())])
    }

    /// When the monitor last ticked, in Unix time. It stands still after a trap, when every other metric looks healthy.
    pub fn last_tick_seconds() -> Self {
        Self::of("last_tick_seconds", &[])
    }

    /// Rounds of discovery, by whether they came to an end.
    pub fn discoveries_total(is_complete: bool) -> Self {
        Self::of("discoveries_total", &[("outcome", if is_complete { "complete" } else { "failed" })])
    }

    /// When the last round of discovery was complete, in Unix time.
    pub fn last_discovery_seconds() -> Self {
        Self::of("last_discovery_seconds", &[])
    }

    /// 1 for the document that rules, 0 for those that did before.
    pub fn config_info(hash: DocumentHash) -> Self {
        Self::of("config_info", &[("hash", &hash.to_string())])
    }

    /// Holders that fell silent and were followed by another.
    pub fn failovers_total() -> Self {
        Self::of("failovers_total", &[])
    }

    /// 1 for what the monitor is, 0 for everything else.
    pub fn holder(kind: Kind) -> Self {
        Self::of("holder", &[("kind", kind.as_str())])
    }

    fn of(name: &str, labels: &[(&str, &str)]) -> Self {
        let mut full = format!("cert_expiry_monitor_{name}");
        for (key, value) in labels {
            // Writing to a String cannot fail.
            let _ = write!(full, ";.;{key}=.={value}");
        }
        Self(full)
    }
}

/// How a try to deliver ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered with 2xx.
    Delivered,
    /// Answered with a status after which it is tried again.
    Status,
    /// Answered with a status after which it is not.
    Refused,
    /// Answered with 410: the receiver wants nothing any more.
    Gone,
    /// Envoy could not reach the receiver.
    Unreachable,
    /// Envoy has waited for an answer as long as it was told.
    Timeout,
    /// The answer broke off, or was too large for Envoy.
    NoResponse,
    /// Envoy has no cluster of that name.
    NoCluster,
    /// The cluster has no host that takes a request.
    NoHost,
    /// The request could not be rendered.
    TemplateError,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 10] = [
        Self::Delivered,
        Self::Status,
        Self::Refused,
        Self::Gone,
        Self::Unreachable,
        Self::Timeout,
        Self::NoResponse,
        Self::NoCluster,
        Self::NoHost,
        Self::TemplateError,
    ];

    /// The word of logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Status => "status",
            Self::Refused => "refused",
            Self::Gone => "gone",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::NoResponse => "no_response",
            Self::NoCluster => "no_cluster",
            Self::NoHost => "no_host",
            Self::TemplateError => "template_error",
        }
    }
}

/// What came of asking the store that the proxies of a fleet share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// This proxy may tell an event.
    Claimed,
    /// Another proxy is at it.
    Held,
    /// Another proxy has told it.
    Told,
    /// It is noted that this proxy has told it.
    Committed,
    /// The store did not answer, or not as it should.
    Failed,
    /// This proxy tells an event without a claim.
    Unclaimed,
    /// This proxy has told it, and will never note that.
    Lost,
}

impl Stored {
    /// Every outcome.
    pub const ALL: [Self; 7] =
        [Self::Claimed, Self::Held, Self::Told, Self::Committed, Self::Failed, Self::Unclaimed, Self::Lost];

    /// The word of metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Held => "held",
            Self::Told => "told",
            Self::Committed => "committed",
            Self::Failed => "failed",
            Self::Unclaimed => "unclaimed",
            Self::Lost => "lost",
        }
    }
}

/// Why something was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// The queue held something that is no observation.
    BadQueueItem,
    /// An observed certificate cannot be parsed.
    UnreadableCertificate,
    /// As many certificates are watched as are allowed; the one that nobody has seen for longest was given up.
    InventoryFull,
    /// A certificate is used for more APIs than are watched.
    UsagesFull,
    /// More is remembered of certificates that are not watched any more than there is room for.
    LedgerFull,
    /// A certificate that the parser did not survive was handed over again.
    Quarantined,
    /// More log lines a minute than are written.
    LogLine,
    /// An observed certificate is larger than 16 KB of PEM.
    OversizedCertificate,
    /// An observer's waiting room is full because no monitor is alive.
    NoMonitor,
    /// An observer's waiting room is full because the monitor takes its time.
    Backlog,
    /// An observer has forgotten a thousand combinations of certificate, role and API for newer ones.
    SeenFull,
    /// More handshakes failed because of a certificate than are told of in a minute.
    Rejections,
    /// A webhook was switched off for want of an environment variable.
    WebhookDisabled,
    /// Too many events wait for a webhook: this one was the least severe, and waits until there is room.
    OutboxFull,
    /// All tries to deliver an event were in vain.
    DeliveryFailed,
    /// What was found in shared data is not of this release.
    UnknownBlob,
}

impl Dropped {
    /// Every reason.
    pub const ALL: [Self; 16] = [
        Self::BadQueueItem,
        Self::UnreadableCertificate,
        Self::InventoryFull,
        Self::UsagesFull,
        Self::LedgerFull,
        Self::Quarantined,
        Self::LogLine,
        Self::OversizedCertificate,
        Self::NoMonitor,
        Self::Backlog,
        Self::SeenFull,
        Self::Rejections,
        Self::WebhookDisabled,
        Self::OutboxFull,
        Self::DeliveryFailed,
        Self::UnknownBlob,
    ];

    /// The word of logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadQueueItem => "bad_queue_item",
            Self::UnreadableCertificate => "unreadable_certificate",
            Self::InventoryFull => "inventory_full",
            Self::UsagesFull => "usages_full",
            Self::LedgerFull => "ledger_full",
            Self::Quarantined => "quarantined",
            Self::LogLine => "log_line",
            Self::OversizedCertificate => "oversized_certificate",
            Self::NoMonitor => "no_monitor",
            Self::Backlog => "backlog",
            Self::SeenFull => "seen_full",
            Self::Rejections => "rejections",
            Self::WebhookDisabled => "webhook_disabled",
            Self::OutboxFull => "outbox_full",
            Self::DeliveryFailed => "delivery_failed",
            Self::UnknownBlob => "unknown_blob",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_travel_in_the_name() {
        assert_eq!(
            Metric::deliveries_total("ops", Outcome::Delivered).name(),
            "cert_expiry_monitor_deliveries_total;.;webhook=.=ops;.;outcome=.=delivered"
        );
        assert_eq!(Metric::last_tick_seconds().name(), "cert_expiry_monitor_last_tick_seconds");
    }
}
