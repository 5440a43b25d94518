//! Whether this proxy's clock is right: what receivers' clocks say, and whether it has jumped.
//!
//! Nobody here knows the right time. Receivers say in their answers what time it is where they are; the latest word of
//! each counts for an hour. As long as more of them differ from the proxy's clock than agree with it, the clock is in
//! [`Doubt`]. When it jumps ahead, or is in doubt for being ahead, it is disputed what has ended between the two clocks:
//! see `dispute`. A jump in either direction makes void whatever was known before it. A successor goes on with what is
//! disputed; what receivers say it hears for itself.

mod dispute;

use std::time::Duration;

pub use dispute::{Because, Hold, Recheck};

use self::dispute::{Dispute, Stored};
use super::effect::CallId;
use super::shared_data::{decode, encode};
use crate::domain::UnixTime;
use crate::domain::time::{HOUR, MINUTE};

/// Where a successor finds what is disputed.
pub(super) const CLOCK: &str = "cert-expiry-monitor/clock";
/// Clocks that differ by no more agree.
const TOLERANCE: Duration = MINUTE.saturating_mul(5);
/// A tick that comes so much later than it was due comes after a jump of the clock.
const JUMP: Duration = HOUR;
/// How long the word of a receiver counts.
const RECENT: Duration = HOUR;
/// Nobody is told of a doubt before it has lasted so long: other receivers may be about to answer.
const SETTLING: Duration = MINUTE;
/// No answer takes so long, whatever the timeout: the clock was set in between.
const LONGEST_CALL: Duration = MINUTE.saturating_mul(10);
/// Requests that are remembered until they are answered.
const MOST_SENT: usize = 1_024;

/// A request that has not been answered yet.
#[derive(Debug)]
struct Sent {
    call: CallId,
    receiver: usize,
    at: UnixTime,
}

/// What a receiver has last said.
#[derive(Debug)]
struct Witness {
    receiver: usize,
    at: UnixTime,
    /// How many milliseconds it is ahead of the proxy, or behind it if that is below zero; zero where both agree.
    ahead: i64,
    /// Whether others have said that its clock is the wrong one: the same difference again means nothing, unless another
    /// receiver finds it, too.
    is_outvoted: bool,
}

/// More receivers differ from the proxy's clock than agree with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// Since when.
    since: UnixTime,
    /// Whether they are ahead of the proxy, or behind it.
    pub is_ahead: bool,
    /// By how much.
    pub by: Duration,
    /// Those that had said so when somebody was told.
    pub receivers: Vec<usize>,
    /// Whether somebody was told.
    pub is_told: bool,
}

/// What a tick says of the clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tick {
    /// Whether it was set since the last one: what was told of it is over.
    pub is_after_jump: bool,
    /// What has to be looked at again.
    pub recheck: Option<Recheck>,
}

/// What an answer says of the clock, and what has to be looked at again for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// Nothing new.
    Nothing,
    /// More receivers differ than agree.
    Doubt(Option<Recheck>),
    /// At least as many receivers agree as differ.
    Trust(Option<Recheck>),
}

/// See the module's text.
#[derive(Debug, Default)]
pub struct Clock {
    latest: Option<UnixTime>,
    sent: Vec<Sent>,
    /// One for each receiver that has said something.
    witnesses: Vec<Witness>,
    doubt: Option<Doubt>,
    dispute: Option<Dispute>,
    /// The dispute as it is stored.
    stored: Option<Stored>,
}

impl Clock {
    /// What has to be stored, if that is something new.
    pub fn take_changed(&mut self) -> Option<Vec<u8>> {
        let current = self.dispute.as_ref().map(Dispute::stored);
        (std::mem::replace(&mut self.stored, current) != current).then(|| encode(&current))
    }

    /// Goes on with what a predecessor has stored; `None` if the contents are none.
    pub fn restore(&mut self, contents: &[u8], now: UnixTime) -> Option<()> {
        self.stored = decode(contents)?;
        self.dispute = self.stored.and_then(|stored| Dispute::restored(stored, now));
        Some(())
    }

    /// Takes note of the time of a tick that was due at `due`.
    pub fn tick(&mut self, now: UnixTime, due: UnixTime) -> Tick {
        let Some(before) = self.latest.replace(now) else { return Tick::default() };
        if now.after(TOLERANCE) < before {
            let is_of_held = self.forget().is_some_and(|dispute| dispute.is_holding());
            // Whatever was found since the clock ran ahead may be wrong.
            let recheck = Recheck { after: now, until: UnixTime::NEVER, because: Because::SetBack, is_of_held };
            return Tick { is_after_jump: true, recheck: Some(recheck) };
        }
        if now > before.max(due).after(JUMP) {
            let earlier = self.forget();
            self.dispute = Some(Dispute::of_jump(before, now, earlier.as_ref()));
            return Tick { is_after_jump: true, recheck: None };
        }
        let recheck = self.dispute.as_mut().and_then(|dispute| dispute.end_in_time(now));
        Tick { is_after_jump: false, recheck }
    }

    /// Everything that was known was of another clock: it was set since the last tick.
    fn forget(&mut self) -> Option<Dispute> {
        self.sent.clear();
        self.witnesses.clear();
        self.doubt = None;
        self.dispute.take()
    }

    /// Takes note of a request to a receiver.
    pub fn sent(&mut self, call: CallId, receiver: usize, now: UnixTime) {
        if self.sent.len() >= MOST_SENT {
            self.sent.remove(0);
        }
        self.sent.push(Sent { call, receiver, at: now });
    }

    /// Takes note of an answer and of the date that it bears.
    pub fn answered(&mut self, call: CallId, date: Option<UnixTime>, now: UnixTime) -> Word {
        let Some(index) = self.sent.iter().position(|sent| sent.call == call) else { return Word::Nothing };
        let Sent { receiver, at: asked, .. } = self.sent.swap_remove(index);
        let took = now.since(asked).filter(|took| *took <= LONGEST_CALL);
        let Some(date) = date.filter(|_| took.is_some()) else { return Word::Nothing };
        // It was written at some moment between the two.
        let ahead = if date > now.after(TOLERANCE) {
            difference(date, now)
        } else if date < asked.before(TOLERANCE) {
            difference(date, asked)
        } else {
            0
        };
        let known = self.witnesses.iter().position(|known| known.receiver == receiver);
        let before = known.map(|index| self.witnesses.swap_remove(index)).filter(|known| known.is_outvoted);
        let is_same = |before: Witness| is_within_tolerance(before.ahead.saturating_sub(ahead));
        let is_outvoted = ahead != 0 && before.is_some_and(is_same);
        if !is_outvoted {
            // Two clocks are not wrong in the same way.
            for known in &mut self.witnesses {
                known.is_outvoted &= !is_within_tolerance(known.ahead.saturating_sub(ahead));
            }
        }
        self.witnesses.push(Witness { receiver, at: now, ahead, is_outvoted });
        if is_outvoted { Word::Nothing } else { self.count(receiver, ahead, now) }
    }

    /// Counts who agrees and who differs, after a receiver has said how far it is ahead.
    fn count(&mut self, receiver: usize, ahead: i64, now: UnixTime) -> Word {
        let counts = |known: &&mut Witness| !known.is_outvoted && now.since(known.at).is_some_and(|age| age <= RECENT);
        let (mut agree, mut differ) = (0_u32, 0_u32);
        for known in self.witnesses.iter_mut().filter(counts) {
            let side = if known.ahead == 0 { &mut agree } else { &mut differ };
            *side = side.saturating_add(1);
        }
        if differ <= agree {
            for known in self.witnesses.iter_mut().filter(counts) {
                known.is_outvoted = known.ahead != 0;
            }
            self.doubt = None;
            return Word::Trust(self.settle(now));
        }
        if ahead == 0 {
            return Word::Doubt(None);
        }
        let (is_ahead, by) = (ahead > 0, Duration::from_millis(ahead.unsigned_abs()));
        let doubt = self.doubt.get_or_insert(Doubt { since: now, is_ahead, by, receivers: Vec::new(), is_told: false });
        if !doubt.is_told && !doubt.receivers.contains(&receiver) {
            doubt.receivers.push(receiver);
        }
        if is_ahead {
            // What has ended by a clock that is behind has ended.
            return Word::Doubt(self.settle(now));
        }
        let theirs = now.before(by);
        match &mut self.dispute {
            Some(dispute) => dispute.confirm(theirs, now),
            None => self.dispute = Some(Dispute::of_doubt(theirs, now)),
        }
        Word::Doubt(None)
    }

    /// Nothing is disputed any more.
    fn settle(&mut self, now: UnixTime) -> Option<Recheck> {
        self.dispute.take().filter(Dispute::is_holding).map(|dispute| dispute.settled(now))
    }

    /// The doubt that the clock is in, once it has lasted for long enough.
    pub fn doubt(&mut self, now: UnixTime) -> Option<&mut Doubt> {
        self.doubt.as_mut().filter(|doubt| doubt.is_told || now >= doubt.since.after(SETTLING))
    }

    /// The time after which it is disputed what has ended; `None` if nothing is disputed.
    pub fn disputed_since(&self, now: UnixTime) -> Option<UnixTime> {
        self.dispute.as_ref().filter(|dispute| dispute.is_open(now)).map(|dispute| dispute.from(now))
    }

    /// Until when nothing is done that a clock which is ahead would be wrong about; `None` if nothing is disputed.
    pub fn disputed_until(&self, now: UnixTime) -> Option<UnixTime> {
        self.dispute.as_ref().filter(|dispute| dispute.is_open(now)).map(Dispute::deadline)
    }

    /// Whether a certificate of a crowd is held back that seems to have ended at `end`.
    pub fn hold(&mut self, end: UnixTime) -> Hold {
        self.dispute.as_mut().map_or(Hold::Tell, |dispute| dispute.hold(end))
    }

    /// Whether certificates are held back, and have not been told since.
    pub fn is_holding(&self) -> bool {
        self.dispute.as_ref().is_some_and(Dispute::is_holding)
    }

    /// Whether it is known that a crowd has ended in the time that is disputed.
    pub fn has_crowd(&self) -> bool {
        self.dispute.as_ref().is_some_and(Dispute::has_crowd)
    }

    /// Whether receivers say that the clock is ahead, or it has merely jumped; and by how much, in either case.
    pub fn grounds(&self) -> (bool, Duration) {
        self.dispute.as_ref().map(Dispute::grounds).unwrap_or_default()
    }

    /// When it has something to do without being asked.
    pub fn next(&self) -> UnixTime {
        let doubt = self.doubt.as_ref().filter(|doubt| !doubt.is_told).map(|doubt| doubt.since.after(SETTLING));
        let dispute = self.dispute.as_ref().filter(|dispute| dispute.is_holding()).map(Dispute::deadline);
        doubt.into_iter().chain(dispute).min().unwrap_or(UnixTime::NEVER)
    }
}

/// How many milliseconds `a` is later than `b`.
const fn difference(a: UnixTime, b: UnixTime) -> i64 {
    a.millis().saturating_sub(b.millis())
}

fn is_within_tolerance(difference: i64) -> bool {
    u128::from(difference.unsigned_abs()) <= TOLERANCE.as_millis()
}

#[cfg(test)]
mod tests;
