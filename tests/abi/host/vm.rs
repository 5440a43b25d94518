//! One VM: an instance of the module with its own linear memory.

use std::collections::BTreeMap;
use std::fmt;

use wasmi::{Instance, Module, Store, Val};

use super::fault::FaultBuilder;
use super::linker;
use super::log::Level;
use super::meter::COUNT;
use super::vm_state::VmState;
use super::world::{Life, SharedWorld, VmNumber};

/// The exports by which a module says which ABI it speaks.
const ABI_VERSIONS: [&str; 3] = ["proxy_abi_version_0_2_1", "proxy_abi_version_0_2_0", "proxy_abi_version_0_1_0"];

/// The `vm_id` of a VM that is not given another one.
pub const DEFAULT_VM_ID: &str = "cert-expiry-monitor";

/// What is called on behalf of the VM itself.
const NO_CONTEXT: u32 = 0;

/// Why a VM is dead. Envoy never calls a dead VM again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// The name of the VM.
    pub vm: String,
    /// What was called: the name of an export, or `instantiate`.
    pub export: String,
    /// What the interpreter or a host function has to say.
    pub cause: String,
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.vm, self.export, self.cause)
    }
}

impl std::error::Error for Trap {}

/// What a VM is made of; Envoy's `vm_config`.
#[derive(Clone)]
#[must_use = "a VM must be started"]
pub struct VmBuilder {
    pub(super) world: SharedWorld,
    module: Module,
    pub(super) name: String,
    pub(super) vm_id: String,
    pub(super) configuration: Vec<u8>,
    pub(super) environment: BTreeMap<String, String>,
}

impl VmBuilder {
    pub fn new(world: SharedWorld, module: Module, name: &str) -> Self {
        Self {
            world,
            module,
            name: name.to_owned(),
            vm_id: DEFAULT_VM_ID.to_owned(),
            configuration: Vec::new(),
            environment: BTreeMap::new(),
        }
    }

    /// The space that its shared data and queues live in.
    pub fn vm_id(mut self, vm_id: &str) -> Self {
        vm_id.clone_into(&mut self.vm_id);
        self
    }

    /// The word in `vm_config.configuration`.
    pub fn configuration(mut self, word: &str) -> Self {
        word.as_bytes().clone_into(&mut self.configuration);
        self
    }

    /// A variable of its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Another module than the artifact, as bytes or as text.
    pub fn module(mut self, wasm: impl AsRef<[u8]>) -> Self {
        self.module = super::artifact::compile(wasm.as_ref());
        self
    }

    /// Instantiates the module and initializes it. It has no contexts yet.
    pub fn start(self) -> Result<Vm, Trap> {
        Vm::start(self)
    }
}

/// One VM. After a trap it is dead: every call is an error.
pub struct Vm {
    pub(super) store: Store<VmState>,
    instance: Instance,
    builder: VmBuilder,
    dead: Option<Trap>,
    last_fuel: u64,
    most_fuel: BTreeMap<String, u64>,
}

impl fmt::Debug for Vm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vm").field("name", &self.name()).field("dead", &self.dead).finish_non_exhaustive()
    }
}

impl Vm {
    fn start(builder: VmBuilder) -> Result<Self, Trap> {
        let trap = |cause: String| Err(Trap { vm: builder.name.clone(), export: "instantiate".to_owned(), cause });
        let unknown = linker::unknown_imports(&builder.module);
        if !unknown.is_empty() {
            return trap(format!("imports that Envoy does not offer: {}", unknown.join(", ")));
        }
        if !ABI_VERSIONS.iter().any(|version| builder.module.get_export(version).is_some()) {
            return trap("the module does not say which proxy-wasm ABI it speaks".to_owned());
        }
        let number = builder.world.borrow_mut().enroll(&builder.name);
        let state = VmState::new(&builder, number);
        let mut store = Store::new(super::artifact::engine(), state);
        store.set_fuel(builder.world.borrow().fuel_limit).expect("fuel is metered");
        let instance = match linker::linker().instantiate_and_start(&mut store, &builder.module) {
            Ok(instance) => instance,
            Err(error) => {
                builder.world.borrow_mut().vms[number].life = Life::Dropped;
                return trap(error.to_string());
            }
        };
        let mut vm = Self { store, instance, builder, dead: None, last_fuel: 0, most_fuel: BTreeMap::new() };
        if vm.call(NO_CONTEXT, "_initialize", &[])?.is_none() {
            vm.call(NO_CONTEXT, "_start", &[])?;
        }
        vm.store.data_mut().starting = false;
        Ok(vm)
    }

    /// A fresh VM of the same make, as a reload gives.
    pub fn respawn(&self) -> Result<Self, Trap> {
        self.builder.clone().start()
    }

    /// Its name in the log.
    pub fn name(&self) -> &str {
        &self.store.data().name
    }

    /// Its number in its world.
    pub fn number(&self) -> VmNumber {
        self.store.data().number
    }

    /// Whether it can be called no more.
    pub fn is_dead(&self) -> bool {
        self.dead.is_some()
    }

    /// Why it can be called no more.
    pub fn trap(&self) -> Option<&Trap> {
        self.dead.as_ref()
    }

    /// The instructions that the last call into the module took, with those of its allocator when the
    /// host handed data over. The same call on the same state always takes as many.
    pub fn last_fuel(&self) -> u64 {
        self.last_fuel
    }

    /// The instructions that the dearest call of each export took since the last [`Vm::take_most_fuel`].
    pub fn take_most_fuel(&mut self) -> BTreeMap<String, u64> {
        std::mem::take(&mut self.most_fuel)
    }

    /// The size of its linear memory in bytes. It never shrinks.
    pub fn memory(&self) -> usize {
        let memory = self.instance.get_memory(&self.store, "memory").expect("a module with memory");
        memory.data_size(&self.store)
    }

    /// How often it has called a host function since the last reset.
    pub fn calls(&self, function: &str) -> u64 {
        assert!(linker::is_host_function(function), "there is no host function {function}");
        self.store.data().world.borrow().count(Some(self.number()), function)
    }

    /// How often it has called each host function since the last reset.
    pub fn call_counts(&self) -> BTreeMap<String, u64> {
        self.store.data().world.borrow().counts(Some(self.number()))
    }

    /// Makes a host function go wrong for this VM alone.
    pub fn fault(&self, function: &str) -> FaultBuilder {
        FaultBuilder::new(self.store.data().world.clone(), Some(self.number()), function)
    }

    /// Whether the module has that function.
    pub fn has_export(&self, export: &str) -> bool {
        self.instance.get_func(&self.store, export).is_some()
    }

    /// Calls an export on behalf of a context. `None` if the module does not have it, which is no
    /// error: Envoy skips the call. A function without a result gives zero.
    pub fn call(&mut self, context: u32, export: &str, args: &[u32]) -> Result<Option<u32>, Trap> {
        let result = self.enter(context, export, args)?;
        let fuel = self.last_fuel;
        let contexts = &self.store.data().contexts;
        let done: Vec<u32> = contexts.iter().filter(|(_, context)| context.done).map(|(id, _)| *id).collect();
        for context in done {
            self.remove(context)?;
        }
        self.last_fuel = fuel;
        Ok(result)
    }

    /// Tells the module that a context ends, and forgets it.
    pub(super) fn remove(&mut self, context: u32) -> Result<(), Trap> {
        let outcome = self.enter(context, "proxy_on_delete", &[context]);
        self.store.data_mut().contexts.remove(&context);
        outcome.map(|_| ())
    }

    fn enter(&mut self, context: u32, export: &str, args: &[u32]) -> Result<Option<u32>, Trap> {
        if let Some(trap) = &self.dead {
            return Err(trap.clone());
        }
        self.last_fuel = 0;
        let Some(function) = self.instance.get_func(&self.store, export) else { return Ok(None) };
        let args: Vec<Val> = args.iter().map(|arg| Val::I32(arg.cast_signed())).collect();
        let mut results = vec![Val::I32(0); function.ty(&self.store).results().len()];
        let limit = self.store.data().world.borrow().fuel_limit;
        self.store.set_fuel(limit).expect("fuel is metered");
        self.store.data_mut().current = context;
        self.store.data_mut().effective = None;
        let executed = self.executed();
        let outcome = function.call(&mut self.store, &args, &mut results);
        self.last_fuel = match (executed, self.executed()) {
            (Some(before), Some(after)) => after - before,
            _ => limit - self.store.get_fuel().expect("fuel is metered"),
        };
        self.store.data().world.borrow().guard.enforce(self.name());
        let most = self.most_fuel.entry(export.to_owned()).or_default();
        *most = self.last_fuel.max(*most);
        if let Err(error) = outcome {
            let mut cause = error.to_string();
            if let Some(words) = self.last_words().filter(|words| *words != cause) {
                cause = format!("{cause}: {words}");
            }
            return Err(self.die(Trap { vm: self.name().to_owned(), export: export.to_owned(), cause }));
        }
        match results.first() {
            None => Ok(Some(0)),
            Some(Val::I32(value)) => Ok(Some(value.cast_unsigned())),
            Some(other) => panic!("{export} returns {other:?}"),
        }
    }

    /// How many instructions it has executed so far, if it counts them.
    fn executed(&self) -> Option<u64> {
        let count = self.instance.get_global(&self.store, COUNT)?.get(&self.store);
        count.i64().map(i64::cast_unsigned)
    }

    /// What a panicking module has logged last.
    fn last_words(&self) -> Option<String> {
        let world = self.store.data().world.borrow();
        let line = world.log.last().filter(|line| line.level == Level::Critical && line.vm == self.name())?;
        Some(line.text.clone())
    }

    fn die(&mut self, trap: Trap) -> Trap {
        let state = self.store.data_mut();
        state.world.borrow_mut().vms[state.number].life = Life::Dead(trap.clone());
        self.dead = Some(trap.clone());
        trap
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let state = self.store.data();
        if let Ok(mut world) = state.world.try_borrow_mut() {
            let life = &mut world.vms[state.number].life;
            if *life == Life::Alive {
                *life = Life::Dropped;
            }
        }
    }
}
