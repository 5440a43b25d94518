//! Events on their way: into the outbox, out as requests, and what becomes of them.

use log::{debug, error, info, warn};

use super::Monitor;
use super::report::labels;
use super::turn::{SENDING, Turn};
use crate::application::effect::{Answer, Call, CallId, Effect};
use crate::application::metric::{Dropped, Metric, Outcome};
use crate::application::outbox::Entry;
use crate::application::request;
use crate::config::{Action, Handler};
use crate::domain::ledger::{Debt, Notice};
use crate::domain::time::HOUR;
use crate::domain::{Event, UnixTime};

impl Monitor {
    /// Puts an event into the outbox of every handler that wants it, or of those it is owed to.
    pub(super) fn tell(&mut self, event: &Event, noticed_at: UnixTime, owed: Option<&[Debt]>, turn: &mut Turn) {
        let debt_of = |handler: &Handler| owed.map(|owed| owed.iter().find(|debt| debt.handler == handler.name));
        let wants = |handler: &Handler| handler.wants(event) && debt_of(handler) != Some(None);
        let wanting: Vec<_> = (0..).zip(&self.config.handlers).filter(|(_, handler)| wants(handler)).collect();
        let total = wanting.len();
        let mut given_up = Vec::new();
        for (number, (index, handler)) in (1..).zip(wanting) {
            let record = self.ledger.change(&event.certificate.id);
            if !handler.cooldown.is_zero() {
                let key = (event.usage.clone(), event.kind, handler.name.clone());
                let until = record.told.get(&key).map(|told| told.after(handler.cooldown));
                let is_cooling = until.is_some_and(|end| noticed_at < end && end <= noticed_at.after(handler.cooldown));
                // A debt is of the event that the cooldown was spent for.
                if is_cooling && owed.is_none() {
                    debug!("Held back by the webhook's own cooldown webhook={}", handler.name);
                    continue;
                }
                record.told.insert(key, noticed_at);
            }
            info!("FIRING HANDLER {number}/{total} FOR EVENT {} webhook={}", event.kind, handler.name);
            match &handler.action {
                Action::Log(prefix) if prefix.is_empty() => warn!("{} {}", event.message(), labels(event)),
                Action::Log(prefix) => warn!("{prefix}: {} {}", event.message(), labels(event)),
                Action::Webhook(_) => {
                    let attempts = debt_of(handler).flatten().map_or(0, |debt| debt.attempts);
                    if let Some(notice) = record.notices.get_mut(&event.usage) {
                        notice.owed.push(Debt { handler: handler.name.clone(), attempts, on_its_way: true });
                    }
                    let attempt = attempts.saturating_add(1);
                    let entry = Entry { event: event.clone(), handler: index, attempt, noticed_at };
                    given_up.extend(self.outbox.push(entry));
                }
            }
        }
        for entry in given_up {
            self.give_back(&entry, turn.now);
            turn.count(Metric::dropped_total(Dropped::OutboxFull), 1);
        }
    }

    /// Sends what may be sent now.
    pub(super) fn send(&mut self, turn: &mut Turn) {
        while turn.has_work_left() {
            let Some((id, entry)) = self.outbox.take() else { break };
            if !self.is_owed(&entry) {
                // A newer event about the same is behind it.
                turn.spend(1);
                self.outbox.answered(id);
                continue;
            }
            turn.spend(SENDING);
            match self.render(&entry, id) {
                Some(call) => turn.effect(Effect::Call(call)),
                None => self.finish(id, Outcome::TemplateError, None, turn),
            }
        }
    }

    fn is_owed(&self, entry: &Entry) -> bool {
        let record = self.ledger.get(&entry.event.certificate.id);
        let notice = record.and_then(|record| record.notices.get(&entry.event.usage));
        notice.is_some_and(|notice| notice.at == entry.noticed_at)
    }

    fn render(&self, entry: &Entry, id: CallId) -> Option<Call> {
        let handler = self.config.handlers.get(entry.handler)?;
        let rendered = request::render(handler.webhook()?, &entry.event, id);
        rendered.inspect_err(|problem| error!("webhook template error webhook={} {problem}", handler.name)).ok()
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
        let Some(entry) = self.outbox.answered(id) else { return };
        let Some(handler) = self.config.handlers.get(entry.handler) else { return };
        let name = handler.name.clone();
        let cluster = handler.webhook().map(|webhook| webhook.cluster.clone()).unwrap_or_default();
        turn.count(Metric::deliveries_total(&name, outcome), 1);
        if outcome == Outcome::Delivered {
            debug!("Request to webhook succeeded webhook={name} attempt={}", entry.attempt);
            if let Some(notice) = self.notice_of(&entry) {
                notice.owed.retain(|debt| debt.handler != name);
            }
            return;
        }
        let next = self.give_back(&entry, turn.now);
        let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        warn!(
            "Request to webhook failed webhook={name} status={status} attempt={} next_in_seconds={} outcome={} \
             cluster={cluster}",
            entry.attempt,
            turn.now.until(next).as_secs(),
            outcome.as_str()
        );
    }

    /// The notice that an entry belongs to; none if there was a newer event in the meantime, which is on its way.
    fn notice_of(&mut self, entry: &Entry) -> Option<&mut Notice> {
        let notice = self.ledger.change(&entry.event.certificate.id).notices.get_mut(&entry.event.usage);
        notice.filter(|notice| notice.at == entry.noticed_at)
    }

    /// Gives the cooldown back to a webhook that an event could not be delivered to; returns when it is tried again.
    fn give_back(&mut self, entry: &Entry, now: UnixTime) -> UnixTime {
        let event = &entry.event;
        let name = self.config.handlers.get(entry.handler).map(|handler| handler.name.clone()).unwrap_or_default();
        let debts = self.notice_of(entry).map(|notice| notice.owed.iter_mut()).into_iter().flatten();
        for debt in debts.filter(|debt| debt.handler == name) {
            debt.attempts = entry.attempt;
            debt.on_its_way = false;
        }
        self.ledger.change(&event.certificate.id).told.remove(&(event.usage.clone(), event.kind, name));
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
