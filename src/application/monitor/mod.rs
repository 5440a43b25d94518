//! The one instance that checks, remembers and notifies.
//!
//! [`Monitor::handle`] is all there is to it: an [`Input`] and the time go in, [`Effect`]s come out. What is due is done
//! in slices of bounded work; [`Monitor::next_wakeup`] says when there is more.

mod admin;
mod admit;
mod chain;
mod check;
mod claim;
mod clock;
mod close;
mod conditions;
mod deliver;
mod discover;
mod failure;
mod flood;
mod greet;
mod heartbeat;
mod incident;
mod inform;
mod observed;
mod overdue;
mod probe;
mod renew;
mod report;
mod restore;
mod send;
mod settle;
mod split;
mod store;
mod storm;
mod turn;

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use self::clock::Waking;
use self::discover::Discoverer;
use self::failure::Failure;
use self::flood::Flood;
use self::heartbeat::Heart;
use self::incident::Slot;
use self::observed::Batch;
use self::probe::Probes;
use self::renew::Renewals;
use self::report::Said;
use self::send::Draft;
use self::storm::Storms;
use self::turn::{Turn, WORK};
use super::clock::Clock;
use super::effect::{Answer, CallId, Effect};
use super::fleet::Fleet;
use super::inventory::Inventory;
use super::ledger::Ledger;
use super::outbox::Outbox;
use super::quarantine::Quarantine;
use super::rounds::{FIRST_CHECK, Rounds};
use super::shards::{Changes, SHARDS};
use super::shared_data::Tenure;
use super::snapshot;
use super::standing::Standing;
use crate::config::Config;
use crate::domain::chance::Chance;
use crate::domain::{CertId, EventKind, UnixTime, Usage};
use crate::render::fields::Proxy;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// This was found under one of [`Monitor::stored_keys`].
    Restored {
        /// The key.
        key: String,
        /// What was found there.
        contents: Vec<u8>,
    },
    /// An item was taken from the queue; `None`: it is empty.
    Dequeued(Option<Vec<u8>>),
    /// What [`Effect::Inspect`] asked for.
    Inspect,
    /// A call has ended.
    Answered(CallId, Answer),
}

/// How long a monitor that is to end waits for the answers to its requests. What is not answered by then is sent again
/// by its successor.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// An instance that takes the lease within this time of its configuration is the monitor from the start.
const FRESH: Duration = Duration::from_secs(3);
/// See the module's text.
#[derive(Debug)]
pub struct Monitor {
    config: Rc<Config>,
    /// One line for each webhook that lacks a variable.
    missing: Vec<String>,
    started: bool,
    /// How many of the document's certificates are in the inventory.
    listed: usize,
    /// Of how many handlers the metrics exist.
    defined: usize,
    /// The last certificate of a predecessor that has been looked at.
    dismissed: Option<CertId>,
    /// Since when it is to end.
    retiring: Option<UnixTime>,
    inventory: Inventory,
    ledger: Ledger,
    outbox: Outbox,
    fleet: Fleet,
    /// The request that is being put together.
    draft: Option<Draft>,
    /// What has failed and is not decided about yet.
    failures: Vec<Failure>,
    /// How each handler stands with its receiver.
    standings: Vec<Standing>,
    /// The question that each handler's receiver has been asked.
    asked: Vec<Option<CallId>>,
    /// When it may be asked.
    ask_at: Vec<UnixTime>,
    /// When the log last said of each handler that all was in vain.
    failures_told: Vec<Option<UnixTime>>,
    /// How many entries of each handler's outbox the metrics show.
    waiting_reported: Vec<Option<usize>>,
    chance: Chance,
    seed: u64,
    /// The time of the last tick.
    latest: UnixTime,
    clock: Clock,
    /// What is looked at again because the clock was set, or is right.
    waking: Option<Waking>,
    storms: Storms,
    heart: Heart,
    /// The shards that were looked through for alerts that are over.
    swept: u16,
    /// What of these three has not been stored yet.
    changes: Changes,
    rounds: Rounds,
    batch: Batch,
    discoverer: Option<Discoverer>,
    probes: Probes,
    /// Whether the next tick with two things to read is the queue's or discovery's.
    reads_queue: bool,
    /// Names this instance in probes.
    holder: Option<Tenure>,
    /// Envoy's major and minor version.
    envoy: Option<(u64, u64)>,
    /// How the proxy calls itself.
    proxy: Rc<Proxy>,
    quarantine: Quarantine,
    /// Where another certificate is served than the one that is held.
    slots: Vec<Slot>,
    /// Incidents that somebody was not told of, although all tries were made.
    owed_incidents: Vec<(CertId, Usage)>,
    /// How many of them, the first ones, a round has yet to tell of again.
    incidents_to_retry: usize,
    /// The kinds of event that tell what is true of a certificate and that somebody wants.
    conditions: Vec<EventKind>,
    renewals: Renewals,
    /// The APIs whose upstreams are known to be checked.
    upstream_apis: BTreeSet<String>,
    flood: Flood,
    said: Said,
    /// What is left of this tick's work.
    work: u32,
}

impl Monitor {
    /// A monitor for a document whose variables have been resolved; `missing` has a line for each webhook that lacks
    /// one. Whoever is the monitor from the start checks one second after it was `configured`. A successor checks at once:
    /// its rounds must not count from a time at which another one was the monitor. `seed` is chance: what spreads tries.
    pub fn new(config: Rc<Config>, missing: Vec<String>, configured: UnixTime, now: UnixTime, seed: u64) -> Self {
        let is_successor = now.since(configured).is_none_or(|age| age >= FRESH);
        let configured = if is_successor { now.before(FIRST_CHECK) } else { configured };
        let count = config.handlers.len();
        Self {
            rounds: Rounds::new(config.expiry.check_interval, configured),
            batch: Batch::new(config.observe.flush),
            discoverer: config.discovery.as_ref().and_then(Discoverer::new),
            probes: Probes::default(),
            reads_queue: true,
            holder: None,
            envoy: None,
            proxy: Rc::default(),
            inventory: Inventory::new(config.expiry.max_certificates),
            conditions: conditions::wanted(&config),
            renewals: Renewals::of(&config),
            outbox: Outbox::new(config.handlers.iter().map(|handler| deliver::terms(handler, config.expiry.digest))),
            fleet: Fleet::new("", seed),
            seed,
            config,
            missing,
            started: false,
            listed: 0,
            defined: 0,
            dismissed: None,
            retiring: None,
            ledger: Ledger::default(),
            draft: None,
            failures: Vec::new(),
            standings: vec![Standing::default(); count],
            asked: vec![None; count],
            ask_at: vec![UnixTime::default(); count],
            failures_told: vec![None; count],
            waiting_reported: vec![None; count],
            chance: Chance::new(seed),
            latest: UnixTime::default(),
            clock: Clock::default(),
            waking: None,
            storms: Storms::default(),
            heart: Heart::default(),
            swept: 0,
            changes: Changes::default(),
            quarantine: Quarantine::default(),
            slots: Vec::new(),
            owed_incidents: Vec::new(),
            incidents_to_retry: 0,
            upstream_apis: BTreeSet::new(),
            flood: Flood::default(),
            said: Said::default(),
            work: 0,
        }
    }

    /// Tells who holds the lease, which version of Envoy this is, and how the proxy calls itself.
    #[must_use]
    pub fn in_office(mut self, holder: Option<Tenure>, envoy: Option<(u64, u64)>, proxy: Proxy) -> Self {
        self.fleet = Fleet::new(&proxy.node, self.seed);
        (self.holder, self.envoy, self.proxy) = (holder, envoy, Rc::new(proxy));
        self
    }

    /// Takes an input in and says what is to be done, in this order.
    pub fn handle(&mut self, input: Input, now: UnixTime) -> Vec<Effect> {
        let work = if matches!(input, Input::Tick) { WORK } else { self.work };
        let mut turn = Turn::new(now, work);
        match input {
            Input::Tick => self.tick(&mut turn),
            Input::Restored { key, contents } => self.restore(&key, &contents, &mut turn),
            Input::Dequeued(Some(item)) => self.take_in(&item, &mut turn),
            Input::Dequeued(None) => self.batch.end(now),
            Input::Inspect => self.inspect(&mut turn),
            Input::Answered(call, answer) => {
                if let Some(answer) = self.take_admin_answer(call, answer)
                    && !self.conclude_probe(call, &answer, &turn)
                    && !self.learn(call, &answer, &mut turn)
                    && !self.conclude_claim(call, &answer, &mut turn)
                {
                    self.settle(call, &answer, &mut turn);
                    self.note_date(call, &answer, &mut turn);
                }
            }
        }
        self.work = turn.work();
        turn.into_effects()
    }

    /// When the next tick has something to do; in the past if it has now.
    pub fn next_wakeup(&self) -> UnixTime {
        let is_busy = self.rounds.current.is_some()
            || self.batch.is_running()
            || !self.changes.is_empty()
            || self.draft.is_some()
            || self.swept < SHARDS
            || self.probes.is_running()
            || self.discoverer.as_ref().is_some_and(Discoverer::is_busy)
            || self.waking.is_some()
            || self.outbox.is_hastening()
            || self.has_storms_to_look_for()
            || self.incidents_to_retry > 0
            || self.has_to_decide();
        if is_busy || !self.started {
            return UnixTime::default();
        }
        let watched = self.inventory.next_wakeup().min(self.inventory.next_later());
        let waiting = [self.rounds.next(), self.batch.next(), watched, self.outbox.next()];
        let discovery = self.discoverer.as_ref().map(Discoverer::next);
        let questions = [self.next_question(), self.renewals.questions.next(), self.next_note()];
        let waiting = waiting.into_iter().chain(questions).chain([self.clock.next(), self.heart.next()]);
        let waiting = waiting.chain(discovery);
        waiting.min().unwrap_or_default()
    }

    /// The keys of shared data that a starting monitor hands back as [`Input::Restored`], if there is anything.
    pub fn stored_keys() -> impl Iterator<Item = String> {
        restore::NOTES.into_iter().map(str::to_owned).chain((0..SHARDS).map(snapshot::key))
    }

    /// Whether observers hand over faster than it can check.
    pub fn is_behind(&self, now: UnixTime) -> bool {
        self.batch.is_long(now)
    }

    /// Does nothing new from now on: what is known is stored, and answers are waited for.
    pub fn retire(&mut self, now: UnixTime) {
        if self.retiring.is_none() {
            self.retiring = Some(now);
            self.discard_draft(None, now);
            // Their next try was counted before it is made, and will not be made here.
            for id in self.outbox.certificates() {
                self.changes.note(id);
            }
        }
    }

    /// Whether a monitor that is to end may end now.
    pub fn has_retired(&self, now: UnixTime) -> bool {
        let waits = self.retiring.and_then(|since| now.since(since)).is_some_and(|length| length < LAST_ANSWERS);
        self.retiring.is_some()
            && self.changes.is_empty()
            && !(waits && (self.outbox.is_in_flight() || self.fleet.is_busy()))
    }

    /// Everything that has not been stored yet, for an instance that is ended at once.
    pub fn save(&mut self, now: UnixTime) -> Vec<Effect> {
        let mut turn = Turn::new(now, u32::MAX);
        self.store(&mut turn);
        turn.into_effects()
    }

    fn tick(&mut self, turn: &mut Turn) {
        if !self.started && self.drop_ignored(turn) && self.list(turn) && self.define_webhooks(turn) {
            self.started = true;
            self.start(turn);
        }
        if !self.started {
            return;
        }
        if self.retiring.is_none() {
            self.look_at_clock(turn);
            self.notice_time(turn);
            self.batch.begin(turn.now);
            let has_sent = self.send_postponed(turn);
            self.go_on_deciding(turn);
            // What observers hand over is taken in after this tick, item by item: half of the work is kept for it.
            let is_reading = !has_sent && (self.batch.is_running() || self.is_discovering(turn.now));
            let kept = if is_reading { WORK / 2 } else { 0 };
            turn.spend(kept);
            // Crossings first: they are promised to the second.
            self.invite_refused(turn);
            self.check_due(turn);
            self.check_later(turn);
            self.ask(turn);
            self.probe(turn);
            self.inquire(turn);
            self.claim(turn);
            self.send(turn);
            self.abandon(turn);
            self.sweep(turn);
            self.check_round(turn);
            self.look_for_storms(turn);
            self.give_signs_of_life(turn);
            self.store_first(turn);
            self.store(turn);
            self.send(turn);
            turn.gain(kept);
            if is_reading {
                self.read(turn);
            }
        } else {
            self.go_on_deciding(turn);
            self.store(turn);
            self.note_told(turn);
        }
        self.report(turn);
    }

    /// Goes on with what observers have handed over, or with what Envoy's admin interface has answered. Never with both in
    /// one tick: only one certificate at a time may be noted as suspect.
    fn read(&mut self, turn: &mut Turn) {
        let (has_items, discovers) = (self.batch.is_running(), self.is_discovering(turn.now));
        self.reads_queue = has_items && (!discovers || !self.reads_queue);
        if self.reads_queue {
            self.go_on(turn);
        } else if discovers {
            self.discover(turn);
        }
    }

    fn is_discovering(&self, now: UnixTime) -> bool {
        self.discoverer.as_ref().is_some_and(|discoverer| discoverer.is_busy() || discoverer.next() <= now)
    }

    /// Takes the document's certificates into the inventory; whether all are there.
    fn list(&mut self, turn: &mut Turn) -> bool {
        let config = Rc::clone(&self.config);
        for listed in config.certificates.iter().skip(self.listed) {
            if !turn.has_work_left() {
                return false;
            }
            turn.spend(1);
            self.listed = self.listed.saturating_add(1);
            self.recognise(&listed.certificate, turn);
            self.admit_listed(listed, turn);
        }
        true
    }
}
