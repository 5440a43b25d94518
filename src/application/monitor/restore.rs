//! Going on from what a predecessor left in shared data.

use std::rc::Rc;

use log::warn;

use super::Monitor;
use super::turn::Turn;
use crate::application::clock::CLOCK;
use crate::application::fleet::NUMBER;
use crate::application::metric::{Dropped, Metric, Outcome};
use crate::application::outbox::Entry;
use crate::application::quarantine::{QUARANTINE, SUSPECT, decode_ids};
use crate::application::snapshot::{Snapshot, Undelivered};
use crate::application::standing::{STANDINGS, restored};
use crate::domain::EventKind;

/// Read before everything else: a quarantine must be known before anything is parsed.
pub(super) const NOTES: [&str; 5] = [QUARANTINE, SUSPECT, STANDINGS, CLOCK, NUMBER];

impl Monitor {
    /// Takes over what was found under a key.
    pub(super) fn restore(&mut self, key: &str, contents: &[u8], turn: &mut Turn) {
        let restored = match key {
            QUARANTINE => decode_ids(contents).map(|ids| ids.into_iter().for_each(|id| self.quarantine.add(id))),
            STANDINGS => {
                restored(contents, self.config.hash, &self.config.handlers).map(|known| self.standings = known)
            }
            CLOCK => self.clock.restore(contents, turn.now),
            NUMBER => self.fleet.restore(contents),
            SUSPECT => decode_ids(contents).map(|ids| ids.into_iter().take(1).for_each(|id| self.quarantine(id, turn))),
            _ => Snapshot::decode(key, contents).map(|snapshot| {
                self.storms.take_over(snapshot.told_elsewhere(EventKind::ExpiryStorm));
                self.take_over_slots(snapshot.told_elsewhere(EventKind::CertificateStale));
                for undelivered in snapshot.restore(&mut self.inventory, &mut self.ledger, self.discoverer.is_some()) {
                    self.take_over(undelivered, turn);
                }
            }),
        };
        if restored.is_none() {
            self.set_aside(turn);
        }
    }

    /// Forgets what a predecessor watched and this document ignores, before anything is told; whether that is done.
    pub(super) fn drop_ignored(&mut self, turn: &mut Turn) -> bool {
        if !self.config.expiry.ignores_any() {
            return true;
        }
        while turn.has_work_left() {
            let Some(id) = self.inventory.next_behind(self.dismissed) else { return true };
            let Some(watched) = self.inventory.get(&id) else { return true };
            turn.spend(1);
            let mut ignored = Vec::new();
            for known in watched.usages.iter().filter(|known| !known.is_listed) {
                if self.ignores(&watched.certificate, &known.usage, &known.places, &known.api_ids, turn) {
                    ignored.push(known.usage.clone());
                }
            }
            self.dismissed = Some(id);
            self.inventory.dismiss(&id, &ignored);
        }
        false
    }

    /// What is in shared data, and not of this release, is left alone.
    fn set_aside(&mut self, turn: &mut Turn) {
        turn.count(Metric::dropped_total(Dropped::UnknownBlob), 1);
        if !std::mem::replace(&mut self.said.set_aside, true) {
            warn!("What stands in shared data is not of this release: it is set aside, and nothing is known of before");
        }
    }

    /// Goes on with the delivery of an event, at once: whatever stood in its way may be gone with the predecessor.
    fn take_over(&mut self, undelivered: Undelivered, turn: &mut Turn) {
        let Undelivered { event, webhook, tries, is_passed_on, noticed_at, not_before } = undelivered;
        let id = event.about;
        let config = Rc::clone(&self.config);
        self.changes.note(&id);
        let handler = config.handlers.iter().position(|handler| handler.webhook().is_some() && handler.name == webhook);
        match handler.and_then(|index| Some((index, config.handlers.get(index)?))) {
            Some((index, handler)) if self.is_gone(index) => {
                if !is_passed_on && handler.wants(&event) {
                    self.owe(&id, &event.usage, webhook);
                    let entry = Entry::new(event, noticed_at);
                    self.pass_on(&entry, index, &|_, heir| heir.wants(&entry.event), turn);
                }
            }
            Some((index, handler)) if handler.is_active() && (is_passed_on || handler.wants(&event)) => {
                let claim = self.claim_of(&event, handler);
                let entry = Entry { tries, is_passed_on, not_before, claim, ..Entry::new(event, noticed_at) };
                let retries = handler.webhook().map(|webhook| &webhook.delivery.schedule);
                if retries.is_some_and(|schedule| schedule.is_spent(tries)) {
                    // The last try was being made, and nobody knows what came of it.
                    self.give_up(&entry, index, Outcome::NoResponse, turn);
                } else {
                    self.post(index, entry, turn);
                }
            }
            // It does not want this event any more.
            Some((_, handler)) if is_passed_on || !handler.misses(&event) => {}
            // Without its variable, or not in this document: it is owed to the webhook, or to its heirs.
            _ if is_passed_on => {}
            _ => self.owe(&id, &event.usage, webhook),
        }
    }
}
