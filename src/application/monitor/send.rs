//! From the outbox to the receivers: requests are put together event by event, over several ticks if it takes that long.

use std::rc::Rc;
use std::time::Duration;

use log::error;

use super::Monitor;
use super::flood::About;
use super::turn::{SENDING, SENDING_MORE, Turn, digesting, listing, signing};
use crate::application::effect::{Call, CallId, Effect};
use crate::application::metric::{Metric, Outcome};
use crate::application::outbox::Entry;
use crate::application::request;
use crate::config::{Handler, Webhook};
use crate::domain::{Detail, Event, UnixTime};
use crate::render::TemplateError;
use crate::render::fields::{Context, Proxy};

/// The request that is being put together.
#[derive(Debug)]
pub(super) struct Draft {
    call: CallId,
    handler: usize,
    /// The parts of the body, one for each entry so far.
    items: Vec<String>,
    /// What they come to, in bytes.
    size: usize,
}

/// Requests that carry several events stay below this, in bytes, which is what `CloudEvents` wants forwarded (64 KiB).
/// Signing is work, so with several secrets it is less.
const LARGEST_BATCH: usize = 60_000;

/// What tells of more certificates than this is put together by a tick that does nothing else.
const MOST_AT_ONCE: usize = 10;

impl Monitor {
    /// Sends what may be sent now. What is not stored yet may not: its sender may not live to see the answer.
    pub(super) fn send(&mut self, turn: &mut Turn) {
        while turn.has_work_left() {
            let Some(draft) = self.draft.take().or_else(|| self.begin(turn.now)) else { break };
            if self.is_large(&draft) {
                // There may not be enough time left in this tick.
                self.draft = Some(draft);
                break;
            }
            turn.spend(if draft.items.is_empty() { SENDING } else { SENDING_MORE });
            self.go_on_with(draft, turn);
        }
    }

    /// Sends what would be too much beside other work; whether there was something.
    pub(super) fn send_postponed(&mut self, turn: &mut Turn) -> bool {
        let Some(draft) = self.draft.take() else { return false };
        if !self.is_large(&draft) {
            self.draft = Some(draft);
            return false;
        }
        self.go_on_with(draft, turn);
        turn.exhaust();
        true
    }

    /// Whether the next part of a request tells of many certificates.
    fn is_large(&self, draft: &Draft) -> bool {
        let entries = self.outbox.of_call(draft.handler, draft.call);
        let listed = |entry: &Entry| match &entry.event.detail {
            Detail::Listing(listing) => listing.certificates.len(),
            _ => 1,
        };
        let count = if self.outbox.digests(draft.handler) { entries.len() } else { 1 };
        count.max(entries.get(draft.items.len()).map_or(1, listed)) > MOST_AT_ONCE
    }

    fn begin(&mut self, now: UnixTime) -> Option<Draft> {
        let (changes, config, fleet) = (&self.changes, &self.config, &self.fleet);
        let may_join = |handler: usize, a: &_, b: &_| {
            let webhook = config.handlers.get(handler).and_then(Handler::webhook);
            webhook.is_some_and(|webhook| webhook.format.may_join(a, b))
        };
        let (call, handler) =
            self.outbox.take(now, |id| !changes.contains(id), |handler| fleet.asks(handler), may_join)?;
        Some(Draft { call, handler, items: Vec::new(), size: 0 })
    }

    /// Renders the next event, or sends what is complete.
    fn go_on_with(&mut self, mut draft: Draft, turn: &mut Turn) {
        let config = Rc::clone(&self.config);
        let proxy = Rc::clone(&self.proxy);
        let context = self.context(&proxy, turn.now);
        let entries = self.outbox.of_call(draft.handler, draft.call);
        let Some(webhook) = config.handlers.get(draft.handler).and_then(Handler::webhook) else { return };
        if entries.len() > 1 && self.outbox.digests(draft.handler) {
            return self.send_digest(&draft, webhook, turn);
        }
        let secrets = webhook.signing.as_ref().map_or(0, |signing| signing.secrets.len());
        let largest = LARGEST_BATCH.checked_div(secrets).unwrap_or(LARGEST_BATCH);
        if let Some(entry) = entries.get(draft.items.len()).filter(|_| webhook.method.has_body()) {
            if let Detail::Listing(listed) = &entry.event.detail {
                turn.spend(listing(listed.certificates.len()));
            }
            match webhook.format.item(&entry.event, context) {
                Ok(item) if draft.size.saturating_add(item.len()) > largest && !draft.items.is_empty() => {
                    self.put_back(&draft, turn.now);
                }
                Ok(item) => {
                    draft.size = draft.size.saturating_add(item.len());
                    draft.items.push(item);
                }
                Err(problem) => self.leave_out(&draft, &problem, turn),
            }
            if self.outbox.of_call(draft.handler, draft.call).len() > draft.items.len() {
                self.draft = Some(draft);
                return;
            }
        }
        let entries = self.outbox.of_call(draft.handler, draft.call);
        if entries.is_empty() {
            self.outbox.answered(draft.call);
            return;
        }
        let events: Vec<_> = entries.iter().map(|entry| &entry.event).collect();
        turn.spend(signing(draft.size.saturating_mul(secrets)));
        let span = self.chance.draw();
        let call = request::deliver(webhook, &events, &draft.items, context, draft.call, span);
        self.send_off(&draft, call, turn);
    }

    /// Sends several events as one.
    fn send_digest(&mut self, draft: &Draft, webhook: &Webhook, turn: &mut Turn) {
        let proxy = Rc::clone(&self.proxy);
        let context = self.context(&proxy, turn.now);
        let span = self.chance.draw();
        let entries = self.outbox.of_call(draft.handler, draft.call);
        let events: Vec<_> = entries.iter().map(|entry| &entry.event).collect();
        turn.spend(digesting(events.len()));
        let Some(digest) = Event::digest(&events, 0) else {
            return self.settle_all(draft.call, Outcome::TemplateError, None, turn);
        };
        let part = if webhook.method.has_body() { webhook.format.item(&digest, context).map(Some) } else { Ok(None) };
        let call = part.and_then(|part| {
            let size = part.as_ref().map_or(0, String::len);
            turn.spend(signing(size.saturating_mul(webhook.signing.as_ref().map_or(0, |own| own.secrets.len()))));
            request::deliver(webhook, &[&digest], part.as_slice(), context, draft.call, span)
        });
        self.send_off(draft, call, turn);
    }

    fn send_off(&mut self, draft: &Draft, call: Result<Call, TemplateError>, turn: &mut Turn) {
        match call {
            Ok(call) => {
                self.clock.sent(call.id, draft.handler, turn.now);
                turn.effect(Effect::Call(call));
            }
            Err(problem) => {
                // One of them must not keep the others from being sent.
                self.log_template_error(draft.handler, &problem, turn);
                self.settle_all(draft.call, Outcome::TemplateError, None, turn);
            }
        }
    }

    /// Leaves the rest of a request that would become too large for another one.
    fn put_back(&mut self, draft: &Draft, now: UnixTime) {
        for mut entry in self.outbox.leave_rest(draft.handler, draft.call, draft.items.len()) {
            entry.tries = entry.tries.saturating_sub(1);
            if !entry.is_superseded {
                self.outbox.wait_again(draft.handler, entry, now);
            }
        }
    }

    /// Gives up what was begun, for this handler or for any: it is not sent from here any more.
    pub(super) fn discard_draft(&mut self, handler: Option<usize>, now: UnixTime) {
        if let Some(draft) = self.draft.take_if(|draft| handler.is_none_or(|handler| draft.handler == handler)) {
            self.put_back(&Draft { items: Vec::new(), ..draft }, now);
            self.outbox.answered(draft.call);
        }
    }

    /// Leaves an event out that cannot be rendered.
    fn leave_out(&mut self, draft: &Draft, problem: &TemplateError, turn: &mut Turn) {
        self.log_template_error(draft.handler, problem, turn);
        let Some(entry) = self.outbox.leave_out(draft.handler, draft.call, draft.items.len()) else { return };
        turn.count(Metric::deliveries_total(&self.name_of(draft.handler), Outcome::TemplateError), 1);
        self.give_up(&entry, draft.handler, Outcome::TemplateError, turn);
    }

    pub(super) fn log_template_error(&mut self, handler: usize, problem: &TemplateError, turn: &Turn) {
        if self.flood.admits(About::Delivery, turn.now) {
            error!("webhook template error webhook={} {problem}", self.name_of(handler));
        }
    }

    /// What bodies say beside their events. An alert that is told again at every round lasts for three of them.
    pub(super) fn context<'a>(&self, proxy: &'a Proxy, now: UnixTime) -> Context<'a> {
        let expiry = &self.config.expiry;
        let between = if expiry.check_interval.is_zero() { expiry.period() } else { expiry.check_interval };
        Context { now, lasts: between.saturating_mul(3).max(Duration::from_secs(60)), proxy: Some(proxy) }
    }
}
