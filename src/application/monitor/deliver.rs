//! Events on their way: into the outbox, out as requests, and what becomes of them.

use log::{debug, error, info, warn};

use super::Monitor;
use super::report::labels;
use super::turn::{SENDING, Turn};
use crate::application::effect::{Answer, Call, CallId, Effect};
use crate::application::metric::{Metric, Outcome};
use crate::application::outbox::Entry;
use crate::application::request;
use crate::config::{Action, Handler};
use crate::domain::ledger::Debt;
use crate::domain::time::HOUR;
use crate::domain::{Event, UnixTime};

impl Monitor {
    /// Puts an event into the outbox of every handler that wants it, or of those it is owed to.
    pub(super) fn tell(&mut self, event: &Event, noticed_at: UnixTime, owed: Option<&[Debt]>) {
        let debt_of = |handler: &Handler| owed.map(|owed| owed.iter().find(|debt| debt.handler == handler.name));
        let wants = |handler: &Handler| handler.wants(event) && debt_of(handler) != Some(None);
        let wanting: Vec<_> = (0..).zip(&self.config.handlers).filter(|(_, handler)| wants(handler)).collect();
        let total = wanting.len();
        for (number, (index, handler)) in (1..).zip(wanting) {
            if !handler.cooldown.is_zero() {
                let record = self.ledger.change(&event.certificate.id);
                let key = (event.usage.clone(), event.kind, handler.name.clone());
                let until = record.told.get(&key).map(|told| told.after(handler.cooldown));
                if until.is_some_and(|until| noticed_at < until && until <= noticed_at.after(handler.cooldown)) {
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
                    let attempt = debt_of(handler).flatten().map_or(0, |debt| debt.attempts).saturating_add(1);
                    self.outbox.push(Entry { event: event.clone(), handler: index, attempt, noticed_at });
                }
            }
        }
    }

    /// Sends what may be sent now.
    pub(super) fn send(&mut self, turn: &mut Turn) {
        while turn.has_work_left() {
            let Some((id, entry)) = self.outbox.take() else { break };
            turn.spend(SENDING);
            match self.render(&entry, id) {
                Some(call) => turn.effect(Effect::Call(call)),
                None => self.finish(id, Outcome::TemplateError, None, turn),
            }
        }
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
            return;
        }
        let next = self.give_back(&entry, &name, turn.now);
        let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        warn!(
            "Request to webhook failed webhook={name} status={status} attempt={} next_in_seconds={} outcome={} \
             cluster={cluster}",
            entry.attempt,
            turn.now.until(next).as_secs(),
            outcome.as_str()
        );
    }

    /// Gives the cooldown back to a webhook that an event could not be delivered to; returns when it is tried again.
    fn give_back(&mut self, entry: &Entry, handler: &str, now: UnixTime) -> UnixTime {
        let event = &entry.event;
        let record = self.ledger.change(&event.certificate.id);
        record.told.remove(&(event.usage.clone(), event.kind, handler.to_owned()));
        // If there was a newer event in the meantime, that one is on its way and this one is history.
        if let Some(notice) = record.notices.get_mut(&event.usage).filter(|notice| notice.at == entry.noticed_at) {
            notice.owed.push(Debt { handler: handler.to_owned(), attempts: entry.attempt });
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
