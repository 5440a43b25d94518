//! The events of one webhook: what waits, what is on its way, and what holds it back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::breaker::Breaker;
use super::claim::Claim;
use super::terms::{Digest, GATHERING, Terms};
use super::{CallId, Entry};
use crate::domain::backoff::LONGEST_WISH;
use crate::domain::{CertId, Detail, Event, EventKind, Severity, UnixTime};

/// Certificates that are remembered because their events found no room. What is owed about others is found by rounds.
const MOST_REFUSED: usize = 20_000;
/// No other proxy is waited for longer at a time.
const LONGEST_CLAIM: Duration = Duration::from_secs(400);
/// Further entries that are looked at to fill a request, or to see whether one is full.
const MOST_LOOKED_AT: usize = 16;

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Lane {
    terms: Terms,
    /// By the time they are due, and then in their order.
    waiting: BTreeMap<(UnixTime, u64), Entry>,
    in_flight: Vec<(CallId, Vec<Entry>)>,
    /// The certificates whose events found no room.
    refused: BTreeSet<CertId>,
    pub(super) breaker: Breaker,
    /// How many requests may be on their way now. One after the receiver has asked for a pause, and one more with every
    /// answer that does not.
    allowance: usize,
    /// The receiver has asked to be left alone until then, or for so many requests a minute only.
    paused_until: UnixTime,
    /// The time between requests that the receiver has asked for.
    pub(super) pace: Duration,
    /// Nothing is sent.
    pub(super) is_closed: bool,
    /// When the last digest was made.
    last_digest: UnixTime,
    /// The clock was set back, and what waits up to here was not looked at since.
    hastening: Option<(UnixTime, u64)>,
}

impl Lane {
    pub(super) fn new(terms: Terms) -> Self {
        Self { terms, allowance: terms.max_in_flight, ..Self::default() }
    }

    pub(super) const fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len().saturating_add(self.in_flight.iter().map(|(_, entries)| entries.len()).sum())
    }

    pub(super) const fn in_flight(&self) -> &Vec<(CallId, Vec<Entry>)> {
        &self.in_flight
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = (UnixTime, &Entry)> {
        self.waiting.iter().map(|((due, _), entry)| (*due, entry))
    }

    /// Everything that waits or is on its way.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.waiting.values().chain(self.in_flight.iter().flat_map(|(_, entries)| entries))
    }

    /// Adds an entry in place of an earlier one about the same. What was noticed later stays in any case, and takes the
    /// place of what is being sent should that fail.
    pub(super) fn push(&mut self, entry: Entry, due: UnixTime, number: u64) {
        // What was noticed in the future was noticed before the clock was set back.
        let later = |known: &Entry| known.noticed_at > entry.noticed_at && known.noticed_at <= due;
        let is_later = |known: &Entry| known.is_about_same(&entry) && later(known);
        if self.entries().any(is_later) {
            return;
        }
        let known = self.waiting.iter().find(|(_, known)| known.is_about_same(&entry)).map(|(key, _)| *key);
        known.map(|key| self.waiting.remove(&key));
        for sent in self.in_flight.iter_mut().flat_map(|(_, entries)| entries) {
            sent.is_superseded |= sent.is_about_same(&entry);
        }
        self.waiting.insert((due, number), entry);
    }

    /// When a new event is to be sent that others may go with.
    pub(super) fn due(&self, entry: &Entry, now: UnixTime) -> UnixTime {
        let due = match self.terms.digest {
            _ if entry.tries > 0 || !joins_digests(&entry.event) && self.terms.digest.is_some() => now,
            Some(Digest { interval }) => {
                // One from the future was made before the clock was set back.
                let next = now.since(self.last_digest).map_or(now, |_| self.last_digest.after(interval));
                // What is critical is kept back by nothing, and takes along what waits.
                let is_critical = entry.event.severity == Severity::Critical;
                next.min(if is_critical { now } else { next }).max(now.after(GATHERING))
            }
            None => now.after(self.terms.wait()),
        };
        due.max(entry.not_before)
    }

    /// Takes the least severe of what waits, the oldest of these, if it is less severe than `entry`, or as severe and older.
    pub(super) fn yield_to(&mut self, entry: &Entry) -> Option<Entry> {
        // The end of an alert is as severe as the alert: whoever has heard of it waits for its end. What comes back after a
        // failure has a new number; the event is as old as before.
        let rank = |entry: &Entry| (entry.event.alert().severity, entry.noticed_at);
        let (key, least) = self.waiting.iter().min_by_key(|((_, number), entry)| (rank(entry), *number))?;
        if rank(least) >= rank(entry) {
            return None;
        }
        let key = *key;
        self.waiting.remove(&key)
    }

    /// Remembers a certificate whose event found no room; whether it is the first one since there was room.
    pub(super) fn refuse(&mut self, id: CertId) -> bool {
        let is_first = self.refused.is_empty();
        self.refused.insert(id);
        if self.refused.len() > MOST_REFUSED {
            self.refused.pop_first();
        }
        is_first
    }

    /// Takes a certificate whose event found no room, once half of it is free.
    pub(super) fn invite(&mut self) -> Option<CertId> {
        if self.len() < self.terms.max_pending.div_ceil(2) { self.refused.pop_first() } else { None }
    }

    /// When something may be sent.
    pub(super) fn next(&self) -> UnixTime {
        if self.is_closed || self.in_flight.len() >= self.allowance {
            return UnixTime::NEVER;
        }
        let Some(((first, _), _)) = self.waiting.first_key_value() else { return UnixTime::NEVER };
        let ready = self.filled_at().map_or(*first, |filled| filled.min(*first));
        ready.max(self.breaker.admits_from(self.in_flight.len())).max(self.paused_until)
    }

    /// Whether its receiver may be sent something now.
    pub(super) fn may_send(&self, now: UnixTime) -> bool {
        let has_slot = self.in_flight.len() < self.allowance;
        !self.is_closed && has_slot && self.breaker.admits_from(self.in_flight.len()).max(self.paused_until) <= now
    }

    /// Up to when what is due goes with what is due now, if anything is.
    pub(super) fn reach(&self, now: UnixTime) -> UnixTime {
        let is_due = self.waiting.first_key_value().is_some_and(|((due, _), _)| *due <= now);
        if is_due || self.filled_at().is_some_and(|filled| filled <= now) { now.after(self.terms.wait()) } else { now }
    }

    /// What is due until then.
    pub(super) fn due_until(&self, until: UnixTime) -> impl Iterator<Item = ((UnixTime, u64), &Entry)> {
        self.waiting.range(..=(until, u64::MAX)).map(|(key, entry)| (*key, entry))
    }

    /// How many entries are claimed at a time: what cannot be sent soon is left to others.
    pub(super) fn most_claimed(&self) -> usize {
        self.terms.most().max(self.terms.max_in_flight.saturating_mul(2))
    }

    pub(super) fn get(&self, key: (UnixTime, u64)) -> Option<&Entry> {
        self.waiting.get(&key)
    }

    pub(super) fn insert(&mut self, key: (UnixTime, u64), entry: Entry) {
        self.waiting.insert(key, entry);
    }

    pub(super) fn remove(&mut self, key: (UnixTime, u64)) -> Option<Entry> {
        self.waiting.remove(&key)
    }

    /// When a batch is full: those who still wait for company need not any more.
    fn filled_at(&self) -> Option<UnixTime> {
        let batch = self.terms.batch.filter(|_| self.terms.digest.is_none())?;
        let mut fresh = self
            .waiting
            .iter()
            .take(batch.max.saturating_add(MOST_LOOKED_AT))
            .filter(|((due, _), entry)| entry.is_fresh(due.before(batch.wait)) && entry.claim.may_join());
        let ((due, _), _) = fresh.nth(batch.max.checked_sub(1)?)?;
        Some(due.before(batch.wait))
    }

    /// The certificates of what goes next, as far as it is due.
    pub(super) fn first_certificates(&self, now: UnixTime) -> impl Iterator<Item = &CertId> {
        let is_ready = self.next() <= now;
        let alone = self.terms.batch.is_none() && self.terms.digest.is_none();
        let count = if !is_ready {
            0
        } else if alone {
            self.terms.max_in_flight
        } else {
            self.terms.most()
        };
        self.waiting.values().take(count).map(|entry| &entry.event.about)
    }

    /// Takes what is due and stored and may go together, under the name of a call.
    pub(super) fn take(
        &mut self,
        call: CallId,
        now: UnixTime,
        is_stored: &impl Fn(&CertId) -> bool,
        is_asked: bool,
        may_join: &impl Fn(&Event, &Event) -> bool,
    ) -> bool {
        let most = self.terms.most();
        let until = now.after(self.terms.wait());
        let due = self.waiting.range(..=(until, u64::MAX)).take(most.saturating_add(MOST_LOOKED_AT));
        let mut chosen: Vec<(UnixTime, u64)> = Vec::new();
        let mut first: Option<&Entry> = None;
        let mut waits_for_storage = false;
        // Only what was never tried goes before its time.
        let may_go = |entry: &Entry| entry.claim.allows(now);
        for (key, entry) in due.filter(|((due, _), entry)| (*due <= now || entry.is_fresh(now)) && may_go(entry)) {
            // In their order, whatever else is going on: what is not stored yet is waited for.
            waits_for_storage = !is_stored(&entry.event.about);
            if waits_for_storage {
                break;
            }
            let joins = first.is_none_or(|first| !first.alone && !entry.alone && self.joins(first, entry, may_join));
            if joins && chosen.len() < most {
                first.get_or_insert(entry);
                chosen.push(*key);
            }
        }
        // What is told as one goes as one: the rest of it is stored within a few ticks.
        let waits_for_all = |(due, _): &(UnixTime, u64)| now < due.after(GATHERING);
        if waits_for_storage && self.terms.digest.is_some() && chosen.first().is_none_or(waits_for_all) {
            return false;
        }
        // Those that wait for company go when there is enough of it.
        let is_due = chosen.first().is_some_and(|(due, _)| *due <= now);
        let claims = || chosen.iter().filter_map(|key| self.waiting.get(key)).map(|entry| entry.claim);
        let is_shared = claims().any(Claim::is_shared);
        // What needs no claim waits for those of others until it is due.
        let may_wait = if is_shared { claims().all(|claim| claim.may_wait(now)) } else { !is_due };
        if most > 1 && chosen.len() < most && may_wait && (is_asked || self.is_to_claim(now)) {
            return false;
        }
        if !is_due && waits_for_storage && chosen.len() < most {
            return false;
        }
        let mut entries = Vec::new();
        for mut entry in chosen.iter().filter_map(|key| self.waiting.remove(key)) {
            entry.tries = entry.tries.saturating_add(1);
            entries.push(entry);
        }
        let has_some = !entries.is_empty();
        if has_some {
            if entries.len() > 1 || entries.iter().any(|entry| joins_digests(&entry.event)) {
                self.last_digest = now;
            }
            self.in_flight.push((call, entries));
            if !self.pace.is_zero() {
                self.pause(now, self.pace);
            }
        }
        has_some
    }

    fn joins(&self, first: &Entry, entry: &Entry, may_join: &impl Fn(&Event, &Event) -> bool) -> bool {
        match self.terms.digest {
            Some(_) => joins_digests(&first.event) && joins_digests(&entry.event),
            None => may_join(&first.event, &entry.event),
        }
    }

    /// The entries of a call, to be changed.
    pub(super) fn call_mut(&mut self, call: CallId) -> Option<&mut Vec<Entry>> {
        self.in_flight.iter_mut().find(|(known, _)| *known == call).map(|(_, entries)| entries)
    }

    /// Takes the last entry of a call, and ends the call with it.
    pub(super) fn next_failed(&mut self, call: CallId) -> Option<Entry> {
        let entries = self.call_mut(call)?;
        let last = entries.pop();
        if entries.is_empty() {
            self.answered(call);
        }
        last
    }

    /// Takes the entries of a call that has ended.
    pub(super) fn answered(&mut self, call: CallId) -> Option<Vec<Entry>> {
        let index = self.in_flight.iter().position(|(known, _)| *known == call)?;
        Some(self.in_flight.swap_remove(index).1)
    }

    /// The receiver has asked to be left alone for so long: it gets less at a time afterwards.
    pub(super) fn throttle(&mut self, now: UnixTime, length: Duration) {
        self.allowance = 1;
        self.pause(now, length);
    }

    /// The receiver is content.
    pub(super) fn relax(&mut self) {
        self.allowance = self.allowance.saturating_add(1).min(self.terms.max_in_flight);
    }

    /// Sends nothing for so long.
    fn pause(&mut self, now: UnixTime, length: Duration) {
        self.paused_until = self.paused_until.max(now.after(length));
    }

    /// Takes something that waits, whatever it waits for.
    pub(super) fn take_back(&mut self) -> Option<Entry> {
        self.waiting.pop_first().map(|(_, entry)| entry)
    }

    /// The clock was set back: what waits for longer than any pause lasts is to be looked at, see [`Lane::hasten_next`].
    pub(super) fn hasten(&mut self, now: UnixTime) {
        self.hastening = Some((UnixTime::NEVER, u64::MAX));
        self.paused_until = self.paused_until.min(now.after(LONGEST_WISH));
        self.breaker.hasten(&self.terms.breaker, now);
    }

    /// Makes one more entry due that waits longer than any pause lasts, since before the clock was set back; whether there
    /// was one. They are taken from the last one on, so that one which stays among them comes up twice at most.
    pub(super) fn hasten_next(
        &mut self,
        now: UnixTime,
        longest: Duration,
        held_until: &mut dyn FnMut(&Event) -> UnixTime,
    ) -> bool {
        let late = (now.after(longest), 0);
        let last = self.hastening.and_then(|end| self.waiting.range(..end).next_back());
        self.hastening = last.map(|(key, _)| *key).filter(|key| *key >= (now.after(LONGEST_CLAIM), 0));
        let Some(key) = self.hastening else { return false };
        if key < late && self.waiting.get(&key).is_some_and(|entry| entry.claim.may_join()) {
            return true;
        }
        let Some(mut entry) = self.waiting.remove(&key) else { return false };
        // Nights are those of the clock as it is now.
        entry.not_before = if entry.not_before > now { held_until(&entry.event) } else { entry.not_before };
        self.waiting.insert((now.max(entry.not_before), key.1), entry);
        true
    }

    /// Whether there may be more for [`Lane::hasten_next`].
    pub(super) const fn is_hastening(&self) -> bool {
        self.hastening.is_some()
    }
}

/// Whether an event may be told as one of several: what tells of the proxy, and a test, goes at once and alone.
fn joins_digests(event: &Event) -> bool {
    event.is_of_certificate() && event.kind != EventKind::WebhookTest && !matches!(event.detail, Detail::Listing(_))
}

#[cfg(test)]
mod claims;
#[cfg(test)]
mod tests;
