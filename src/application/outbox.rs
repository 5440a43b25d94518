//! Events on their way to webhooks.

use std::collections::{BTreeMap, VecDeque};

use super::effect::CallId;
use crate::domain::{CertId, Event, UnixTime, Usage};

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

/// All entries. A webhook that does not answer delays no other one.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: BTreeMap<usize, VecDeque<Entry>>,
    in_flight: BTreeMap<CallId, Entry>,
    last_call: u64,
}

impl Outbox {
    /// Adds an event, in place of an older one about the same that still waits for the same webhook.
    pub fn push(&mut self, entry: Entry) {
        let about = |entry: &Entry| -> (CertId, Usage) { (entry.event.certificate.id, entry.event.usage.clone()) };
        let waiting = self.waiting.entry(entry.handler).or_default();
        // Only a webhook that is far behind can have one.
        if waiting.len() >= MOST_IN_FLIGHT {
            waiting.retain(|older| about(older) != about(&entry));
        }
        waiting.push_back(entry);
    }

    /// Takes the next entry that may be sent now, with the name of its call.
    pub fn take(&mut self) -> Option<(CallId, Entry)> {
        let in_flight = &self.in_flight;
        let is_free =
            |handler: usize| in_flight.values().filter(|entry| entry.handler == handler).count() < MOST_IN_FLIGHT;
        let waiting = self.waiting.iter_mut().find(|(handler, waiting)| !waiting.is_empty() && is_free(**handler));
        let entry = waiting.and_then(|(_, waiting)| waiting.pop_front())?;
        self.last_call = self.last_call.wrapping_add(1);
        let id = CallId(self.last_call);
        self.in_flight.insert(id, entry.clone());
        Some((id, entry))
    }

    /// Takes the entry of a call that was answered.
    pub fn answered(&mut self, id: CallId) -> Option<Entry> {
        self.in_flight.remove(&id)
    }

    /// How many entries wait for a webhook or its answer.
    pub fn len_of(&self, handler: usize) -> usize {
        let waiting = self.waiting.get(&handler).map_or(0, VecDeque::len);
        waiting.saturating_add(self.in_flight.values().filter(|entry| entry.handler == handler).count())
    }

    /// Whether [`Outbox::take`] has something to give.
    pub fn is_ready(&self) -> bool {
        self.waiting.iter().any(|(handler, waiting)| {
            !waiting.is_empty()
                && self.in_flight.values().filter(|entry| entry.handler == *handler).count() < MOST_IN_FLIGHT
        })
    }
}
