//! Events on their way to webhooks: each stays until its receiver has answered 2xx, or its tries are spent.

mod breaker;
mod claim;
mod lane;
mod terms;
mod turnstile;

use std::time::Duration;

pub use breaker::Limits;
pub use claim::{Claim, GRACE};
pub use terms::{Batch, Digest, Terms};
pub use turnstile::Claimed;

use lane::Lane;

use super::effect::CallId;
use super::shards::shard_of;
use crate::domain::{CertId, Event, UnixTime, Usage};

/// One event for one webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The event.
    pub event: Event,
    /// How often its delivery was tried, the try that is being made included.
    pub tries: u32,
    /// The time of the notice that the event belongs to: tells whether the ledger has moved on since.
    pub noticed_at: UnixTime,
    /// Whether it goes to this webhook because another one did not take it.
    pub is_passed_on: bool,
    /// It is held back until then: it tells of nothing that anybody has to know at night.
    pub not_before: UnixTime,
    /// Whether it must not share a request: one that it shared was refused.
    pub alone: bool,
    /// Whether another event about the same waits in its place while it is being sent.
    pub is_superseded: bool,
    /// Whether it may go out, as far as other proxies are concerned.
    pub claim: Claim,
}

impl Entry {
    /// An entry for an event that was noticed at that time, which nobody has tried to deliver.
    pub const fn new(event: Event, noticed_at: UnixTime) -> Self {
        let not_before = UnixTime::from_secs(0);
        let claim = Claim::Needless;
        Self { event, tries: 0, noticed_at, is_passed_on: false, not_before, alone: false, is_superseded: false, claim }
    }

    /// Whether it was never tried, and may wait for company, or go before its time with others.
    fn is_fresh(&self, now: UnixTime) -> bool {
        self.tries == 0 && self.not_before <= now
    }

    fn is_about_same(&self, other: &Self) -> bool {
        self.is_about(&other.event.about, &other.event.usage)
    }

    fn is_about(&self, id: &CertId, usage: &Usage) -> bool {
        self.event.about == *id && self.event.usage == *usage
    }
}

/// All entries. A webhook that does not answer, or fails at once and has many waiting, delays no other one.
#[derive(Debug, Default)]
pub struct Outbox {
    /// One lane for each handler.
    lanes: Vec<Lane>,
    /// The lane whose turn it is: they take turns, because a tick has time for a few requests only.
    turn: usize,
    /// The same for claims, of which a store takes a few at a time.
    claiming: usize,
    /// Numbers entries, and calls.
    last: u64,
}

impl Outbox {
    /// An outbox for as many handlers as there are terms.
    pub fn new(terms: impl Iterator<Item = Terms>) -> Self {
        Self { lanes: terms.map(Lane::new).collect(), ..Self::default() }
    }

    /// Whether another entry for a webhook finds room. One in place of an earlier one always does.
    pub fn has_room(&self, handler: usize) -> bool {
        self.lanes.get(handler).is_some_and(|lane| lane.len() < lane.terms().max_pending)
    }

    /// Adds an entry that is to be sent at `due`, in place of an earlier one about the same. One that comes back after a
    /// failure has had its room all along.
    pub fn push(&mut self, handler: usize, entry: Entry, due: UnixTime) {
        let number = self.number();
        if let Some(lane) = self.lanes.get_mut(handler) {
            lane.push(entry, due, number);
        }
    }

    fn number(&mut self) -> u64 {
        self.last = self.last.wrapping_add(1);
        self.last
    }

    /// Makes room for an event: takes the least severe one that waits, the oldest of these, unless all are worse.
    pub fn yield_to(&mut self, handler: usize, entry: &Entry) -> Option<Entry> {
        self.lanes.get_mut(handler)?.yield_to(entry)
    }

    /// When an event for a webhook is to be sent that others may go with.
    pub fn due(&self, handler: usize, entry: &Entry, now: UnixTime) -> UnixTime {
        self.lanes.get(handler).map_or(now, |lane| lane.due(entry, now))
    }

    /// Whether an event about this certificate and usage is on its way to a webhook.
    pub fn contains(&self, handler: usize, id: &CertId, usage: &Usage) -> bool {
        self.lanes.get(handler).is_some_and(|lane| lane.entries().any(|known| known.is_about(id, usage)))
    }

    /// Whether a webhook is told of several events as one.
    pub fn digests(&self, handler: usize) -> bool {
        self.lanes.get(handler).is_some_and(|lane| lane.terms().digest.is_some())
    }

    /// Remembers a certificate whose event found no room; whether it is the first one since there was room.
    pub fn refuse(&mut self, handler: usize, id: CertId) -> bool {
        self.lanes.get_mut(handler).is_some_and(|lane| lane.refuse(id))
    }

    /// Takes a certificate whose event found no room, once half of it is free.
    pub fn invite(&mut self) -> Option<CertId> {
        self.lanes.iter_mut().find_map(Lane::invite)
    }

    /// The certificates of what goes next: these are to be stored before others.
    pub fn first_certificates(&self, now: UnixTime) -> impl Iterator<Item = &CertId> {
        self.lanes.iter().flat_map(move |lane| lane.first_certificates(now))
    }

    /// Takes the next entries that are due and stored and may share a request; the call and its handler. `is_asked`:
    /// whether the store has been asked for something in a lane.
    pub fn take(
        &mut self,
        now: UnixTime,
        is_stored: impl Fn(&CertId) -> bool,
        is_asked: impl Fn(usize) -> bool,
        may_join: impl Fn(usize, &Event, &Event) -> bool,
    ) -> Option<(CallId, usize)> {
        let count = self.lanes.len();
        let call = CallId(self.number());
        for index in (self.turn..count).chain(0..self.turn.min(count)) {
            let Some(lane) = self.lanes.get_mut(index).filter(|lane| lane.next() <= now) else { continue };
            if lane.take(call, now, &is_stored, is_asked(index), &|a, b| may_join(index, a, b)) {
                self.turn = index.saturating_add(1);
                return Some((call, index));
            }
        }
        None
    }

    /// A call that carries none of the entries, such as a handshake.
    pub fn name_call(&mut self) -> CallId {
        CallId(self.number())
    }

    /// The entries of a call that waits for its answer.
    pub fn of_call(&self, handler: usize, call: CallId) -> &[Entry] {
        let calls = self.lanes.get(handler).map(Lane::in_flight);
        let call = calls.and_then(|calls| calls.iter().find(|(known, _)| *known == call));
        call.map_or(&[], |(_, entries)| entries)
    }

    /// Takes one of the entries out of a call that was not made yet.
    pub fn leave_out(&mut self, handler: usize, call: CallId, index: usize) -> Option<Entry> {
        let entries = self.lanes.get_mut(handler)?.call_mut(call)?;
        (index < entries.len()).then(|| entries.remove(index))
    }

    /// Takes all entries but so many out of a call that was not made yet.
    pub fn leave_rest(&mut self, handler: usize, call: CallId, kept: usize) -> Vec<Entry> {
        let entries = self.lanes.get_mut(handler).and_then(|lane| lane.call_mut(call));
        entries.map(|entries| entries.split_off(kept.min(entries.len()))).unwrap_or_default()
    }

    /// Notes that a call has failed; its handler, and how many entries it carries. They stay in flight until each was taken
    /// by [`Outbox::next_failed`].
    pub fn failed(&mut self, call: CallId) -> Option<(usize, usize)> {
        (0..).zip(&mut self.lanes).find_map(|(index, lane)| {
            let entries = lane.call_mut(call)?;
            entries.reverse();
            Some((index, entries.len()))
        })
    }

    /// What [`Outbox::next_failed`] takes.
    pub fn first_failed(&self, handler: usize, call: CallId) -> Option<&Entry> {
        self.of_call(handler, call).last()
    }

    /// Takes the next entry of a call that has failed, in their order.
    pub fn next_failed(&mut self, handler: usize, call: CallId) -> Option<Entry> {
        self.lanes.get_mut(handler)?.next_failed(call)
    }

    /// Has an entry wait that was in flight, and is not superseded.
    pub fn wait_again(&mut self, handler: usize, entry: Entry, due: UnixTime) {
        let number = self.number();
        if let Some(lane) = self.lanes.get_mut(handler) {
            lane.insert((due, number), entry);
        }
    }

    /// Takes the entries of a call that was answered; the handler and they.
    pub fn answered(&mut self, call: CallId) -> Option<(usize, Vec<Entry>)> {
        (0..).zip(&mut self.lanes).find_map(|(index, lane)| Some((index, lane.answered(call)?)))
    }

    /// The receiver is there; whether its breaker was open.
    pub fn succeed(&mut self, handler: usize) -> bool {
        self.lanes.get_mut(handler).is_some_and(|lane| {
            lane.relax();
            lane.breaker.succeed()
        })
    }

    /// The receiver has failed; after how many failures this opens its breaker, if it was closed.
    pub fn fail(&mut self, handler: usize, now: UnixTime) -> Option<u32> {
        let lane = self.lanes.get_mut(handler)?;
        let limits = lane.terms().breaker;
        lane.breaker.fail(&limits, now)
    }

    /// When a webhook's breaker opens, and for how long.
    pub fn breaker_of(&self, handler: usize) -> Limits {
        self.lanes.get(handler).map(|lane| lane.terms().breaker).unwrap_or_default()
    }

    /// Sends nothing to a webhook for so long, and less at a time afterwards.
    pub fn throttle(&mut self, handler: usize, now: UnixTime, length: Duration) {
        if let Some(lane) = self.lanes.get_mut(handler) {
            lane.throttle(now, length);
        }
    }

    /// Leaves at least this time between two requests.
    pub fn set_pace(&mut self, handler: usize, pace: Duration) {
        if let Some(lane) = self.lanes.get_mut(handler) {
            lane.pace = pace;
        }
    }

    /// Sends nothing to a webhook for as long as it is closed.
    pub fn set_closed(&mut self, handler: usize, is_closed: bool) {
        if let Some(lane) = self.lanes.get_mut(handler) {
            lane.is_closed = is_closed;
        }
    }

    /// What [`Outbox::take_back`] takes.
    pub fn first_waiting(&self, handler: usize) -> Option<&Entry> {
        self.lanes.get(handler)?.waiting().next().map(|(_, entry)| entry)
    }

    /// Takes something that waits for a webhook, whatever it waits for.
    pub fn take_back(&mut self, handler: usize) -> Option<Entry> {
        self.lanes.get_mut(handler)?.take_back()
    }

    /// Nothing waits longer than any pause lasts: the clock was set back. [`Outbox::hasten_next`] does it.
    pub fn hasten(&mut self, now: UnixTime) {
        self.lanes.iter_mut().for_each(|lane| lane.hasten(now));
    }

    /// Makes one entry due that waits too long, or has it wait for the end of silence as it is now; whether there was one.
    pub fn hasten_next(
        &mut self,
        now: UnixTime,
        longest: impl Fn(usize) -> Duration,
        held_until: &mut dyn FnMut(&Event) -> UnixTime,
    ) -> bool {
        (0..).zip(&mut self.lanes).any(|(index, lane)| lane.hasten_next(now, longest(index), held_until))
    }

    /// Whether there may be more for [`Outbox::hasten_next`].
    pub fn is_hastening(&self) -> bool {
        self.lanes.iter().any(Lane::is_hastening)
    }

    /// The entries about the certificates of a shard with their handlers, and when they are due; `None`: they are being
    /// sent.
    pub(super) fn shard(&self, shard: u16) -> impl Iterator<Item = (Option<UnixTime>, usize, &Entry)> {
        let waiting = self
            .lanes
            .iter()
            .enumerate()
            .flat_map(|(index, lane)| lane.waiting().map(move |(due, entry)| (Some(due), index, entry)));
        let in_flight = self.lanes.iter().enumerate().flat_map(|(index, lane)| {
            lane.in_flight().iter().flat_map(|(_, entries)| entries).map(move |entry| (None, index, entry))
        });
        waiting.chain(in_flight).filter(move |(_, _, entry)| shard_of(&entry.event.about) == shard)
    }

    /// The certificates of everything that waits.
    pub fn certificates(&self) -> impl Iterator<Item = &CertId> {
        self.lanes.iter().flat_map(Lane::waiting).map(|(_, entry)| &entry.event.about)
    }

    /// How many entries wait for a webhook or its answer.
    pub fn len_of(&self, handler: usize) -> usize {
        self.lanes.get(handler).map_or(0, Lane::len)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.lanes.iter().map(Lane::len).sum()
    }

    /// Whether nothing waits at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether requests wait for their answers.
    pub fn is_in_flight(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.in_flight().is_empty())
    }

    /// When [`Outbox::take`] may have something to give.
    pub fn next(&self) -> UnixTime {
        self.lanes.iter().map(Lane::next).min().unwrap_or(UnixTime::NEVER)
    }
}
