//! The certificates that are watched, and when each of them crosses its next rule.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::domain::{CertId, Certificate, Role, UnixTime, Usage};

/// The most certificates that are watched. Only certificates of peers are turned away.
pub const MOST_CERTIFICATES: usize = 20_000;

/// A watched certificate and what it is used for.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The certificate.
    pub certificate: Certificate,
    /// What it is used for.
    pub usages: BTreeMap<Usage, Sighting>,
}

/// How a usage is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// When an observer last handed it over; `None` for one that the document lists.
    pub last_seen: Option<UnixTime>,
    /// Whether it has been checked since it became known. A first report waits for no cooldown.
    pub checked: bool,
}

/// Whether a certificate was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is watched.
    Watched,
    /// There is no room for another peer.
    Full,
}

/// All watched certificates.
#[derive(Debug, Default)]
pub struct Inventory {
    watched: BTreeMap<CertId, Watched>,
    wakeups: BTreeSet<(UnixTime, CertId)>,
}

impl Inventory {
    /// Adds a certificate of the document.
    pub fn configure(&mut self, certificate: Certificate, usage: Usage) {
        let sighting = Sighting { last_seen: None, checked: false };
        self.entry(certificate).usages.insert(usage, sighting);
    }

    /// Notes that a peer presented a certificate.
    pub fn observe(&mut self, certificate: Certificate, usage: Usage, now: UnixTime) -> Admission {
        if self.watched.len() >= MOST_CERTIFICATES && !self.watched.contains_key(&certificate.id) {
            return Admission::Full;
        }
        let fresh = Sighting { last_seen: Some(now), checked: false };
        let sighting = self.entry(certificate).usages.entry(usage).or_insert(fresh);
        // What the document lists stays, seen or not.
        sighting.last_seen = sighting.last_seen.map(|_| now);
        Admission::Watched
    }

    fn entry(&mut self, certificate: Certificate) -> &mut Watched {
        self.watched.entry(certificate.id).or_insert_with(|| Watched { certificate, usages: BTreeMap::new() })
    }

    /// A watched certificate.
    pub fn get(&self, id: &CertId) -> Option<&Watched> {
        self.watched.get(id)
    }

    /// Whether a certificate is watched.
    pub fn contains(&self, id: &CertId) -> bool {
        self.watched.contains_key(id)
    }

    /// Notes that a certificate's usages were checked.
    pub fn mark_checked(&mut self, id: &CertId) {
        for sighting in self.watched.get_mut(id).into_iter().flat_map(|watched| watched.usages.values_mut()) {
            sighting.checked = true;
        }
    }

    /// The certificate behind `cursor`, in the order of their ids.
    pub fn next_behind(&self, cursor: Option<CertId>) -> Option<CertId> {
        let from = cursor.map_or(Bound::Unbounded, Bound::Excluded);
        self.watched.range((from, Bound::Unbounded)).next().map(|(id, _)| *id)
    }

    /// Has the certificate handed out by [`Inventory::due`] at `at`.
    pub fn wake(&mut self, id: CertId, at: UnixTime) {
        self.wakeups.insert((at, id));
    }

    /// Takes the next certificate whose time has come.
    pub fn due(&mut self, now: UnixTime) -> Option<CertId> {
        if self.next_wakeup() > now { None } else { self.wakeups.pop_first().map(|(_, id)| id) }
    }

    /// When [`Inventory::due`] has something to hand out.
    pub fn next_wakeup(&self) -> UnixTime {
        self.wakeups.first().map_or(UnixTime::NEVER, |(at, _)| *at)
    }

    /// Forgets the usages of a certificate that peers presented and that were last seen before `since`.
    pub fn forget_peers(&mut self, id: &CertId, since: UnixTime) {
        if let Some(watched) = self.watched.get_mut(id) {
            watched.usages.retain(|_, sighting| sighting.last_seen.is_none_or(|seen| seen >= since));
            if watched.usages.is_empty() {
                self.watched.remove(id);
            }
        }
    }

    /// How many certificates are watched.
    pub fn len(&self) -> usize {
        self.watched.len()
    }

    /// Whether nothing is watched.
    pub fn is_empty(&self) -> bool {
        self.watched.is_empty()
    }

    /// How many certificates are watched in `role`, and when the first of them ends.
    pub fn summary(&self, role: Role) -> (usize, Option<UnixTime>) {
        let in_role =
            || self.watched.values().filter(|watched| watched.usages.keys().any(|usage| usage.role() == role));
        (in_role().count(), in_role().map(|watched| watched.certificate.not_after).min())
    }

    /// The certificate that ends next, of those that have not ended.
    pub fn next_to_expire(&self, now: UnixTime) -> Option<&Certificate> {
        let alive = self.watched.values().map(|watched| &watched.certificate).filter(|c| c.not_after > now);
        alive.min_by_key(|certificate| certificate.not_after)
    }

    /// Every usage of every certificate.
    pub fn usages(&self) -> impl Iterator<Item = &Usage> {
        self.watched.values().flat_map(|watched| watched.usages.keys())
    }
}
