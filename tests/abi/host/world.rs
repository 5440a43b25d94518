//! What all VMs of one process share.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::callout::Callouts;
use super::fault::Faults;
use super::guard::Guard;
use super::log::{Level, LogLine};
use super::metric::Metrics;
use super::shared_data::SharedData;
use super::shared_queue::SharedQueues;
use super::vm::Trap;

/// The world as VMs and tests hold it.
pub type SharedWorld = Rc<RefCell<World>>;

/// The number of a VM in its world, in the order in which they started.
pub type VmNumber = usize;

/// When the clock starts: 2026-01-14T17:43:05Z.
pub const START: Duration = Duration::from_secs(1_768_412_585);

/// Instructions that one call into a module may take before it counts as endless.
pub const FUEL_LIMIT: u64 = 2_000_000_000;

/// One process.
pub struct World {
    /// Time since 1970.
    pub now: Duration,
    pub log_level: Level,
    pub log: Vec<LogLine>,
    pub shared_data: SharedData,
    pub guard: Guard,
    pub shared_queues: SharedQueues,
    pub metrics: Metrics,
    pub callouts: Callouts,
    pub faults: Faults,
    /// Host calls by VM and function.
    pub calls: BTreeMap<(VmNumber, &'static str), u64>,
    /// Where random numbers come from.
    pub seed: u64,
    pub fuel_limit: u64,
    pub vms: Vec<VmRecord>,
}

/// What the world knows of a VM.
pub struct VmRecord {
    pub name: String,
    pub life: Life,
}

/// Whether a VM can be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    Alive,
    Dead(Trap),
    Dropped,
}

impl Default for World {
    fn default() -> Self {
        Self {
            now: START,
            log_level: Level::Trace,
            log: Vec::new(),
            shared_data: SharedData::default(),
            guard: Guard::default(),
            shared_queues: SharedQueues::default(),
            metrics: Metrics::default(),
            callouts: Callouts::default(),
            faults: Faults::default(),
            calls: BTreeMap::new(),
            seed: 0x5eed_0fc3_4751_0bad,
            fuel_limit: FUEL_LIMIT,
            vms: Vec::new(),
        }
    }
}

impl World {
    /// Nanoseconds since 1970, as the ABI counts.
    pub fn nanoseconds(&self) -> u64 {
        u64::try_from(self.now.as_nanos()).expect("a time in this era")
    }

    /// Adds a line to the log.
    pub fn write(&mut self, vm: &str, level: Level, text: String) {
        self.log.push(LogLine { vm: vm.to_owned(), level, text });
    }

    /// Registers a VM.
    pub fn enroll(&mut self, name: &str) -> VmNumber {
        self.vms.push(VmRecord { name: name.to_owned(), life: Life::Alive });
        self.vms.len() - 1
    }

    /// How often a function was called, by one VM or by all.
    pub fn count(&self, vm: Option<VmNumber>, function: &str) -> u64 {
        self.calls
            .iter()
            .filter(|((caller, name), _)| *name == function && vm.is_none_or(|vm| vm == *caller))
            .map(|(_, count)| count)
            .sum()
    }

    /// How often each function was called, by one VM or by all.
    pub fn counts(&self, vm: Option<VmNumber>) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for ((caller, name), count) in &self.calls {
            if vm.is_none_or(|vm| vm == *caller) {
                *counts.entry((*name).to_owned()).or_default() += count;
            }
        }
        counts
    }
}
