//! What becomes of the events of a request that has failed.
//!
//! A request may carry a thousand. What a tick has no time for stays in flight until one of the next.

use std::time::Duration;

use log::warn;

use super::Monitor;
use super::flood::About;
use super::turn::{DECIDING, EVENT, Turn, comparing};
use crate::application::effect::CallId;
use crate::application::metric::Outcome;
use crate::application::outbox::Entry;
use crate::domain::UnixTime;
use crate::domain::chance::Chance;

/// What a receiver says in `Retry-After`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub(super) length: Duration,
    /// Whether it knows that it will take events then: it counts requests (429). Others hope so.
    pub(super) is_exact: bool,
}

impl Wish {
    /// The pause that follows, where it would be `pause` otherwise.
    fn instead_of(self, pause: Duration) -> Duration {
        if self.is_exact { self.length } else { self.length.max(pause) }
    }
}

/// See the module's text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure {
    pub(super) call: CallId,
    pub(super) handler: usize,
    pub(super) outcome: Outcome,
    /// What was answered, if anything was.
    pub(super) status: Option<u16>,
    pub(super) wish: Option<Wish>,
    /// Whether the request carried several events.
    pub(super) is_shared: bool,
    /// When it has failed.
    pub(super) at: UnixTime,
    /// What makes the pause of all of them longer or shorter.
    pub(super) chance: Chance,
}

/// What becomes of one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sequel {
    /// It is tried again after this pause.
    Again(Duration),
    /// It is tried again without the others.
    Alone,
    /// It is given up.
    Lost,
}

impl Monitor {
    /// Decides about the events of a request: about a single one now.
    pub(super) fn decide(&mut self, failure: Failure, turn: &mut Turn) {
        if failure.is_shared {
            self.failures.push(failure);
            self.go_on_deciding(turn);
        } else if let Some(entry) = self.outbox.next_failed(failure.handler, failure.call) {
            self.decide_about(entry, &failure, turn);
        }
    }

    /// Decides about what is left of failed requests, as much as a tick has time for.
    pub(super) fn go_on_deciding(&mut self, turn: &mut Turn) {
        while let Some(failure) = self.failures.first().copied() {
            let (handler, call) = (failure.handler, failure.call);
            let price = self.outbox.first_failed(handler, call).map(|entry| self.price_of(entry, &failure));
            if price.is_some_and(|price| !turn.affords(price)) {
                return;
            }
            match self.outbox.next_failed(handler, call) {
                Some(entry) => {
                    turn.spend(DECIDING);
                    self.decide_about(entry, &failure, turn);
                }
                None => drop(self.failures.remove(0)),
            }
        }
    }

    /// Gives up what waits for those who are gone, as much as a tick has time for.
    pub(super) fn abandon(&mut self, turn: &mut Turn) {
        for handler in 0..self.config.handlers.len() {
            while self.is_gone(handler)
                && let Some(entry) = self.outbox.first_waiting(handler)
                && turn.affords(self.price_of_giving_up(entry))
                && let Some(entry) = self.outbox.take_back(handler)
            {
                turn.spend(EVENT);
                self.changes.note(&entry.event.about);
                self.give_up(&entry, handler, Outcome::Gone, turn);
            }
        }
    }

    /// Whether there may be more for [`Monitor::go_on_deciding`] or [`Monitor::abandon`].
    pub(super) fn has_to_decide(&self) -> bool {
        let is_abandoned = |handler| self.is_gone(handler) && self.outbox.first_waiting(handler).is_some();
        !self.failures.is_empty() || (0..self.config.handlers.len()).any(is_abandoned)
    }

    fn price_of(&self, entry: &Entry, failure: &Failure) -> u32 {
        let is_lost = !entry.is_superseded && self.sequel_of(entry, failure) == Sequel::Lost;
        if is_lost { self.price_of_giving_up(entry) } else { DECIDING }
    }

    fn price_of_giving_up(&self, entry: &Entry) -> u32 {
        EVENT.saturating_add(comparing(self.config.effort(&entry.event)))
    }

    fn decide_about(&mut self, entry: Entry, failure: &Failure, turn: &mut Turn) {
        self.changes.note(&entry.event.about);
        let tries = entry.tries;
        let next = self.go_on_after(entry, failure, turn);
        self.log_failure(failure, tries, next, turn);
    }

    /// Has an entry tried again, or gives it up; returns when it is tried again.
    fn go_on_after(&mut self, mut entry: Entry, failure: &Failure, turn: &mut Turn) -> UnixTime {
        if entry.is_superseded {
            // That one is tried in its place.
            return turn.now;
        }
        let pause = match self.sequel_of(&entry, failure) {
            Sequel::Again(pause) => failure.wish.map_or(pause, |wish| wish.instead_of(pause)),
            Sequel::Alone => {
                entry.alone = true;
                Duration::ZERO
            }
            Sequel::Lost => return self.give_up(&entry, failure.handler, failure.outcome, turn),
        };
        // A claim is for one try.
        entry.claim = entry.claim.anew();
        // The clock may have been set since.
        let next = failure.at.min(turn.now).after(pause).max(turn.now);
        self.outbox.wait_again(failure.handler, entry, next);
        next
    }

    fn sequel_of(&self, entry: &Entry, failure: &Failure) -> Sequel {
        let is_gone = self.is_gone(failure.handler);
        if is_gone || matches!(failure.outcome, Outcome::Refused | Outcome::TemplateError) {
            // One of several may be to blame for all of them.
            return if failure.is_shared && !is_gone { Sequel::Alone } else { Sequel::Lost };
        }
        let webhook = self.webhook_of(failure.handler);
        let mut chance = failure.chance;
        let pause = webhook.and_then(|webhook| webhook.delivery.schedule.pause(entry.tries, &mut chance));
        pause.map_or(Sequel::Lost, Sequel::Again)
    }

    fn log_failure(&mut self, failure: &Failure, attempt: u32, next: UnixTime, turn: &Turn) {
        let Failure { handler, outcome, .. } = *failure;
        if !self.flood.admits(About::Delivery, turn.now) {
            return;
        }
        let status = failure.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
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
