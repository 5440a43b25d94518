//! What the host keeps for each context of a VM: a root (a plugin instance) or a stream (a request).

use std::collections::BTreeMap;
use std::time::Duration;

use super::pairs::Headers;

/// A root context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RootId(pub u32);

/// A stream context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

impl From<RootId> for u32 {
    fn from(root: RootId) -> Self {
        root.0
    }
}

impl From<StreamId> for u32 {
    fn from(stream: StreamId) -> Self {
        stream.0
    }
}

/// The numbers of the ABI for header maps.
pub mod map {
    pub const REQUEST_HEADERS: u32 = 0;
    pub const RESPONSE_HEADERS: u32 = 2;
    pub const CALL_RESPONSE_HEADERS: u32 = 6;
    pub const LAST: u32 = 7;
}

/// The numbers of the ABI for buffers.
pub mod buffer {
    pub const CALL_RESPONSE_BODY: u32 = 4;
    pub const VM_CONFIGURATION: u32 = 6;
    pub const PLUGIN_CONFIGURATION: u32 = 7;
    pub const LAST: u32 = 8;
}

/// One context. Maps and buffers are there only as long as Envoy offers them: the plugin
/// configuration while it is being configured, an answer while it is being delivered.
#[derive(Default)]
pub struct Context {
    /// The root of a stream; nothing for a root.
    pub parent: Option<RootId>,
    /// Attributes by their NUL-joined path.
    pub properties: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Header maps by their number. Those of a message can be read and changed only while it passes.
    pub maps: BTreeMap<u32, Headers>,
    /// The messages that have passed. An access log shows them, and nothing can be changed then.
    pub passed: BTreeMap<u32, Headers>,
    /// Its access log is being written.
    pub is_logged: bool,
    /// Buffers by their number.
    pub buffers: BTreeMap<u32, Vec<u8>>,
    /// When it ticks.
    pub tick: Option<Tick>,
    /// It has asked for more time before it is deleted.
    pub lingers: bool,
    /// It has said that it needs no more time.
    pub done: bool,
}

/// The timer of a root context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    pub period: Duration,
    /// When the next one is due, on the host's clock.
    pub due: Duration,
}

/// The form in which a property path crosses the border.
pub fn property_path(path: &[&str]) -> Vec<u8> {
    path.join("\0").into_bytes()
}
