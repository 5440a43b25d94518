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

/// Questions that may wait for their answers.
const MOST_ASKED: usize = 8;
/// Of these, so many may be to write something down: what is to be told does not wait for what was told.
const MOST_NOTES: usize = 6;
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

/// What the store was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether this proxy may tell an event.
    Claim(Claimed),
    /// To have this proxy's own claim last as long as a new one.
    Renewal(Claimed),
    /// To write something down.
    Note(Command),
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
    owed: VecDeque<Command>,
}

impl Fleet {
    /// A proxy that its operator calls `node`, and chance gave this number.
    pub fn new(node: &str, number: u64) -> Self {
        let node = node.chars().filter(char::is_ascii_graphic).take(LONGEST_NODE).collect();
        Self { node, number, state: State::New, asked: Vec::new(), told: VecDeque::new(), owed: VecDeque::new() }
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
        self.hushed_until(now).is_none() && self.asked.len() < MOST_ASKED
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
        let is_lost = |since: UnixTime| since.after(FORGOTTEN) <= now || since > now;
        let index = self.asked.iter().position(|(_, since, _)| is_lost(*since))?;
        Some(self.asked.swap_remove(index).2)
    }

    /// Takes note of an event that was told.
    pub fn tell(&mut self, told: Told) {
        if self.told.len() >= MOST_TOLD {
            self.told.pop_front();
        }
        self.told.push_back(told);
    }

    /// Takes an event that can be written down now.
    pub fn take_told(&mut self, now: UnixTime) -> Option<Told> {
        if self.owed.is_empty() && self.asks_at(now) <= now { self.told.pop_front() } else { None }
    }

    /// Has something written down as soon as the store answers, for as long as it means anything.
    pub fn owe(&mut self, command: Command) {
        self.owed.push_back(command);
    }

    /// The same before everything else: it could not be written.
    pub fn owe_again(&mut self, command: Command) {
        self.owed.push_front(command);
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
        while let Some(command) = self.owed.pop_front() {
            if command.ends_at() > now {
                return Some(Question::Note(command));
            }
        }
        matches!(self.state(now), State::New | State::Away(_)).then_some(Question::Greeting)
    }

    /// When there is something to ask apart from claims. A store that does not answer is asked one thing at a time.
    fn asks_at(&self, now: UnixTime) -> UnixTime {
        let is_free = match self.state(now) {
            State::New | State::Away(_) => self.asked.is_empty(),
            State::Present | State::Back(_) => self.asked.len() < MOST_NOTES && self.is_to_write(),
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
        !self.asked.is_empty() || self.is_to_write()
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

fn hash(text: &str) -> u64 {
    // Its keys are fixed: the same name is the same number wherever this build runs.
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
