//! What was told of a certificate in its stored form.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::certificate::{StoredCertificate, StoredPresence, StoredUsage, cleaned};
use super::detail::{StoredAlert, StoredDetail};
use super::renewal::{StoredAdvice, StoredLife};
use crate::application::ledger::Record;
use crate::application::shared_data::fingerprint;
use crate::domain::ledger::Notice;
use crate::domain::{Alert, CertId, EventKind, Incident, UnixTime, Usage};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredRecord {
    #[serde(with = "fingerprint")]
    pub(super) id: CertId,
    checked_at: Option<i64>,
    first_seen: Option<i64>,
    discovered: Vec<StoredUsage>,
    is_one_of_several: bool,
    notices: Vec<StoredNotice>,
    told: Vec<StoredTold>,
    advice: Option<StoredAdvice>,
    lives: Vec<StoredLife>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredNotice {
    usage: StoredUsage,
    certificate: StoredCertificate,
    alert: StoredAlert,
    rule: String,
    since: i64,
    remaining: Duration,
    presence: StoredPresence,
    detail: StoredDetail,
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
            alert: StoredAlert::of(&notice.alert()),
            rule: notice.rule.clone(),
            since: notice.since.millis(),
            remaining: notice.remaining,
            presence: StoredPresence::of(&notice.presence),
            detail: StoredDetail::of(&notice.detail),
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
            first_seen: record.first_seen.map(UnixTime::millis),
            discovered: record.discovered.iter().map(StoredUsage::of).collect(),
            is_one_of_several: record.is_one_of_several,
            notices: record.notices().map(notice).collect(),
            told: record.told.iter().map(told).collect(),
            advice: record.advice.as_deref().map(StoredAdvice::of),
            lives: record.habit.as_deref().map(StoredLife::of_all).unwrap_or_default(),
        }
    }

    pub(super) fn told_elsewhere(&self, kind: EventKind) -> impl Iterator<Item = Usage> {
        let is_at_place = |notice: &&StoredNotice| notice.rule != Incident::SPLIT;
        let of_kind = self.notices.iter().filter(move |notice| notice.alert.is_of(kind)).filter(is_at_place);
        of_kind.filter_map(|notice| notice.usage.to_usage())
    }

    pub(super) fn into_record(self) -> Record {
        let notice = |stored: StoredNotice| {
            let Alert { kind, severity, warned } = stored.alert.into_alert()?;
            let notice = Notice {
                certificate: stored.certificate.into_certificate(),
                kind,
                severity,
                warned,
                rule: cleaned(stored.rule),
                since: UnixTime::from_millis(stored.since),
                remaining: stored.remaining,
                presence: stored.presence.into_presence(),
                detail: stored.detail.into_detail()?,
                at: UnixTime::from_millis(stored.at),
                owed: stored.owed,
            };
            Some((stored.usage.into_usage()?, Box::new(notice)))
        };
        let told = |stored: StoredTold| {
            let event = EventKind::parse(&stored.event)?;
            Some(((stored.usage.into_usage()?, event, stored.handler), UnixTime::from_millis(stored.at)))
        };
        let checked_at = self.checked_at.map(UnixTime::from_millis);
        let first_seen = self.first_seen.map(UnixTime::from_millis);
        let is_one_of_several = self.is_one_of_several;
        let advice = self.advice.map(|advice| Box::new(advice.into_advice()));
        let habit = StoredLife::into_habit(self.lives);
        let mut record = Record { checked_at, first_seen, is_one_of_several, advice, habit, ..Record::default() };
        record.discovered.extend(self.discovered.into_iter().filter_map(StoredUsage::into_usage));
        // `collect` would sort first, which costs kilobytes of code for a handful of entries.
        record.notices.extend(self.notices.into_iter().filter_map(notice));
        record.told.extend(self.told.into_iter().filter_map(told));
        record
    }
}
