//! Finding certificates in Envoy's own admin interface, round by round.
//!
//! A [`Discovery`] is stepped: it says what to [`Ask`](Next::Ask) for, reads the [`Answer`]s by and by, and ends with a
//! [`Survey`] of all certificates that are served, or with a [`Failure`] that changes nothing.
//!
//! | step | where |
//! | --- | --- |
//! | what is asked for, in slices | `round`, `request`, `slices` |
//! | what came, as it came | `gathered`, `loaded`, `pool` |
//! | what of it is served, where and for what | `join`, `stale`, `findings` |

mod findings;
mod gathered;
mod join;
mod loaded;
mod pool;
mod request;
mod round;
mod slices;
mod stale;
mod survey;
#[cfg(test)]
mod tests;

use std::fmt;
use std::rc::Rc;

pub use self::request::MOST_REQUESTS;
pub use self::survey::{Failure, Found, Reason, Stale, Survey};

use self::gathered::Gathered;
use self::join::Join;
use self::round::Round;
use crate::config::CaBundles;
use crate::domain::{CertId, Certificate, UnixTime, Usage};

/// The largest answer that is read, in bytes: `/certs` has some 400 for each certificate that is loaded.
pub const LARGEST_ANSWER: usize = 16 << 20;

/// A unit of work, in wasm instructions: that of the monitor's turns.
const UNIT: u32 = 20_000;

/// What the monitor knows of certificates.
pub trait Known {
    /// The certificate with this fingerprint, parsed before.
    fn certificate(&self, id: &CertId) -> Option<Rc<Certificate>>;

    /// A watched certificate with this serial number (upper case, no leading zeros) and validity that somebody has shown.
    fn twin(&self, serial_number: &str, not_before: UnixTime, not_after: UnixTime) -> Option<Rc<Certificate>>;

    /// The usages and places in which the last round found a certificate.
    fn found_before(&self, id: &CertId) -> Vec<(Usage, Vec<String>)>;

    /// Whether a watched certificate with another subject names this one as its issuer.
    fn has_issued(&self, subject: &str) -> bool;
}

/// What came for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An answer with this status and body.
    Reply(u16, Vec<u8>),
    /// An answer that is larger than [`LARGEST_ANSWER`]; its body is not needed.
    TooLarge,
    /// None, and why.
    None(String),
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// `GET` this path from the admin interface and hand over what comes to [`Discovery::answer`].
    Ask(String),
    /// Nobody knows this certificate: note it as suspect and hand it to [`Discovery::parse`]. Without that it is left out.
    Parse {
        /// The SHA-256 of the DER.
        id: CertId,
        /// The certificate.
        der: Vec<u8>,
    },
    /// All the work that was allowed is done; there is more for the next tick.
    GoOn,
    /// The round is over.
    Done(Result<Survey, Failure>),
    /// Nothing: no round is going on, or an answer is waited for.
    Idle,
}

/// The round that is going on, if one is.
pub struct Discovery {
    bundles: CaBundles,
    state: State,
}

enum State {
    Idle,
    /// The next request goes out.
    Asking(Box<Round>),
    /// Its answer is waited for.
    Waiting(Box<Round>),
    Reading(Box<Round>),
    Joining(Box<Join>),
    /// What was gathered is forgotten, and this is the end.
    Ending(Box<(Gathered, Result<Survey, Failure>)>),
}

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discovery").field("bundles", &self.bundles).finish_non_exhaustive()
    }
}

impl Discovery {
    /// Nothing is going on yet.
    pub const fn new(bundles: CaBundles) -> Self {
        Self { bundles, state: State::Idle }
    }

    /// Whether a round is going on.
    pub const fn is_running(&self) -> bool {
        !matches!(self.state, State::Idle)
    }

    /// Whether an answer is waited for.
    pub const fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting(_))
    }

    /// Begins a round; one that is going on is forgotten.
    pub fn begin(&mut self) {
        self.state = State::Asking(Box::new(Round::new()));
    }

    /// What to do next. Takes what was done from `work`, in units of some 20,000 instructions.
    pub fn step(&mut self, known: &dyn Known, work: &mut u32) -> Next {
        let mut room = work.saturating_mul(UNIT);
        let next = self.advance(known, &mut room);
        *work = room / UNIT;
        next
    }

    fn advance(&mut self, known: &dyn Known, room: &mut u32) -> Next {
        loop {
            let (state, next) = match std::mem::replace(&mut self.state, State::Idle) {
                State::Idle => (State::Idle, Some(Next::Idle)),
                State::Waiting(round) => (State::Waiting(round), Some(Next::Idle)),
                state if *room == 0 => (state, Some(Next::GoOn)),
                State::Asking(mut round) => match round.ask() {
                    Ok(Some(path)) => (State::Waiting(round), Some(Next::Ask(path))),
                    Ok(None) => {
                        let Round { gathered, requests, .. } = *round;
                        (State::Joining(Box::new(Join::new(gathered, self.bundles, requests))), None)
                    }
                    Err(failure) => (ending(round.gathered, Err(failure)), None),
                },
                State::Reading(mut round) => match round.read(known, room) {
                    Ok(None) => (State::Asking(round), None),
                    Ok(next) => (State::Reading(round), next),
                    Err(failure) => (ending(round.gathered, Err(failure)), None),
                },
                State::Joining(mut join) => match join.go_on(known, room) {
                    Some(survey) => (ending(join.gathered, Ok(survey)), None),
                    None => (State::Joining(join), Some(Next::GoOn)),
                },
                State::Ending(mut end) => {
                    if end.0.clear(room) {
                        let (_, result) = *end;
                        (State::Idle, Some(Next::Done(result)))
                    } else {
                        (State::Ending(end), Some(Next::GoOn))
                    }
                }
            };
            self.state = state;
            if let Some(next) = next {
                return next;
            }
        }
    }

    /// Takes what came for the request that went out; nothing else is waited for.
    pub fn answer(&mut self, answer: Answer) {
        let mut round = match std::mem::replace(&mut self.state, State::Idle) {
            State::Waiting(round) => round,
            state => {
                self.state = state;
                return;
            }
        };
        let reason = match answer {
            Answer::Reply(200, body) if body.len() <= LARGEST_ANSWER => {
                round.take(body);
                self.state = State::Reading(round);
                return;
            }
            Answer::Reply(200, _) | Answer::TooLarge => Reason::TooLarge,
            Answer::Reply(status, _) => Reason::Status(status),
            Answer::None(why) => Reason::NoAnswer(why),
        };
        let failure = round.failure(reason);
        self.state = ending(round.gathered, Err(failure));
    }

    /// Parses a certificate of [`Next::Parse`].
    pub fn parse(&mut self, der: &[u8]) {
        if let State::Reading(round) = &mut self.state {
            round.parse(der);
        }
    }
}

fn ending(gathered: Gathered, result: Result<Survey, Failure>) -> State {
    State::Ending(Box::new((gathered, result)))
}

fn spend(room: &mut u32, cost: u32) {
    *room = room.saturating_sub(cost);
}
