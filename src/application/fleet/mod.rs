//! What the proxies of a fleet have told, in a store that all of them ask: claim, deliver, commit.
//!
//! Before an event goes out, its key is claimed for as long as one try takes. Whoever finds it claimed asks again later,
//! and whoever finds it told keeps quiet. A store that cannot be asked delays an event by seconds and never keeps it back.

pub mod command;
pub mod key;

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

pub use command::Command;

use super::effect::CallId;
use super::outbox::Claimed;
use super::shared_data::{decode, encode};
use crate::domain::{Event, UnixTime};

/// Where the number of this proxy stands in shared data.
pub(super) const NUMBER: &str = "cert-expiry-monitor/number";

/// Claims that may wait for their answers.
const MOST_CLAIMS: usize = 8;
/// The same while something is to be written down: what was told is to be known before its claim lapses, and each claim
/// has two notes follow, or three.
const FEWER_CLAIMS: usize = 2;
/// Notes that may wait for their answers beside them.
const MOST_NOTES: usize = 6;
/// A note that Redis has refused so often, though it answers, is given up.
const MOST_REFUSALS: u8 = 3;
/// Envoy ends every call. Should it ever forget one, it counts as not answered after this.
const FORGOTTEN: Duration = Duration::from_secs(15);
/// A store that did not answer is asked again after this.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// Since the store answers again, nothing is claimed for so long: others find that out within it, and write down what they
/// have told in the meantime.
const HUSH: Duration = Duration::from_secs(12);
/// Without a store, no proxy tells before this.
const SHORTEST_DELAY: Duration = Duration::from_secs(5);
/// And later than that by less than so many milliseconds.
const SPREAD: u64 = 60_000;
/// What was told and is not written down yet. Of more, the rest of the fleet may tell twice.
const MOST_TOLD: usize = 4_000;
/// The longest part of an operator's name for a proxy that is kept, in characters.
const LONGEST_NODE: usize = 128;

/// An event that was told, and is to be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The event.
    pub event: Event,
    /// Whom it was told.
    pub handler: usize,
    /// The time of its notice: its period counts from there.
    pub noticed_at: UnixTime,
    /// Whether it was told. If not, all there is to write is what it ends.
    pub is_sent: bool,
}

/// A command that writes something down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The command.
    pub command: Command,
    /// How often Redis has refused it.
    refusals: u8,
}

/// What the store was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether this proxy may tell an event.
    Claim(Claimed),
    /// To have this proxy's own claim last as long as a new one.
    Renewal(Claimed),
    /// To write something down.
    Note(Note),
    /// Whether it is there.
    Greeting,
}

/// Whether the store answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nobody knows yet.
    New,
    Present,
    /// It did not, and is asked again then.
    Away(UnixTime),
    /// It does again, and claims wait until then.
    Back(UnixTime),
}

/// How this proxy stands with the store.
#[derive(Debug)]
pub struct Fleet {
    /// How Envoy's operator calls it, cleaned.
    node: String,
    /// Tells it from others that are called the same: configurations are copied.
    number: u64,
    state: State,
    asked: Vec<(CallId, UnixTime, Question)>,
    /// What was told. Its commands are made one by one: a digest tells a thousand events at once.
    told: VecDeque<Told>,
    /// What is to be written down.
    owed: VecDeque<Note>,
    /// The same for people only: it is written when there is nothing else to write.
    signs: VecDeque<Note>,
    /// How much of it was given up and has not been counted yet.
    lost: u64,
}

impl Fleet {
    /// A proxy that its operator calls `node`, and chance gave this number.
    pub fn new(node: &str, number: u64) -> Self {
        let node = node.chars().filter(char::is_ascii_graphic).take(LONGEST_NODE).collect();
        let (told, owed, signs) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        Self { node, number, state: State::New, asked: Vec::new(), told, owed, signs, lost: 0 }
    }

    /// How this proxy calls itself in the store.
    pub fn name(&self) -> String {
        format!("{}~{:016x}", self.node, self.number)
    }

    /// What a successor is the same proxy by: a claim of its predecessor is its own.
    pub fn encode(&self) -> Vec<u8> {
        encode(&self.number)
    }

    /// Goes on as the proxy that a predecessor was; `None` if the contents are none.
    pub fn restore(&mut self, contents: &[u8]) -> Option<()> {
        self.number = decode(contents)?;
        Some(())
    }

    /// How long an event waits for a store that cannot be asked. Every proxy has a delay of its own: what the first one
    /// tells keeps the others quiet if the store is back in time.
    pub fn delay(&self) -> Duration {
        SHORTEST_DELAY.saturating_add(Duration::from_millis(hash(&self.name()).checked_rem(SPREAD).unwrap_or_default()))
    }

    /// The state; what is ahead by more than any pause is of a clock that was set back.
    fn state(&self, now: UnixTime) -> State {
        match self.state {
            State::Away(until) | State::Back(until) if until > now.after(HUSH) => State::New,
            state => state,
        }
    }

    /// Whether a claim may be asked for now.
    pub fn may_claim(&self, now: UnixTime) -> bool {
        self.hushed_until(now).is_none() && self.claims() < self.most_claims()
    }

    fn most_claims(&self) -> usize {
        if self.is_to_write() { FEWER_CLAIMS } else { MOST_CLAIMS }
    }

    fn claims(&self) -> usize {
        self.asked.len().saturating_sub(self.notes().count())
    }

    /// The notes that wait for their answers.
    fn notes(&self) -> impl Iterator<Item = &Note> {
        self.asked
            .iter()
            .filter_map(|(_, _, question)| if let Question::Note(note) = question { Some(note) } else { None })
    }

    /// Until when no claim is asked for, because the store did not answer.
    pub fn hushed_until(&self, now: UnixTime) -> Option<UnixTime> {
        match self.state(now) {
            State::Back(until) if until > now => Some(until),
            State::New | State::Present | State::Back(_) => None,
            State::Away(again) if again > now => Some(again),
            State::Away(_) => Some(now.after(ASK_AGAIN)),
        }
    }

    /// Whether an event may go out unclaimed that waits for the store until `since`. The store is asked once more by then:
    /// another proxy may have told it, and written that down.
    pub fn gives_up(&mut self, since: UnixTime, now: UnixTime) -> bool {
        let State::Away(again) = self.state(now) else { return false };
        if again.before(ASK_AGAIN) >= since {
            return true;
        }
        self.state = State::Away(again.min(now));
        false
    }

    /// A question was asked.
    pub fn ask(&mut self, call: CallId, question: Question, now: UnixTime) {
        self.asked.push((call, now, question));
    }

    /// Takes the question that a call has asked.
    pub fn answered(&mut self, call: CallId) -> Option<Question> {
        let index = self.asked.iter().position(|(known, _, _)| *known == call)?;
        Some(self.asked.swap_remove(index).2)
    }

    /// Takes a question that Envoy has forgotten.
    pub fn forgotten(&mut self, now: UnixTime) -> Option<Question> {
        // Clocks go back a little, too.
        let is_lost = |since: UnixTime| since.after(FORGOTTEN) <= now || since > now.after(FORGOTTEN);
        let index = self.asked.iter().position(|(_, since, _)| is_lost(*since))?;
        Some(self.asked.swap_remove(index).2)
    }

    /// Takes note of an event that was told.
    pub fn tell(&mut self, told: Told) {
        if self.told.len() >= MOST_TOLD {
            self.told.pop_front();
            self.lose();
        }
        self.told.push_back(told);
    }

    /// Takes an event that can be written down now.
    pub fn take_told(&mut self, now: UnixTime) -> Option<Told> {
        if self.owed.is_empty() && self.asks_at(now) <= now { self.told.pop_front() } else { None }
    }

    fn lose(&mut self) {
        self.lost = self.lost.saturating_add(1);
    }

    /// How much will never be written down, since the last call.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// Has something written down as soon as the store answers, for as long as it means anything.
    pub fn owe(&mut self, command: Command) {
        let queue = self.queue_of(&command);
        queue.push_back(Note { command, refusals: 0 });
        if self.signs.len() > MOST_TOLD {
            self.signs.pop_front();
        }
    }

    /// The same before everything else: it could not be written.
    pub fn owe_again(&mut self, note: Note) {
        let queue = self.queue_of(&note.command);
        if !is_outdated(&note, queue) {
            queue.push_front(note);
        }
    }

    /// The same after everything else, and not for ever: Redis has refused it.
    pub fn refused(&mut self, note: Note) {
        let refusals = note.refusals.saturating_add(1);
        if refusals >= MOST_REFUSALS {
            return self.lose();
        }
        let queue = self.queue_of(&note.command);
        if !is_outdated(&note, queue) {
            queue.push_back(Note { refusals, ..note });
        }
    }

    const fn queue_of(&mut self, command: &Command) -> &mut VecDeque<Note> {
        if matches!(command, Command::Sign(..)) { &mut self.signs } else { &mut self.owed }
    }

    /// Whether the store has been asked for something of a webhook's.
    pub fn asks(&self, handler: usize) -> bool {
        let is_of = |question: &Question| match question {
            Question::Claim(claimed) | Question::Renewal(claimed) => claimed.handler == handler,
            Question::Note(_) | Question::Greeting => false,
        };
        self.asked.iter().any(|(_, _, question)| is_of(question))
    }

    /// What is to be asked apart from claims.
    pub fn take(&mut self, now: UnixTime) -> Option<Question> {
        if self.asks_at(now) > now {
            return None;
        }
        if matches!(self.state(now), State::New | State::Away(_)) {
            return Some(Question::Greeting);
        }
        loop {
            let first = self.first_of(&self.owed).and_then(|index| self.owed.remove(index));
            let sign = |fleet: &mut Self| fleet.first_sign().and_then(|index| fleet.signs.remove(index));
            let note = first.or_else(|| sign(self))?;
            if note.command.ends_at() > now {
                return Some(Question::Note(note));
            }
        }
    }

    /// The first note that may be asked: under one key they are written in their order.
    fn first_of(&self, queue: &VecDeque<Note>) -> Option<usize> {
        let is_asked = |key| self.notes().any(|asked| asked.command.key() == key);
        queue.iter().position(|note| !is_asked(note.command.key()))
    }

    fn first_sign(&self) -> Option<usize> {
        if self.is_to_write() { None } else { self.first_of(&self.signs) }
    }

    /// When there is something to ask apart from claims. A store that does not answer is asked one thing at a time, and
    /// first of all whether it is there.
    fn asks_at(&self, now: UnixTime) -> UnixTime {
        let has_told = || self.owed.is_empty() && !self.told.is_empty();
        let has_some = || has_told() || self.first_of(&self.owed).or_else(|| self.first_sign()).is_some();
        let is_free = match self.state(now) {
            State::New | State::Away(_) => self.asked.is_empty(),
            State::Present | State::Back(_) => self.notes().count() < MOST_NOTES && has_some(),
        };
        match self.state(now) {
            _ if !is_free => UnixTime::NEVER,
            State::Away(again) => again,
            State::New | State::Present | State::Back(_) => UnixTime::default(),
        }
    }

    /// The store has answered; whether it had not before.
    pub fn succeed(&mut self, now: UnixTime) -> bool {
        let was_away = matches!(self.state, State::Away(_));
        match self.state(now) {
            State::Away(_) => self.state = State::Back(now.after(HUSH)),
            State::Back(until) if until > now => {}
            _ => self.state = State::Present,
        }
        was_away
    }

    /// The store did not answer; whether that is new.
    pub fn fail(&mut self, now: UnixTime) -> bool {
        let was_away = matches!(self.state, State::Away(_));
        self.state = State::Away(now.after(ASK_AGAIN));
        !was_away
    }

    /// Whether something is to be written down, or an answer is waited for.
    pub fn is_busy(&self) -> bool {
        !self.asked.is_empty() || self.is_to_write() || !self.signs.is_empty()
    }

    fn is_to_write(&self) -> bool {
        !self.owed.is_empty() || !self.told.is_empty()
    }

    /// When there is something to ask apart from claims, or an answer is not waited for any longer.
    pub fn next(&self, now: UnixTime) -> UnixTime {
        let lost = self.asked.iter().map(|(_, since, _)| since.after(FORGOTTEN)).min();
        lost.unwrap_or(UnixTime::NEVER).min(self.asks_at(now))
    }
}

/// Whether something newer is to be written under the same key.
fn is_outdated(note: &Note, queue: &VecDeque<Note>) -> bool {
    queue.iter().any(|newer| newer.command.key() == note.command.key())
}

fn hash(text: &str) -> u64 {
    // Its keys are fixed: the same name is the same number wherever this build runs.
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
