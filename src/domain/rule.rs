//! Thresholds: how much of a certificate's life may be left before somebody is told.

use std::time::Duration;

use super::time::DAY;

/// A rule is crossed when `remaining` or less is left. The rule with nothing left is the expiry itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    name: String,
    remaining: Duration,
}

impl Rule {
    /// The rule that every certificate has: it ends.
    pub fn expired() -> Self {
        Self { name: "expired".to_owned(), remaining: Duration::ZERO }
    }

    /// A rule of whole days, such as `30d`. Zero days is the expiry itself.
    pub fn days(days: u32) -> Self {
        if days == 0 { Self::expired() } else { Self { name: format!("{days}d"), remaining: DAY.saturating_mul(days) } }
    }

    /// What logs and events call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The time that is left when it is crossed. Less is tighter, and zero is the expiry.
    pub const fn remaining(&self) -> Duration {
        self.remaining
    }

    /// Whether this is the expiry itself.
    pub const fn is_expiry(&self) -> bool {
        self.remaining.is_zero()
    }
}
