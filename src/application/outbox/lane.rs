//! The events of one webhook: what waits, what is on its way, and what holds it back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::breaker::{Breaker, Limits};
use super::{CallId, Entry};
use crate::domain::backoff::LONGEST_WISH;
use crate::domain::{CertId, Event, UnixTime};

/// Certificates that are remembered because their events found no room. What is owed about others is found by rounds.
const MOST_REFUSED: usize = 20_000;
/// Further entries that are looked at to fill a request.
const MOST_LOOKED_AT: usize = 16;

/// How many events one request may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// At most so many.
    pub max: usize,
    /// An event waits so long for others to go with it.
    pub wait: Duration,
}

/// What one webhook bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Events that may wait for it.
    pub max_pending: usize,
    /// Requests that may wait for their answers at the same time.
    pub max_in_flight: usize,
    /// When it is left alone.
    pub breaker: Limits,
    /// Several events in one request.
    pub batch: Option<Batch>,
}

impl Default for Terms {
    fn default() -> Self {
        Self { max_pending: 1_000, max_in_flight: 4, breaker: Limits::default(), batch: None }
    }
}

impl Terms {
    /// How long a new event waits for others.
    pub(super) fn wait(&self) -> Duration {
        self.batch.map(|batch| batch.wait).unwrap_or_default()
    }
}

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

    /// Takes the least severe of what waits, the oldest of these, if it is less severe than `entry`, or as severe and older.
    pub(super) fn yield_to(&mut self, entry: &Entry) -> Option<Entry> {
        // The end of an alert is as severe as the alert: whoever has heard of it waits for its end. What comes back after a
        // failure has a new number; the event is as old as before.
        let rank = |entry: &Entry| (entry.event.alert().severity(), entry.noticed_at);
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

    /// When a batch is full: those who still wait for company need not any more.
    fn filled_at(&self) -> Option<UnixTime> {
        let batch = self.terms.batch?;
        let mut fresh = self.waiting.iter().filter(|(_, entry)| entry.tries == 0);
        let ((due, _), _) = fresh.nth(batch.max.checked_sub(1)?)?;
        Some(due.before(batch.wait))
    }

    /// The certificates of what goes next, as far as it is due.
    pub(super) fn first_certificates(&self, now: UnixTime) -> impl Iterator<Item = &CertId> {
        let is_ready = self.next() <= now;
        let count = if is_ready { self.terms.batch.map_or(self.terms.max_in_flight, |batch| batch.max) } else { 0 };
        self.waiting.values().take(count).map(|entry| &entry.event.about)
    }

    /// Takes what is due and stored and may go together, under the name of a call.
    pub(super) fn take(
        &mut self,
        call: CallId,
        now: UnixTime,
        is_stored: &impl Fn(&CertId) -> bool,
        may_join: &impl Fn(&Event, &Event) -> bool,
    ) -> bool {
        let most = self.terms.batch.map_or(1, |batch| batch.max);
        let until = now.after(self.terms.wait());
        let due = self.waiting.range(..=(until, u64::MAX)).take(most.saturating_add(MOST_LOOKED_AT));
        let mut chosen: Vec<(UnixTime, u64)> = Vec::new();
        let mut first: Option<&Entry> = None;
        let mut waits_for_storage = false;
        // Only what was never tried goes before its time.
        for (key, entry) in due.filter(|((due, _), entry)| *due <= now || entry.tries == 0) {
            // In their order, whatever else is going on: what is not stored yet is waited for.
            waits_for_storage = !is_stored(&entry.event.about);
            if waits_for_storage {
                break;
            }
            let joins = first.is_none_or(|first| !first.alone && !entry.alone && may_join(&first.event, &entry.event));
            if joins && chosen.len() < most {
                first.get_or_insert(entry);
                chosen.push(*key);
            }
        }
        // Those that wait for company go when there is enough of it.
        let is_due = chosen.first().is_some_and(|(due, _)| *due <= now);
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
            self.in_flight.push((call, entries));
            if !self.pace.is_zero() {
                self.pause(now, self.pace);
            }
        }
        has_some
    }

    /// The entries of a call, to be changed.
    pub(super) fn call_mut(&mut self, call: CallId) -> Option<&mut Vec<Entry>> {
        self.in_flight.iter_mut().find(|(known, _)| *known == call).map(|(_, entries)| entries)
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

    /// Makes everything due that waits longer than any pause lasts: the clock was set back.
    pub(super) fn hasten(&mut self, now: UnixTime, longest: Duration) {
        while let Some(last) = self.waiting.last_entry().filter(|last| last.key().0 > now.after(longest)) {
            let ((_, number), entry) = last.remove_entry();
            self.waiting.insert((now, number), entry);
        }
        self.paused_until = self.paused_until.min(now.after(LONGEST_WISH));
        self.breaker.hasten(&self.terms.breaker, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::EventKind;
    use crate::render::fields::samples;

    /// An event about a certificate of that name.
    fn event(kind: EventKind, name: &str) -> Event {
        let mut event = samples().into_iter().find(|event| event.kind == kind).unwrap();
        let certificate = std::rc::Rc::make_mut(&mut event.certificate);
        certificate.id = CertId::of_der(name.as_bytes());
        name.clone_into(&mut certificate.name);
        event.about = event.certificate.id;
        event
    }

    fn soon(name: &str) -> Event {
        event(EventKind::CertificateExpiringSoon, name)
    }

    fn expired(name: &str) -> Event {
        event(EventKind::CertificateExpired, name)
    }

    #[test]
    fn the_least_severe_makes_room_the_oldest_of_these_and_nobody_for_something_milder() {
        let mut lane = Lane::new(Terms::default());
        let now = UnixTime::from_secs(1_000);
        // One that has failed stands behind those that came after it, and is older all the same.
        let entries = [(expired("d"), 4), (soon("c"), 3), (soon("b"), 2), (expired("a"), 1)];
        for (number, (event, seconds)) in (1..).zip(entries) {
            lane.push(Entry::new(event, now.after(Duration::from_secs(seconds))), now, number);
        }
        let names = |yielded: Option<Entry>| yielded.map(|entry| entry.event.certificate.name.clone());
        let mut yielded = Vec::new();
        for newcomer in [expired("x"), soon("y"), soon("z"), expired("x"), expired("y"), expired("z")] {
            yielded.push(names(lane.yield_to(&Entry::new(newcomer, now.after(Duration::from_secs(9))))));
        }
        let expected = [Some("b"), Some("c"), None, Some("a"), Some("d"), None];
        assert_eq!(yielded, expected.map(|name| name.map(str::to_owned)));
    }

    #[test]
    fn a_receiver_that_asks_for_a_pause_gets_one_at_a_time_and_more_with_every_good_answer() {
        let mut lane = Lane::new(Terms { max_in_flight: 3, ..Terms::default() });
        let now = UnixTime::from_secs(1_000);
        for (number, name) in (1..).zip(["a", "b", "c", "d", "e", "f"]) {
            lane.push(Entry::new(soon(name), now), now, number);
        }
        let mut calls = 0;
        let mut take = |lane: &mut Lane| {
            let mut taken = 0;
            while lane.next() <= now {
                calls += 1;
                assert!(lane.take(CallId(calls), now, &|_| true, &|_, _| true));
                taken += 1;
            }
            taken
        };
        assert_eq!(take(&mut lane), 3);
        for call in 1..=3 {
            lane.answered(CallId(call));
        }
        lane.throttle(now, Duration::ZERO);
        assert_eq!(take(&mut lane), 1);
        lane.answered(CallId(4));
        lane.relax();
        assert_eq!(take(&mut lane), 2);
    }

    #[test]
    fn what_was_noticed_later_is_never_replaced_and_takes_the_place_of_what_fails() {
        let mut lane = Lane::new(Terms::default());
        let now = UnixTime::from_secs(1_000);
        let (older, newer) = (Entry::new(soon("a"), now), Entry::new(expired("a"), now.after(Duration::from_secs(1))));
        lane.push(newer.clone(), now, 1);
        lane.push(older.clone(), now.after(Duration::from_secs(1)), 2);
        assert_eq!(lane.take_back().map(|entry| entry.event.kind), Some(EventKind::CertificateExpired));
        assert!(lane.take_back().is_none());

        lane.push(older.clone(), now, 3);
        assert!(lane.take(CallId(1), now, &|_| true, &|_, _| true));
        lane.push(newer, now, 4);
        assert!(lane.take(CallId(2), now, &|_| true, &|_, _| true));
        lane.push(older, now.after(Duration::from_secs(1)), 5);
        assert!(lane.take_back().is_none(), "what is being sent was noticed later");
        assert!(lane.answered(CallId(2)).is_some_and(|entries| !entries[0].is_superseded));
        assert!(
            lane.answered(CallId(1)).is_some_and(|entries| entries[0].is_superseded),
            "also when that one is delivered"
        );
    }

    #[test]
    fn those_that_cannot_go_together_do_not_keep_each_other_waiting_once_there_are_enough() {
        let batch = Some(Batch { max: 2, wait: Duration::from_secs(300) });
        let mut lane = Lane::new(Terms { batch, ..Terms::default() });
        let now = UnixTime::from_secs(1_000);
        let due = now.after(Duration::from_secs(300));
        lane.push(Entry::new(soon("a"), now), due, 1);
        lane.push(Entry::new(expired("b"), now), due, 2);
        let same_kind = |a: &Event, b: &Event| a.kind == b.kind;
        let mut calls = 0;
        while lane.next() <= now {
            calls += 1;
            assert!(lane.take(CallId(calls), now, &|_| true, &same_kind), "nothing to do, and no time to do it");
        }
        assert_eq!(calls, 1);
    }
}
