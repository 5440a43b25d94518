//! What an answer says of the receiver, and of the events that were sent to it.

use std::time::Duration;

use log::{debug, error, info, warn};

use super::Monitor;
use super::failure::{Failure, Wish};
use super::flood::About;
use super::turn::Turn;
use crate::application::effect::{Answer, CallId, Response};
use crate::application::metric::{Metric, Outcome};
use crate::decode::retry_after::retry_after;
use crate::domain::delivery::{Fate, fate};

/// A receiver that asks for no pause at all gets this one.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

impl Monitor {
    /// Takes note of a call's end.
    pub(super) fn settle(&mut self, call: CallId, answer: &Answer, turn: &mut Turn) {
        if let Some(handler) = self.asked.iter().position(|asked| *asked == Some(call)) {
            return self.conclude_handshake(handler, answer, turn);
        }
        let (outcome, response) = match answer {
            Answer::Response(response) => (outcome_of(response), Some(response)),
            Answer::NoResponse => (Outcome::NoResponse, None),
            Answer::NoCluster => (Outcome::NoCluster, None),
            Answer::NoHost => (Outcome::NoHost, None),
        };
        self.settle_all(call, outcome, response, turn);
    }

    /// Takes note of what has become of a call's entries.
    pub(super) fn settle_all(&mut self, call: CallId, outcome: Outcome, response: Option<&Response>, turn: &mut Turn) {
        if outcome == Outcome::Delivered {
            self.note_delivery(call, turn);
        } else if let Some((handler, count)) = self.outbox.failed(call) {
            self.count_deliveries(handler, outcome, count, turn);
            let wish = self.note_health(handler, outcome, response, turn);
            // Chance is drawn once for all of them: what goes together stays together.
            let (at, chance) = (turn.now, self.chance);
            self.chance.draw();
            if outcome == Outcome::Gone {
                self.dismiss(handler, turn);
            }
            let status = response.map(|response| response.status);
            let is_shared = count > 1;
            self.decide(Failure { call, handler, outcome, status, wish, is_shared, at, chance }, turn);
        }
    }

    fn note_delivery(&mut self, call: CallId, turn: &mut Turn) {
        let Some((handler, entries)) = self.outbox.answered(call) else { return };
        self.count_deliveries(handler, Outcome::Delivered, entries.len(), turn);
        self.note_health(handler, Outcome::Delivered, None, turn);
        for entry in entries {
            self.changes.note(&entry.event.about);
            if self.flood.admits(About::Delivery, turn.now) {
                debug!("Request to webhook succeeded webhook={} attempt={}", self.name_of(handler), entry.tries);
            }
            self.commit(entry, handler);
        }
        self.chance.draw();
    }

    fn count_deliveries(&self, handler: usize, outcome: Outcome, count: usize, turn: &mut Turn) {
        let metric = Metric::deliveries_total(&self.name_of(handler), outcome);
        turn.count(metric, u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// What an answer says about the receiver: whether it is there, and how long it asks to be left alone.
    fn note_health(
        &mut self,
        handler: usize,
        outcome: Outcome,
        response: Option<&Response>,
        turn: &Turn,
    ) -> Option<Wish> {
        let name = self.name_of(handler);
        match outcome {
            Outcome::TemplateError => return None,
            Outcome::Delivered | Outcome::Refused | Outcome::Gone => {
                if self.outbox.succeed(handler) {
                    info!("Circuit breaker closed webhook={name}");
                }
                return None;
            }
            _ => {}
        }
        if let Some(failures) = self.outbox.fail(handler, turn.now) {
            let open = self.outbox.breaker_of(handler).open.as_secs();
            warn!("Circuit breaker opened webhook={name} failures={failures} open_seconds={open}");
        }
        let response = response?;
        let length = retry_after(response.retry_after.as_deref()?, turn.now)?.max(SHORTEST_PAUSE);
        self.outbox.throttle(handler, turn.now, length);
        Some(Wish { length, is_exact: response.status == 429 })
    }

    /// Sends nothing more to a webhook under this configuration: its receiver has said that it is gone for good.
    fn dismiss(&mut self, handler: usize, turn: &mut Turn) {
        if self.is_gone(handler) {
            return;
        }
        error!("Webhook is gone (410) and disabled until the next configuration webhook={}", self.name_of(handler));
        if let Some(standing) = self.standings.get_mut(handler) {
            standing.is_gone = true;
        }
        self.outbox.set_closed(handler, true);
        self.discard_draft(Some(handler), turn.now);
        self.store_standings(turn);
    }
}

fn outcome_of(response: &Response) -> Outcome {
    match (response.status, fate(response.status)) {
        // It could not make sense of what the receiver has sent.
        (502, _) if response.by_envoy => Outcome::NoResponse,
        (503, _) if response.by_envoy => Outcome::Unreachable,
        (504, _) if response.by_envoy => Outcome::Timeout,
        (_, Fate::Delivered) => Outcome::Delivered,
        (_, Fate::Refused) => Outcome::Refused,
        (_, Fate::Gone) => Outcome::Gone,
        (_, Fate::Retry) => Outcome::Status,
    }
}
