//! The one instance that checks, remembers and notifies.
//!
//! [`Monitor::handle`] is all there is to it: an [`Input`] and the time go in, [`Effect`]s come out. What is due is done
//! in slices of bounded work; [`Monitor::next_wakeup`] says when there is more.

mod check;
mod deliver;
mod report;
mod turn;

use std::collections::{BTreeSet, VecDeque};

use log::warn;

use self::turn::{Turn, storing};
use super::effect::{Answer, CallId, Effect};
use super::inventory::Inventory;
use super::ledger::{Ledger, Record, SHARDS};
use super::metric::{Dropped, Metric};
use super::outbox::Outbox;
use super::rounds::Rounds;
use crate::config::Config;
use crate::domain::time::HOUR;
use crate::domain::{CertId, UnixTime};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// A blob of the ledger was found in shared data.
    Restored(Vec<u8>),
    /// Items were taken from the shared queue.
    Observed(Vec<Vec<u8>>),
    /// A call has ended.
    Answered(CallId, Answer),
}

/// Observations that wait to be checked together, at most; the rest stays in the queue.
const MOST_GATHERED: usize = 1_024;

/// See the module's text.
#[derive(Debug)]
pub struct Monitor {
    config: Config,
    /// One line for each webhook that lacks a variable.
    missing: Vec<String>,
    started: bool,
    inventory: Inventory,
    ledger: Ledger,
    rounds: Rounds,
    outbox: Outbox,
    /// What observers handed over since the last flush, and when the next one is.
    gathered: Vec<Vec<u8>>,
    flush_at: UnixTime,
    /// What is left of the batch that is being checked.
    flushing: VecDeque<Vec<u8>>,
    /// The APIs whose upstreams are known to be checked.
    upstream_apis: BTreeSet<String>,
}

impl Monitor {
    /// A monitor for a document whose variables have been resolved; `missing` has a line for each webhook that lacks
    /// one.
    pub fn new(config: Config, missing: Vec<String>, now: UnixTime) -> Self {
        let mut inventory = Inventory::default();
        for configured in &config.certificates {
            inventory.configure(configured.certificate.clone(), configured.usage.clone());
        }
        Self {
            rounds: Rounds::new(config.expiry.check_interval, now),
            config,
            missing,
            started: false,
            inventory,
            ledger: Ledger::default(),
            outbox: Outbox::default(),
            gathered: Vec::new(),
            flush_at: UnixTime::NEVER,
            flushing: VecDeque::new(),
            upstream_apis: BTreeSet::new(),
        }
    }

    /// Takes an input in and says what is to be done.
    pub fn handle(&mut self, input: Input, now: UnixTime) -> Vec<Effect> {
        let mut turn = Turn::new(now);
        match input {
            Input::Tick => self.tick(&mut turn),
            Input::Restored(blob) => self.restore(&blob, &mut turn),
            Input::Observed(items) => self.gather(items, &mut turn),
            Input::Answered(call, answer) => self.settle(call, answer, &mut turn),
        }
        turn.into_effects()
    }

    /// When the next tick has something to do; in the past if it has now.
    pub fn next_wakeup(&self) -> UnixTime {
        let is_busy = self.rounds.current.is_some()
            || !self.flushing.is_empty()
            || self.ledger.is_changed()
            || self.outbox.is_ready();
        if is_busy {
            return UnixTime::default();
        }
        self.rounds.next().min(self.flush_at).min(self.inventory.next_wakeup())
    }

    /// How many more observations can be taken from the queue.
    pub fn room(&self) -> usize {
        MOST_GATHERED.saturating_sub(self.gathered.len())
    }

    /// The keys of shared data that a starting monitor hands back as [`Input::Restored`].
    pub fn stored_keys() -> impl Iterator<Item = String> {
        (0..SHARDS).map(Ledger::key)
    }

    fn tick(&mut self, turn: &mut Turn) {
        if !std::mem::replace(&mut self.started, true) {
            self.start(turn);
        }
        // Crossings first: they are promised to the second. What is ready to go comes before what makes more of it.
        self.check_due(turn);
        self.send(turn);
        self.flush(turn);
        self.check_round(turn);
        self.send(turn);
        self.store(turn);
        self.report(turn);
    }

    fn restore(&mut self, blob: &[u8], turn: &mut Turn) {
        if self.ledger.restore(blob).is_err() {
            warn!("A blob of the ledger in shared data is not of this release and is set aside");
            turn.count(Metric::dropped_total(Dropped::UnknownBlob), 1);
        }
    }

    /// Writes the blobs of the ledger that changed, one of them in any case: nothing may wait for a quiet moment.
    fn store(&mut self, turn: &mut Turn) {
        let expiry = &self.config.expiry;
        let cooldowns = self.config.handlers.iter().map(|handler| handler.cooldown);
        let longest = cooldowns.chain([expiry.check_cooldown, expiry.period()]).max().unwrap_or(HOUR);
        let (inventory, now) = (&self.inventory, turn.now);
        let keep =
            |id: &CertId, record: &Record| inventory.contains(id) || record.matters(now, longest.saturating_mul(2));
        while let Some((shard, value)) = self.ledger.take_changed(keep) {
            turn.spend(storing(value.len()));
            turn.effect(Effect::Store { key: Ledger::key(shard), value });
            if !turn.has_work_left() {
                break;
            }
        }
    }
}
