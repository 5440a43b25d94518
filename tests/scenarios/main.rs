//! The monitor's decisions in simulated time: months of a certificate's life in milliseconds.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod admin;
mod batches;
mod closings;
mod cooldowns;
mod crossings;
mod deliveries;
mod discoveries;
mod greetings;
mod incidents;
mod log_lines;
mod observations;
mod rescues;
mod takeovers;
mod world;
