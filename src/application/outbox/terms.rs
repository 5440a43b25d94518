//! What one webhook bears: how much waits for it, and how much goes in one request.

use std::time::Duration;

use super::breaker::Limits;

/// The first event of a digest waits so long for others: what happens at the same time is found within seconds.
pub(super) const GATHERING: Duration = Duration::from_secs(10);
/// Events that one digest tells of.
const MOST_IN_DIGEST: usize = 1_000;

/// How many events one request may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// At most so many.
    pub max: usize,
    /// An event waits so long for others to go with it.
    pub wait: Duration,
}

/// Several events told as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// The time between two of them.
    pub interval: Duration,
}

/// What one webhook bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Events that may wait for it.
    pub max_pending: usize,
    /// Requests that may wait for their answers at the same time.
    pub max_in_flight: usize,
    /// When it is left alone.
    pub breaker: Limits,
    /// Several events in one request.
    pub batch: Option<Batch>,
    /// Several events as one.
    pub digest: Option<Digest>,
}

impl Default for Terms {
    fn default() -> Self {
        Self { max_pending: 1_000, max_in_flight: 4, breaker: Limits::default(), batch: None, digest: None }
    }
}

impl Terms {
    /// How long a new event may wait for others.
    pub(super) fn wait(&self) -> Duration {
        match (self.digest, self.batch) {
            (Some(digest), _) => digest.interval.max(GATHERING),
            (None, batch) => batch.map(|batch| batch.wait).unwrap_or_default(),
        }
    }

    /// How many events go together at most.
    pub(super) fn most(&self) -> usize {
        if self.digest.is_some() { MOST_IN_DIGEST } else { self.batch.map_or(1, |batch| batch.max) }
    }
}
