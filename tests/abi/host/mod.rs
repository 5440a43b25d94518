//! A host that plays Envoy for the released `.wasm`.
//!
//! One [`Host`] is one process: a clock, shared data, shared queues, metrics, a log and the clusters
//! that callouts reach. Several [`Vm`]s of the module live in it side by side, as the service and the
//! worker threads do in Envoy, each with its own linear memory. Everything is deterministic: time
//! moves when a test says so, and random numbers come from a fixed seed.
//!
//! Where Envoy has a peculiarity that a plugin can trip over, the host has it too: compare-and-swap
//! on a missing key creates it, a queue's notification for a dead VM vanishes, a metric gets a new id
//! each time it is defined, an unknown cluster looks like a bad argument. What no part of the plugin
//! uses is not imitated: such a call traps and says so.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `artifact` | where the module is, compiling it once, its imports and exports |
//! | `host`, `world` | the process and what tests ask of it |
//! | `vm`, `vm_state`, `callbacks` | one VM, the host's side of it, and Envoy's calls into it |
//! | `driver` | lets simulated time pass for several VMs |
//! | `import`, `linker` | how a host function is described, counted, made to fail and linked |
//! | `call` | one host call: its arguments and its results in linear memory |
//! | `env`, `wasi` | the two tables of host functions |
//! | `meter` | counts the instructions that a module executes |
//! | `fault` | what can be made to go wrong |
//! | `guard` | watches who writes shared data, in every test |
//! | `context`, `shared_data`, `shared_queue`, `metric`, `callout`, `log`, `pairs` | what the host functions work on |

#![allow(dead_code, unreachable_pub, unused_imports, reason = "a host offers more than any one test uses")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failure here is a broken test"
)]

mod artifact;
mod call;
mod callbacks;
mod callout;
mod context;
mod driver;
mod env;
mod fault;
mod guard;
#[allow(clippy::module_inception, reason = "the host is what the module is about")]
mod host;
mod import;
mod linker;
mod log;
mod meter;
mod metric;
mod pairs;
mod self_check;
mod shared_data;
mod shared_queue;
mod vm;
mod vm_state;
mod wasi;
mod world;

pub use artifact::{exports, imports, module_path, wasm};
pub use callbacks::{Action, Refusal};
pub use callout::{Answer, Callout, Dispatch};
pub use context::{RootId, StreamId};
pub use host::Host;
pub use log::{Level, LogLine};
pub use vm::{Trap, Vm, VmBuilder};
