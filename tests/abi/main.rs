//! The released `.wasm` on a fake host: what it asks of its host, what it costs, and what it does when things go wrong.
//!
//! `make wasm` builds what is tested; `CERT_EXPIRY_MONITOR_WASM` names another build. `-- --nocapture` prints the figures.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod artifact;
mod callouts;
mod checks;
mod configuration;
mod faults;
mod host;
mod instructions;
mod journey;
mod observer;
mod queue_items;
mod scene;
mod starting;
mod successors;
