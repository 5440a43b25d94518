//! Events on their way in their stored form.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::certificate::{StoredCertificate, StoredUsage, cleaned, cleaned_places};
use crate::application::outbox::Entry;
use crate::application::shared_data::fingerprint;
use crate::domain::{CertId, Detail, Event, EventKind, Reason, Rejection, UnixTime};

/// An event that was on its way.
#[derive(Debug)]
pub(in crate::application) struct Undelivered {
    pub(in crate::application) event: Event,
    /// The webhook's name. The document that rules now may know no such webhook.
    pub(in crate::application) webhook: String,
    pub(in crate::application) tries: u32,
    pub(in crate::application) is_passed_on: bool,
    pub(in crate::application) noticed_at: UnixTime,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum StoredDetail {
    Nothing,
    Held(StoredCertificate),
    Rejection { reason: String, text: String, address: Option<String> },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredEntry {
    id: String,
    event: String,
    closes: Option<String>,
    #[serde(with = "fingerprint")]
    about: CertId,
    certificate: StoredCertificate,
    usage: StoredUsage,
    places: Vec<String>,
    detail: StoredDetail,
    rule: String,
    since: i64,
    timestamp: i64,
    webhook: String,
    pub(super) tries: u32,
    is_passed_on: bool,
    noticed_at: i64,
}

impl StoredDetail {
    pub(super) fn of(detail: &Detail) -> Self {
        match detail {
            Detail::Nothing => Self::Nothing,
            Detail::Held(certificate) => Self::Held(StoredCertificate::of(certificate)),
            Detail::Rejection(rejection) => {
                let Rejection { reason, text, address } = &**rejection;
                Self::Rejection { reason: reason.as_str().to_owned(), text: text.clone(), address: address.clone() }
            }
        }
    }

    pub(super) fn into_detail(self) -> Option<Detail> {
        Some(match self {
            Self::Nothing => Detail::Nothing,
            Self::Held(certificate) => Detail::Held(certificate.into_certificate()),
            Self::Rejection { reason, text, address } => Detail::Rejection(Rc::new(Rejection {
                reason: Reason::parse(&reason)?,
                text: cleaned(text),
                address: address.map(cleaned),
            })),
        })
    }
}

impl StoredEntry {
    pub(super) fn of(entry: &Entry, webhook: String, tries: u32) -> Self {
        let event = &entry.event;
        Self {
            id: event.id.clone(),
            event: event.kind.as_str().to_owned(),
            closes: event.closes.map(|kind| kind.as_str().to_owned()),
            about: event.about,
            certificate: StoredCertificate::of(&event.certificate),
            usage: StoredUsage::of(&event.usage),
            places: event.places.clone(),
            detail: StoredDetail::of(&event.detail),
            rule: event.rule.clone(),
            since: event.since.millis(),
            timestamp: event.timestamp.millis(),
            webhook,
            tries,
            is_passed_on: entry.is_passed_on,
            noticed_at: entry.noticed_at.millis(),
        }
    }

    pub(super) fn into_undelivered(self) -> Option<Undelivered> {
        // It becomes part of headers.
        let is_id = self.id.len() == 32 && self.id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_id {
            return None;
        }
        let places = cleaned_places(self.places);
        let event = Event {
            id: self.id,
            kind: EventKind::parse(&self.event)?,
            closes: self.closes.as_deref().and_then(EventKind::parse),
            about: self.about,
            certificate: self.certificate.into_certificate(),
            usage: self.usage.into_usage()?,
            places,
            detail: self.detail.into_detail()?,
            rule: cleaned(self.rule),
            since: UnixTime::from_millis(self.since),
            timestamp: UnixTime::from_millis(self.timestamp),
        };
        let noticed_at = UnixTime::from_millis(self.noticed_at);
        let Self { webhook, tries, is_passed_on, .. } = self;
        Some(Undelivered { event, webhook, tries, is_passed_on, noticed_at })
    }
}
