//! What was checked and told.
//!
//! Here stand the logical entries `cert-cooldown:check:<cert_id>` ([`Record::checked_at`]) and
//! `cert-cooldown:event:<cert_id>…` ([`Record::notices`]).

use std::collections::BTreeMap;

use super::advice::Advice;
use super::shards::range_of;
use crate::domain::ledger::Notice;
use crate::domain::renewal::Habit;
use crate::domain::{CertId, EventKind, UnixTime, Usage};

/// What is remembered of one certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// When it was last checked; the check cooldown counts from here.
    pub checked_at: Option<UnixTime>,
    /// When the certificate was first met.
    pub first_seen: Option<UnixTime>,
    /// The usages in which somebody was told that it was met for the first time, where anybody wants to hear of that.
    pub discovered: Vec<Usage>,
    /// Whether it is one of several of its name that servers of an upstream present side by side.
    pub is_one_of_several: bool,
    /// The last event about each usage. Nearly always there is one, and a map keeps room for eleven: what it keeps is small.
    pub notices: BTreeMap<Usage, Box<Notice>>,
    /// When a handler with a cooldown of its own was last told of an event about a usage.
    pub told: BTreeMap<(Usage, EventKind, String), UnixTime>,
    /// When its authority says that it should be renewed, if that is asked.
    pub advice: Option<Box<Advice>>,
    /// Where the record is that of a slot: when its certificates were renewed.
    pub habit: Option<Box<Habit>>,
}

/// All records.
#[derive(Debug, Default)]
pub struct Ledger {
    records: BTreeMap<CertId, Record>,
}

impl Ledger {
    /// What is remembered of a certificate.
    pub fn get(&self, id: &CertId) -> Option<&Record> {
        self.records.get(id)
    }

    /// The last event about a usage of a certificate.
    pub fn notice(&self, id: &CertId, usage: &Usage) -> Option<&Notice> {
        self.get(id).and_then(|record| record.notice(usage))
    }

    /// What is remembered of a certificate, to be changed.
    pub fn change(&mut self, id: &CertId) -> &mut Record {
        self.records.entry(*id).or_default()
    }

    /// Takes over what a predecessor remembered.
    pub(super) fn restore(&mut self, id: CertId, record: Record) {
        self.records.insert(id, record);
    }

    /// Moves what is remembered of one certificate to another one that has turned out to be the same.
    pub(super) fn rename(&mut self, from: &CertId, to: &CertId) {
        let Some(Record { checked_at, first_seen, discovered, notices, told, .. }) = self.records.remove(from) else {
            return;
        };
        let record = self.records.entry(*to).or_default();
        record.checked_at = record.checked_at.or(checked_at);
        record.first_seen = [record.first_seen, first_seen].into_iter().flatten().min();
        let known = record.discovered.clone();
        record.discovered.extend(discovered.into_iter().filter(|usage| !known.contains(usage)));
        for (usage, notice) in notices {
            record.notices.entry(usage).or_insert(notice);
        }
        for (key, at) in told {
            record.told.entry(key).or_insert(at);
        }
    }

    /// The records of a shard.
    pub(super) fn shard(&self, shard: u16) -> impl Iterator<Item = (&CertId, &Record)> {
        let (first, last) = range_of(shard);
        self.records.range(first..=last)
    }

    /// The records of a shard, to be changed.
    pub(super) fn shard_mut(&mut self, shard: u16) -> impl Iterator<Item = (&CertId, &mut Record)> {
        let (first, last) = range_of(shard);
        self.records.range_mut(first..=last)
    }

    /// Drops a record.
    pub(super) fn forget(&mut self, id: &CertId) {
        self.records.remove(id);
    }
}

impl Record {
    /// The last event about each usage.
    pub fn notices(&self) -> impl Iterator<Item = (&Usage, &Notice)> {
        self.notices.iter().map(|(usage, notice)| (usage, &**notice))
    }

    /// The last event about a usage.
    pub fn notice(&self, usage: &Usage) -> Option<&Notice> {
        self.notices.get(usage).map(|notice| &**notice)
    }

    /// Forgets usages that `is_watched` does not know, if there are more than `most`.
    pub(super) fn keep_within(&mut self, most: usize, is_watched: impl Fn(&Usage) -> bool) {
        if self.discovered.len() > most {
            self.discovered.retain(|usage| is_watched(usage));
        }
        if self.notices.len() > most {
            self.notices.retain(|usage, _| is_watched(usage));
        }
        if self.told.len() > most {
            self.told.retain(|(usage, _, _), _| is_watched(usage));
        }
    }

    /// When something about the certificate was last done; `None` if nothing ever was.
    pub fn latest(&self) -> Option<UnixTime> {
        let times = self.checked_at.into_iter().chain(self.notices().map(|(_, notice)| notice.at));
        times.chain(self.told.values().copied()).max()
    }
}
