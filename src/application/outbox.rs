//! Events on their way to webhooks.

use std::collections::VecDeque;

use super::effect::CallId;
use crate::domain::{Event, UnixTime};

/// Entries that may wait for one webhook.
const MOST_WAITING: usize = 20_000;
/// Requests to one webhook that may wait for their answers at the same time.
const MOST_IN_FLIGHT: usize = 4;

/// One event for one webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The event.
    pub event: Event,
    /// The index of the webhook among the document's handlers.
    pub handler: usize,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// The time of the notice that the event belongs to: tells whether the ledger has moved on when the answer comes.
    pub noticed_at: UnixTime,
}

/// All entries. A webhook that does not answer, or fails at once and has many waiting, delays no other one.
#[derive(Debug, Default)]
pub struct Outbox {
    /// One lane for each handler.
    lanes: Vec<Lane>,
    /// The lane whose turn it is: they take turns, because a tick has time for a few requests only.
    turn: usize,
    last_call: u64,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Entry>,
    in_flight: Vec<(CallId, Entry)>,
}

impl Lane {
    fn is_ready(&self) -> bool {
        !self.waiting.is_empty() && self.in_flight.len() < MOST_IN_FLIGHT
    }
}

impl Outbox {
    /// Adds an event. If too many wait for that webhook already, the oldest is given back.
    pub fn push(&mut self, entry: Entry) -> Option<Entry> {
        if self.lanes.len() <= entry.handler {
            self.lanes.resize_with(entry.handler.saturating_add(1), Lane::default);
        }
        let waiting = &mut self.lanes.get_mut(entry.handler)?.waiting;
        waiting.push_back(entry);
        if waiting.len() > MOST_WAITING { waiting.pop_front() } else { None }
    }

    /// Takes the next entry that may be sent now, with the name of its call.
    pub fn take(&mut self) -> Option<(CallId, Entry)> {
        let count = self.lanes.len();
        let mut in_turn = (self.turn..count).chain(0..self.turn.min(count));
        let index = in_turn.find(|index| self.lanes.get(*index).is_some_and(Lane::is_ready))?;
        self.turn = index.saturating_add(1);
        let lane = self.lanes.get_mut(index)?;
        let entry = lane.waiting.pop_front()?;
        self.last_call = self.last_call.wrapping_add(1);
        let id = CallId(self.last_call);
        lane.in_flight.push((id, entry.clone()));
        Some((id, entry))
    }

    /// Takes the entry of a call that was answered.
    pub fn answered(&mut self, id: CallId) -> Option<Entry> {
        self.lanes.iter_mut().find_map(|lane| {
            let index = lane.in_flight.iter().position(|(call, _)| *call == id)?;
            Some(lane.in_flight.swap_remove(index).1)
        })
    }

    /// How many entries wait for a webhook or its answer.
    pub fn len_of(&self, handler: usize) -> usize {
        self.lanes.get(handler).map_or(0, |lane| lane.waiting.len().saturating_add(lane.in_flight.len()))
    }

    /// Whether [`Outbox::take`] has something to give.
    pub fn is_ready(&self) -> bool {
        self.lanes.iter().any(Lane::is_ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fields::samples;

    fn entry(handler: usize, name: &str, noticed_at: i64) -> Entry {
        let mut event = samples().remove(0);
        event.certificate.id = crate::domain::CertId::of_der(name.as_bytes());
        Entry { event, handler, attempt: 1, noticed_at: UnixTime::from_secs(noticed_at) }
    }

    #[test]
    fn a_webhook_that_does_not_answer_delays_no_other_one() {
        let mut outbox = Outbox::default();
        for number in 0..10 {
            outbox.push(entry(0, &number.to_string(), 1));
        }
        outbox.push(entry(1, "other", 1));
        let sent: Vec<_> = std::iter::from_fn(|| outbox.take()).map(|(_, entry)| entry.handler).collect();
        assert_eq!(sent, [0, 1, 0, 0, 0]);
        assert!(!outbox.is_ready());
        assert_eq!((outbox.len_of(0), outbox.len_of(1), outbox.len_of(7)), (10, 1, 0));
    }

    #[test]
    fn a_webhook_that_fails_at_once_delays_no_other_one() {
        let mut outbox = Outbox::default();
        for number in 0..100 {
            outbox.push(entry(0, &number.to_string(), 1));
        }
        outbox.push(entry(1, "other", 1));
        outbox.push(entry(2, "third", 1));
        let mut sent = Vec::new();
        for _ in 0..6 {
            let (call, entry) = outbox.take().unwrap();
            sent.push(entry.handler);
            outbox.answered(call);
        }
        assert_eq!(sent, [0, 1, 2, 0, 0, 0]);
    }

    #[test]
    fn an_answer_makes_room_for_the_next_in_order() {
        let mut outbox = Outbox::default();
        for number in 0..5 {
            outbox.push(entry(0, &number.to_string(), 1));
        }
        let calls: Vec<_> = std::iter::from_fn(|| outbox.take()).collect();
        assert_eq!(outbox.answered(calls[2].0).as_ref(), Some(&calls[2].1));
        assert_eq!(outbox.answered(calls[2].0), None, "an answer counts once");
        assert_eq!(outbox.take().unwrap().1, entry(0, "4", 1));
    }

    #[test]
    fn where_too_many_wait_the_oldest_is_given_back() {
        let mut outbox = Outbox::default();
        for number in 0..MOST_WAITING {
            assert_eq!(outbox.push(entry(0, &number.to_string(), 1)), None);
        }
        assert_eq!(outbox.push(entry(0, "one more", 1)), Some(entry(0, "0", 1)));
        assert_eq!(outbox.push(entry(1, "elsewhere", 1)), None);
    }
}
