//! The beginning of a webhook's life under a configuration: a test, and the question whether it wants events.

use std::rc::Rc;
use std::time::Duration;

use log::{info, warn};

use super::Monitor;
use super::flood::About;
use super::turn::{SENDING_MORE, Turn};
use crate::application::effect::{Answer, Effect, Response};
use crate::application::outbox::Entry;
use crate::application::request;
use crate::application::standing::{STANDINGS, stored};
use crate::domain::time::MINUTE;
use crate::domain::{Event, UnixTime};

/// A receiver that has not consented is asked again after this time: somebody may be about to set it up.
const ASK_AGAIN: Duration = MINUTE;

impl Monitor {
    /// Makes the tests that the document wants, once.
    pub(super) fn test_webhooks(&mut self, turn: &mut Turn) {
        let config = Rc::clone(&self.config);
        let mut has_changed = false;
        for (index, handler) in config.handlers.iter().enumerate() {
            let wants = handler.is_active() && handler.webhook().is_some_and(|webhook| webhook.test_on_start);
            let Some(standing) = self.standings.get_mut(index).filter(|known| wants && !known.is_tested) else {
                continue;
            };
            standing.is_tested = true;
            has_changed = true;
            let event = Event::test(&handler.name, config.hash.number(), turn.now);
            info!("Testing webhook={}", handler.name);
            self.announce_event(&event, turn);
            self.post(index, Entry::new(event, turn.now), turn);
        }
        if has_changed {
            self.store_standings(turn);
        }
    }

    /// Opens the lanes whose receivers need not be asked, or have consented to a predecessor.
    pub(super) fn open_lanes(&mut self) {
        let config = Rc::clone(&self.config);
        for (index, handler) in config.handlers.iter().enumerate() {
            let Some(standing) = self.standings.get(index).cloned() else { continue };
            let must_ask = handler.webhook().is_some_and(|webhook| webhook.handshake) && standing.consent.is_none();
            self.outbox.set_closed(index, standing.is_gone || must_ask);
            self.outbox.set_pace(index, pace(standing.consent.unwrap_or_default()));
        }
    }

    /// Asks the receivers for which something waits and that must be asked before.
    pub(super) fn ask(&mut self, turn: &mut Turn) {
        let config = Rc::clone(&self.config);
        for (index, handler) in config.handlers.iter().enumerate() {
            let Some(webhook) = handler.webhook().filter(|_| self.question_at(index) <= turn.now) else { continue };
            let proxy = Rc::clone(&self.proxy);
            turn.spend(SENDING_MORE);
            let call = self.outbox.name_call();
            let about = Event::test(&handler.name, config.hash.number(), turn.now);
            match request::ask(webhook, &about, self.context(&proxy, turn.now), call) {
                Ok(question) => {
                    if let Some(asked) = self.asked.get_mut(index) {
                        *asked = Some(call);
                    }
                    self.clock.sent(call, index, turn.now);
                    turn.effect(Effect::Call(question));
                }
                Err(problem) => {
                    self.log_template_error(index, &problem, turn);
                    self.conclude_handshake(index, &Answer::NoResponse, turn);
                }
            }
        }
    }

    /// When a receiver is to be asked; never, if it need not be or is asked already.
    fn question_at(&self, handler: usize) -> UnixTime {
        let must_ask = self.webhook_of(handler).is_some_and(|webhook| webhook.handshake);
        let stands = self.standings.get(handler).is_none_or(|known| known.is_gone || known.consent.is_some());
        let is_asked = self.asked.get(handler).is_none_or(Option::is_some);
        if !must_ask || stands || is_asked || self.outbox.len_of(handler) == 0 {
            return UnixTime::NEVER;
        }
        self.ask_at.get(handler).copied().unwrap_or(UnixTime::NEVER)
    }

    /// When the next receiver is to be asked.
    pub(super) fn next_question(&self) -> UnixTime {
        (0..self.config.handlers.len()).map(|handler| self.question_at(handler)).min().unwrap_or(UnixTime::NEVER)
    }

    /// Takes note of the answer to a question. Only headers count, whatever the status is.
    pub(super) fn conclude_handshake(&mut self, handler: usize, answer: &Answer, turn: &mut Turn) {
        if let Some(asked) = self.asked.get_mut(handler) {
            *asked = None;
        }
        let name = self.name_of(handler);
        let allowed = match answer {
            Answer::Response(response) => rate_of(response),
            _ => None,
        };
        if let Some(rate) = allowed {
            info!("Webhook consents to events webhook={name} requests_per_minute={rate}");
            if let Some(standing) = self.standings.get_mut(handler) {
                standing.consent = Some(rate);
            }
            self.outbox.set_pace(handler, pace(rate));
            self.outbox.set_closed(handler, false);
            return self.store_standings(turn);
        }
        if let Some(at) = self.ask_at.get_mut(handler) {
            *at = turn.now.after(ASK_AGAIN);
        }
        if self.flood.admits(About::Delivery, turn.now) {
            let status = match answer {
                Answer::Response(response) => response.status.to_string(),
                _ => "none".to_owned(),
            };
            warn!(
                "Webhook does not consent to events: no WebHook-Allowed-Origin in its answer webhook={name} \
                 status={status} next_in_seconds={}",
                ASK_AGAIN.as_secs()
            );
        }
    }

    pub(super) fn store_standings(&self, turn: &mut Turn) {
        let contents = stored(&self.standings, self.config.hash, &self.config.handlers);
        turn.effect(Effect::Store { key: STANDINGS.to_owned(), contents });
    }
}

/// The rate that an answer allows, zero for any; `None` if it allows nothing.
fn rate_of(response: &Response) -> Option<u32> {
    response.allowed_origin.as_deref().filter(|origin| request::allows(origin))?;
    let rate = response.allowed_rate.as_deref().map_or("*", str::trim);
    Some(rate.parse().unwrap_or_default())
}

/// The time between requests, so that there are no more than so many a minute.
fn pace(per_minute: u32) -> Duration {
    MINUTE.checked_div(per_minute).unwrap_or_default()
}
