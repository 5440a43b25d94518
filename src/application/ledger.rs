//! What was checked and told, kept in shared data so that it outlives this instance.
//!
//! A fixed number of versioned blobs, because shared data can delete nothing. In them stand the logical entries
//! `cert-cooldown:check:<cert_id>` ([`Record::checked_at`]) and `cert-cooldown:event:<cert_id>…` ([`Record::notices`]).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::ledger::{Debt, Notice};
use crate::domain::{CertId, EventKind, Role, UnixTime, Usage};

/// The number of blobs. Each holds the certificates whose id begins with certain bits, so that a change rewrites little.
pub const SHARDS: u8 = 64;

/// The layout of a blob. One of another version is set aside, not trusted.
const VERSION: u8 = 1;

/// What is remembered of one certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// When it was last checked; the check cooldown counts from here.
    pub checked_at: Option<UnixTime>,
    /// The last event about each usage.
    pub notices: BTreeMap<Usage, Notice>,
    /// When a handler with a cooldown of its own was last told of an event about a usage.
    pub told: BTreeMap<(Usage, EventKind, String), UnixTime>,
}

/// All records.
#[derive(Debug, Default)]
pub struct Ledger {
    records: BTreeMap<CertId, Record>,
    changed: BTreeSet<u8>,
}

/// A blob that is not one of this release's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownBlob;

impl Ledger {
    /// The key of a blob in shared data.
    pub fn key(shard: u8) -> String {
        format!("cert-expiry-monitor/ledger/{shard}")
    }

    /// What is remembered of a certificate.
    pub fn get(&self, id: &CertId) -> Option<&Record> {
        self.records.get(id)
    }

    /// What is remembered of a certificate, to be changed.
    pub fn change(&mut self, id: &CertId) -> &mut Record {
        self.changed.insert(shard_of(id));
        self.records.entry(*id).or_default()
    }

    /// Takes over what a blob holds. Records that are there already are newer and stay.
    pub fn restore(&mut self, blob: &[u8]) -> Result<(), UnknownBlob> {
        let (version, body) = blob.split_first().ok_or(UnknownBlob)?;
        if *version != VERSION {
            return Err(UnknownBlob);
        }
        let records: Vec<StoredRecord> = postcard::from_bytes(body).map_err(|_| UnknownBlob)?;
        for stored in records {
            let id = CertId::from_bytes(stored.id);
            self.records.entry(id).or_insert_with(|| stored.into_record());
        }
        Ok(())
    }

    /// Takes the next blob that has to be written: its shard and contents. Records are kept only while `keep` says so.
    pub fn take_changed(&mut self, keep: impl Fn(&CertId, &Record) -> bool) -> Option<(u8, Vec<u8>)> {
        let shard = self.changed.pop_first()?;
        let records = || self.records.range(first_of(shard)..=last_of(shard));
        let outdated: Vec<_> = records().filter(|(id, record)| !keep(id, record)).map(|(id, _)| *id).collect();
        for id in outdated {
            self.records.remove(&id);
        }
        let records = self.records.range(first_of(shard)..=last_of(shard));
        let stored: Vec<_> = records.map(|(id, record)| StoredRecord::of(id, record)).collect();
        let mut blob = vec![VERSION];
        blob.extend(postcard::to_allocvec(&stored).unwrap_or_default());
        Some((shard, blob))
    }

    /// Whether a blob has to be written.
    pub fn is_changed(&self) -> bool {
        !self.changed.is_empty()
    }
}

impl Record {
    /// Whether the record still holds anything back at `now`: nothing does that is older than `longest`.
    pub fn matters(&self, now: UnixTime, longest: Duration) -> bool {
        let times = self.checked_at.into_iter().chain(self.notices.values().map(|notice| notice.at));
        times.chain(self.told.values().copied()).any(|at| at.after(longest) > now)
    }
}

/// The ids of a shard share their first bits, so that they lie side by side.
const BITS: u32 = SHARDS.leading_zeros() + 1;

fn shard_of(id: &CertId) -> u8 {
    let [first, ..] = id.as_bytes();
    first >> BITS
}

fn first_of(shard: u8) -> CertId {
    let mut bytes = [0; 32];
    bytes[0] = shard << BITS;
    CertId::from_bytes(bytes)
}

fn last_of(shard: u8) -> CertId {
    let mut bytes = [u8::MAX; 32];
    bytes[0] = shard << BITS | u8::MAX >> (8 - BITS);
    CertId::from_bytes(bytes)
}

#[derive(Serialize, Deserialize)]
struct StoredRecord {
    id: [u8; 32],
    checked_at: Option<i64>,
    notices: Vec<StoredNotice>,
    told: Vec<StoredTold>,
}

#[derive(Serialize, Deserialize)]
struct StoredUsage {
    role: String,
    api_id: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredNotice {
    usage: StoredUsage,
    remaining: Duration,
    at: i64,
    owed: Vec<(String, u32)>,
}

#[derive(Serialize, Deserialize)]
struct StoredTold {
    usage: StoredUsage,
    event: String,
    handler: String,
    at: i64,
}

impl StoredUsage {
    fn of(usage: &Usage) -> Self {
        Self { role: usage.role().as_str().to_owned(), api_id: usage.api_id().map(str::to_owned) }
    }

    fn into_usage(self) -> Option<Usage> {
        Role::parse(&self.role).map(|role| Usage::new(role, self.api_id))
    }
}

impl StoredRecord {
    fn of(id: &CertId, record: &Record) -> Self {
        let notice = |(usage, notice): (&Usage, &Notice)| StoredNotice {
            usage: StoredUsage::of(usage),
            remaining: notice.remaining,
            at: notice.at.millis(),
            owed: notice.owed.iter().map(|debt| (debt.handler.clone(), debt.attempts)).collect(),
        };
        let told = |((usage, event, handler), at): (&(Usage, EventKind, String), &UnixTime)| StoredTold {
            usage: StoredUsage::of(usage),
            event: event.as_str().to_owned(),
            handler: handler.clone(),
            at: at.millis(),
        };
        Self {
            id: *id.as_bytes(),
            checked_at: record.checked_at.map(UnixTime::millis),
            notices: record.notices.iter().map(notice).collect(),
            told: record.told.iter().map(told).collect(),
        }
    }

    fn into_record(self) -> Record {
        let notice = |stored: StoredNotice| {
            let owed = stored
                .owed
                .into_iter()
                .map(|(handler, attempts)| Debt { handler, attempts, on_its_way: false })
                .collect();
            let notice = Notice { remaining: stored.remaining, at: UnixTime::from_millis(stored.at), owed };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> (Ledger, CertId) {
        let (mut ledger, id) = (Ledger::default(), CertId::of_der(b"der"));
        let usage = Usage::new(Role::Client, Some("orders".into()));
        let record = ledger.change(&id);
        record.checked_at = Some(UnixTime::from_secs(7));
        let owed = vec![Debt { handler: "ops".into(), attempts: 2, on_its_way: false }];
        let notice = Notice { remaining: Duration::from_secs(5), at: UnixTime::from_millis(1_500), owed };
        record.notices.insert(usage.clone(), notice);
        record.told.insert((usage, EventKind::CertificateExpired, "ops".into()), UnixTime::from_secs(9));
        (ledger, id)
    }

    #[test]
    fn a_blob_brings_back_what_was_remembered() {
        let (mut ledger, id) = filled();
        let (shard, blob) = ledger.take_changed(|_, _| true).unwrap();
        assert_eq!(shard, shard_of(&id));
        assert!(!ledger.is_changed());
        let mut successor = Ledger::default();
        assert_eq!(successor.restore(&blob), Ok(()));
        assert_eq!(successor.get(&id), ledger.get(&id));
    }

    #[test]
    fn every_id_lies_in_the_shard_it_is_written_to() {
        for first in 0..=u8::MAX {
            let mut bytes = [7; 32];
            bytes[0] = first;
            let id = CertId::from_bytes(bytes);
            let shard = shard_of(&id);
            assert!(shard < SHARDS && first_of(shard) <= id && id <= last_of(shard), "{id}");
        }
        assert!(last_of(0) < first_of(1));
    }

    #[test]
    fn what_is_no_blob_of_this_release_is_set_aside() {
        let (mut ledger, _) = filled();
        let (_, blob) = ledger.take_changed(|_, _| true).unwrap();
        for length in 0..blob.len() {
            assert_eq!(Ledger::default().restore(&blob[..length]), Err(UnknownBlob), "the first {length} bytes");
        }
        assert_eq!(Ledger::default().restore(&[VERSION + 1, 0]), Err(UnknownBlob));
        assert_eq!(Ledger::default().restore(b"another plugin's text"), Err(UnknownBlob));
    }

    #[test]
    fn a_record_that_holds_nothing_back_any_more_is_dropped() {
        let (mut ledger, id) = filled();
        let now = UnixTime::from_secs(19);
        ledger.take_changed(|_, record| record.matters(now, Duration::from_secs(11)));
        assert!(ledger.get(&id).is_some());
        ledger.change(&id);
        ledger.take_changed(|_, record| record.matters(now, Duration::from_secs(10)));
        assert_eq!(ledger.get(&id), None);
    }
}
