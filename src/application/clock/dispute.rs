//! A span of time of which nobody knows whether it has passed. When a crowd of certificates ends in it, most of them are
//! held back until somebody knows.
//!
//! After a jump the first of the crowd is told: the date of the answer decides. Without an answer they are told after a
//! minute; if receivers say that the clock is ahead, after a day. It is worse to be silent about what has ended than to
//! tell of what has not.

use std::time::Duration;

use crate::domain::UnixTime;
use crate::domain::time::{DAY, MINUTE};

/// How long is waited for somebody to say what time it is.
const UNDECIDED: Duration = MINUTE;
/// How long receivers are believed that say the clock is ahead.
const BELIEVED: Duration = DAY;

/// A dispute as a successor finds it: three times in milliseconds, and what is true of it, in the order of its fields.
pub(super) type Stored = (i64, i64, i64, bool, bool, bool);

/// See the module's text.
#[derive(Debug)]
pub(super) struct Dispute {
    /// The time before the jump, or the earliest that receivers have said.
    earliest: UnixTime,
    /// When it was noticed.
    since: UnixTime,
    /// By how much the clock is ahead, as far as is known.
    by: Duration,
    /// Whether receivers say so.
    is_confirmed: bool,
    /// Whether a crowd has ended in it: one of them was told.
    has_crowd: bool,
    is_holding: bool,
}

/// What becomes of a certificate of a crowd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It is told, so that somebody answers.
    Tell,
    /// It is held back until then at the latest.
    Wait(UnixTime),
}

/// Certificates that have to be looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recheck {
    /// They end after this.
    pub after: UnixTime,
    /// And no later than this.
    pub until: UnixTime,
    /// Why.
    pub because: Because,
    /// Whether some of them were held back.
    pub is_of_held: bool,
}

/// Why nothing is held back any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// The clock was set back.
    SetBack,
    /// Receivers say that it is not ahead.
    Agreement,
    /// Nobody has said what time it is.
    Silence,
    /// Receivers have said for long enough that it is ahead.
    Patience,
}

impl Because {
    /// The words of the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SetBack => "the clock was set back",
            Self::Agreement => "receivers say that the clock is not ahead",
            Self::Silence => "no receiver has said what time it is",
            Self::Patience => "they were held back for a day",
        }
    }
}

impl Dispute {
    /// The clock has jumped ahead. What was disputed `earlier` still is.
    pub(super) fn of_jump(before: UnixTime, now: UnixTime, earlier: Option<&Self>) -> Self {
        let earliest = earlier.map_or(before, |earlier| earlier.earliest.min(before));
        let is_holding = earlier.is_some_and(Self::is_holding);
        Self { earliest, since: now, by: before.until(now), is_confirmed: false, has_crowd: false, is_holding }
    }

    /// Receivers say that it is `theirs` and no later.
    pub(super) fn of_doubt(theirs: UnixTime, now: UnixTime) -> Self {
        let by = theirs.until(now);
        Self { earliest: theirs, since: now, by, is_confirmed: true, has_crowd: false, is_holding: false }
    }

    /// The same of one that was noticed before.
    pub(super) fn confirm(&mut self, theirs: UnixTime, now: UnixTime) {
        (self.earliest, self.by, self.is_confirmed) = (self.earliest.min(theirs), theirs.until(now), true);
    }

    /// What a successor has to know.
    pub(super) fn stored(&self) -> Stored {
        let Self { earliest, since, by, is_confirmed, has_crowd, is_holding } = self;
        let by = UnixTime::from_secs(0).after(*by);
        (earliest.millis(), since.millis(), by.millis(), *is_confirmed, *has_crowd, *is_holding)
    }

    /// What a predecessor knew, unless the clock was set back since: then it is of another clock.
    pub(super) fn restored(stored: Stored, now: UnixTime) -> Option<Self> {
        let (earliest, since, by, is_confirmed, has_crowd, is_holding) = stored;
        let [earliest, since, by] = [earliest, since, by].map(UnixTime::from_millis);
        let by = UnixTime::from_secs(0).until(by);
        (since <= now).then_some(Self { earliest, since, by, is_confirmed, has_crowd, is_holding })
    }

    /// What has ended later is disputed.
    pub(super) fn from(&self, now: UnixTime) -> UnixTime {
        if self.is_confirmed { now.before(self.by) } else { self.earliest }
    }

    /// Whether receivers say so, and by how much the clock is ahead.
    pub(super) const fn grounds(&self) -> (bool, Duration) {
        (self.is_confirmed, self.by)
    }

    const fn limit(&self) -> Duration {
        if self.is_confirmed { BELIEVED } else { UNDECIDED }
    }

    /// When everything is told.
    pub(super) fn deadline(&self) -> UnixTime {
        self.since.after(self.limit())
    }

    /// Whether anything is held back because of it.
    pub(super) fn is_open(&self, now: UnixTime) -> bool {
        now < self.deadline()
    }

    /// Whether it is known that a crowd has ended in it.
    pub(super) const fn has_crowd(&self) -> bool {
        self.has_crowd
    }

    /// Whether something was held back, and has not been told since.
    pub(super) const fn is_holding(&self) -> bool {
        self.is_holding
    }

    /// Whether a certificate is held back that ends at `end` and is one of a crowd.
    pub(super) fn hold(&mut self, end: UnixTime) -> Hold {
        if !std::mem::replace(&mut self.has_crowd, true) && !self.is_confirmed {
            return Hold::Tell;
        }
        self.is_holding = true;
        // By the clocks of those who are believed it may end before that.
        let ends = if self.is_confirmed { end.after(self.by) } else { UnixTime::NEVER };
        Hold::Wait(self.deadline().min(ends))
    }

    /// What was held back for long enough.
    pub(super) fn end_in_time(&mut self, now: UnixTime) -> Option<Recheck> {
        if !self.is_holding || self.is_open(now) {
            return None;
        }
        self.is_holding = false;
        let because = if self.is_confirmed { Because::Patience } else { Because::Silence };
        Some(Recheck { after: self.earliest, until: now, because, is_of_held: true })
    }

    /// What was held back, and need not be: receivers have said so.
    pub(super) const fn settled(&self, now: UnixTime) -> Recheck {
        Recheck { after: self.earliest, until: now, because: Because::Agreement, is_of_held: true }
    }
}
