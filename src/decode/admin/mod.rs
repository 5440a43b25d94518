//! What Envoy's admin interface answers → values.
//!
//! An answer may have many megabytes, and one callback may not take long: an answer is read by and by. Everything here
//! takes the `room` that is left, in wasm instructions, takes from it what was done, and says [`Later`](dump::Item::Later)
//! when nothing is left. What it does not know it skips; nothing in an answer makes it trap.
//!
//! `lexer` and `reader` turn bytes into texts and where they stand; [`dump`] finds in them who uses which certificate (`/config_dump`),
//! and [`certs`] what is loaded (`/certs`).

pub mod certs;
pub mod dump;
mod key;
mod lexer;
mod reader;

#[cfg(test)]
mod tests;

use std::fmt;

/// What a list of certificates is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Presented to peers: a leaf and what stands above it.
    Chain,
    /// Verifies peers.
    Bundle,
}

/// Why an answer cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It is no JSON, or only the beginning of one.
    NotJson,
    /// It is JSON of another kind.
    NotExpected,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotJson => "the answer is no whole JSON",
            Self::NotExpected => "the answer is not what Envoy's admin interface answers",
        })
    }
}

/// The longest text that is read, in bytes: a public CA bundle takes 300 KB in base64. A longer one is passed over:
/// configurations hold scripts and what not, which must not hide the certificates beside them.
pub const LARGEST_TEXT: usize = 400 << 10;

/// Takes what was done from what may be done.
fn spend(room: &mut u32, count: usize, each: u32) {
    *room = room.saturating_sub(u32::try_from(count).unwrap_or(u32::MAX).saturating_mul(each));
}
