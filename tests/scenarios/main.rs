//! The monitor's decisions in simulated time: months of a certificate's life in milliseconds.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod admin;
mod batches;
mod bundles;
#[allow(dead_code, reason = "the fake host's tests want more of it")]
#[path = "../abi/scene/certificate.rs"]
mod certificate;
mod claims;
mod clocks;
mod closings;
mod conditions;
mod cooldowns;
mod crossings;
mod deliveries;
mod discoveries;
mod fleets;
mod forged;
mod greetings;
mod heartbeats;
mod incidents;
mod life;
mod log_lines;
mod noise;
mod observations;
mod overdue;
mod renewal_info;
mod renewals;
mod rescues;
mod secrets;
mod splits;
mod store;
mod storms;
mod takeovers;
mod unalerted;
mod world;
