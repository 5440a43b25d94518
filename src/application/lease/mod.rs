//! Who is the monitor: one instance at a time, and one again within seconds when it is gone.
//!
//! ```text
//! waiting ─ claim ─► claimed ─ a tick later still there ─► holding ─ a better instance, a newer document ─► waiting
//! ```
//!
//! The [`Lease`] says who it is; its holder renews it every second. The roster says which document
//! rules and who would do better. A [`Candidate`] is an instance that stands for the lease.

mod candidate;
mod roster;

use serde::{Deserialize, Serialize};

pub use candidate::{Because, Candidate, Heritage, Standing, Store};

use super::shared_data::{LAYOUT, Sealed, Tenure, decode, encode, seal};
use crate::config::{DocumentHash, Mode};

/// The key of the lease in shared data.
pub const LEASE: &str = "cert-expiry-monitor/lease";
/// The key of the roster in shared data.
pub const ROSTER: &str = "cert-expiry-monitor/roster";

/// Ticks without a renewal, a second apart, after which a holder counts as silent.
pub(super) const SILENT: u32 = 3;

/// What an instance is that stands for the lease, the best one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// The singleton service, on the main thread.
    Monitor,
    /// The filter on a listener that nobody calls.
    Standby,
    /// A filter in the path of requests.
    Auto,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Monitor, Self::Standby, Self::Auto];

    /// The kind of an instance in this mode; `None` for one that never stands.
    pub const fn of(mode: Mode) -> Option<Self> {
        match mode {
            Mode::Monitor => Some(Self::Monitor),
            Mode::Standby => Some(Self::Standby),
            Mode::Auto => Some(Self::Auto),
            Mode::Observer => None,
        }
    }

    /// The word of logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Standby => "standby",
            Self::Auto => "auto",
        }
    }
}

/// The lease as it stands in shared data. Only who holds it, or takes it, writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it.
    pub tenure: Tenure,
    /// What the rest of it says.
    pub terms: Terms,
}

/// What a holder says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// What it is.
    pub kind: Kind,
    /// Whether requests pass through its VM.
    pub has_streams: bool,
    /// Its document.
    pub document: DocumentHash,
    /// Changes every second while it lives. No clock is compared: clocks are set, and threads sleep.
    pub beat: u32,
    /// Whether it has given the lease back.
    pub is_vacant: bool,
    /// Whether the queue holds more than it can take in at once: observers shall wait.
    pub is_behind: bool,
}

impl Lease {
    /// The lease that a value in shared data holds; `None` if it is none.
    pub fn decode(value: &[u8]) -> Option<Self> {
        let Sealed { layout, writer, contents } = Sealed::open(value)?;
        let terms = decode(contents).filter(|_| layout == LAYOUT)?;
        Some(Self { tenure: writer, terms })
    }

    /// What can be known of the lease of a later release: who holds it, and that it changes. It is left alone while it
    /// does: that release knows more.
    fn of_later_release(value: &[u8]) -> Option<Self> {
        let Sealed { layout, writer, .. } = Sealed::open(value)?;
        let beat = value.iter().fold(0_u32, |beat, byte| beat.rotate_left(5) ^ u32::from(*byte));
        let terms = Terms {
            kind: Kind::Monitor,
            has_streams: false,
            document: DocumentHash::default(),
            beat,
            is_vacant: false,
            is_behind: false,
        };
        (layout > LAYOUT).then_some(Self { tenure: writer, terms })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        seal(self.tenure, &encode(&self.terms))
    }
}

/// Sees whether something changes from tick to tick.
#[derive(Debug)]
pub(super) struct Watch<T> {
    last: Option<T>,
    still: u32,
}

impl<T: PartialEq> Watch<T> {
    pub(super) const fn new() -> Self {
        Self { last: None, still: 0 }
    }

    /// Takes note of a tick; how many ticks in a row have shown the same.
    pub(super) fn see(&mut self, value: T) -> u32 {
        if self.last.as_ref() == Some(&value) {
            self.still = self.still.saturating_add(1);
        } else {
            self.last = Some(value);
            self.still = 0;
        }
        self.still
    }
}
