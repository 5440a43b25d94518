//! Alerts that stay open at their receivers: told again while they last, closed when they end.

use std::rc::Rc;

use super::Monitor;
use super::turn::{EVENT, Turn, pruning};
use crate::application::outbox::Entry;
use crate::application::shards::SHARDS;
use crate::config::{Handler, Webhook};
use crate::domain::assessment::assess;
use crate::domain::ledger::Notice;
use crate::domain::{CertId, Event, EventKind, UnixTime, Usage};

impl Monitor {
    /// Tells those receivers of a certificate's alerts again that would take them for over otherwise.
    pub(super) fn refresh(&mut self, id: &CertId, turn: &mut Turn) {
        let config = Rc::clone(&self.config);
        if !config.handlers.iter().any(refreshes) {
            return;
        }
        let Some(watched) = self.inventory.get(id) else { return };
        let Some(record) = self.ledger.get(id) else { return };
        let assessment = assess(watched.certificate.not_after, &config.expiry.rules, turn.now);
        let Some(crossing) = assessment.crossed else { return };
        let period = config.expiry.period();
        let told = record.notices.iter().filter(|(usage, _)| watched.sighting(usage).is_some());
        let events: Vec<_> = told
            .map(|(usage, notice)| {
                let places = watched.sighting(usage).map(|sighting| sighting.places.clone()).unwrap_or_default();
                let event = Event::new(&watched.certificate, usage, &places, &crossing, period, notice.at, turn.now);
                (notice.at, notice.owed.clone(), event)
            })
            .collect();
        for (noticed_at, owed, event) in events {
            self.post_again(&event, noticed_at, &owed, turn);
        }
    }

    /// Tells those receivers of an alert again that would take it for over otherwise, and have heard of it.
    pub(super) fn post_again(&mut self, event: &Event, noticed_at: UnixTime, owed: &[String], turn: &mut Turn) {
        let config = Rc::clone(&self.config);
        turn.spend(EVENT);
        for (index, handler) in config.handlers.iter().enumerate().filter(|(_, handler)| refreshes(handler)) {
            let is_under_way = owed.contains(&handler.name)
                || self.outbox.contains(index, &event.about, &event.usage)
                || self.is_gone(index);
            if handler.wants(event) && !is_under_way {
                self.post(index, Entry::new(event.clone(), noticed_at), turn);
            }
        }
    }

    /// Looks for alerts about certificates that are not watched any more: the document is another one, or they went while
    /// nobody was the monitor.
    pub(super) fn sweep(&mut self, turn: &mut Turn) {
        // Where not everything finds room, what is not watched may well be in use.
        if self.inventory.len() >= self.config.expiry.max_certificates {
            self.swept = SHARDS;
        }
        while turn.has_work_left() && self.swept < SHARDS {
            let ids: Vec<_> = self.ledger.shard(self.swept).map(|(id, _)| *id).collect();
            turn.spend(pruning(ids.len()).saturating_add(1));
            for id in ids {
                self.close_ended(&id, turn);
            }
            self.swept = self.swept.saturating_add(1);
        }
    }

    /// Closes the alerts about usages of a certificate that are not watched any more.
    pub(super) fn close_ended(&mut self, id: &CertId, turn: &mut Turn) {
        let Some(record) = self.ledger.get(id) else { return };
        let watched = self.inventory.get(id);
        let is_unused = |usage: &Usage| watched.is_none_or(|watched| watched.sighting(usage).is_none());
        // What happened at a place does not end with a certificate.
        let is_over =
            |(usage, notice): &(&Usage, &Notice)| EventKind::OF_TYK.contains(&notice.kind) && is_unused(usage);
        let over: Vec<_> = record.notices.iter().filter(is_over).map(|(usage, _)| usage.clone()).collect();
        for usage in over {
            self.close(id, &usage, turn);
        }
    }

    /// Closes the alert about a usage.
    pub(super) fn close(&mut self, about: &CertId, usage: &Usage, turn: &mut Turn) {
        let Some(notice) = self.record(about).notices.remove(usage) else { return };
        turn.spend(EVENT);
        // What a certificate that stood for this one was told of, receivers know by the id of that one.
        let is_of_certificate = EventKind::OF_TYK.contains(&notice.kind);
        let known_as = if is_of_certificate { notice.certificate.id } else { *about };
        let event = Event::closing(known_as, &notice, usage, turn.now);
        self.announce_event(&event, turn);
        self.tell(&event, turn.now, None, turn);
        // What comes back is told again.
        self.record(about).told.retain(|(known, kind, _), _| known != usage || *kind == event.kind);
    }
}

/// Whether a handler's receiver takes an alert for over that it does not hear of again.
fn refreshes(handler: &Handler) -> bool {
    handler.webhook().is_some_and(|webhook: &Webhook| webhook.refreshes)
}
