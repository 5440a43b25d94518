//! A shard in its stored form: what is watched, what was told, and what is on its way, in one value.
//!
//! One value, because they belong together: a cooldown that is spent without its entry would be a lost event, and an
//! entry without its cooldown a double one.

mod certificate;
mod detail;
mod entry;
mod peer;
mod record;
mod renewal;

use serde::{Deserialize, Serialize};

pub(super) use entry::Undelivered;

use self::entry::StoredEntry;
use self::peer::StoredPeer;
use self::record::StoredRecord;
use super::inventory::Inventory;
use super::ledger::Ledger;
use super::outbox::{Entry, Outbox};
use super::shards::shard_of;
use super::shared_data::{decode, encode};
use crate::config::Handler;
use crate::domain::{CertId, EventKind, UnixTime, Usage};

/// What the keys of all shards begin with.
const KEY: &str = "cert-expiry-monitor/certificates/";

/// The key of a shard in shared data.
pub(super) fn key(shard: u16) -> String {
    format!("{KEY}{shard}")
}

/// What a shard holds.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Snapshot {
    peers: Vec<StoredPeer>,
    records: Vec<StoredRecord>,
    entries: Vec<StoredEntry>,
}

impl Snapshot {
    /// A shard as it stands now. What the document lists is not in it.
    pub(super) fn of(
        shard: u16,
        inventory: &Inventory,
        ledger: &Ledger,
        outbox: &Outbox,
        handlers: &[Handler],
        is_retiring: bool,
        now: UnixTime,
    ) -> Vec<u8> {
        // A try is counted before it is made: what is due may be sent at any moment, unless nothing is sent any more. What
        // waits for others or for the morning was not tried: it would be given up untold where there is one try only.
        let counted = |due: Option<UnixTime>, entry: &Entry| {
            let waits = entry.tries == 0 && due.is_some_and(|due| due > now);
            let may_be_sent = due.is_some() && !is_retiring && !waits && entry.not_before <= now;
            entry.tries.saturating_add(u32::from(may_be_sent))
        };
        let entry = |due: Option<UnixTime>, handler: usize, entry: &Entry| {
            let name = handlers.get(handler)?.name.clone();
            Some(StoredEntry::of(entry, name, counted(due, entry)))
        };
        // In the order in which they are to be sent.
        let mut entries: Vec<_> = outbox.shard(shard).collect();
        entries.sort_unstable_by_key(|(due, _, _)| *due);
        encode(&Self {
            peers: inventory.shard(shard).filter_map(StoredPeer::of).collect(),
            records: ledger.shard(shard).map(|(id, record)| StoredRecord::of(id, record)).collect(),
            entries: entries.into_iter().filter_map(|(due, handler, of)| entry(due, handler, of)).collect(),
        })
    }

    /// Reads the contents of the shard with this key; `None` if they are none. What belongs to another shard was put there
    /// by somebody else: no change would overwrite it, and every successor would take it over again.
    pub(super) fn decode(key: &str, contents: &[u8]) -> Option<Self> {
        let shard: u16 = key.strip_prefix(KEY)?.parse().ok()?;
        let mut snapshot: Self = decode(contents)?;
        snapshot.peers.retain(|peer| shard_of(peer.certificate.id()) == shard);
        snapshot.records.retain(|record| shard_of(&record.id) == shard);
        snapshot.entries.retain(|entry| shard_of(entry.about()) == shard);
        Some(snapshot)
    }

    /// What was told by events of a kind about something else than one certificate: of what, and in which usage.
    pub(super) fn told_elsewhere(&self, kind: EventKind) -> impl Iterator<Item = (CertId, Usage)> {
        self.records.iter().flat_map(move |record| record.told_elsewhere(kind).map(|usage| (record.id, usage)))
    }

    /// Hands over what a predecessor knew: peers to the inventory, records to the ledger. What is left is to be sent.
    pub(super) fn restore(self, inventory: &mut Inventory, ledger: &mut Ledger, discovers: bool) -> Vec<Undelivered> {
        for peer in self.peers {
            let sightings = peer.usages.into_iter().filter_map(|sighting| sighting.into_sighting(discovers));
            inventory.restore(peer.certificate.into_certificate(), sightings);
        }
        for record in self.records {
            ledger.restore(record.id, record.into_record());
        }
        // Not in place: that would be a second copy of the code that sorts and shrinks.
        let mut undelivered = Vec::new();
        undelivered.extend(self.entries.into_iter().filter_map(StoredEntry::into_undelivered));
        undelivered
    }
}

#[cfg(test)]
mod tests;
