//! Before it holds the lease: which document rules, whose turn it is, and the claim.

use log::warn;

use super::{Candidate, Standing, read};
use crate::application::lease::roster::{MOST_PAST, Roster, Wish};
use crate::application::lease::{Kind, LEASE, Lease, ROSTER, SILENT, Terms};
use crate::application::shared_data::{SharedData, Tenure, Version, Written};

/// Ticks that an instance whose document is past waits for one of the current document: rather an old configuration than
/// silence, but only then.
const PATIENCE_OF_THE_PAST: u32 = 10;

impl Candidate {
    /// Sees to it that the document that rules is known, and that it is known to be alive.
    pub(super) fn sign_in(&mut self, shared: &impl SharedData) -> Roster {
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
    pub(super) fn stand(&mut self, lease: Option<Lease>, version: Option<Version>, shared: &impl SharedData) {
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

/// Changes the roster if `change` has something to change. Whoever is overtaken tries again at the next tick.
fn amend(shared: &impl SharedData, change: impl FnOnce(&mut Roster) -> Option<()>) {
    if let (Some(mut roster), version) = read(shared, ROSTER, Roster::decode)
        && change(&mut roster).is_some()
    {
        shared.write(ROSTER, &roster.encode(), version);
    }
}
