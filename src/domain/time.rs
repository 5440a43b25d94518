//! Points in time, always handed in by the caller.

use std::time::Duration;

/// One day, the unit of `warning_threshold_days` and of every message.
pub const DAY: Duration = Duration::from_secs(86_400);
/// One hour.
pub const HOUR: Duration = Duration::from_secs(3_600);
/// One minute.
pub const MINUTE: Duration = Duration::from_secs(60);

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, negative before. All arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(i64);

impl UnixTime {
    /// Later than every time that can be computed.
    pub const NEVER: Self = Self(i64::MAX);

    /// The time `secs` seconds after the epoch.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000))
    }

    /// The time `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// This time, `length` later.
    #[must_use]
    pub fn after(self, length: Duration) -> Self {
        Self(self.0.saturating_add(millis(length)))
    }

    /// This time, `length` earlier.
    #[must_use]
    pub fn before(self, length: Duration) -> Self {
        Self(self.0.saturating_sub(millis(length)))
    }

    /// How long `earlier` is ago, or `None` if it lies in the future.
    pub fn since(self, earlier: Self) -> Option<Duration> {
        u64::try_from(self.0.saturating_sub(earlier.0)).ok().map(Duration::from_millis)
    }

    /// How long it is until `later`; zero if it has passed.
    pub fn until(self, later: Self) -> Duration {
        later.since(self).unwrap_or_default()
    }
}

fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(UnixTime::NEVER.after(DAY), UnixTime::NEVER);
        assert_eq!(UnixTime::from_secs(i64::MIN).before(DAY).millis(), i64::MIN);
        assert_eq!(UnixTime::from_secs(1).after(Duration::MAX), UnixTime::NEVER);
        assert_eq!(UnixTime::from_secs(5).until(UnixTime::from_secs(2)), Duration::ZERO);
    }

    #[test]
    fn seconds_round_down_on_both_sides_of_the_epoch() {
        assert_eq!(UnixTime::from_millis(1_999).secs(), 1);
        assert_eq!(UnixTime::from_millis(-1).secs(), -1);
    }
}
