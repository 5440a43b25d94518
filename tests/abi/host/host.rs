//! The process as a test sees it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use wasmi::Module;

use super::callout::{Answer, Callout, Dispatch};
use super::fault::FaultBuilder;
use super::log::{Level, LogLine};
use super::vm::{DEFAULT_VM_ID, Trap, Vm, VmBuilder};
use super::world::{Life, SharedWorld, World};
use super::{artifact, linker};

/// One process in which VMs of the module live. Clones are the same process.
#[derive(Clone)]
pub struct Host {
    pub(super) world: SharedWorld,
    module: Module,
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// A process for the released artifact.
    pub fn new() -> Self {
        Self::of(artifact::module())
    }

    /// A process for the released artifact in which instructions are counted one by one; elsewhere what a call takes is
    /// an estimate from above, which is cheaper to make.
    pub fn metered() -> Self {
        Self::of(artifact::metered_module())
    }

    /// A process for another module, as bytes or as text.
    pub fn with_wasm(wasm: impl AsRef<[u8]>) -> Self {
        Self::of(artifact::compile(wasm.as_ref()))
    }

    fn of(module: Module) -> Self {
        Self { world: Rc::new(RefCell::new(World::default())), module }
    }

    /// A VM of the module; `name` is for the log and for error messages.
    pub fn vm(&self, name: &str) -> VmBuilder {
        VmBuilder::new(self.world.clone(), self.module.clone(), name)
    }

    /// Why VMs are dead, in the order in which they were started.
    pub fn traps(&self) -> Vec<Trap> {
        let world = self.world.borrow();
        let traps = world.vms.iter().filter_map(|vm| match &vm.life {
            Life::Dead(trap) => Some(trap.clone()),
            Life::Alive | Life::Dropped => None,
        });
        traps.collect()
    }
}

/// Time, and what modules are told about their world.
impl Host {
    /// Time since 1970.
    pub fn now(&self) -> Duration {
        self.world.borrow().now
    }

    /// Seconds since 1970.
    pub fn unix_time(&self) -> i64 {
        i64::try_from(self.now().as_secs()).expect("a time in this era")
    }

    /// Moves the clock without telling anybody; see `run_for` for a clock that ticks.
    pub fn advance(&self, by: Duration) {
        self.world.borrow_mut().now += by;
    }

    /// Sets the clock, forwards or backwards.
    pub fn set_time(&self, since_1970: Duration) {
        self.world.borrow_mut().now = since_1970;
    }

    /// What `proxy_get_log_level` says. Everything is recorded, whatever it is.
    pub fn set_log_level(&self, level: Level) {
        self.world.borrow_mut().log_level = level;
    }

    /// How many instructions one call may take before it counts as endless.
    pub fn set_fuel_limit(&self, instructions: u64) {
        self.world.borrow_mut().fuel_limit = instructions;
    }

    /// Other random numbers for the VMs that start from now on.
    pub fn set_seed(&self, seed: u64) {
        self.world.borrow_mut().seed = seed;
    }
}

/// Faults and counters.
impl Host {
    /// Every call of this function does nothing and answers this status from now on.
    pub fn fail(&self, function: &str, status: u32) {
        self.fault(function).status(status);
    }

    /// Makes a host function go wrong for every VM: `.on_call(3).trap_after()`.
    pub fn fault(&self, function: &str) -> FaultBuilder {
        FaultBuilder::new(self.world.clone(), None, function)
    }

    /// Everything works again.
    pub fn clear_faults(&self) {
        self.world.borrow_mut().faults.clear();
    }

    /// How often a host function was called since the last reset.
    pub fn calls(&self, function: &str) -> u64 {
        assert!(linker::is_host_function(function), "there is no host function {function}");
        self.world.borrow().count(None, function)
    }

    /// How often each host function was called since the last reset.
    pub fn call_counts(&self) -> BTreeMap<String, u64> {
        self.world.borrow().counts(None)
    }

    /// Starts counting anew.
    pub fn reset_calls(&self) {
        self.world.borrow_mut().calls.clear();
    }
}

/// The log and the metrics.
impl Host {
    /// Everything that was logged.
    pub fn log(&self) -> Vec<LogLine> {
        self.world.borrow().log.clone()
    }

    /// Everything that was logged since the last time.
    pub fn take_log(&self) -> Vec<LogLine> {
        std::mem::take(&mut self.world.borrow_mut().log)
    }

    /// The lines that hold this text.
    pub fn log_lines(&self, text: &str) -> Vec<LogLine> {
        self.world.borrow().log.iter().filter(|line| line.text.contains(text)).cloned().collect()
    }

    /// Whether a line of the log holds this text.
    pub fn logged(&self, text: &str) -> bool {
        !self.log_lines(text).is_empty()
    }

    /// The value of a metric, if it is defined.
    pub fn metric(&self, name: &str) -> Option<u64> {
        self.metrics().get(name).copied()
    }

    /// All metrics.
    pub fn metrics(&self) -> BTreeMap<String, u64> {
        self.world.borrow().metrics.by_name()
    }

    /// How often each metric was defined: Envoy keeps an id for each time.
    pub fn metric_definitions(&self) -> BTreeMap<String, u32> {
        self.world.borrow().metrics.definitions().clone()
    }
}

/// Shared data and queues of the `vm_id` that VMs have by default.
impl Host {
    /// A value in shared data.
    pub fn shared_data(&self, key: &str) -> Option<Vec<u8>> {
        self.world.borrow().shared_data.get(DEFAULT_VM_ID, key).map(|(value, _)| value.to_vec())
    }

    /// All keys in shared data.
    pub fn shared_keys(&self) -> Vec<String> {
        self.world.borrow().shared_data.keys(DEFAULT_VM_ID)
    }

    /// Overwrites a value in shared data.
    pub fn set_shared_data(&self, key: &str, value: impl AsRef<[u8]>) {
        let value = value.as_ref().to_vec();
        let mut world = self.world.borrow_mut();
        world.guard.planted(DEFAULT_VM_ID, key);
        world.shared_data.set(DEFAULT_VM_ID, key, value, 0).expect("an unconditional write");
    }

    /// How often a VM has written each key of shared data.
    pub fn writes(&self, vm: &Vm) -> BTreeMap<String, u64> {
        self.world.borrow().guard.writes(vm.number())
    }

    /// The token of a queue, if it is registered.
    pub fn queue(&self, name: &str) -> Option<u32> {
        self.world.borrow().shared_queues.resolve(DEFAULT_VM_ID, name)
    }

    /// What is in a queue.
    pub fn queue_items(&self, name: &str) -> Vec<Vec<u8>> {
        self.queue(name).map(|token| self.world.borrow().shared_queues.items(token)).unwrap_or_default()
    }

    /// Puts something into a queue that is registered.
    pub fn enqueue(&self, name: &str, item: impl AsRef<[u8]>) {
        let token = self.queue(name).unwrap_or_else(|| panic!("there is no queue {name}"));
        self.world.borrow_mut().shared_queues.enqueue(token, item.as_ref().to_vec()).expect("a queue");
    }

    /// How many queue notifications are on their way.
    pub fn notifications(&self) -> usize {
        self.world.borrow().shared_queues.notifications().len()
    }

    /// Drops the shared data and the queues of a `vm_id`, as Envoy does when its last VM goes.
    pub fn forget(&self, vm_id: &str) {
        let mut world = self.world.borrow_mut();
        world.shared_data.forget(vm_id);
        world.guard.forget(vm_id);
        world.shared_queues.forget(vm_id);
    }
}

/// Clusters and callouts.
impl Host {
    /// Declares what callouts to a cluster meet.
    pub fn cluster(&self, name: &str, dispatch: Dispatch) {
        self.world.borrow_mut().callouts.clusters.insert(name.to_owned(), dispatch);
    }

    /// A cluster that accepts callouts, and a receiver behind it that answers when time passes (see
    /// `run_for`). `None` is silence until the timeout.
    pub fn receiver(&self, cluster: &str, answer: impl FnMut(&Callout) -> Option<Answer> + 'static) {
        self.cluster(cluster, Dispatch::Accepted);
        self.world.borrow_mut().callouts.receivers.insert(cluster.to_owned(), Box::new(answer));
    }

    /// All callouts that were sent.
    pub fn callouts(&self) -> Vec<Callout> {
        self.world.borrow().callouts.sent.clone()
    }

    /// The callouts to one cluster.
    pub fn callouts_to(&self, cluster: &str) -> Vec<Callout> {
        self.callouts().into_iter().filter(|callout| callout.cluster == cluster).collect()
    }

    /// Takes all callouts that were sent, so that long lives do not grow slow. None may be without its answer.
    pub fn take_callouts(&self) -> Vec<Callout> {
        let callouts = &mut self.world.borrow_mut().callouts;
        assert!(callouts.sent.iter().all(|callout| callout.answered), "{:#?}", callouts.sent);
        std::mem::take(&mut callouts.sent)
    }

    /// The callouts that have no answer yet.
    pub fn pending(&self) -> Vec<Callout> {
        self.callouts().into_iter().filter(|callout| !callout.answered).collect()
    }
}
