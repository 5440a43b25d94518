//! Many certificates that end at nearly the same time: most likely they were issued together, and nobody has thought of
//! the day on which all of them have to be renewed.

use std::collections::VecDeque;
use std::time::Duration;

use super::certificate::CertId;
use super::event::MOST_LISTED;
use super::time::{DAY, UnixTime};

/// Ends that lie closer together than this are in one storm.
const LENGTH: Duration = DAY;

/// Certificates that end within a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storm {
    /// How many they are.
    pub total: usize,
    /// When the last of them ends.
    pub last: UnixTime,
    /// The first of them with their ends, at most [`MOST_LISTED`].
    pub certificates: Vec<(UnixTime, CertId)>,
}

impl Storm {
    /// When the first of them ends.
    pub fn first(&self) -> UnixTime {
        self.certificates.first().map_or(self.last, |(end, _)| *end)
    }

    /// Whether one that began to end at `first` has certificates in common with this one: it is the same, less those that
    /// have ended or were renewed.
    pub fn is_part_of(&self, first: UnixTime) -> bool {
        self.first() < first.after(LENGTH) && first <= self.last
    }
}

/// Whether the day of one that began to end at `first` is over.
pub fn is_over(first: UnixTime, now: UnixTime) -> bool {
    first.after(LENGTH) <= now
}

/// Looks for storms among ends that come in their order. One begins with an end that has enough others behind it, and the
/// next one behind its last.
#[derive(Debug, Default)]
pub struct Search {
    least: usize,
    /// The ends within a day of the first of them; not more than are needed.
    window: VecDeque<(UnixTime, CertId)>,
    /// How many they are.
    total: usize,
    last: UnixTime,
}

impl Search {
    /// Looks for storms of at least so many.
    pub fn new(least: usize) -> Self {
        Self { least: least.max(1), ..Self::default() }
    }

    /// Takes the next end; a storm, if one is complete with the end before.
    pub fn push(&mut self, end: UnixTime, id: CertId) -> Option<Storm> {
        let mut found = None;
        while let Some((first, _)) = self.window.front()
            && end >= first.after(LENGTH)
        {
            if let Some(storm) = self.take() {
                found = Some(storm);
            } else {
                self.window.pop_front();
                self.total = self.window.len();
            }
        }
        if self.total < self.least.max(MOST_LISTED) {
            self.window.push_back((end, id));
        }
        self.total = self.total.saturating_add(1);
        self.last = end;
        found
    }

    /// Takes what is a storm already; there are no more ends within a day of its first.
    pub fn take(&mut self) -> Option<Storm> {
        if self.total < self.least {
            return None;
        }
        let mut certificates = Vec::new();
        certificates.extend(self.window.iter().take(MOST_LISTED));
        self.window.clear();
        Some(Storm { total: std::mem::take(&mut self.total), last: self.last, certificates })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixTime = UnixTime::from_secs(1_800_000_000);

    /// The first end and the number of certificates of each storm among ends so many seconds after the start.
    fn storms(least: usize, ends: &[i64]) -> Vec<(i64, usize)> {
        let mut search = Search::new(least);
        let mut found = Vec::new();
        for (number, end) in (0_u32..).zip(ends) {
            let id = CertId::of_der(&number.to_be_bytes());
            found.extend(search.push(UnixTime::from_secs(START.secs() + end), id));
        }
        found.extend(search.take());
        found.iter().map(|storm| (storm.first().secs() - START.secs(), storm.total)).collect()
    }

    #[test]
    fn a_storm_is_enough_ends_within_less_than_a_day() {
        type Case<'a> = (&'a str, &'a [i64], &'a [(i64, usize)]);
        let day = 86_400;
        // what it shows | ends | storms of three: the first end, and how many
        let cases: [Case<'_>; 8] = [
            ("nothing", &[], &[]),
            ("too few", &[0, 1], &[]),
            ("at the same second", &[0, 0, 0], &[(0, 3)]),
            ("the last second of a day", &[0, 1, day - 1], &[(0, 3)]),
            ("a day later is another day", &[0, 1, day], &[]),
            ("it begins where enough follow", &[0, day - 2, day - 1, day, day + 1], &[(0, 3)]),
            ("a single end before does not matter", &[0, day, day + 1, day + 2, 2 * day - 1], &[(day, 4)]),
            ("two of them", &[0, 1, 2, 3, day, day + 1, 3 * day, 3 * day, 3 * day], &[(0, 4), (3 * day, 3)]),
        ];
        for (shows, ends, expected) in cases {
            assert_eq!(storms(3, ends), expected, "{shows}");
        }
    }

    #[test]
    fn five_hundred_on_one_day_are_one_that_lists_the_first() {
        let mut search = Search::new(10);
        for number in 0..500_u32 {
            let end = START.after(Duration::from_secs((number * 60).into()));
            assert_eq!(search.push(end, CertId::of_der(&number.to_be_bytes())), None);
        }
        let storm = search.take().unwrap();
        assert_eq!((storm.total, storm.certificates.len(), storm.first()), (500, MOST_LISTED, START));
        assert_eq!(storm.last, START.after(Duration::from_secs(499 * 60)));
        assert_eq!(search.take(), None);
    }

    #[test]
    fn what_is_left_of_a_storm_is_the_same_storm() {
        let (hour, day) = (Duration::from_secs(3_600), DAY);
        let storm = |first: UnixTime, last: UnixTime| Storm {
            total: 2,
            last,
            certificates: vec![(first, CertId::of_der(b"a")), (last, CertId::of_der(b"b"))],
        };
        let left = storm(START.after(hour), START.after(hour * 20));
        assert!(left.is_part_of(START));
        assert!(storm(START.before(hour), START).is_part_of(START), "one that ends before has come to it");
        assert!(!storm(START.after(day), START.after(day + hour)).is_part_of(START));
        assert!(!storm(START.before(hour * 2), START.before(hour)).is_part_of(START));
        assert!(!is_over(START, START.after(hour * 23)) && is_over(START, START.after(day)));
    }
}
