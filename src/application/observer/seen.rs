//! What an observer has handed over already.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::UnixTime;

/// Nothing is handed over a second time within this, and what could not be read is not looked for again.
pub const SHORTEST_PAUSE: Duration = Duration::from_secs(60);

/// Entries of one generation. Two generations of a hundred bytes each stay well below the memory that a worker's VM has.
const GENERATION: usize = 1_024;

/// Remembers keys for a while, in bounded memory: when the young generation is full it becomes the old one, and what
/// was old is forgotten.
#[derive(Debug)]
pub(super) struct Seen {
    young: BTreeMap<Vec<u8>, UnixTime>,
    old: BTreeMap<Vec<u8>, UnixTime>,
    kept_for: Duration,
}

impl Seen {
    pub(super) const fn new(kept_for: Duration) -> Self {
        Self { young: BTreeMap::new(), old: BTreeMap::new(), kept_for }
    }

    pub(super) fn contains(&self, key: &[u8], now: UnixTime) -> bool {
        let at = self.young.get(key).or_else(|| self.old.get(key));
        // One from the future was noted before the clock was set back.
        at.and_then(|at| now.since(*at)).is_some_and(|age| age < self.kept_for)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.kept_for);
    }

    /// Remembers a key for a moment: its certificate could not be read here, and may be elsewhere.
    pub(super) fn insert_briefly(&mut self, key: Vec<u8>, now: UnixTime) -> bool {
        self.insert(key, now.before(self.kept_for.saturating_sub(SHORTEST_PAUSE)))
    }

    /// Remembers a key; whether others were forgotten for it.
    pub(super) fn insert(&mut self, key: Vec<u8>, now: UnixTime) -> bool {
        let mut has_forgotten = false;
        if self.young.len() >= GENERATION {
            has_forgotten = !self.old.is_empty();
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, now);
        has_forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_remembered_for_its_time() {
        let mut seen = Seen::new(Duration::from_secs(60));
        let at = |secs: i64| UnixTime::from_secs(1_000 + secs);
        seen.insert(b"key".to_vec(), at(0));
        assert!(seen.contains(b"key", at(59)));
        assert!(!seen.contains(b"key", at(60)));
        assert!(!seen.contains(b"key", at(-1)), "the clock was set back");
        assert!(!seen.contains(b"other", at(0)));
    }

    #[test]
    fn what_could_not_be_read_is_remembered_for_a_minute() {
        for kept_for in [60, 61, 86_400, u64::MAX] {
            let mut seen = Seen::new(Duration::from_secs(kept_for));
            let at = |secs: i64| UnixTime::from_secs(1_768_000_000 + secs);
            seen.insert_briefly(b"key".to_vec(), at(0));
            assert!(seen.contains(b"key", at(0)) && seen.contains(b"key", at(59)), "{kept_for}");
            assert!(!seen.contains(b"key", at(60)) || kept_for == u64::MAX, "{kept_for}");
        }
    }

    #[test]
    fn memory_is_bounded_and_the_newest_are_kept() {
        let mut seen = Seen::new(Duration::MAX);
        let now = UnixTime::from_secs(1);
        for number in 0..100_000_u32 {
            seen.insert(number.to_be_bytes().to_vec(), now);
        }
        assert!(seen.young.len() + seen.old.len() <= 2 * GENERATION);
        assert!(seen.contains(&99_999_u32.to_be_bytes(), now));
        assert!(seen.contains(&99_000_u32.to_be_bytes(), now));
        assert!(!seen.contains(&0_u32.to_be_bytes(), now));
    }
}
