//! Asking the store of a fleet before an event is told, and telling it afterwards.

use std::rc::Rc;
use std::time::Duration;

use log::{info, warn};

use super::Monitor;
use super::flood::About;
use super::report::labels;
use super::turn::{CLAIMING, Turn, comparing, looking};
use crate::application::effect::{Answer, CallId, Effect, Response};
use crate::application::fleet::command::{TIMEOUT, TOLD};
use crate::application::fleet::{Command, NUMBER, Question, Told, key};
use crate::application::metric::{Metric, Stored};
use crate::application::outbox::{Claim, Claimed, Entry, GRACE};
use crate::config::{CooldownStore, Handler, Routing};
use crate::decode::webdis::{Reply, reply};
use crate::domain::time::DAY;
use crate::domain::{Event, EventKind, UnixTime};

/// Who finds an event claimed asks again when the claim is over, and up to so many milliseconds later.
const SPREAD: u64 = 10_000;
/// What is told once is remembered for so long at least.
const ONCE: Duration = DAY.saturating_mul(7);
/// An event whose delay is over is looked at so often until the store has been asked once more.
const LAST_CHANCE: Duration = Duration::from_secs(1);
/// Who has found an event claimed for so many claims tells it unclaimed.
const MOST_WAITS: u32 = 5;
/// No key lives longer.
const LONGEST: Duration = DAY.saturating_mul(365);

impl Monitor {
    /// The store that is asked, if there is one.
    fn shared_store(&self) -> Option<&CooldownStore> {
        self.config.cooldown_store.as_ref().filter(|store| !store.is_switched_off)
    }

    /// Has a successor be the same proxy.
    pub(super) fn store_number(&self, turn: &mut Turn) {
        if self.shared_store().is_some() {
            turn.effect(Effect::Store { key: NUMBER.to_owned(), contents: self.fleet.encode() });
        }
    }

    /// How an event stands that was just made: what tells of this proxy alone is nobody else's. Nor is the end of an alert
    /// that every proxy keeps open, or closes, by itself.
    pub(super) fn claim_of(&self, event: &Event, handler: &Handler) -> Claim {
        let is_kept_open = event.closes.is_some() && handler.webhook().is_some_and(|webhook| webhook.refreshes);
        let is_shared = self.shared_store().is_some() && !is_of_proxy(event) && !is_kept_open;
        if is_shared { Claim::OPEN } else { Claim::Needless }
    }

    /// Asks for what is to be sent next, and writes what was told.
    pub(super) fn claim(&mut self, turn: &mut Turn) {
        self.note_told(turn);
        while self.shared_store().is_some() && turn.has_work_left() {
            let Some(next) = self.outbox.unclaimed(turn.now) else { break };
            let looked_at = if self.outbox.digests(next.handler) { self.outbox.len_of(next.handler) } else { 0 };
            turn.spend(CLAIMING.saturating_add(looking(looked_at)));
            let hushed = self.fleet.hushed_until(turn.now);
            if hushed.is_none() && !self.fleet.may_claim(turn.now) {
                break;
            }
            self.outbox.pass_turn(&next);
            // What seems to have waited since the future has waited since the clock was set back.
            let since = since(next.claim).filter(|since| *since <= turn.now);
            let held = held(next.claim);
            if let Some(again) = hushed {
                let since = since.unwrap_or(turn.now);
                let go_at = since.after(self.fleet.delay());
                if go_at <= turn.now && self.fleet.gives_up(go_at, turn.now) {
                    self.let_go(&next, next.due, turn);
                } else {
                    let due = if go_at > turn.now { go_at.min(again) } else { turn.now.after(LAST_CHANCE) };
                    self.outbox.put(&next, due, Claim::Open { since: Some(since), held });
                }
            } else {
                let due = if let Claim::Asked { due, .. } = next.claim { due } else { next.due };
                let asked = self.outbox.put(&next, turn.now.after(GRACE), Claim::Asked { since, held, due });
                self.ask_store(Question::Claim(asked), turn);
            }
        }
    }

    /// Lets an event go out unclaimed.
    fn let_go(&mut self, next: &Claimed, due: UnixTime, turn: &mut Turn) {
        turn.count(Metric::cooldown_store_total(Stored::Unclaimed), 1);
        self.outbox.put(next, due.min(turn.now), Claim::Held { until: turn.now.after(GRACE) });
    }

    /// When there is something to write into the store, or to wait for no longer.
    pub(super) fn next_note(&self) -> UnixTime {
        if self.shared_store().is_some() { self.fleet.next(self.latest) } else { UnixTime::NEVER }
    }

    /// Writes into the store what was told, and sees whether it answers at all.
    pub(super) fn note_told(&mut self, turn: &mut Turn) {
        if self.shared_store().is_none() {
            return;
        }
        let lost = self.fleet.take_lost();
        if lost > 0 {
            turn.count(Metric::cooldown_store_total(Stored::Lost), lost);
        }
        while let Some(question) = self.fleet.forgotten(turn.now) {
            self.conclude(question, Err("no answer".to_owned()), turn);
        }
        while turn.has_work_left() {
            if let Some(told) = self.fleet.take_told(turn.now) {
                turn.spend(CLAIMING);
                self.write_down(&told, turn.now);
            }
            let Some(question) = self.fleet.take(turn.now) else { break };
            turn.spend(CLAIMING);
            self.ask_store(question, turn);
        }
    }

    fn ask_store(&mut self, question: Question, turn: &mut Turn) {
        let config = Rc::clone(&self.config);
        let Some(store) = config.cooldown_store.as_ref() else { return };
        let now = turn.now;
        let command = match &question {
            Question::Claim(asked) => {
                self.key_of(asked).map(|key| Command::Claim(key, self.length_of_claim(asked.handler)))
            }
            Question::Renewal(asked) => {
                self.key_of(asked).map(|key| Command::Sign(key, now.after(self.length_of_claim(asked.handler))))
            }
            Question::Note(note) => Some(note.command.clone()),
            Question::Greeting => Some(Command::Claim(format!("{}cert-cooldown:greeting", store.prefix), GRACE)),
        };
        let Some(command) = command else { return };
        let call = self.outbox.name_call();
        turn.effect(Effect::Call(command.call(store, &self.fleet.name(), call, turn.now)));
        self.fleet.ask(call, question, turn.now);
    }

    fn key_of(&self, asked: &Claimed) -> Option<String> {
        let (store, entry) = (self.shared_store()?, self.outbox.entry(asked)?);
        Some(key::event(&store.prefix, &entry.event, &self.name_of(asked.handler)))
    }

    /// How long a claim lasts: until one try has come to its end. It begins before its answer arrives.
    fn length_of_claim(&self, handler: usize) -> Duration {
        let timeout = self.webhook_of(handler).map(|webhook| webhook.timeout).unwrap_or_default();
        timeout.saturating_add(GRACE).saturating_add(TIMEOUT)
    }

    /// Takes note of what the store has answered; whether the call was a question to it.
    pub(super) fn conclude_claim(&mut self, call: CallId, answer: &Answer, turn: &mut Turn) -> bool {
        let Some(question) = self.fleet.answered(call) else { return false };
        self.conclude(question, reply_of(answer), turn);
        true
    }

    fn conclude(&mut self, question: Question, reply: Result<Reply, String>, turn: &mut Turn) {
        turn.spend(CLAIMING);
        let is_refused = matches!(reply, Ok(Reply::Error(_)));
        let reply = reply.and_then(|reply| fits(&question, reply));
        match &reply {
            Ok(_) if self.fleet.succeed(turn.now) => {
                warn!("Cooldown store answers again cluster={}", self.cluster_of_store());
            }
            Ok(_) => {}
            Err(reason) => {
                turn.count(Metric::cooldown_store_total(Stored::Failed), 1);
                if self.fleet.fail(turn.now) {
                    warn!(
                        "Cooldown store cannot be asked: events go out unclaimed, each after {} seconds cluster={} reason={reason}",
                        self.fleet.delay().as_secs(),
                        self.cluster_of_store()
                    );
                }
            }
        }
        match (question, reply) {
            (Question::Claim(asked), reply) => self.conclude_question(&asked, reply.ok(), turn),
            (Question::Renewal(asked), Ok(_)) => self.grant(&asked, turn),
            (Question::Renewal(asked), Err(_)) => self.conclude_question(&asked, None, turn),
            (Question::Note(_), Ok(_)) => turn.count(Metric::cooldown_store_total(Stored::Committed), 1),
            (Question::Note(note), Err(_)) if is_refused => self.fleet.refused(note),
            (Question::Note(note), Err(_)) => self.fleet.owe_again(note),
            (Question::Greeting, _) => {}
        }
    }

    fn conclude_question(&mut self, asked: &Claimed, reply: Option<Reply>, turn: &mut Turn) {
        // A newer event may have taken its place in the meantime.
        let Some(Claim::Asked { since, held, due }) = self.outbox.entry(asked).map(|entry| entry.claim) else { return };
        // What seems to have been claimed since the future was so before the clock was set back.
        let held = held.filter(|since| *since <= turn.now);
        match reply {
            Some(Reply::Nothing) => self.grant(asked, turn),
            // It was claimed for a try that has failed, or by a monitor before this one, and lasts for nobody knows how long.
            Some(Reply::Text(text)) if text == self.fleet.name() => self.ask_store(Question::Renewal(*asked), turn),
            Some(Reply::Text(text)) if text == TOLD => self.forgo(asked, turn),
            // Each of many may have been at it in vain. This one tries it as well, having heard that nobody has told it yet.
            Some(_) if held.is_some_and(|since| self.has_waited_enough(asked.handler, since, turn.now)) => {
                self.let_go(asked, due, turn);
            }
            Some(_) => {
                turn.count(Metric::cooldown_store_total(Stored::Held), 1);
                let spread = Duration::from_millis(self.chance.draw() % SPREAD);
                let again = turn.now.after(self.length_of_claim(asked.handler)).after(spread);
                self.outbox.put(asked, again, Claim::Elsewhere { since: held.unwrap_or(turn.now) });
            }
            None => {
                self.outbox.put(asked, due, Claim::Open { since: since.or(Some(turn.now)), held });
            }
        }
    }

    fn has_waited_enough(&self, handler: usize, since: UnixTime, now: UnixTime) -> bool {
        since.after(self.length_of_claim(handler).saturating_mul(MOST_WAITS)) < now
    }

    fn grant(&mut self, asked: &Claimed, turn: &mut Turn) {
        let Some(Claim::Asked { due, .. }) = self.outbox.entry(asked).map(|entry| entry.claim) else { return };
        turn.count(Metric::cooldown_store_total(Stored::Claimed), 1);
        self.outbox.put(asked, due, Claim::Held { until: turn.now.after(GRACE) });
    }

    /// Sends an event no more, because another proxy has: as if it had been told here.
    fn forgo(&mut self, told: &Claimed, turn: &mut Turn) {
        let Some(entry) = self.outbox.forgo(told) else { return };
        turn.count(Metric::cooldown_store_total(Stored::Told), 1);
        self.changes.note(&entry.event.about);
        if self.flood.admits(About::Event, turn.now) {
            info!("Told by another proxy webhook={} {}", self.name_of(told.handler), labels(&entry.event));
        }
    }

    /// Has the store know that an event was told.
    pub(super) fn commit(&mut self, entry: Entry, handler: usize) {
        let is_end = entry.event.closes.is_some() && !is_of_proxy(&entry.event);
        if self.shared_store().is_some() && (entry.claim.is_shared() || is_end) {
            self.fleet.tell(Told { event: entry.event, handler, noticed_at: entry.noticed_at, is_sent: true });
        }
    }

    /// Has the store know that an alert is over of which not everybody hears the end: it may begin anew.
    pub(super) fn free(&mut self, end: &Event, turn: &mut Turn) {
        let Some(alert) = end.closes.as_ref().filter(|_| self.shared_store().is_some() && !is_of_proxy(end)) else {
            return;
        };
        let config = Rc::clone(&self.config);
        turn.spend(comparing(config.effort(end)));
        let was_told = |handler: &Handler| handler.webhook().is_some() && handler.routing.events.contains(&alert.kind);
        let misses = |handler: &Handler| was_told(handler) && !handler.wants(end);
        for (handler, _) in (0..).zip(&config.handlers).filter(|(_, handler)| misses(handler)) {
            self.fleet.tell(Told { event: end.clone(), handler, noticed_at: end.timestamp, is_sent: false });
        }
    }

    /// Makes the commands that write down what was told.
    fn write_down(&mut self, told: &Told, now: UnixTime) {
        let Some(store) = self.shared_store() else { return };
        let (event, expiry, name) = (&told.event, &self.config.expiry, self.name_of(told.handler));
        let period = expiry.period_of(Some(event.kind));
        let period = if key::is_numbered(event) { period.max(ONCE) } else { period }.min(LONGEST);
        // Whoever told it asks again exactly one period later, and must not find it.
        let margin = (period / 20).clamp(Duration::from_secs(1), Duration::from_secs(10));
        let until = told.noticed_at.after(period).before(margin);
        let tell = Command::Tell(key::event(&store.prefix, event, &name), until);
        let check = told.noticed_at.after(expiry.check_cooldown.min(LONGEST));
        let check = Command::Sign(key::check(&store.prefix, &event.certificate.id), check);
        // What is over may begin anew, and what has begun may end anew.
        let over = key::alert(&store.prefix, event, &name);
        let hears = |routing: &Routing| routing.send_resolved || routing.events.iter().any(|kind| kind.closes());
        let hears_ends = self.config.handlers.get(told.handler).is_some_and(|handler| hears(&handler.routing));
        let ends = key::ends(&store.prefix, event, &name).filter(|_| hears_ends);
        let forget = over.into_iter().chain(ends.into_iter().flatten()).map(|key| Command::Forget(key, until));
        let told = [tell, check].into_iter().filter(|_| told.is_sent);
        for command in told.chain(forget).filter(|command| command.ends_at() > now) {
            self.fleet.owe(command);
        }
    }

    fn cluster_of_store(&self) -> &str {
        self.shared_store().map_or("", |store| &store.cluster)
    }
}

/// Whether an event tells of this proxy alone.
fn is_of_proxy(event: &Event) -> bool {
    use EventKind::{ClockSkewSuspected, MonitorHeartbeat, WebhookTest};
    matches!(event.alert().kind, MonitorHeartbeat | ClockSkewSuspected | WebhookTest)
}

/// What was answered, if it answers what was asked.
fn fits(question: &Question, reply: Reply) -> Result<Reply, String> {
    if let Reply::Error(error) = reply {
        return Err(format!("Redis says {error}"));
    }
    let asks = matches!(question, Question::Claim(_) | Question::Greeting);
    let says = matches!(reply, Reply::Nothing | Reply::Text(_));
    if asks == says { Ok(reply) } else { Err("the answer is not one to this command".to_owned()) }
}

/// Since when the store could not be asked for something.
const fn since(claim: Claim) -> Option<UnixTime> {
    match claim {
        Claim::Open { since, .. } | Claim::Asked { since, .. } => since,
        Claim::Needless | Claim::Held { .. } | Claim::Elsewhere { .. } => None,
    }
}

/// Since when another proxy is at something.
const fn held(claim: Claim) -> Option<UnixTime> {
    match claim {
        Claim::Elsewhere { since } => Some(since),
        Claim::Open { held, .. } | Claim::Asked { held, .. } => held,
        Claim::Needless | Claim::Held { .. } => None,
    }
}

/// What an answer says, or why it says nothing.
fn reply_of(answer: &Answer) -> Result<Reply, String> {
    let response = match answer {
        Answer::Response(response) => response,
        Answer::NoResponse => return Err("no answer".to_owned()),
        Answer::NoCluster => return Err("Envoy has no such cluster".to_owned()),
        Answer::NoHost => return Err("the cluster has no host that takes a request".to_owned()),
    };
    let Response { status, body, .. } = response;
    match (status, body.as_deref().map(reply)) {
        (200, Some(Some(reply))) => Ok(reply),
        (200, _) => Err("the answer is not one of Webdis".to_owned()),
        (403, _) => Err("Webdis does not allow the command (403)".to_owned()),
        (status, _) => Err(format!("status {status}")),
    }
}
