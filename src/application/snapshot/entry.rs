//! Events on their way in their stored form.

use serde::{Deserialize, Serialize};

use super::certificate::{StoredCertificate, StoredPresence, StoredUsage, cleaned};
use super::detail::{StoredAlert, StoredDetail};
use crate::application::outbox::Entry;
use crate::application::shared_data::fingerprint;
use crate::domain::{CertId, Event, EventKind, Severity, UnixTime};

/// An event that was on its way.
#[derive(Debug)]
pub(in crate::application) struct Undelivered {
    pub(in crate::application) event: Event,
    /// The webhook's name. The document that rules now may know no such webhook.
    pub(in crate::application) webhook: String,
    pub(in crate::application) tries: u32,
    pub(in crate::application) is_passed_on: bool,
    pub(in crate::application) noticed_at: UnixTime,
    pub(in crate::application) not_before: UnixTime,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredEntry {
    id: String,
    event: String,
    /// Its place in [`Severity::ALL`].
    severity: u8,
    closes: Option<StoredAlert>,
    #[serde(with = "fingerprint")]
    about: CertId,
    certificate: StoredCertificate,
    usage: StoredUsage,
    presence: StoredPresence,
    detail: StoredDetail,
    rule: String,
    since: i64,
    timestamp: i64,
    webhook: String,
    pub(super) tries: u32,
    is_passed_on: bool,
    noticed_at: i64,
    not_before: i64,
}

impl StoredEntry {
    /// What it is about: a certificate, or a place.
    pub(super) const fn about(&self) -> &CertId {
        &self.about
    }

    pub(super) fn of(entry: &Entry, webhook: String, tries: u32) -> Self {
        let event = &entry.event;
        Self {
            id: event.id.clone(),
            event: event.kind.as_str().to_owned(),
            severity: event.severity as u8,
            closes: event.closes.as_ref().map(StoredAlert::of),
            about: event.about,
            certificate: StoredCertificate::of(&event.certificate),
            usage: StoredUsage::of(&event.usage),
            presence: StoredPresence::of(&event.presence),
            detail: StoredDetail::of(&event.detail),
            rule: event.rule.clone(),
            since: event.since.millis(),
            timestamp: event.timestamp.millis(),
            webhook,
            tries,
            is_passed_on: entry.is_passed_on,
            noticed_at: entry.noticed_at.millis(),
            not_before: entry.not_before.millis(),
        }
    }

    pub(super) fn into_undelivered(self) -> Option<Undelivered> {
        // It becomes part of headers.
        let is_id = self.id.len() == 32 && self.id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_id {
            return None;
        }
        // One that cannot be read is worse than none: it would open what it was to close.
        let closes = match self.closes {
            Some(alert) => Some(alert.into_alert()?),
            None => None,
        };
        let event = Event {
            id: self.id,
            kind: EventKind::parse(&self.event)?,
            severity: Severity::ALL.get(usize::from(self.severity)).copied()?,
            closes,
            about: self.about,
            certificate: self.certificate.into_certificate(),
            usage: self.usage.into_usage()?,
            presence: self.presence.into_presence(),
            detail: self.detail.into_detail()?,
            rule: cleaned(self.rule),
            since: UnixTime::from_millis(self.since),
            timestamp: UnixTime::from_millis(self.timestamp),
        };
        let noticed_at = UnixTime::from_millis(self.noticed_at);
        let not_before = UnixTime::from_millis(self.not_before);
        let Self { webhook, tries, is_passed_on, .. } = self;
        Some(Undelivered { event, webhook, tries, is_passed_on, noticed_at, not_before })
    }
}
