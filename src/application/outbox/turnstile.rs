//! Where events of a lane wait to be claimed.

use super::claim::Claim;
use super::lane::Lane;
use super::{Entry, Outbox};
use crate::domain::UnixTime;

/// Something of which the claim is looked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The webhook.
    pub handler: usize,
    /// Its place in the lane.
    key: (UnixTime, u64),
    /// When it is to be sent if it may be.
    pub due: UnixTime,
    /// How it stands.
    pub claim: Claim,
}

impl Lane {
    /// What would be sent now, or goes with something that would.
    fn in_reach(&self, now: UnixTime) -> impl Iterator<Item = ((UnixTime, u64), &Entry)> {
        let goes = move |due, entry: &Entry| due <= now || entry.is_fresh(now) && entry.claim.may_join();
        self.due_until(self.reach(now)).filter(move |((due, _), entry)| goes(*due, entry))
    }

    /// The first that is in reach and not claimed, as long as no more are claimed than can be sent soon.
    fn unclaimed(&self, handler: usize, now: UnixTime) -> Option<Claimed> {
        if !self.may_send(now) {
            return None;
        }
        let is_open = |entry: &Entry| !entry.claim.allows(now);
        let mut front = self.in_reach(now).take(self.most_claimed());
        let (key, entry) = front.find(|(_, entry)| is_open(entry))?;
        Some(Claimed { handler, key, due: key.0, claim: entry.claim })
    }

    /// Whether something is to be claimed that goes with what is due.
    pub(super) fn is_to_claim(&self, now: UnixTime) -> bool {
        self.in_reach(now).take(self.most_claimed()).any(|(_, entry)| !entry.claim.allows(now))
    }
}

impl Outbox {
    /// An event that may be sent once it is claimed, of the lane whose turn it is.
    pub fn unclaimed(&self, now: UnixTime) -> Option<Claimed> {
        let count = self.lanes.len();
        let mut turns = (self.claiming..count).chain(0..self.claiming.min(count));
        turns.find_map(|handler| self.lanes.get(handler)?.unclaimed(handler, now))
    }

    /// It is looked after: it is another lane's turn.
    pub const fn pass_turn(&mut self, known: &Claimed) {
        self.claiming = known.handler.saturating_add(1);
    }

    /// Its entry, unless something else stands in its place.
    pub fn entry(&self, known: &Claimed) -> Option<&Entry> {
        self.lanes.get(known.handler)?.get(known.key).filter(|entry| entry.claim == known.claim)
    }

    /// Says how it stands now, and when it is looked at again.
    pub fn put(&mut self, known: &Claimed, at: UnixTime, claim: Claim) -> Claimed {
        let key = (at, known.key.1);
        if self.entry(known).is_some()
            && let Some(lane) = self.lanes.get_mut(known.handler)
            && let Some(entry) = lane.remove(known.key)
        {
            lane.insert(key, Entry { claim, ..entry });
        }
        Claimed { key, claim, ..*known }
    }

    /// Takes it out: others have told it.
    pub fn forgo(&mut self, known: &Claimed) -> Option<Entry> {
        self.entry(known)?;
        self.lanes.get_mut(known.handler)?.remove(known.key)
    }
}
