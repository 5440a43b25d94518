//! An instance that stands for the lease.

use std::time::Duration;

use log::{info, warn};

use super::roster::{MOST_PAST, Rank, Roster, Wish};
use super::{Kind, LEASE, Lease, ROSTER, SILENT, Terms, Watch};
use crate::application::shared_data::{
    LAYOUT, Sealed, SharedData, Tenure, Version, Written, is_credible, is_later, seal,
};
use crate::config::DocumentHash;
use crate::domain::UnixTime;

/// The time between two renewals of the lease.
/// A little less than the time between ticks, which may come early.
const RENEWAL: Duration = Duration::from_millis(900);
/// Ticks that an instance whose document is past waits for one of the current document: rather an old configuration than
/// silence, but only then.
const PATIENCE_OF_THE_PAST: u32 = 10;

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

/// What became of a value that a holder stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// It is stored.
    Done,
    /// There is a newer holder. Nothing was written, and nothing more shall be.
    Superseded,
    /// The host does not take it.
    Refused,
}

/// What stands in shared data, for whoever holds the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heritage<'a> {
    /// What a holder before has written.
    Contents(&'a [u8]),
    /// Nothing that a holder of this release has written.
    Nothing,
    /// There is a newer holder.
    Superseded,
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

    /// Gives the lease back, so that the next holder need not wait.
    pub fn release(&mut self, shared: &impl SharedData, because: Because) {
        let (lease, version) = self.read_lease(shared);
        if self.standing != Standing::Waiting && lease.is_some_and(|lease| lease.tenure == self.tenure) {
            let (kind, epoch) = (self.kind.as_str(), self.tenure.epoch);
            info!("Releasing the lease kind={kind} epoch={epoch} because={}", because.as_str());
            let vacant = Lease { tenure: self.tenure, terms: self.terms(true) };
            shared.write(LEASE, &vacant.encode(), version);
        }
        self.lose();
    }

    /// Stores a value as the holder, unless there is a newer one.
    pub fn store(&mut self, shared: &impl SharedData, key: &str, contents: &[u8]) -> Store {
        let value = seal(self.tenure, contents);
        // Only another holder writes these keys: whoever is overtaken twice is none any more.
        for _ in 0..2 {
            if self.standing != Standing::Holding {
                break;
            }
            let (there, version) =
                shared.read(key).map_or((None, None), |(value, version)| (Some(value), Some(version)));
            if there.is_some_and(|there| self.inherit(&there) == Heritage::Superseded) {
                break;
            }
            match shared.write(key, &value, version) {
                Written::Done => return Store::Done,
                Written::Overtaken => {}
                Written::Refused => return Store::Refused,
            }
        }
        self.lose();
        Store::Superseded
    }

    /// What a holder before has left. If it comes after this instance, then that one holds the lease no more.
    pub fn inherit<'a>(&mut self, value: &'a [u8]) -> Heritage<'a> {
        // An earlier release may have had another header.
        let is_credible =
            |sealed: &Sealed<'_>| sealed.layout >= LAYOUT && is_credible(sealed.writer.epoch, self.latest);
        let credible = Sealed::open(value).filter(is_credible);
        let Some(Sealed { layout, writer, contents }) = credible else { return Heritage::Nothing };
        self.note(writer);
        if is_later(self.tenure.epoch, writer.epoch) || writer == self.tenure {
            return if layout == LAYOUT { Heritage::Contents(contents) } else { Heritage::Nothing };
        }
        self.lose();
        Heritage::Superseded
    }

    const fn note(&mut self, tenure: Tenure) {
        if is_later(tenure.epoch, self.latest) {
            self.latest = tenure.epoch;
        }
    }

    /// Whether it still holds the lease, which others may have taken since the last tick.
    pub fn confirm(&mut self, shared: &impl SharedData) -> bool {
        let (lease, _) = self.read_lease(shared);
        if lease.is_none_or(|lease| lease.tenure != self.tenure) {
            self.lose();
        }
        self.standing == Standing::Holding
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

    /// Sees to it that the document that rules is known, and that it is known to be alive.
    fn sign_in(&mut self, shared: &impl SharedData) -> Roster {
        let (there, version) = read(shared, ROSTER, Roster::decode);
        let Some(mut roster) = there else {
            let roster = Roster::new(self.document);
            shared.write(ROSTER, &roster.encode(), version);
            return roster;
        };
        let still = self.current.see(roster.beat);
        if roster.current == self.document {
            self.has_ruled = true;
            // Somebody else may have seen to it since the last tick.
            if still > 0 {
                roster.beat = roster.beat.wrapping_add(1);
                if shared.write(ROSTER, &roster.encode(), version) == Written::Done {
                    self.current.see(roster.beat);
                }
            }
            return roster;
        }
        let is_current_gone = |behind| still >= PATIENCE_OF_THE_PAST.saturating_add(behind);
        // It may be too long ago for the roster.
        let behind = roster.behind(self.document).or_else(|| self.has_ruled.then_some(MOST_PAST));
        let may_announce = match behind {
            // The service's document is as old as the process: one that a listener has announced is newer.
            None if self.kind == Kind::Monitor => is_current_gone(0),
            None => true,
            // A VM that was loaded again must not turn the clock back.
            Some(behind) => is_current_gone(behind),
        };
        if may_announce {
            let before = roster.current;
            roster.announce(self.document);
            if shared.write(ROSTER, &roster.encode(), version) == Written::Done {
                warn!(
                    "Configuration {} takes over from {before}, as after an update. If both are meant to rule: one of \
                     them does, so give all listeners and the service the same document",
                    self.document
                );
            }
        }
        roster
    }

    /// Claims the lease if it is to be had, or asks for it.
    fn stand(&mut self, lease: Option<Lease>, version: Option<Version>, shared: &impl SharedData) {
        let roster = self.sign_in(shared);
        let still = self.lease.see(lease.map(|lease| (lease.tenure, lease.terms)));
        let holder = lease.map(|lease| lease.terms).filter(|terms| !terms.is_vacant);
        self.predecessor = lease.map(|lease| lease.terms).or(self.predecessor);
        let is_wanted = roster.wish.is_some_and(|wish| wish.candidate == self.id);
        let patience = match holder {
            None if is_wanted => 0,
            _ if self.document != roster.current => PATIENCE_OF_THE_PAST,
            // The standby first, so that the lease need not change hands twice.
            Some(_) => SILENT.saturating_add(u32::from(self.kind == Kind::Auto)),
            None if self.kind == Kind::Monitor => 0,
            // A better one may be about to tick for the first time.
            None => 1,
        };
        if still >= patience {
            self.claim(holder, version, shared);
        } else if let Some(holder) = holder {
            let mine =
                Wish { candidate: self.id, kind: self.kind, has_streams: self.has_streams, document: self.document };
            amend(shared, |roster| {
                let rank = roster.rank_of(&mine);
                let is_better = rank < roster.rank(holder.document, holder.kind, holder.has_streams)
                    && roster.wish.is_none_or(|wish| rank < roster.rank_of(&wish));
                is_better.then(|| roster.wish = Some(mine))
            });
        }
    }

    fn claim(&mut self, silent: Option<Terms>, version: Option<Version>, shared: &impl SharedData) {
        self.tenure = Tenure { epoch: self.latest.wrapping_add(1), holder: self.id };
        let lease = Lease { tenure: self.tenure, terms: self.terms(false) };
        if shared.write(LEASE, &lease.encode(), version) != Written::Done {
            return;
        }
        self.standing = Standing::Claimed;
        self.silent = silent;
        self.wanted = None;
        if let Some(before) = silent {
            let (epoch, kind) = (self.tenure.epoch, self.kind.as_str());
            let before = before.kind.as_str();
            warn!("Taking over as monitor: the {before} before fell silent epoch={epoch} kind={kind}");
        }
        // Whoever wished for it asks again if it is still there.
        amend(shared, |roster| roster.wish.take().map(|_| ()));
    }
}

fn read<T>(shared: &impl SharedData, key: &str, decode: impl Fn(&[u8]) -> Option<T>) -> (Option<T>, Option<Version>) {
    shared.read(key).map_or((None, None), |(value, version)| (decode(&value), Some(version)))
}

/// Changes the roster if `change` has something to change. Whoever is overtaken tries again at the next tick.
fn amend(shared: &impl SharedData, change: impl FnOnce(&mut Roster) -> Option<()>) {
    if let (Some(mut roster), version) = read(shared, ROSTER, Roster::decode)
        && change(&mut roster).is_some()
    {
        shared.write(ROSTER, &roster.encode(), version);
    }
}

#[cfg(test)]
mod tests;
