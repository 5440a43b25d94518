//! Certificates that say whatever a test wants, at times in seconds from the end of those in tests/data.
#![allow(dead_code, reason = "other tests want more of them")]
#![allow(clippy::duplicate_mod, reason = "the table of lives counts its times from elsewhere")]

const BEGIN: i64 = crate::world::END.secs();

#[allow(clippy::duplicate_mod, reason = "times count from another moment than in the table of lives")]
#[path = "../life/certificate.rs"]
mod certificate;

pub use certificate::{Certificate, hex, pem, rfc3339};
