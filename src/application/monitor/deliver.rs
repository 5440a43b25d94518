//! Events on their way into the outbox, and what becomes of those that cannot be delivered.

use std::rc::Rc;
use std::time::Duration;

use log::{debug, error, info, warn};

use super::Monitor;
use super::flood::About;
use super::report::labels;
use super::turn::{Turn, comparing, looking};
use crate::application::metric::{Dropped, Metric, Outcome};
use crate::application::outbox::{self, Entry};
use crate::config::{Action, Expiry, Handler, Webhook};
use crate::domain::time::HOUR;
use crate::domain::{CertId, Event, EventKind, UnixTime, Usage};

/// Certificates that are looked at again in one tick because there is room for their events.
const MOST_INVITED: usize = 50;

impl Monitor {
    /// Puts an event into the outbox of every handler that wants it, or of those it is owed to.
    pub(super) fn tell(&mut self, event: &Event, noticed_at: UnixTime, owed: Option<&[String]>, turn: &mut Turn) {
        self.tell_some(event, noticed_at, owed, &|_| true, turn);
    }

    /// The same, but only for some handlers.
    pub(super) fn tell_some(
        &mut self,
        event: &Event,
        noticed_at: UnixTime,
        owed: Option<&[String]>,
        may_hear: &dyn Fn(&Handler) -> bool,
        turn: &mut Turn,
    ) {
        let config = Rc::clone(&self.config);
        let id = event.about;
        turn.spend(comparing(config.effort(event)));
        // What is owed to a webhook that the document does not have any more goes to those that want it now.
        let is_webhook = |name: &String| config.handlers.iter().any(|known| known.name == *name);
        let has_heirs = owed.is_some_and(|owed| !owed.iter().all(is_webhook));
        let inherits = |index, handler: &Handler| {
            has_heirs && handler.webhook().is_some() && !self.outbox.contains(index, &id, &event.usage)
        };
        let is_owed = |handler: &Handler| owed.is_none_or(|owed| owed.contains(&handler.name));
        let is_meant = |index, handler: &Handler| may_hear(handler) && (is_owed(handler) || inherits(index, handler));
        let meant = || (0..).zip(&config.handlers).filter(|(index, handler)| is_meant(*index, handler));
        // Patterns are compared once, whoever asks.
        let wanted: Vec<bool> = config.handlers.iter().map(|handler| handler.wants(event)).collect();
        let is_wanted = |index: usize| wanted.get(index).is_some_and(|is_wanted| *is_wanted);
        let wants = |index, handler: &Handler| is_wanted(index) || self.was_passed_on(event, handler);
        let wanting: Vec<_> =
            meant().filter(|(index, handler)| !self.is_gone(*index) && wants(*index, handler)).collect();
        let missing: Vec<_> = meant()
            .filter(|(index, handler)| handler.misses(event) || (self.is_gone(*index) && is_wanted(*index)))
            .collect();
        for (index, handler) in missing {
            self.owe(&id, &event.usage, handler.name.clone());
            self.pass_on(&Entry::new(event.clone(), noticed_at), index, &|heir, _| is_wanted(heir), turn);
        }
        let not_before = held_until(&config.expiry, event, turn);
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
                Action::Webhook(_) => {
                    let claim = self.claim_of(event, handler);
                    let entry = Entry { not_before, claim, ..Entry::new(event.clone(), noticed_at) };
                    self.post(index, entry, turn);
                }
            }
        }
    }

    /// Puts an entry into the outbox of a webhook. If too many wait there, the least severe makes room, the oldest of
    /// these.
    pub(super) fn post(&mut self, handler: usize, entry: Entry, turn: &mut Turn) {
        let (id, usage) = (entry.event.about, entry.event.usage.clone());
        turn.spend(looking(self.outbox.len_of(handler)));
        if !self.outbox.has_room(handler) && !self.outbox.contains(handler, &id, &usage) {
            turn.spend(looking(self.outbox.len_of(handler)).saturating_mul(3));
            let Some(least) = self.outbox.yield_to(handler, &entry) else {
                return self.find_no_room(&entry, handler, turn);
            };
            self.find_no_room(&least, handler, turn);
        }
        self.changes.note(&id);
        let due = self.outbox.due(handler, &entry, turn.now);
        // The time of a digest may come in the night.
        let waits = due > turn.now && self.outbox.digests(handler);
        let silent = if waits { silent_until(&self.config.expiry, &entry.event, due, turn) } else { None };
        let not_before = silent.unwrap_or(entry.not_before);
        self.outbox.push(handler, Entry { not_before, ..entry }, due.max(not_before));
    }

    /// Gives the cooldown back to a webhook for which too many events wait already.
    pub(super) fn find_no_room(&mut self, entry: &Entry, handler: usize, turn: &mut Turn) {
        turn.count(Metric::dropped_total(Dropped::OutboxFull), 1);
        let id = entry.event.about;
        self.changes.note(&id);
        if self.outbox.refuse(handler, entry.event.certificate.id) {
            let name = self.name_of(handler);
            warn!("Too many events wait for a webhook: the least severe wait until there is room webhook={name}");
        }
        if entry.is_passed_on {
            // It was not told: the webhook that it comes from may pass it on again.
            let key = (entry.event.usage.clone(), entry.event.kind, self.name_of(handler));
            self.record(&id).told.remove(&key);
        }
        self.give_back(entry, handler);
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

    /// Ends the delivery of an entry in vain: the cooldown is given back, another webhook gets it if there is one for that,
    /// and the log says so. Returns when it is tried again.
    pub(super) fn give_up(&mut self, entry: &Entry, handler: usize, outcome: Outcome, turn: &mut Turn) -> UnixTime {
        turn.spend(comparing(self.config.effort(&entry.event)));
        turn.count(Metric::dropped_total(Dropped::DeliveryFailed), 1);
        self.announce_failure(entry, handler, outcome, turn);
        self.pass_on(entry, handler, &|_, heir| heir.wants(&entry.event), turn);
        if !self.give_back(entry, handler) || outcome == Outcome::Gone {
            return UnixTime::NEVER;
        }
        if !EventKind::OF_TYK.contains(&entry.event.kind) {
            self.owe_incident(&entry.event);
        }
        let next_round = self.rounds.next();
        if next_round < UnixTime::NEVER {
            return next_round;
        }
        // Where no round comes by, the certificate is looked at for this alone.
        let next = turn.now.after(HOUR);
        self.inventory.wake(entry.event.certificate.id, next);
        next
    }

    /// Gives the cooldown back to a webhook that an event could not be delivered to; whether the event is owed to it now.
    fn give_back(&mut self, entry: &Entry, handler: usize) -> bool {
        // It is owed to the webhook that it comes from.
        if entry.is_passed_on {
            return false;
        }
        let event = &entry.event;
        let name = self.name_of(handler);
        // What was told of one that stood for a certificate is remembered of the certificate.
        let shown = self.inventory.shown_twin(&event.certificate).filter(|_| event.about == event.certificate.id);
        let about = shown.map_or(event.about, |shown| shown.id);
        let record = self.record(&about);
        let key = (event.usage.clone(), event.kind, name.clone());
        if record.told.get(&key) == Some(&entry.noticed_at) {
            record.told.remove(&key);
        }
        // None if there was a newer event in the meantime, which is on its way, or if the alert was closed.
        let notice = record.notices.get_mut(&event.usage).filter(|notice| notice.at == entry.noticed_at);
        let is_owed = notice.is_some();
        if let Some(notice) = notice
            && !notice.owed.contains(&name)
        {
            notice.owed.push(name);
        }
        is_owed
    }

    /// Gives an event that a webhook does not take to the one that is there for that, once. Whoever was told it anyway is
    /// not told again.
    pub(super) fn pass_on(
        &mut self,
        entry: &Entry,
        handler: usize,
        wants: &dyn Fn(usize, &Handler) -> bool,
        turn: &mut Turn,
    ) {
        let config = Rc::clone(&self.config);
        let webhook = config.handlers.get(handler).and_then(Handler::webhook);
        let Some(name) = webhook.and_then(|webhook| webhook.delivery.on_failure.as_ref()) else { return };
        let Some((index, heir)) = (0..).zip(&config.handlers).find(|(_, known)| known.name == *name) else { return };
        let event = &entry.event;
        // A test is of this webhook, and no other one.
        if wants(index, heir) || event.kind == EventKind::WebhookTest {
            return;
        }
        if !heir.is_active() || self.is_gone(index) || !heir.carries(event) {
            // The next one in the chain, which has an end.
            return self.pass_on(entry, index, wants, turn);
        }
        let told = &mut self.record(&event.about).told;
        let key = (event.usage.clone(), event.kind, heir.name.clone());
        if told.insert(key, entry.noticed_at) != Some(entry.noticed_at) {
            if self.flood.admits(About::Event, turn.now) {
                info!("Passing an event on webhook={} from={}", heir.name, self.name_of(handler));
            }
            let claim = self.claim_of(event, heir);
            let entry = Entry { is_passed_on: true, claim, ..Entry::new(event.clone(), entry.noticed_at) };
            self.post(index, entry, turn);
        }
    }

    /// Whether `event` closes an alert that a handler was told in place of another one, and that it wants to hear the end
    /// of.
    fn was_passed_on(&self, event: &Event, handler: &Handler) -> bool {
        let Some(record) = self.ledger.get(&event.about).filter(|_| event.closes.is_some()) else {
            return false;
        };
        let was_told = |kind| record.told.contains_key(&(event.usage.clone(), kind, handler.name.clone()));
        handler.is_active() && handler.routing.send_resolved && EventKind::named().any(was_told)
    }

    /// Says that all was in vain, once for each webhook and event cooldown.
    fn announce_failure(&mut self, entry: &Entry, handler: usize, outcome: Outcome, turn: &Turn) {
        let cooldown = self.config.expiry.period();
        let Some(last) = self.failures_told.get_mut(handler) else { return };
        let is_cooling = last.and_then(|last| turn.now.since(last)).is_some_and(|age| age < cooldown);
        if !is_cooling {
            *last = Some(turn.now);
            error!(
                "DeliveryFailed webhook={} attempts={} outcome={} {}",
                self.name_of(handler),
                entry.tries,
                outcome.as_str(),
                labels(&entry.event)
            );
        }
    }

    /// Whether the receiver has said that it wants nothing any more.
    pub(super) fn is_gone(&self, handler: usize) -> bool {
        self.standings.get(handler).is_some_and(|standing| standing.is_gone)
    }

    pub(super) fn name_of(&self, handler: usize) -> String {
        self.config.handlers.get(handler).map(|handler| handler.name.clone()).unwrap_or_default()
    }

    pub(super) fn webhook_of(&self, handler: usize) -> Option<&Webhook> {
        self.config.handlers.get(handler).and_then(Handler::webhook)
    }
}

/// Until when nobody is told of an event, if silence or the hour wants it: what ends an alert, and what has happened once,
/// waits in the outbox. What lasts is not made into an event before: it may be over by then.
fn held_until(expiry: &Expiry, event: &Event, turn: &mut Turn) -> UnixTime {
    let lasts = event.closes.is_none() && event.kind.lasts();
    if lasts { UnixTime::default() } else { silent_until(expiry, event, turn.now, turn).unwrap_or_default() }
}

/// Until when silence or the hour keeps an event back that would go at `at`.
pub(super) fn silent_until(expiry: &Expiry, event: &Event, at: UnixTime, turn: &mut Turn) -> Option<UnixTime> {
    let severity = event.alert().severity;
    match event.kind {
        // A sign of life that comes hours late is none.
        EventKind::WebhookTest | EventKind::MonitorHeartbeat => None,
        // What tells of the proxy has no role and no name.
        _ if !event.is_of_certificate() => expiry.quiet_until(severity, at),
        _ => {
            let Event { certificate, usage, presence, .. } = event;
            turn.spend(comparing(expiry.effort(certificate, usage, &presence.places, &presence.api_ids)));
            expiry.held_until(certificate, usage, presence, severity, at)
        }
    }
}

/// What a handler bears; where its document says nothing, the default.
pub(super) fn terms(handler: &Handler, digest: Option<Duration>) -> outbox::Terms {
    let Some(Webhook { delivery, format, .. }) = handler.webhook() else { return outbox::Terms::default() };
    // A webhook with a batch of its own keeps that.
    let digest = digest.filter(|_| delivery.batch.is_none() && format.digests());
    let default = outbox::Terms::default();
    let (failures, open) = delivery.breaker;
    outbox::Terms {
        max_pending: delivery.max_pending.unwrap_or(default.max_pending),
        max_in_flight: delivery.max_in_flight.unwrap_or(default.max_in_flight),
        breaker: outbox::Limits {
            failures: failures.unwrap_or(default.breaker.failures),
            open: open.unwrap_or(default.breaker.open),
        },
        batch: delivery.batch.map(|(max, wait)| outbox::Batch { max, wait }),
        digest: digest.map(|interval| outbox::Digest { interval }),
    }
}
