//! What an authority says of a certificate's renewal, and when it is asked again (RFC 9773).

use std::time::Duration;

use crate::decode::renewal_info::Window;
use crate::domain::UnixTime;
use crate::domain::time::{DAY, HOUR, MINUTE};

/// The time between two questions where an authority says nothing of it.
const USUAL_WAIT: Duration = HOUR.saturating_mul(6);
/// What an authority may ask for is kept within these: one minute and one day (RFC 9773, 4.3.2).
const SHORTEST_WAIT: Duration = MINUTE;
const LONGEST_WAIT: Duration = DAY;
/// The wait after a question that came to nothing; it doubles with every further one, up to the usual wait.
const FIRST_PAUSE: Duration = MINUTE;
/// A window whose begin moves by less than this stays where it is: authorities spread the load.
const STIRRING: Duration = HOUR;

/// What one authority has said of one certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// When the certificate should be renewed; `None` before the first answer.
    pub window: Option<Window>,
    /// When the window began, before it was moved to an earlier time.
    pub moved_from: Option<UnixTime>,
    /// When the authority is asked next.
    pub ask_at: UnixTime,
    /// How many questions in a row came to nothing.
    pub failures: u32,
}

impl Advice {
    /// Nothing was said yet.
    pub fn asked_at(ask_at: UnixTime) -> Self {
        Self { ask_at, ..Self::default() }
    }

    /// Takes note of an answer. `wish` is how long the authority asks to be left alone; the pause is up to a tenth longer,
    /// by `chance`, so that not every proxy of a fleet asks at the same moment.
    pub fn answer(&mut self, window: Window, wish: Option<Duration>, now: UnixTime, chance: u64) {
        let before = self.window.as_ref().map(|before| before.start);
        self.moved_from = self.moved_from.or(before).filter(|from| window.start.after(STIRRING) < *from);
        self.window = Some(window);
        self.failures = 0;
        self.wait(wish.unwrap_or(USUAL_WAIT), now, chance);
    }

    /// Takes note of a question that came to nothing: what was said before holds.
    pub fn fail(&mut self, wish: Option<Duration>, now: UnixTime, chance: u64) {
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.failures.min(16))).min(USUAL_WAIT);
        self.failures = self.failures.saturating_add(1);
        self.wait(wish.unwrap_or_default().max(pause), now, chance);
    }

    /// Whether the next question is further away than any ever is: the clock ran ahead, and was set back.
    pub fn is_out_of_reach(&self, now: UnixTime) -> bool {
        self.ask_at > now.after(LONGEST_WAIT.saturating_mul(2))
    }

    fn wait(&mut self, length: Duration, now: UnixTime, chance: u64) {
        self.ask_at = now.after(stretched(length.clamp(SHORTEST_WAIT, LONGEST_WAIT), chance));
    }
}

/// A length of time, up to a tenth longer by chance.
fn stretched(length: Duration, chance: u64) -> Duration {
    let permille = u32::try_from(chance % 101).unwrap_or_default();
    length.saturating_add(length.checked_div(1_000).unwrap_or_default().saturating_mul(permille))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn window(start: Duration) -> Window {
        Window { start: NOW.after(start), end: NOW.after(start + 2 * DAY), explanation_url: None }
    }

    #[test]
    fn an_authority_is_asked_again_when_it_wants() {
        let minutes = |minutes: u32| MINUTE * minutes;
        // what it asks for | how long it is left alone
        for (wish, wait) in [
            (None, minutes(360)),
            (Some(Duration::ZERO), minutes(1)),
            (Some(minutes(10)), minutes(10)),
            (Some(Duration::MAX), minutes(1_440)),
        ] {
            let mut advice = Advice::asked_at(NOW);
            advice.answer(window(30 * DAY), wish, NOW, 0);
            assert_eq!(NOW.until(advice.ask_at), wait, "{wish:?}");
            advice.answer(window(30 * DAY), wish, NOW, 100);
            assert_eq!(NOW.until(advice.ask_at), wait + wait / 10, "never earlier, and at most a tenth later");
        }
    }

    #[test]
    fn questions_in_vain_become_rarer_and_what_was_said_holds() {
        let mut advice = Advice::asked_at(NOW);
        advice.answer(window(30 * DAY), None, NOW, 0);
        let mut waits = Vec::new();
        for _ in 0..12 {
            advice.fail(None, NOW, 0);
            waits.push(NOW.until(advice.ask_at).as_secs() / 60);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360, 360]);
        assert_eq!(advice.window, Some(window(30 * DAY)));
        advice.fail(Some(HOUR * 12), NOW, 0);
        assert_eq!(NOW.until(advice.ask_at), 12 * HOUR, "it asks for more");
        advice.answer(window(30 * DAY), None, NOW, 0);
        advice.fail(None, NOW, 0);
        assert_eq!(NOW.until(advice.ask_at), MINUTE, "and from the beginning after an answer");
    }

    #[test]
    fn a_window_that_comes_closer_by_more_than_an_hour_has_moved_until_it_is_back() {
        let mut advice = Advice::asked_at(NOW);
        // begin of the window in minutes from now | where it was before it moved
        for (start, moved_from) in [
            (50_000, None),
            (49_940, None),
            (52_000, None),
            (51_939, Some(52_000)),
            (51_940, None),
            (60_000, None),
            (50_000, Some(60_000)),
            (2_000, Some(60_000)),
            (59_939, Some(60_000)),
            (59_940, None),
            (70_000, None),
            (2_000, Some(70_000)),
        ] {
            advice.answer(window(MINUTE * start), None, NOW, 0);
            assert_eq!(advice.moved_from, moved_from.map(|from| NOW.after(MINUTE * from)), "{start}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_put_questions_off() {
        assert!(Advice::asked_at(NOW.after(365 * DAY)).is_out_of_reach(NOW));
        let mut advice = Advice::asked_at(NOW);
        advice.answer(window(30 * DAY), Some(Duration::MAX), NOW, 100);
        assert!(!advice.is_out_of_reach(NOW));
    }
}
