//! What an answer means for the events that it is about.

use std::rc::Rc;
use std::time::Duration;

use log::{debug, error, info, warn};

use super::Monitor;
use super::flood::About;
use super::turn::{EVENT, Turn};
use crate::application::effect::{Answer, CallId, Response};
use crate::application::metric::{Metric, Outcome};
use crate::application::outbox::Entry;
use crate::config::Handler;
use crate::decode::retry_after::retry_after;
use crate::domain::UnixTime;
use crate::domain::delivery::{Fate, fate};

/// A receiver that asks for no pause at all gets this one.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// What a receiver says in `Retry-After`.
#[derive(Clone, Copy)]
struct Wish {
    length: Duration,
    /// Whether it knows that it will take events then: it counts requests (429). Others hope so.
    is_exact: bool,
}

impl Wish {
    /// The pause that follows, where it would be `pause` otherwise.
    fn instead_of(self, pause: Duration) -> Duration {
        if self.is_exact { self.length } else { self.length.max(pause) }
    }
}

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

    /// Decides about all entries of a call.
    pub(super) fn settle_all(&mut self, call: CallId, outcome: Outcome, response: Option<&Response>, turn: &mut Turn) {
        let Some((handler, entries)) = self.outbox.answered(call) else { return };
        let name = self.name_of(handler);
        let count = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        turn.count(Metric::deliveries_total(&name, outcome), count);
        let wish = self.note_health(handler, outcome, response, turn);
        let is_shared = entries.len() > 1;
        for entry in entries {
            self.changes.note(&entry.event.about);
            if outcome == Outcome::Delivered {
                if self.flood.admits(About::Delivery, turn.now) {
                    debug!("Request to webhook succeeded webhook={name} attempt={}", entry.tries);
                }
                self.commit(entry, handler);
                continue;
            }
            let tries = entry.tries;
            // Chance is drawn once for all of them: what goes together stays together.
            let next = self.go_on_after(outcome, entry, handler, is_shared, wish, turn);
            self.log_failure(handler, outcome, response, tries, next, turn);
        }
        self.chance.draw();
        if outcome == Outcome::Gone {
            self.dismiss(handler, turn);
        }
    }

    /// Decides about an entry whose delivery has failed; returns when it is tried again.
    fn go_on_after(
        &mut self,
        outcome: Outcome,
        mut entry: Entry,
        handler: usize,
        is_shared: bool,
        wish: Option<Wish>,
        turn: &mut Turn,
    ) -> UnixTime {
        if entry.is_superseded {
            // That one is tried in its place.
            return turn.now;
        }
        let is_final =
            matches!(outcome, Outcome::Refused | Outcome::Gone | Outcome::TemplateError) || self.is_gone(handler);
        let config = Rc::clone(&self.config);
        let schedule =
            config.handlers.get(handler).and_then(Handler::webhook).map(|webhook| &webhook.delivery.schedule);
        let pause = if !is_final {
            let mut chance = self.chance;
            schedule.and_then(|schedule| schedule.pause(entry.tries, &mut chance))
        } else if is_shared && !self.is_gone(handler) && outcome != Outcome::Gone {
            // One of several may be to blame for all of them: each goes alone.
            entry.alone = true;
            Some(Duration::ZERO)
        } else {
            None
        };
        match pause {
            Some(pause) => {
                let next = turn.now.after(wish.map_or(pause, |wish| wish.instead_of(pause)));
                self.outbox.push(handler, entry, next);
                next
            }
            None => self.give_up(&entry, handler, outcome, turn),
        }
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

    /// Gives up what waits for those who are gone, as much as a tick has time for.
    pub(super) fn abandon(&mut self, turn: &mut Turn) {
        for handler in 0..self.config.handlers.len() {
            while self.is_gone(handler) && turn.has_work_left() {
                let Some(entry) = self.outbox.take_back(handler) else { break };
                turn.spend(EVENT);
                self.changes.note(&entry.event.about);
                self.give_up(&entry, handler, Outcome::Gone, turn);
            }
        }
    }

    /// Whether something waits for somebody who is gone.
    pub(super) fn has_abandoned(&self) -> bool {
        (0..self.config.handlers.len()).any(|handler| self.is_gone(handler) && self.outbox.len_of(handler) > 0)
    }

    fn log_failure(
        &mut self,
        handler: usize,
        outcome: Outcome,
        response: Option<&Response>,
        attempt: u32,
        next: UnixTime,
        turn: &Turn,
    ) {
        if !self.flood.admits(About::Delivery, turn.now) {
            return;
        }
        let status = response.map_or_else(|| "none".to_owned(), |response| response.status.to_string());
        let next = if next == UnixTime::NEVER {
            "none".to_owned()
        } else {
            turn.now.until(next).as_millis().div_ceil(1_000).to_string()
        };
        let cluster = self.webhook_of(handler).map(|webhook| webhook.cluster.clone()).unwrap_or_default();
        warn!(
            "Request to webhook failed webhook={} status={status} attempt={attempt} next_in_seconds={next} outcome={} \
             cluster={cluster}",
            self.name_of(handler),
            outcome.as_str()
        );
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
