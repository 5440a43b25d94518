//! What was told of a certificate in its stored form.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::certificate::{StoredCertificate, StoredUsage, cleaned, cleaned_places};
use crate::application::ledger::Record;
use crate::application::shared_data::fingerprint;
use crate::domain::ledger::Notice;
use crate::domain::{CertId, EventKind, UnixTime, Usage};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredRecord {
    #[serde(with = "fingerprint")]
    pub(super) id: CertId,
    checked_at: Option<i64>,
    notices: Vec<StoredNotice>,
    told: Vec<StoredTold>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredNotice {
    usage: StoredUsage,
    certificate: StoredCertificate,
    kind: String,
    rule: String,
    since: i64,
    remaining: Duration,
    places: Vec<String>,
    at: i64,
    owed: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredTold {
    usage: StoredUsage,
    event: String,
    handler: String,
    at: i64,
}

impl StoredRecord {
    pub(super) fn of(id: &CertId, record: &Record) -> Self {
        let notice = |(usage, notice): (&Usage, &Notice)| StoredNotice {
            usage: StoredUsage::of(usage),
            certificate: StoredCertificate::of(&notice.certificate),
            kind: notice.kind.as_str().to_owned(),
            rule: notice.rule.clone(),
            since: notice.since.millis(),
            remaining: notice.remaining,
            places: notice.places.clone(),
            at: notice.at.millis(),
            owed: notice.owed.clone(),
        };
        let told = |((usage, event, handler), at): (&(Usage, EventKind, String), &UnixTime)| StoredTold {
            usage: StoredUsage::of(usage),
            event: event.as_str().to_owned(),
            handler: handler.clone(),
            at: at.millis(),
        };
        Self {
            id: *id,
            checked_at: record.checked_at.map(UnixTime::millis),
            notices: record.notices.iter().map(notice).collect(),
            told: record.told.iter().map(told).collect(),
        }
    }

    pub(super) fn told_by(&self, kind: EventKind) -> impl Iterator<Item = Usage> {
        let of_kind = self.notices.iter().filter(move |notice| notice.kind == kind.as_str());
        of_kind.filter_map(|notice| notice.usage.to_usage())
    }

    pub(super) fn into_record(self) -> Record {
        let notice = |stored: StoredNotice| {
            let notice = Notice {
                certificate: stored.certificate.into_certificate(),
                kind: EventKind::parse(&stored.kind)?,
                rule: cleaned(stored.rule),
                since: UnixTime::from_millis(stored.since),
                remaining: stored.remaining,
                places: cleaned_places(stored.places),
                at: UnixTime::from_millis(stored.at),
                owed: stored.owed,
            };
            Some((stored.usage.into_usage()?, notice))
        };
        let told = |stored: StoredTold| {
            let event = EventKind::parse(&stored.event)?;
            Some(((stored.usage.into_usage()?, event, stored.handler), UnixTime::from_millis(stored.at)))
        };
        let checked_at = self.checked_at.map(UnixTime::from_millis);
        let mut record = Record { checked_at, ..Record::default() };
        // `collect` would sort first, which costs kilobytes of code for a handful of entries.
        record.notices.extend(self.notices.into_iter().filter_map(notice));
        record.told.extend(self.told.into_iter().filter_map(told));
        record
    }
}
