//! An instance that stands for the lease.

mod election;
mod tenure;

use std::time::Duration;

use log::{info, warn};

pub use tenure::{Heritage, Store};

use super::roster::{Rank, Roster};
use super::{Kind, LEASE, Lease, Terms, Watch};
use crate::application::shared_data::{SharedData, Tenure, Version, is_credible, is_later};
use crate::config::DocumentHash;
use crate::domain::UnixTime;

/// The time between two renewals of the lease.
/// A little less than the time between ticks, which may come early.
const RENEWAL: Duration = Duration::from_millis(900);
/// Where a candidate stands after a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Somebody else is the monitor, or nobody yet.
    Waiting,
    /// It has claimed the lease, and looks again at the next tick whether that was heard.
    Claimed,
    /// It is the monitor.
    Holding,
}

/// Why a holder gives the lease back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// A better candidate waits.
    BetterInstance,
    /// Another document rules.
    NewDocument,
    /// The host ends the instance.
    End,
}

impl Because {
    const fn as_str(self) -> &'static str {
        match self {
            Self::BetterInstance => "a better instance stands ready",
            Self::NewDocument => "the configuration was replaced",
            Self::End => "the instance ends",
        }
    }
}

/// See the module's text.
#[allow(
    clippy::struct_excessive_bools,
    reason = "four things that are so or not, and have nothing to do with each other"
)]
#[derive(Debug)]
pub struct Candidate {
    id: u64,
    kind: Kind,
    document: DocumentHash,
    /// Whether a request has passed through its VM.
    pub has_streams: bool,
    /// Whether the queue holds more than it can take in at once.
    pub is_behind: bool,
    standing: Standing,
    /// Of the last claim.
    tenure: Tenure,
    /// The latest epoch that was ever seen.
    latest: u64,
    beat: u32,
    renewed: UnixTime,
    lease: Watch<Option<(Tenure, Terms)>>,
    current: Watch<u32>,
    wanted: Option<Because>,
    /// What it took the lease from, if that fell silent.
    silent: Option<Terms>,
    /// The last holder that was seen.
    predecessor: Option<Terms>,
    /// Whether its document ruled at some time.
    has_ruled: bool,
    /// Whether something that is no lease was found in its place: one line says so.
    has_set_aside: bool,
}

impl Candidate {
    /// A candidate; `id` is a random number that names the instance.
    pub const fn new(id: u64, kind: Kind, document: DocumentHash) -> Self {
        Self {
            id,
            kind,
            document,
            has_streams: false,
            is_behind: false,
            standing: Standing::Waiting,
            tenure: Tenure { epoch: 0, holder: id },
            latest: 0,
            beat: 0,
            renewed: UnixTime::NEVER,
            lease: Watch::new(),
            current: Watch::new(),
            wanted: None,
            silent: None,
            predecessor: None,
            has_ruled: false,
            has_set_aside: false,
        }
    }

    /// What it is.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it has claimed the lease and not looked again yet.
    pub const fn has_claimed(&self) -> bool {
        matches!(self.standing, Standing::Claimed)
    }

    /// Whether the holder before fell silent.
    pub const fn follows_a_silent_holder(&self) -> bool {
        self.silent.is_some()
    }

    /// What this instance is called while it holds the lease.
    pub const fn tenure(&self) -> Tenure {
        self.tenure
    }

    /// The document of the holder before, as far as this instance has seen one.
    pub fn predecessors_document(&self) -> Option<DocumentHash> {
        self.predecessor.map(|terms| terms.document)
    }

    /// Why the lease should be given back, if it should.
    pub const fn wanted(&self) -> Option<Because> {
        self.wanted
    }

    /// Takes part in the election. While it waits, ticks are a second apart; a holder ticks as it likes.
    pub fn tick(&mut self, shared: &impl SharedData, now: UnixTime) -> Standing {
        let (lease, version) = self.read_lease(shared);
        if lease.is_none() && version.is_some() && !std::mem::replace(&mut self.has_set_aside, true) {
            warn!("What stands in shared data in place of the lease is not of this release: it is set aside");
        }
        if let Some(Lease { tenure, .. }) = lease {
            self.note(tenure);
        }
        let is_mine = lease.is_some_and(|lease| lease.tenure == self.tenure && !lease.terms.is_vacant);
        match self.standing {
            Standing::Waiting => self.stand(lease, version, shared),
            // Something that is no lease has overwritten it, while nobody else has claimed it.
            Standing::Holding if lease.is_none() => self.renew(version, shared, now),
            Standing::Claimed | Standing::Holding if !is_mine => self.lose(),
            Standing::Claimed => {
                self.standing = Standing::Holding;
                let Terms { kind, document, .. } = self.terms(false);
                info!("Holding the lease kind={} epoch={} hash={document}", kind.as_str(), self.tenure.epoch);
                self.renew(version, shared, now);
            }
            Standing::Holding => {
                // One from the future was renewed before the clock was set back.
                if now.since(self.renewed).is_none_or(|age| age >= RENEWAL) {
                    self.renew(version, shared, now);
                }
            }
        }
        self.standing
    }

    const fn note(&mut self, tenure: Tenure) {
        if is_later(tenure.epoch, self.latest) {
            self.latest = tenure.epoch;
        }
    }

    fn read_lease(&self, shared: &impl SharedData) -> (Option<Lease>, Option<Version>) {
        let is_credible = |lease: &Lease| is_credible(lease.tenure.epoch, self.latest);
        // A later release has come after whoever was there before.
        let of_later_release =
            |value: &[u8]| Lease::of_later_release(value).filter(|lease| !is_later(self.latest, lease.tenure.epoch));
        let decode = |value: &[u8]| Lease::decode(value).or_else(|| of_later_release(value)).filter(is_credible);
        read(shared, LEASE, decode)
    }

    fn lose(&mut self) {
        if self.standing == Standing::Holding {
            // Where no successor says that it holds the lease, a stranger has written there.
            warn!("The lease is in other hands: this instance is the monitor no more epoch={}", self.tenure.epoch);
        }
        self.standing = Standing::Waiting;
        self.wanted = None;
        self.lease = Watch::new();
    }

    const fn terms(&self, is_vacant: bool) -> Terms {
        Terms {
            kind: self.kind,
            has_streams: self.has_streams,
            document: self.document,
            beat: self.beat,
            is_vacant,
            is_behind: self.is_behind && !is_vacant,
        }
    }

    fn renew(&mut self, version: Option<Version>, shared: &impl SharedData, now: UnixTime) {
        self.renewed = now;
        self.beat = self.beat.wrapping_add(1);
        let lease = Lease { tenure: self.tenure, terms: self.terms(false) };
        // Whoever was faster is seen at the next tick.
        shared.write(LEASE, &lease.encode(), version);
        let roster = self.sign_in(shared);
        let rank = self.rank(&roster);
        self.wanted = roster
            .wish
            .filter(|wish| roster.rank_of(wish) < rank)
            .map(|_| if self.document == roster.current { Because::BetterInstance } else { Because::NewDocument });
    }

    fn rank(&self, roster: &Roster) -> Rank {
        roster.rank(self.document, self.kind, self.has_streams)
    }
}

fn read<T>(shared: &impl SharedData, key: &str, decode: impl Fn(&[u8]) -> Option<T>) -> (Option<T>, Option<Version>) {
    shared.read(key).map_or((None, None), |(value, version)| (decode(&value), Some(version)))
}

#[cfg(test)]
mod tests;
