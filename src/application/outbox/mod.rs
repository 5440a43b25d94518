//! Events on their way to webhooks: each stays until its receiver has answered 2xx, or its tries are spent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::effect::CallId;
use super::shards::shard_of;
use crate::domain::{CertId, Event, UnixTime, Usage};

/// Entries that may wait for one webhook.
const MOST_WAITING: usize = 1_000;
/// Certificates that are remembered because their events found no room. What is owed about others is found by rounds.
const MOST_REFUSED: usize = 20_000;
/// Requests to one webhook that may wait for their answers at the same time.
const MOST_IN_FLIGHT: usize = 4;

/// Entries that are looked at to find one that is stored. Those in front are stored soon.
const MOST_LOOKED_AT: usize = 16;

/// One event for one webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The event.
    pub event: Event,
    /// The index of the webhook among the document's handlers.
    pub handler: usize,
    /// How often it was tried in vain.
    pub failures: u32,
    /// The time of the notice that the event belongs to: tells whether the ledger has moved on since.
    pub noticed_at: UnixTime,
}

impl Entry {
    fn is_about_same(&self, other: &Self) -> bool {
        self.event.certificate.id == other.event.certificate.id && self.event.usage == other.event.usage
    }
}

/// All entries. A webhook that does not answer, or fails at once and has many waiting, delays no other one.
#[derive(Debug, Default)]
pub struct Outbox {
    /// One lane for each handler.
    lanes: Vec<Lane>,
    /// The lane whose turn it is: they take turns, because a tick has time for a few requests only.
    turn: usize,
    /// Numbers entries, and calls.
    last: u64,
}

#[derive(Debug, Default)]
struct Lane {
    /// By the time they are due, and then in their order.
    waiting: BTreeMap<(UnixTime, u64), Entry>,
    in_flight: Vec<(CallId, Entry)>,
    /// The certificates whose events found no room.
    refused: BTreeSet<CertId>,
}

impl Lane {
    fn len(&self) -> usize {
        self.waiting.len().saturating_add(self.in_flight.len())
    }

    fn next(&self) -> UnixTime {
        let first = self.waiting.first_key_value().filter(|_| self.in_flight.len() < MOST_IN_FLIGHT);
        first.map_or(UnixTime::NEVER, |((due, _), _)| *due)
    }
}

impl Outbox {
    /// Whether another entry for a webhook finds room. One in place of an earlier one always does.
    pub fn has_room(&self, handler: usize) -> bool {
        self.len_of(handler) < MOST_WAITING
    }

    /// Adds an entry that is to be sent at `due`, in place of an earlier one about the same. One that comes back after a
    /// failure has had its room all along.
    pub fn push(&mut self, entry: Entry, due: UnixTime) {
        self.last = self.last.wrapping_add(1);
        let number = self.last;
        let waiting = &mut self.lane(entry.handler).waiting;
        let earlier = waiting.iter().find(|(_, known)| known.is_about_same(&entry)).map(|(key, _)| *key);
        earlier.map(|key| waiting.remove(&key));
        waiting.insert((due, number), entry);
    }

    /// Whether a newer event about the same certificate and usage is on its way to the same webhook.
    pub fn has_newer(&self, entry: &Entry) -> bool {
        let is_newer = |known: &Entry| known.is_about_same(entry) && known.noticed_at > entry.noticed_at;
        self.lanes.get(entry.handler).is_some_and(|lane| {
            lane.waiting.values().chain(lane.in_flight.iter().map(|(_, entry)| entry)).any(is_newer)
        })
    }

    /// Whether an event about this certificate and usage is on its way to a webhook.
    pub fn contains(&self, handler: usize, id: &CertId, usage: &Usage) -> bool {
        let is_about = |known: &Entry| known.event.certificate.id == *id && known.event.usage == *usage;
        self.lanes.get(handler).is_some_and(|lane| {
            lane.waiting.values().chain(lane.in_flight.iter().map(|(_, entry)| entry)).any(is_about)
        })
    }

    /// Remembers a certificate whose event found no room; whether it is the first one since there was room.
    pub fn refuse(&mut self, handler: usize, id: CertId) -> bool {
        let refused = &mut self.lane(handler).refused;
        let is_first = refused.is_empty();
        refused.insert(id);
        if refused.len() > MOST_REFUSED {
            refused.pop_first();
        }
        is_first
    }

    /// Takes a certificate whose event found no room, once half of it is free.
    pub fn invite(&mut self) -> Option<CertId> {
        let mut lanes = self.lanes.iter_mut().filter(|lane| lane.len() < MOST_WAITING / 2);
        lanes.find_map(|lane| lane.refused.pop_first())
    }

    fn lane(&mut self, handler: usize) -> &mut Lane {
        if self.lanes.len() <= handler {
            self.lanes.resize_with(handler.saturating_add(1), Lane::default);
        }
        // Just made, if it was not there.
        #[allow(clippy::indexing_slicing)]
        &mut self.lanes[handler]
    }

    /// Takes the next entry that is due and stored, with the name of its call.
    pub fn take(&mut self, now: UnixTime, is_stored: impl Fn(&CertId) -> bool) -> Option<(CallId, Entry)> {
        let count = self.lanes.len();
        let in_turn = (self.turn..count).chain(0..self.turn.min(count));
        for index in in_turn {
            let Some(lane) = self.lanes.get_mut(index).filter(|lane| lane.next() <= now) else { continue };
            let due = lane.waiting.range(..=(now, u64::MAX)).take(MOST_LOOKED_AT);
            let stored =
                due.map(|(key, entry)| (*key, entry)).find(|(_, entry)| is_stored(&entry.event.certificate.id));
            let Some(entry) = stored.map(|(key, _)| key).and_then(|key| lane.waiting.remove(&key)) else { continue };
            self.turn = index.saturating_add(1);
            self.last = self.last.wrapping_add(1);
            let id = CallId(self.last);
            lane.in_flight.push((id, entry.clone()));
            return Some((id, entry));
        }
        None
    }

    /// Takes the entry of a call that was answered.
    pub fn answered(&mut self, id: CallId) -> Option<Entry> {
        self.lanes.iter_mut().find_map(|lane| {
            let index = lane.in_flight.iter().position(|(call, _)| *call == id)?;
            Some(lane.in_flight.swap_remove(index).1)
        })
    }

    /// Makes everything due that waits longer than any pause lasts: the clock was set back.
    pub fn hasten(&mut self, now: UnixTime, longest: Duration) {
        for lane in &mut self.lanes {
            while let Some(last) = lane.waiting.last_entry().filter(|last| last.key().0 > now.after(longest)) {
                let ((_, number), entry) = last.remove_entry();
                lane.waiting.insert((now, number), entry);
            }
        }
    }

    /// The entries about the certificates of a shard, and when they are due; those that are on their way, at once.
    pub(super) fn shard(&self, shard: u16) -> impl Iterator<Item = (UnixTime, &Entry)> {
        let waiting = self.lanes.iter().flat_map(|lane| lane.waiting.iter().map(|((due, _), entry)| (*due, entry)));
        let in_flight = self.lanes.iter().flat_map(|lane| &lane.in_flight);
        let in_flight = in_flight.map(|(_, entry)| (UnixTime::default(), entry));
        waiting.chain(in_flight).filter(move |(_, entry)| shard_of(&entry.event.certificate.id) == shard)
    }

    /// How many entries wait for a webhook or its answer.
    pub fn len_of(&self, handler: usize) -> usize {
        self.lanes.get(handler).map_or(0, Lane::len)
    }

    /// Whether requests wait for their answers.
    pub fn is_in_flight(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.in_flight.is_empty())
    }

    /// When [`Outbox::take`] may have something to give.
    pub fn next(&self) -> UnixTime {
        self.lanes.iter().map(Lane::next).min().unwrap_or(UnixTime::NEVER)
    }
}
