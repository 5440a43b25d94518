//! The kinds of event, and how bad each is.

use std::fmt;

use crate::domain::rule::Rule;

/// The kinds of event. The names of the first two are Tyk's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// A certificate is within a threshold of its end.
    CertificateExpiringSoon,
    /// A certificate has ended.
    CertificateExpired,
    /// A certificate that people were warned of is not in use any more. Closes the warning.
    CertificateResolved,
    /// Envoy holds a certificate that it does not serve, or an upstream presents one that others have replaced: the one
    /// before is in use still.
    CertificateStale,
    /// A handshake failed because of a certificate.
    CertificateRejected,
    /// One that ends later has taken a certificate's place. Closes the warning about it, if there was one.
    CertificateRenewed,
    /// A certificate was to be renewed by now, by the habit of its place or by what its issuer says.
    CertificateRenewalOverdue,
    /// A certificate is seen for the first time.
    CertificateDiscovered,
    /// A certificate is in use before its validity begins.
    CertificateNotYetValid,
    /// A certificate that another one depends on ends before that one.
    ChainExpiresFirst,
    /// A certificate does not live up to the document's policies.
    CertificateWeak,
    /// Many certificates end at nearly the same time.
    ExpiryStorm,
    /// Nothing happened: the monitor is alive.
    MonitorHeartbeat,
    /// The proxy's clock and those of receivers differ.
    ClockSkewSuspected,
    /// Nothing happened: somebody wants to know whether a webhook works.
    WebhookTest,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::CertificateExpiringSoon,
        Self::CertificateExpired,
        Self::CertificateResolved,
        Self::CertificateStale,
        Self::CertificateRejected,
        Self::CertificateRenewed,
        Self::CertificateRenewalOverdue,
        Self::CertificateDiscovered,
        Self::CertificateNotYetValid,
        Self::ChainExpiresFirst,
        Self::CertificateWeak,
        Self::ExpiryStorm,
        Self::MonitorHeartbeat,
        Self::ClockSkewSuspected,
        Self::WebhookTest,
    ];
    /// Tyk's two: what a webhook is told of that does not say otherwise.
    pub const OF_TYK: [Self; 2] = [Self::CertificateExpiringSoon, Self::CertificateExpired];
    /// What is true of a certificate for as long as it is, beside its end: looked at whenever the certificate is checked.
    pub const CONDITIONS: [Self; 4] =
        [Self::CertificateNotYetValid, Self::CertificateWeak, Self::ChainExpiresFirst, Self::CertificateRenewalOverdue];

    /// The kinds that a webhook may name: all but the test, which is asked for otherwise.
    pub fn named() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|kind| *kind != Self::WebhookTest)
    }

    /// The name in configuration, bodies, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CertificateExpiringSoon => "CertificateExpiringSoon",
            Self::CertificateExpired => "CertificateExpired",
            Self::CertificateResolved => "CertificateResolved",
            Self::CertificateStale => "CertificateStale",
            Self::CertificateRejected => "CertificateRejected",
            Self::CertificateRenewed => "CertificateRenewed",
            Self::CertificateRenewalOverdue => "CertificateRenewalOverdue",
            Self::CertificateDiscovered => "CertificateDiscovered",
            Self::CertificateNotYetValid => "CertificateNotYetValid",
            Self::ChainExpiresFirst => "ChainExpiresFirst",
            Self::CertificateWeak => "CertificateWeak",
            Self::ExpiryStorm => "ExpiryStorm",
            Self::MonitorHeartbeat => "MonitorHeartbeat",
            Self::ClockSkewSuspected => "ClockSkewSuspected",
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

    /// How bad it is, where no rule says otherwise.
    pub const fn severity(self) -> Severity {
        match self {
            Self::CertificateExpired | Self::CertificateRejected => Severity::Critical,
            Self::CertificateExpiringSoon
            | Self::CertificateStale
            | Self::CertificateRenewalOverdue
            | Self::CertificateNotYetValid
            | Self::ChainExpiresFirst
            | Self::CertificateWeak
            | Self::ExpiryStorm
            | Self::ClockSkewSuspected => Severity::Warning,
            Self::CertificateResolved
            | Self::CertificateRenewed
            | Self::CertificateDiscovered
            | Self::MonitorHeartbeat
            | Self::WebhookTest => Severity::Info,
        }
    }

    /// Whether it tells of one certificate. The others tell of many, or of the proxy.
    pub const fn is_of_certificate(self) -> bool {
        !matches!(self, Self::ExpiryStorm | Self::MonitorHeartbeat | Self::ClockSkewSuspected)
    }

    /// Whether it says that an alert is over.
    pub const fn closes(self) -> bool {
        matches!(self, Self::CertificateResolved | Self::CertificateRenewed)
    }

    /// Whether it happens once in a certificate's life, where it closes nothing: it belongs to no cooldown period.
    pub const fn happens_once(self) -> bool {
        matches!(self, Self::CertificateRenewed | Self::CertificateDiscovered)
    }

    /// Whether what it tells of lasts until it is closed. The others have happened, and that is all.
    pub const fn lasts(self) -> bool {
        matches!(
            self,
            Self::CertificateExpiringSoon
                | Self::CertificateExpired
                | Self::CertificateStale
                | Self::CertificateRenewalOverdue
                | Self::CertificateNotYetValid
                | Self::ChainExpiresFirst
                | Self::CertificateWeak
                | Self::ClockSkewSuspected
        )
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
