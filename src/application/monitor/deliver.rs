//! Events on their way: into the outbox, out as requests, and what becomes of them.

use std::rc::Rc;

use log::{debug, error, info, warn};

use super::Monitor;
use super::flood::About;
use super::report::labels;
use super::turn::{SENDING, Turn};
use crate::application::effect::{Answer, CallId, Effect};
use crate::application::metric::{Dropped, Metric, Outcome};
use crate::application::outbox::Entry;
use crate::application::request;
use crate::config::{Action, Handler, Webhook};
use crate::domain::time::HOUR;
use crate::domain::{CertId, Event, UnixTime, Usage, backoff};

/// Certificates that are looked at again in one tick because there is room for their events.
const MOST_INVITED: usize = 50;

impl Monitor {
    /// Puts an event into the outbox of every handler that wants it, or of those it is owed to.
    pub(super) fn tell(&mut self, event: &Event, noticed_at: UnixTime, owed: Option<&[String]>, turn: &mut Turn) {
        let config = Rc::clone(&self.config);
        let id = event.certificate.id;
        // What is owed to a webhook that the document does not have any more goes to those that want it now.
        let is_webhook = |name: &String| config.handlers.iter().any(|known| known.name == *name);
        let has_heirs = owed.is_some_and(|owed| !owed.iter().all(is_webhook));
        let inherits = |index, handler: &Handler| {
            has_heirs && handler.webhook().is_some() && !self.outbox.contains(index, &id, &event.usage)
        };
        let is_meant =
            |index, handler: &Handler| owed.is_none_or(|owed| owed.contains(&handler.name)) || inherits(index, handler);
        let meant = || (0..).zip(&config.handlers).filter(|(index, handler)| is_meant(*index, handler));
        let wanting: Vec<_> = meant().filter(|(_, handler)| handler.wants(event)).collect();
        let missing: Vec<_> = meant().filter(|(_, handler)| handler.misses(event)).collect();
        for (_, handler) in missing {
            self.owe(&id, &event.usage, handler.name.clone());
        }
        let total = wanting.len();
        for (number, (index, handler)) in (1..).zip(wanting) {
            let is_logged = self.flood.admits(About::Event, turn.now);
            if !handler.cooldown.is_zero() {
                let told = &mut self.record(&id).told;
                let key = (event.usage.clone(), event.kind, handler.name.clone());
                let until = told.get(&key).map(|told| told.after(handler.cooldown));
                let is_cooling = until.is_some_and(|end| noticed_at < end && end <= noticed_at.after(handler.cooldown));
                // What is owed is of the event that the cooldown was spent for.
                if is_cooling && owed.is_none() {
                    if is_logged {
                        debug!("Held back by the webhook's own cooldown webhook={}", handler.name);
                    }
                    continue;
                }
                told.insert(key, noticed_at);
            }
            if is_logged {
                info!("FIRING HANDLER {number}/{total} FOR EVENT {} webhook={}", event.kind, handler.name);
            }
            match &handler.action {
                Action::Log(prefix) if is_logged && prefix.is_empty() => warn!("{} {}", event.message(), labels(event)),
                Action::Log(prefix) if is_logged => warn!("{prefix}: {} {}", event.message(), labels(event)),
                Action::Log(_) => {}
                Action::Webhook(_) if self.outbox.has_room(index) || self.outbox.contains(index, &id, &event.usage) => {
                    self.changes.note(&id);
                    let entry = Entry { event: event.clone(), handler: index, failures: 0, noticed_at };
                    self.outbox.push(entry, turn.now);
                }
                Action::Webhook(_) => self.find_no_room(event, index, turn),
            }
        }
    }

    /// Gives the cooldown back to a webhook for which too many events wait already.
    pub(super) fn find_no_room(&mut self, event: &Event, handler: usize, turn: &mut Turn) {
        turn.count(Metric::dropped_total(Dropped::OutboxFull), 1);
        let (id, name) = (event.certificate.id, self.name_of(handler));
        if self.outbox.refuse(handler, id) {
            warn!("Too many events wait for a webhook: further ones wait until there is room webhook={name}");
        }
        self.record(&id).told.remove(&(event.usage.clone(), event.kind, name.clone()));
        self.owe(&id, &event.usage, name);
    }

    /// Notes that a handler did not get the last event about a usage of a certificate.
    pub(super) fn owe(&mut self, id: &CertId, usage: &Usage, name: String) {
        if let Some(notice) = self.record(id).notices.get_mut(usage)
            && !notice.owed.contains(&name)
        {
            notice.owed.push(name);
        }
    }

    /// Looks again at certificates whose events found no room, as soon as there is some.
    pub(super) fn invite_refused(&mut self, turn: &mut Turn) {
        for _ in 0..MOST_INVITED {
            let Some(id) = self.outbox.invite() else { break };
            self.inventory.wake(id, turn.now);
        }
    }

    /// Sends what may be sent now. What is not stored yet may not: its sender may not live to see the answer.
    pub(super) fn send(&mut self, turn: &mut Turn) {
        while turn.has_work_left() {
            let changes = &self.changes;
            let Some((id, entry)) = self.outbox.take(turn.now, |id| !changes.contains(id)) else { break };
            turn.spend(SENDING);
            match self.webhook_of(&entry).map(|webhook| request::render(webhook, &entry.event, id)) {
                Some(Ok(call)) => turn.effect(Effect::Call(call)),
                Some(Err(problem)) => {
                    if self.flood.admits(About::Delivery, turn.now) {
                        error!("webhook template error webhook={} {problem}", self.name_of(entry.handler));
                    }
                    self.finish(id, Outcome::TemplateError, None, turn);
                }
                None => self.finish(id, Outcome::TemplateError, None, turn),
            }
        }
    }

    /// Takes note of a call's end.
    pub(super) fn settle(&mut self, id: CallId, answer: Answer, turn: &mut Turn) {
        let (outcome, status) = match answer {
            Answer::Status(status @ 200..=299) => (Outcome::Delivered, Some(status)),
            Answer::Status(status) => (Outcome::Status, Some(status)),
            Answer::NoResponse => (Outcome::NoResponse, None),
            Answer::NoCluster => (Outcome::NoCluster, None),
            Answer::NoHost => (Outcome::NoHost, None),
        };
        self.finish(id, outcome, status, turn);
    }

    fn finish(&mut self, id: CallId, outcome: Outcome, status: Option<u16>, turn: &mut Turn) {
        let Some(mut entry) = self.outbox.answered(id) else { return };
        let name = self.name_of(entry.handler);
        let attempt = entry.failures.saturating_add(1);
        self.changes.note(&entry.event.certificate.id);
        turn.count(Metric::deliveries_total(&name, outcome), 1);
        let is_logged = self.flood.admits(About::Delivery, turn.now);
        if outcome == Outcome::Delivered {
            if is_logged {
                debug!("Request to webhook succeeded webhook={name} attempt={attempt}");
            }
            return;
        }
        entry.failures = attempt;
        // What cannot be rendered now cannot be rendered in five seconds.
        let pause = if outcome == Outcome::TemplateError { None } else { backoff::pause(attempt) };
        let cluster = self.webhook_of(&entry).map(|webhook| webhook.cluster.clone()).unwrap_or_default();
        let next = match pause {
            // The newer one is tried in its place.
            _ if self.outbox.has_newer(&entry) => turn.now,
            Some(pause) => {
                let next = turn.now.after(pause);
                self.outbox.push(entry, next);
                next
            }
            None => self.give_back(&entry, turn.now),
        };
        if is_logged {
            let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
            warn!(
                "Request to webhook failed webhook={name} status={status} attempt={attempt} next_in_seconds={} \
                 outcome={} cluster={cluster}",
                turn.now.until(next).as_secs(),
                outcome.as_str()
            );
        }
    }

    fn name_of(&self, handler: usize) -> String {
        self.config.handlers.get(handler).map(|handler| handler.name.clone()).unwrap_or_default()
    }

    fn webhook_of(&self, entry: &Entry) -> Option<&Webhook> {
        self.config.handlers.get(entry.handler).and_then(Handler::webhook)
    }

    /// Gives the cooldown back to a webhook that an event could not be delivered to; returns when it is tried again.
    fn give_back(&mut self, entry: &Entry, now: UnixTime) -> UnixTime {
        let event = &entry.event;
        let name = self.name_of(entry.handler);
        let record = self.record(&event.certificate.id);
        // None if there was a newer event in the meantime, which is on its way.
        let notice = record.notices.get_mut(&event.usage).filter(|notice| notice.at == entry.noticed_at);
        if let Some(notice) = notice {
            notice.owed.push(name.clone());
        }
        let key = (event.usage.clone(), event.kind, name);
        if record.told.get(&key) == Some(&entry.noticed_at) {
            record.told.remove(&key);
        }
        let next_round = self.rounds.next();
        if next_round < UnixTime::NEVER {
            return next_round;
        }
        // Where no round comes by, the certificate is looked at for this alone.
        let next = now.after(HOUR);
        self.inventory.wake(event.certificate.id, next);
        next
    }
}
