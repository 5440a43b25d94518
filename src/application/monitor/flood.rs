//! Log lines that strangers can cause stay few: so many of each kind a minute, and one that says so.

use log::warn;

use crate::domain::UnixTime;
use crate::domain::time::MINUTE;

/// Lines of one kind in one minute.
const MOST: u32 = 500;

/// What a log line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// An event, and whom it is told.
    Event,
    /// A try to deliver.
    Delivery,
    /// A certificate that is checked or passed over.
    Check,
    /// A certificate that cannot be watched.
    Refusal,
    /// A round of discovery.
    Discovery,
}

impl About {
    const ALL: [Self; 5] = [Self::Event, Self::Delivery, Self::Check, Self::Refusal, Self::Discovery];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "events",
            Self::Delivery => "deliveries",
            Self::Check => "checks",
            Self::Refusal => "certificates that cannot be watched",
            Self::Discovery => "discovery",
        }
    }
}

/// The lines of this minute.
#[derive(Debug, Default)]
pub(super) struct Flood {
    since: UnixTime,
    /// In the order of [`About::ALL`].
    lines: [u32; About::ALL.len()],
    /// Lines that were not written and have not been counted yet.
    held_back: u64,
}

impl Flood {
    /// Whether there is room for another line.
    pub(super) fn admits(&mut self, about: About, now: UnixTime) -> bool {
        // One from the future began before the clock was set back.
        if now.since(self.since).is_none_or(|age| age >= MINUTE) {
            *self = Self { since: now, lines: [0; About::ALL.len()], ..*self };
        }
        let Some(lines) = self.lines.get_mut(about as usize) else { return false };
        *lines = lines.saturating_add(1);
        if *lines == MOST.saturating_add(1) {
            warn!("More than {MOST} lines a minute about {}: the others are counted only", about.as_str());
        }
        let is_admitted = *lines <= MOST;
        self.held_back = self.held_back.saturating_add(u64::from(!is_admitted));
        is_admitted
    }

    /// How many lines were not written since the last call.
    pub(super) fn take_held_back(&mut self) -> u64 {
        std::mem::take(&mut self.held_back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_own_minute() {
        let mut flood = Flood::default();
        let mut admits = |about, millis: i64| flood.admits(about, UnixTime::from_millis(100_000_000 + millis));
        let admitted = (0..1_000).filter(|millis| admits(About::Event, *millis)).count();
        assert_eq!(admitted, 500);
        assert!(admits(About::Check, 1_000), "another kind");
        assert!(!admits(About::Event, 59_999));
        assert!(admits(About::Event, 60_000), "another minute");
        assert!(admits(About::Event, -1), "the clock was set back");
        assert_eq!(flood.take_held_back(), 501);
        assert_eq!(flood.take_held_back(), 0);
    }
}
