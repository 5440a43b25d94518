//! When a delivery that failed is tried again.

use std::time::Duration;

use super::chance::Chance;
use super::time::{HOUR, MINUTE};

/// The longest time that a receiver may ask to be left alone.
pub const LONGEST_WISH: Duration = HOUR;

/// The pauses between tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The pause after each failure; the last one is used again and again.
    pub pauses: Vec<Duration>,
    /// How many tries follow the first one.
    pub retries: u32,
}

impl Default for Schedule {
    /// A short outage costs seconds and a long one few requests: 17 hours in all.
    fn default() -> Self {
        let (second, hour) = (Duration::from_secs(1), HOUR);
        let pauses = vec![second * 5, second * 30, MINUTE * 2, MINUTE * 10, hour, hour * 4, hour * 12];
        Self { pauses, retries: 7 }
    }
}

impl Schedule {
    /// The pause after so many tries in vain, up to a fifth shorter or longer by chance, so that those who failed together
    /// do not come back together; `None` if enough has been tried.
    pub fn pause(&self, tries: u32, chance: &mut Chance) -> Option<Duration> {
        let index = usize::try_from(tries.checked_sub(1)?).ok()?;
        let pause = self.pauses.get(index).or(self.pauses.last())?;
        (tries <= self.retries).then(|| jittered(*pause, chance))
    }

    /// Whether so many tries are all that are made.
    pub const fn is_spent(&self, tries: u32) -> bool {
        tries > self.retries
    }

    /// No pause is longer.
    pub fn longest(&self) -> Duration {
        let longest = self.pauses.iter().max().copied().unwrap_or_default();
        longest.saturating_add(longest / 5).max(LONGEST_WISH)
    }
}

fn jittered(pause: Duration, chance: &mut Chance) -> Duration {
    // From 80 % to 120 % in steps of a thousandth.
    let thousandths = u32::try_from(chance.draw() % 401).unwrap_or_default().saturating_add(800);
    pause.saturating_mul(thousandths) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pauses(schedule: &Schedule, seed: u64) -> Vec<Duration> {
        let mut chance = Chance::new(seed);
        (1..).map_while(|tries| schedule.pause(tries, &mut chance)).collect()
    }

    #[test]
    fn pauses_grow_and_end() {
        let pauses = pauses(&Schedule::default(), 1);
        assert_eq!(pauses.len(), 7);
        assert!(pauses.is_sorted());
        let mut chance = Chance::new(1);
        assert_eq!(Schedule::default().pause(0, &mut chance), None, "nothing has failed");
        assert_eq!(Schedule::default().pause(u32::MAX, &mut chance), None);
    }

    #[test]
    fn the_last_pause_is_used_again() {
        let schedule = Schedule { pauses: vec![SECOND * 10, SECOND * 100], retries: 4 };
        let seconds: Vec<_> = pauses(&schedule, 3).iter().map(std::time::Duration::as_secs).collect();
        assert_eq!(seconds.len(), 4);
        assert!((8..=12).contains(&seconds[0]) && seconds[1..].iter().all(|s| (80..=120).contains(s)), "{seconds:?}");
    }

    #[test]
    fn no_retries_are_none() {
        let schedule = Schedule { retries: 0, ..Schedule::default() };
        assert!(pauses(&schedule, 1).is_empty());
        assert!(!schedule.is_spent(0) && schedule.is_spent(1));
    }

    #[test]
    fn jitter_is_a_fifth_at_most_and_reaches_everywhere() {
        let schedule = Schedule { pauses: vec![SECOND * 1_000], retries: 1 };
        let all: Vec<_> = (0..5_000).map(|seed| pauses(&schedule, seed)[0].as_secs()).collect();
        let (least, most) = (all.iter().min().unwrap(), all.iter().max().unwrap());
        assert!((800..=805).contains(least) && (1_195..=1_200).contains(most), "{least} {most}");
        assert!(Duration::from_secs(*most) <= schedule.longest());
    }
}
