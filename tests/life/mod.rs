//! Lives of certificates as a table: one row a sentence, and everything that a receiver is told in it.
//!
//! A [`Scenario`] is data: a document, what happens when, and what is to be received. The same rows run against the
//! monitor alone in simulated time (tests/scenarios/life.rs) and against the released `.wasm` on the fake host
//! (tests/abi/life.rs): each of the two is a [`World`].
//!
//! | file | what it holds |
//! | --- | --- |
//! | `certificate` | certificates that say whatever a row wants |
//! | `envoy` | what Envoy's admin interface answers about its secrets |
//! | `scenario` | a row: deeds and expectations |
//! | `world` | who plays it, and whether all came as expected |
//! | `renewals`, `rotations`, `lifetimes`, `crowds`, `quiet`, `conditions`, `clocks` | the table |
//! | `boundaries` | to the second: when something is told, and in which words |
//! | `random`, `properties` | worlds that nobody has thought of, and what holds in all of them |
#![allow(dead_code, reason = "the rows are shared by two worlds")]

pub mod boundaries;
pub mod certificate;
mod clocks;
mod conditions;
mod crowds;
pub mod envoy;
mod lifetimes;
pub mod properties;
mod quiet;
pub mod random;
mod renewals;
mod rotations;
pub mod scenario;
pub mod world;

pub use certificate::Certificate;
pub use scenario::{Deed, Expected, Peer, Scenario, Slot};
pub use world::{Received, World};

/// When every row begins: 2026-01-01T00:00:00Z. All times in rows are seconds from here.
pub const BEGIN: i64 = 1_767_225_600;

pub const MINUTE: i64 = 60;
pub const HOUR: i64 = 3_600;
pub const DAY: i64 = 86_400;

pub const SOON: &str = "CertificateExpiringSoon";
pub const EXPIRED: &str = "CertificateExpired";
pub const RESOLVED: &str = "CertificateResolved";
pub const NOT_YET: &str = "CertificateNotYetValid";
pub const RENEWED: &str = "CertificateRenewed";

/// The table.
pub fn rows() -> Vec<Scenario> {
    let renewed = [renewals::rows(), rotations::rows()];
    let others = [lifetimes::rows(), crowds::rows(), quiet::rows(), conditions::rows(), clocks::rows()];
    renewed.into_iter().chain(others).flatten().collect()
}
