//! A circuit breaker: a receiver that fails again and again is left alone, and then asked with one request.

use std::time::Duration;

use crate::domain::UnixTime;

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Failures in a row that open it; zero: it never opens.
    pub failures: u32,
    /// How long no request is made.
    pub open: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { failures: 5, open: Duration::from_secs(30) }
    }
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// Failures in a row.
    failures: u32,
    /// Until when no request is made; a time that has passed: one request at a time. `None`: it is closed.
    opens_until: Option<UnixTime>,
}

impl Breaker {
    /// When a request may be made while so many others wait for their answers.
    pub(super) const fn admits_from(&self, in_flight: usize) -> UnixTime {
        match self.opens_until {
            None => UnixTime::from_secs(0),
            Some(until) if in_flight == 0 => until,
            Some(_) => UnixTime::NEVER,
        }
    }

    /// The receiver has answered; whether this closes the breaker.
    pub(super) const fn succeed(&mut self) -> bool {
        self.failures = 0;
        self.opens_until.take().is_some()
    }

    /// The receiver has failed; after how many failures this opens the breaker, if it was closed before.
    pub(super) fn fail(&mut self, limits: &Limits, now: UnixTime) -> Option<u32> {
        self.failures = self.failures.saturating_add(1);
        if limits.failures == 0 || self.failures < limits.failures {
            return None;
        }
        // The answers to requests that were made before it opened do not keep it open for longer.
        if self.opens_until.is_some_and(|until| now < until) {
            return None;
        }
        self.opens_until.replace(now.after(limits.open)).is_none().then_some(self.failures)
    }

    /// Opens no longer than its limits say: the clock may have been set back.
    pub(super) fn hasten(&mut self, limits: &Limits, now: UnixTime) {
        self.opens_until = self.opens_until.map(|until| until.min(now.after(limits.open)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { failures: 3, open: Duration::from_secs(30) };

    const fn at(secs: i64) -> UnixTime {
        UnixTime::from_secs(secs)
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_request_through_when_time_is_up() {
        let mut breaker = Breaker::default();
        assert_eq!((breaker.fail(&LIMITS, at(1)), breaker.fail(&LIMITS, at(2))), (None, None));
        assert!(!breaker.succeed());
        for (second, opens) in [(3, None), (4, None), (5, Some(3))] {
            assert_eq!(breaker.fail(&LIMITS, at(second)), opens);
        }
        assert_eq!(breaker.fail(&LIMITS, at(6)), None, "a request from before");
        assert_eq!(breaker.admits_from(0), at(35));
        assert_eq!(breaker.admits_from(1), UnixTime::NEVER);
        assert_eq!(breaker.fail(&LIMITS, at(40)), None, "the one request failed too: it stays open");
        assert_eq!(breaker.admits_from(0), at(70));
        assert!(breaker.succeed());
        assert_eq!(breaker.admits_from(3), at(0));
    }

    #[test]
    fn without_a_limit_it_never_opens() {
        let mut breaker = Breaker::default();
        let limits = Limits { failures: 0, ..LIMITS };
        assert!((0..100).all(|second| breaker.fail(&limits, at(second)).is_none()));
        assert_eq!(breaker.admits_from(9), at(0));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_keep_it_open() {
        let mut breaker = Breaker::default();
        for _ in 0..3 {
            breaker.fail(&LIMITS, at(1_000_000));
        }
        breaker.hasten(&LIMITS, at(5));
        assert_eq!(breaker.admits_from(0), at(35));
    }
}
