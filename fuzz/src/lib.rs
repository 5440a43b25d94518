//! What is done with every input: one function for each border that something from outside crosses.
//!
//! libFuzzer calls them through `fuzz_targets/`, `tests/corpus.rs` of the plugin with what is in `corpus/`. They end, and
//! panic only if something that holds for every input does not.
#![allow(missing_docs, unreachable_pub, reason = "this is a crate for libFuzzer, and a module for tests/corpus.rs")]
#![allow(clippy::missing_panics_doc, reason = "all of them panic when something does not hold")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod answer;
pub mod certificate;
pub mod certs;
pub mod config_dump;
pub mod configuration;
pub mod cooldown_store;
pub mod discovery;
pub mod lease;
pub mod memory;
pub mod observer;
pub mod queue;
pub mod renewal_info;
pub mod shared_data;
pub mod stage;
pub mod template;
pub mod xfcc;

/// A target.
pub type Target = fn(&[u8]);

/// Every target by its name, which is that of its folder in `corpus/`, of its file in `fuzz_targets/`, and of its
/// dictionary in `dictionaries/`, if it has one.
pub const TARGETS: [(&str, Target); 14] = [
    ("answer", answer::run),
    ("certificate", certificate::run),
    ("certs", certs::run),
    ("config_dump", config_dump::run),
    ("configuration", configuration::run),
    ("cooldown_store", cooldown_store::run),
    ("discovery", discovery::run),
    ("lease", lease::run),
    ("observer", observer::run),
    ("queue", queue::run),
    ("renewal_info", renewal_info::run),
    ("shared_data", shared_data::run),
    ("template", template::run),
    ("xfcc", xfcc::run),
];
