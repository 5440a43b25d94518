//! The certificates that are watched, and when each of them crosses its next rule.

mod authorities;
mod later;
mod names;
mod roles;
mod sighting;
mod twins;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::rc::Rc;
use std::time::Duration;

pub use self::authorities::Authorities;
pub use self::names::MOST_NAMESAKES;
use self::roles::Roles;
pub use self::sighting::{CONFIG_PLACE, Look, MOST_PLACES, Sighting, Source};
use self::twins::{is_provisional, mark_of};
use super::shards::range_of;
use crate::domain::time::MINUTE;
use crate::domain::{CertId, Certificate, Role, UnixTime, Usage};

/// The most usages of one certificate that are watched: a client names its API where that is read from the request.
const MOST_USAGES: usize = 64;

/// Sightings that lie closer together are one, where they are stored.
const REFRESH: Duration = MINUTE.saturating_mul(10);

/// A watched certificate and what it is used for.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The certificate.
    pub certificate: Rc<Certificate>,
    /// What it is used for. One thing nearly always, so this is no map: a map of one takes ten times the memory.
    pub usages: Vec<Sighting>,
    /// When it is handed out by [`Inventory::due`].
    wakes_at: Option<UnixTime>,
}

impl Watched {
    /// How a usage is known.
    pub fn sighting(&self, usage: &Usage) -> Option<&Sighting> {
        self.usages.iter().find(|sighting| sighting.usage == *usage)
    }

    fn sighting_mut(&mut self, usage: &Usage) -> Option<&mut Sighting> {
        self.usages.iter_mut().find(|sighting| sighting.usage == *usage)
    }

    fn is_used_as(&self, role: Role) -> bool {
        self.usages.iter().any(|sighting| sighting.usage.role() == role)
    }

    /// When a peer last presented it; `None` if it is known otherwise.
    fn last_seen(&self) -> Option<UnixTime> {
        let seen = self.usages.iter().map(|sighting| sighting.last_seen.filter(|_| sighting.is_of_peer()));
        seen.reduce(|a, b| a.zip(b).map(|(a, b)| a.max(b))).flatten()
    }
}

fn is_long_ago(before: Option<UnixTime>, now: UnixTime) -> bool {
    before.is_some_and(|before| now.since(before).is_none_or(|age| age >= REFRESH))
}

/// What came of a sighting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The usage was known already.
    Known,
    /// The usage was known, and was last seen some time ago.
    Again,
    /// The usage is new.
    New,
    /// The usage is new, and this certificate, which nobody has seen for longest, is not watched any more.
    InPlaceOf(CertId),
    /// There is no room: everything that is watched stands in the document.
    Full,
    /// The certificate has too many usages already.
    TooManyUsages,
}

/// The watched certificates of one role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InRole {
    /// How many they are.
    pub count: u32,
    /// When the first of them ends.
    pub earliest: Option<UnixTime>,
}

/// All watched certificates.
#[derive(Debug)]
pub struct Inventory {
    watched: BTreeMap<CertId, Watched>,
    /// How many certificates are watched at most.
    most: usize,
    wakeups: BTreeSet<(UnixTime, CertId)>,
    /// When those are looked at again of which somebody may have more to say.
    later: BTreeSet<(UnixTime, CertId)>,
    /// The certificates of peers by when they were last seen.
    seen: BTreeSet<(UnixTime, CertId)>,
    /// How many of them nobody has shown yet.
    provisional: u32,
    /// All by their marks.
    marks: BTreeSet<(UnixTime, CertId)>,
    roles: Roles,
}

impl Inventory {
    /// An empty inventory with room for so many certificates.
    pub fn new(most: usize) -> Self {
        Self {
            watched: BTreeMap::new(),
            most,
            wakeups: BTreeSet::new(),
            later: BTreeSet::new(),
            seen: BTreeSet::new(),
            provisional: 0,
            marks: BTreeSet::new(),
            roles: Roles::default(),
        }
    }

    /// Notes who has told of a usage of a certificate, and where it sits. What is told of by a peer makes no room that it
    /// would need; what is found or listed does.
    pub fn enter(
        &mut self,
        certificate: &Rc<Certificate>,
        usage: &Usage,
        source: Source,
        places: &[String],
    ) -> Admission {
        let id = certificate.id;
        let mut admission = Admission::New;
        if !self.watched.contains_key(&id) {
            if self.watched.len() >= self.most && source != Source::Config {
                let Some((_, oldest)) = self.seen.first().copied() else { return Admission::Full };
                self.remove(&oldest);
                admission = Admission::InPlaceOf(oldest);
            }
            let certificate = Rc::clone(certificate);
            self.note_shown(&certificate);
            self.watched.insert(id, Watched { certificate, usages: Vec::new(), wakes_at: None });
        }
        let Some(watched) = self.watched.get_mut(&id) else { return Admission::Full };
        let before = watched.last_seen();
        if let Some(sighting) = watched.usages.iter_mut().find(|sighting| sighting.usage == *usage) {
            admission = match source {
                Source::Peer(now) if is_long_ago(before, now) => Admission::Again,
                _ => Admission::Known,
            };
            sighting.note(source, places);
        } else if watched.usages.len() >= MOST_USAGES && source != Source::Config {
            return Admission::TooManyUsages;
        } else {
            let mut sighting = Sighting::new(usage.clone());
            sighting.note(source, places);
            watched.usages.push(sighting);
            self.roles.note(&watched.certificate, usage.role());
        }
        let after = watched.last_seen();
        self.move_seen(id, before, after);
        admission
    }

    /// Notes an API for which a usage serves that is not told apart by APIs.
    pub fn note_api(&mut self, id: &CertId, usage: &Usage, api_id: &str) {
        if let Some(sighting) = self.watched.get_mut(id).and_then(|watched| watched.sighting_mut(usage)) {
            sighting.note_api(api_id);
        }
    }

    /// Takes over a certificate that a predecessor watched.
    pub(super) fn restore(&mut self, certificate: Rc<Certificate>, usages: impl Iterator<Item = Sighting>) {
        let id = certificate.id;
        let mut watched = Watched { certificate, usages: Vec::new(), wakes_at: None };
        watched.usages.extend(usages.take(MOST_USAGES));
        let Entry::Vacant(entry) = self.watched.entry(id) else { return };
        if watched.usages.is_empty() {
            return;
        }
        for sighting in &watched.usages {
            self.roles.note(&watched.certificate, sighting.usage.role());
        }
        let seen = watched.last_seen();
        let certificate = Rc::clone(&watched.certificate);
        entry.insert(watched);
        self.note_shown(&certificate);
        self.move_seen(id, None, seen);
        // The document may allow less than the one before.
        if self.watched.len() > self.most
            && let Some((_, oldest)) = self.seen.first().copied()
        {
            self.remove(&oldest);
        }
    }

    fn note_shown(&mut self, certificate: &Certificate) {
        self.provisional = self.provisional.saturating_add(u32::from(is_provisional(certificate)));
        self.marks.insert((mark_of(certificate), certificate.id));
    }

    /// Brings the order of sightings up to date.
    fn move_seen(&mut self, id: CertId, before: Option<UnixTime>, after: Option<UnixTime>) {
        if before != after {
            before.map(|before| self.seen.remove(&(before, id)));
            after.map(|after| self.seen.insert((after, id)));
        }
    }

    fn remove(&mut self, id: &CertId) {
        let Some(mut gone) = self.watched.remove(id) else { return };
        self.provisional = self.provisional.saturating_sub(u32::from(is_provisional(&gone.certificate)));
        self.marks.remove(&(mark_of(&gone.certificate), *id));
        gone.last_seen().map(|seen| self.seen.remove(&(seen, *id)));
        gone.wakes_at.map(|at| self.wakeups.remove(&(at, *id)));
        gone.usages.clear();
        self.roles.update(&gone);
    }

    /// A watched certificate.
    pub fn get(&self, id: &CertId) -> Option<&Watched> {
        self.watched.get(id)
    }

    /// Whether a certificate is watched.
    pub fn contains(&self, id: &CertId) -> bool {
        self.watched.contains_key(id)
    }

    /// The certificate behind `cursor`, in the order of their ids.
    pub fn next_behind(&self, cursor: Option<CertId>) -> Option<CertId> {
        let from = cursor.map_or(Bound::Unbounded, Bound::Excluded);
        self.watched.range((from, Bound::Unbounded)).next().map(|(id, _)| *id)
    }

    /// The watched certificates of a shard.
    pub(super) fn shard(&self, shard: u16) -> impl Iterator<Item = &Watched> {
        let (first, last) = range_of(shard);
        self.watched.range(first..=last).map(|(_, watched)| watched)
    }

    /// Has the certificate handed out by [`Inventory::due`] at `at`, or before if that was wanted already.
    pub fn wake(&mut self, id: CertId, at: UnixTime) {
        let Some(watched) = self.watched.get_mut(&id).filter(|known| known.wakes_at.is_none_or(|known| at < known))
        else {
            return;
        };
        if let Some(before) = watched.wakes_at.replace(at) {
            self.wakeups.remove(&(before, id));
        }
        self.wakeups.insert((at, id));
    }

    /// Takes the next certificate whose time has come.
    pub fn due(&mut self, now: UnixTime) -> Option<CertId> {
        if self.next_wakeup() > now {
            return None;
        }
        let (_, id) = self.wakeups.pop_first()?;
        if let Some(watched) = self.watched.get_mut(&id) {
            watched.wakes_at = None;
        }
        Some(id)
    }

    /// When [`Inventory::due`] has something to hand out.
    pub fn next_wakeup(&self) -> UnixTime {
        self.wakeups.first().map_or(UnixTime::NEVER, |(at, _)| *at)
    }

    /// Forgets the usages of a certificate that peers presented and that were last seen before `since`; whether there
    /// were any.
    pub fn forget_peers(&mut self, id: &CertId, since: UnixTime) -> bool {
        self.forget(id, |sighting| {
            if sighting.is_of_peer() && sighting.last_seen.is_some_and(|seen| seen < since) {
                sighting.last_seen = None;
            }
        })
    }

    /// Forgets these usages of a certificate, whoever told of them beside the document.
    pub fn dismiss(&mut self, id: &CertId, usages: &[Usage]) {
        self.forget(id, |sighting| {
            if usages.contains(&sighting.usage) {
                (sighting.found_in, sighting.last_seen) = (None, None);
            }
        });
    }

    /// Forgets that rounds of discovery before `round` found usages of a certificate; whether there are fewer now.
    pub fn forget_found(&mut self, id: &CertId, round: u32) -> bool {
        self.forget(id, |sighting| sighting.found_in = sighting.found_in.filter(|found| *found == round))
    }

    /// Forgets a usage that peers presented, because a better one is known; whether there was one.
    pub fn forget_usage(&mut self, id: &CertId, usage: &Usage) -> bool {
        self.forget(id, |sighting| {
            if sighting.usage == *usage && sighting.is_of_peer() {
                sighting.last_seen = None;
            }
        })
    }

    /// Drops the usages of which nobody tells any more after `change`; whether there were any.
    fn forget(&mut self, id: &CertId, change: impl Fn(&mut Sighting)) -> bool {
        let Some(watched) = self.watched.get_mut(id) else { return false };
        let before = watched.last_seen();
        watched.usages.iter_mut().for_each(change);
        let is_less = watched.usages.iter().any(Sighting::is_over);
        if is_less {
            watched.usages.retain(|sighting| !sighting.is_over());
            self.roles.update(watched);
        }
        let (after, is_gone) = (watched.last_seen(), watched.usages.is_empty());
        self.move_seen(*id, before, after);
        if is_gone {
            self.remove(id);
        }
        is_less
    }

    /// The watched certificates of a role.
    pub fn in_role(&self, role: Role) -> impl Iterator<Item = &Watched> {
        let ends = self.roles.ends.get(role as usize).into_iter().flatten();
        ends.filter_map(|(_, id)| self.get(id))
    }

    /// How many certificates of a role are watched.
    pub fn count(&self, role: Role) -> usize {
        self.roles.ends.get(role as usize).map_or(0, BTreeSet::len)
    }

    /// How many certificates are watched.
    pub fn len(&self) -> usize {
        self.watched.len()
    }

    /// Whether nothing is watched.
    pub fn is_empty(&self) -> bool {
        self.watched.is_empty()
    }

    /// How many certificates are watched in each role, and when the first of them ends.
    pub fn by_role(&self) -> impl Iterator<Item = (Role, InRole)> {
        Role::ALL.into_iter().zip(&self.roles.ends).map(|(role, ends)| {
            (
                role,
                InRole {
                    count: ends.len().try_into().unwrap_or(u32::MAX),
                    earliest: ends.first().map(|(end, _)| *end),
                },
            )
        })
    }

    /// The watched certificates by their ends, those behind one of them: each of them once, whatever it is used for.
    pub fn ends_behind(&self, cursor: (UnixTime, CertId)) -> impl Iterator<Item = (UnixTime, CertId)> {
        self.roles.behind(cursor)
    }

    /// The same, those that end later than `end`.
    pub fn ends_after(&self, end: UnixTime) -> impl Iterator<Item = (UnixTime, CertId)> {
        self.ends_behind((end, CertId::from_bytes([0xff; 32])))
    }

    /// Whether [`Inventory::by_role`] says something new since the last call.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.roles.is_changed)
    }

    /// The certificate that ends next, of those that have not ended.
    pub fn next_to_expire(&self, now: UnixTime) -> Option<&Certificate> {
        let from = (now.after(Duration::from_millis(1)), CertId::from_bytes([0; 32]));
        let (_, id) = self.roles.ends.iter().filter_map(|ends| ends.range(from..).next()).min()?;
        self.get(id).map(|watched| &*watched.certificate)
    }
}

#[cfg(test)]
mod tests;
