//! Periodic checks, spread over ticks so that none of them holds the proxy's main thread up.

use std::time::Duration;

use crate::domain::{CertId, UnixTime};

/// The first check comes this long after the configuration was accepted.
pub const FIRST_CHECK: Duration = Duration::from_secs(1);
/// A tick of a round that is later by more comes after a pause.
const LATE: Duration = Duration::from_secs(5);

/// One pass over all certificates.
#[derive(Clone, Debug)]
pub struct Round {
    /// What cooldowns count from: when it was due, and not the tick that was a few milliseconds late. Otherwise a day of
    /// rounds would drift into a day and an hour. After a pause it is the end of that.
    pub due: UnixTime,
    /// Its last tick; before the first one when it was due.
    latest: UnixTime,
    /// The last certificate that was looked at.
    pub cursor: Option<CertId>,
    /// How many were checked so far.
    pub checked: u64,
    /// How many of all are so short-lived that the threshold makes no sense for them.
    pub short_lived: u64,
}

/// When rounds are due.
#[derive(Debug)]
pub struct Rounds {
    interval: Duration,
    next: UnixTime,
    /// The round that is going on.
    pub current: Option<Round>,
}

impl Rounds {
    /// Rounds every `interval` after the first; zero: no other one.
    pub fn new(interval: Duration, configured: UnixTime) -> Self {
        Self { interval, next: configured.after(FIRST_CHECK), current: None }
    }

    /// Begins the round that is due, unless one is still going on; whether one has begun. Asked at every tick of a round.
    pub fn begin(&mut self, now: UnixTime) -> bool {
        let has_begun = self.begin_due(now);
        let late = if self.interval.is_zero() { LATE } else { LATE.min(self.interval / 2) };
        if let Some(round) = &mut self.current {
            if now.since(round.latest).is_none_or(|pause| pause > late) {
                // The next round may come at once: counted from before the pause, it would tell everything again.
                round.due = now;
            }
            round.latest = now;
        }
        has_begun
    }

    fn begin_due(&mut self, now: UnixTime) -> bool {
        // No round is ever more than an interval away, unless the clock ran ahead and was set back.
        if self.next < UnixTime::NEVER && self.next > now.after(self.interval.max(FIRST_CHECK)) {
            self.next = now;
        }
        if self.current.is_some() || self.next > now {
            return false;
        }
        // After a long pause the rounds that were missed are one.
        let missed = now.since(self.next).unwrap_or_default().as_millis().checked_div(self.interval.as_millis());
        let skipped = u32::try_from(missed.unwrap_or_default()).unwrap_or(u32::MAX);
        let due = self.next.after(self.interval.saturating_mul(skipped));
        self.next = if self.interval.is_zero() { UnixTime::NEVER } else { due.after(self.interval) };
        self.current = Some(Round { due, latest: due, cursor: None, checked: 0, short_lived: 0 });
        true
    }

    /// When the next round is due.
    pub const fn next(&self) -> UnixTime {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixTime = UnixTime::from_secs(1_000);

    fn due(rounds: &mut Rounds, now: UnixTime) -> Option<i64> {
        rounds.begin(now);
        rounds.current.take().map(|round| round.due.millis() - START.millis())
    }

    #[test]
    fn late_ticks_do_not_make_rounds_drift() {
        let mut rounds = Rounds::new(Duration::from_secs(10), START);
        assert_eq!(due(&mut rounds, START.after(Duration::from_millis(999))), None);
        assert_eq!(due(&mut rounds, START.after(Duration::from_millis(1_003))), Some(1_000));
        assert_eq!(due(&mut rounds, START.after(Duration::from_millis(10_999))), None);
        assert_eq!(due(&mut rounds, START.after(Duration::from_millis(11_009))), Some(11_000));
    }

    #[test]
    fn missed_rounds_are_one() {
        let mut rounds = Rounds::new(Duration::from_secs(10), START);
        assert_eq!(due(&mut rounds, START.after(Duration::from_secs(35))), Some(31_000));
        assert_eq!(rounds.next(), START.after(Duration::from_secs(41)));
    }

    #[test]
    fn after_a_pause_a_round_counts_from_its_end() {
        // seconds between rounds | seconds to the tick | what the round counts from
        for (interval, tick, counted) in
            [(3_600, 6, 1_000), (3_600, 7, 7_000), (3_600, 259_200, 259_200_000), (4, 3, 1_000), (4, 4, 4_000)]
        {
            let mut rounds = Rounds::new(Duration::from_secs(interval), START);
            assert_eq!(due(&mut rounds, START.after(Duration::from_secs(tick))), Some(counted), "{interval} {tick}");
        }
    }

    #[test]
    fn a_pause_in_a_round_counts_as_well() {
        let mut rounds = Rounds::new(Duration::from_secs(3_600), START);
        // seconds | what the rest of the round counts from
        for (tick, counted) in [(1, 1_000), (5, 1_000), (10, 1_000), (3_000, 3_000_000), (3_004, 3_000_000)] {
            rounds.begin(START.after(Duration::from_secs(tick)));
            assert_eq!(rounds.current.as_ref().unwrap().due.millis() - START.millis(), counted, "{tick}");
        }
        assert_eq!(rounds.next(), START.after(Duration::from_secs(3_601)), "no round is put off");
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_put_rounds_off() {
        let mut rounds = Rounds::new(Duration::from_secs(10), START);
        let years_ahead = START.after(Duration::from_secs(100_000_000));
        assert!(due(&mut rounds, years_ahead).is_some());
        assert_eq!(due(&mut rounds, START.after(Duration::from_secs(2))), Some(2_000));
        assert_eq!(due(&mut rounds, START.after(Duration::from_secs(11))), None);
        assert_eq!(due(&mut rounds, START.after(Duration::from_secs(12))), Some(12_000));
    }

    #[test]
    fn without_an_interval_there_is_only_the_first() {
        let mut rounds = Rounds::new(Duration::ZERO, START);
        assert_eq!(due(&mut rounds, START.after(Duration::from_secs(5))), Some(1_000));
        assert_eq!(rounds.next(), UnixTime::NEVER);
    }
}
