//! What the host functions know of the VM that calls them.

use std::collections::BTreeMap;

use super::context::{Context, RootId, buffer, map};
use super::metric::MetricIds;
use super::vm::VmBuilder;
use super::world::{SharedWorld, VmNumber};

/// The host's side of a VM.
pub struct VmState {
    pub world: SharedWorld,
    pub number: VmNumber,
    pub name: String,
    pub vm_id: String,
    pub configuration: Vec<u8>,
    pub environment: BTreeMap<String, String>,
    /// The module is being initialized.
    pub starting: bool,
    pub contexts: BTreeMap<u32, Context>,
    /// The context that Envoy calls.
    pub current: u32,
    /// The context that the module wants to speak for.
    pub effective: Option<u32>,
    pub metric_ids: MetricIds,
    last_context: u32,
    last_callout: u32,
    random: u64,
}

impl VmState {
    /// The state of a VM that has just been made.
    pub fn new(builder: &VmBuilder, number: VmNumber) -> Self {
        let seed = builder.world.borrow().seed;
        Self {
            world: builder.world.clone(),
            number,
            name: builder.name.clone(),
            vm_id: builder.vm_id.clone(),
            configuration: builder.configuration.clone(),
            environment: builder.environment.clone(),
            starting: true,
            contexts: BTreeMap::from([(0, Context::default())]),
            current: 0,
            effective: None,
            metric_ids: MetricIds::default(),
            last_context: 0,
            last_callout: 0,
            random: seed.wrapping_add(number as u64).max(1),
        }
    }

    /// Adds a context and returns its id. Roots and streams share the numbers.
    pub fn add_context(&mut self, parent: Option<RootId>) -> u32 {
        self.last_context += 1;
        self.contexts.insert(self.last_context, Context { parent, ..Context::default() });
        self.last_context
    }

    /// The context that host calls work on.
    pub fn acting(&self) -> &Context {
        &self.contexts[&self.effective.unwrap_or(self.current)]
    }

    /// The context that host calls work on.
    pub fn acting_mut(&mut self) -> &mut Context {
        let id = self.effective.unwrap_or(self.current);
        self.contexts.get_mut(&id).expect("a context that is being called")
    }

    /// The root of the context that host calls work on.
    pub fn acting_root(&self) -> RootId {
        self.acting().parent.unwrap_or(RootId(self.effective.unwrap_or(self.current)))
    }

    /// A buffer that Envoy offers right now. Answers of callouts belong to the root.
    pub fn buffer(&self, kind: u32) -> Option<Vec<u8>> {
        match kind {
            buffer::VM_CONFIGURATION => Some(self.configuration.clone()),
            buffer::CALL_RESPONSE_BODY => self.contexts.get(&self.acting_root().0)?.buffers.get(&kind).cloned(),
            _ => self.acting().buffers.get(&kind).cloned(),
        }
    }

    /// A header map that Envoy offers right now. Answers of callouts belong to the root.
    pub fn map(&self, kind: u32) -> Option<&[(String, String)]> {
        let context =
            if kind == map::CALL_RESPONSE_HEADERS { self.contexts.get(&self.acting_root().0)? } else { self.acting() };
        context.maps.get(&kind).map(Vec::as_slice)
    }

    /// An attribute of the acting context, or one that every context has.
    pub fn property(&self, path: &[u8]) -> Option<Vec<u8>> {
        let path = path.strip_suffix(b"\0").unwrap_or(path);
        self.acting().properties.get(path).cloned().or_else(|| match path {
            b"plugin_vm_id" => Some(self.vm_id.clone().into_bytes()),
            b"plugin_name" => Some(self.name.clone().into_bytes()),
            b"plugin_root_id" => Some(Vec::new()),
            _ => None,
        })
    }

    /// Tokens count in steps of four, in each VM for itself.
    pub fn next_callout_token(&mut self) -> u32 {
        self.last_callout += 4;
        self.last_callout
    }

    /// The next random byte; the same sequence in every run (xorshift64).
    pub fn next_random_byte(&mut self) -> u8 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random.to_le_bytes()[3]
    }
}
