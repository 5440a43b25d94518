//! What events say beside their certificates in its stored form.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::certificate::{StoredCertificate, StoredUsage, cleaned};
use crate::application::shared_data::fingerprint;
use crate::domain::event::{Counts, Listed, ListedEvent, Listing, MOST_LISTED, Report};
use crate::domain::{Alert, CertId, Detail, EventKind, Reason, Rejection, Severity, UnixTime};

/// What was told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredAlert {
    kind: String,
    /// Its place in [`Severity::ALL`].
    severity: u8,
    warned: Vec<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum StoredDetail {
    Nothing,
    Other(StoredCertificate),
    Rejection { reason: String, text: String, address: Option<String> },
    Text(String),
    Due { at: i64, text: String },
    Listing { total: usize, certificates: Vec<StoredListed> },
    Report { counts: Vec<u32>, next: Option<(String, i64)>, configuration: String },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredListed {
    #[serde(with = "fingerprint")]
    id: CertId,
    name: String,
    usage: StoredUsage,
    not_after: i64,
    event: Option<(String, String, u8, String, String)>,
}

fn severity(stored: u8) -> Option<Severity> {
    Severity::ALL.get(usize::from(stored)).copied()
}

impl StoredAlert {
    pub(super) fn of(alert: &Alert) -> Self {
        let Alert { kind, severity, warned } = alert;
        let mut stored = Vec::new();
        stored.extend(warned.iter().map(|severity| *severity as u8));
        Self { kind: kind.as_str().to_owned(), severity: *severity as u8, warned: stored }
    }

    pub(super) fn is_of(&self, kind: EventKind) -> bool {
        self.kind == kind.as_str()
    }

    pub(super) fn into_alert(self) -> Option<Alert> {
        let mut warned = Vec::new();
        warned.extend(self.warned.into_iter().take(Severity::ALL.len()).filter_map(severity));
        Some(Alert { kind: EventKind::parse(&self.kind)?, severity: severity(self.severity)?, warned })
    }
}

impl StoredDetail {
    pub(super) fn of(detail: &Detail) -> Self {
        match detail {
            Detail::Nothing => Self::Nothing,
            Detail::Other(certificate) => Self::Other(StoredCertificate::of(certificate)),
            Detail::Rejection(rejection) => {
                let Rejection { reason, text, address } = &**rejection;
                Self::Rejection { reason: reason.as_str().to_owned(), text: text.clone(), address: address.clone() }
            }
            Detail::Text(text) => Self::Text(text.clone()),
            Detail::Due { at, text } => Self::Due { at: at.millis(), text: text.clone() },
            Detail::Listing(listing) => {
                let mut certificates = Vec::new();
                certificates.extend(listing.certificates.iter().map(StoredListed::of));
                Self::Listing { total: listing.total, certificates }
            }
            Detail::Report(report) => {
                let mut counts = Vec::new();
                counts.extend(report.roles.iter().flat_map(|role| [role.total, role.expiring, role.expired]));
                let next = report.next.as_ref().map(|(name, end)| (name.clone(), end.millis()));
                Self::Report { counts, next, configuration: report.configuration.clone() }
            }
        }
    }

    pub(super) fn into_detail(self) -> Option<Detail> {
        Some(match self {
            Self::Nothing => Detail::Nothing,
            Self::Other(certificate) => Detail::Other(certificate.into_certificate()),
            Self::Rejection { reason, text, address } => Detail::Rejection(Rc::new(Rejection {
                reason: Reason::parse(&reason)?,
                text: cleaned(text),
                address: address.map(cleaned),
            })),
            Self::Text(text) => Detail::Text(cleaned(text)),
            Self::Due { at, text } => Detail::Due { at: UnixTime::from_millis(at), text: cleaned(text) },
            Self::Listing { total, certificates } => {
                let mut listed = Vec::new();
                listed.extend(certificates.into_iter().take(MOST_LISTED).filter_map(StoredListed::into_listed));
                Detail::Listing(Rc::new(Listing { total, certificates: listed }))
            }
            Self::Report { counts, next, configuration } => {
                let mut report = Report { configuration: cleaned(configuration), ..Report::default() };
                for (role, counts) in report.roles.iter_mut().zip(counts.chunks(3)) {
                    if let [total, expiring, expired] = *counts {
                        *role = Counts { total, expiring, expired };
                    }
                }
                report.next = next.map(|(name, end)| (cleaned(name), UnixTime::from_millis(end)));
                Detail::Report(Rc::new(report))
            }
        })
    }
}

impl StoredListed {
    fn of(listed: &Listed) -> Self {
        let Listed { id, name, usage, not_after, event } = listed;
        let event = event.as_ref().map(|event| {
            let ListedEvent { id, kind, severity, rule, message } = event;
            (id.clone(), kind.as_str().to_owned(), *severity as u8, rule.clone(), message.clone())
        });
        Self { id: *id, name: name.clone(), usage: StoredUsage::of(usage), not_after: not_after.millis(), event }
    }

    fn into_listed(self) -> Option<Listed> {
        let event = match self.event {
            None => None,
            Some((id, kind, stored, rule, message)) => Some(ListedEvent {
                id: cleaned(id),
                kind: EventKind::parse(&kind)?,
                severity: severity(stored)?,
                rule: cleaned(rule),
                message: cleaned(message),
            }),
        };
        let (usage, not_after) = (self.usage.into_usage()?, UnixTime::from_millis(self.not_after));
        Some(Listed { id: self.id, name: cleaned(self.name), usage, not_after, event })
    }
}
