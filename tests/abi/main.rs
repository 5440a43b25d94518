//! The released `.wasm` on a fake host: what it asks of its host, what it costs, and what it does when things go wrong.
//!
//! `make wasm` builds what is tested; `CERT_EXPIRY_MONITOR_WASM` names another build. `-- --nocapture` prints the figures.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod artifact;
mod bounds;
mod callouts;
mod checks;
mod configuration;
mod discovery;
mod failover;
mod fallbacks;
mod faults;
mod fleets;
mod flood;
mod formats;
mod garbage;
mod host;
mod instructions;
mod journey;
mod jumps;
mod kills;
mod leaving;
mod life;
mod logger;
mod observer;
mod patterns;
mod poison;
mod queue_items;
mod rejections;
mod renewals;
mod rivals;
mod scene;
mod starting;
mod successors;
mod takeover;
