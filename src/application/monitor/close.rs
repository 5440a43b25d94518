//! Alerts that stay open at their receivers: told again while they last, closed when they end.

use std::rc::Rc;

use super::Monitor;
use super::turn::{EVENT, Turn, comparing, pruning};
use crate::application::outbox::Entry;
use crate::application::shards::SHARDS;
use crate::config::{Handler, Webhook};
use crate::domain::assessment::Crossing;
use crate::domain::ledger::Notice;
use crate::domain::rule::{Rule, Threshold};
use crate::domain::{CertId, Event, EventKind, Incident, UnixTime, Usage};

impl Monitor {
    /// Tells those receivers of a certificate's alerts again that would take them for over otherwise. It is what was told
    /// and nothing else: a tighter rule may have been crossed that is held back.
    pub(super) fn refresh(&mut self, id: &CertId, turn: &mut Turn) {
        let config = Rc::clone(&self.config);
        if !config.handlers.iter().any(refreshes) {
            return;
        }
        let Some(watched) = self.inventory.get(id) else { return };
        let Some(record) = self.ledger.get(id) else { return };
        let certificate = &watched.certificate;
        if certificate.not_after.after(config.expiry.expired_max_age) < turn.now {
            return;
        }
        let told = record.notices().filter(|(usage, _)| watched.sighting(usage).is_some());
        let events: Vec<_> = told
            .map(|(usage, notice)| {
                let Notice { severity, remaining, since, .. } = *notice;
                let rule = Rule::new(&notice.rule, Threshold::Remaining(remaining), severity);
                let crossing = Crossing { rule: &rule, remaining, at: since, severity };
                let presence = self.presence_of(id, usage, turn.now);
                let period = config.expiry.period_of(Some(notice.kind));
                let event = Event::new(certificate, usage, presence, &crossing, period, notice.at, turn.now);
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
        if !config.handlers.iter().any(refreshes) {
            return;
        }
        turn.spend(EVENT.saturating_add(comparing(config.effort(event))));
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
        let is_complete = self.inventory.len() < self.config.expiry.max_certificates;
        while turn.has_work_left() && self.swept < SHARDS {
            let ids: Vec<_> = self.ledger.shard(self.swept).map(|(id, _)| *id).collect();
            for id in &ids {
                // Those that were closed are none any more when it comes to this shard again.
                if !turn.has_work_left() {
                    return;
                }
                self.close_over(id, is_complete, turn);
            }
            turn.spend(pruning(ids.len()).saturating_add(1));
            self.swept = self.swept.saturating_add(1);
        }
    }

    /// Closes the alerts about usages of a certificate that are not watched any more.
    pub(super) fn close_ended(&mut self, id: &CertId, turn: &mut Turn) {
        self.close_over(id, true, turn);
        for kind in EventKind::CONDITIONS.into_iter().chain([EventKind::CertificateStale]) {
            self.close_over(&Incident::about(kind, *id), true, turn);
        }
    }

    /// Closes what was told of something and nobody looks into any more, and what was about usages of a certificate that
    /// are not watched, if `ends_with_usage`.
    fn close_over(&mut self, about: &CertId, ends_with_usage: bool, turn: &mut Turn) {
        let Some(record) = self.ledger.get(about) else { return };
        let is_unused = |id: &CertId, usage: &Usage| {
            let watched = self.inventory.get(id);
            ends_with_usage && watched.is_none_or(|watched| watched.sighting(usage).is_none())
        };
        // What happened at a place does not end with a certificate.
        let is_over = |(usage, notice): &(&Usage, &Notice)| {
            let is_looked_into = self.conditions.contains(&notice.kind);
            if notice.is_of_condition() {
                !is_looked_into || is_unused(&notice.certificate.id, usage)
            } else {
                EventKind::OF_TYK.contains(&notice.kind) && is_unused(about, usage)
            }
        };
        let over: Vec<_> = record.notices().filter(is_over).map(|(usage, _)| usage.clone()).collect();
        for usage in over {
            self.close_gone(about, &usage, turn);
        }
    }

    /// Closes the alert about a usage: it is not true any more.
    pub(super) fn close(&mut self, about: &CertId, usage: &Usage, turn: &mut Turn) {
        self.close_by(about, usage, None, turn);
    }
}

/// Whether a handler's receiver takes an alert for over that it does not hear of again.
fn refreshes(handler: &Handler) -> bool {
    handler.webhook().is_some_and(|webhook: &Webhook| webhook.refreshes)
}
