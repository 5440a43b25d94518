//! The certificates that are watched, and when each of them crosses its next rule.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::rc::Rc;
use std::time::Duration;

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

    fn is_used_as(&self, role: Role) -> bool {
        self.usages.iter().any(|sighting| sighting.usage.role() == role)
    }

    /// When a peer last presented it; `None` if the document lists it.
    fn last_seen(&self) -> Option<UnixTime> {
        let seen = self.usages.iter().map(|sighting| sighting.last_seen);
        seen.reduce(|a, b| a.zip(b).map(|(a, b)| a.max(b))).flatten()
    }
}

/// How a usage is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The usage.
    pub usage: Usage,
    /// When an observer last handed it over; `None` for one that the document lists.
    pub last_seen: Option<UnixTime>,
    /// Whether it has been checked since it became known. A first report waits for no cooldown.
    pub checked: bool,
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
    /// The certificates of peers by when they were last seen.
    seen: BTreeSet<(UnixTime, CertId)>,
    roles: Roles,
}

/// The watched certificates of each role by their ends.
#[derive(Debug, Default)]
struct Roles {
    /// In the order of [`Role::ALL`].
    ends: [BTreeSet<(UnixTime, CertId)>; Role::ALL.len()],
    is_changed: bool,
}

impl Roles {
    fn of(&mut self, role: Role) -> Option<&mut BTreeSet<(UnixTime, CertId)>> {
        self.ends.get_mut(role as usize)
    }

    fn note(&mut self, certificate: &Certificate, role: Role) {
        let end = (certificate.not_after, certificate.id);
        self.is_changed |= self.of(role).is_some_and(|ends| ends.insert(end));
    }

    /// Notes that a certificate is used for something.
    fn enter(&mut self, watched: &mut Watched, usage: Usage, last_seen: Option<UnixTime>) {
        self.note(&watched.certificate, usage.role());
        watched.usages.retain(|sighting| sighting.usage != usage);
        watched.usages.push(Sighting { usage, last_seen, checked: false });
    }

    /// Notes that a certificate may be used for less than before.
    fn update(&mut self, watched: &Watched) {
        let Certificate { id, not_after, .. } = *watched.certificate;
        for role in Role::ALL.into_iter().filter(|role| !watched.is_used_as(*role)) {
            self.is_changed |= self.of(role).is_some_and(|ends| ends.remove(&(not_after, id)));
        }
    }
}

impl Inventory {
    /// An empty inventory with room for so many certificates.
    pub fn new(most: usize) -> Self {
        let (watched, wakeups, seen) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Self { watched, most, wakeups, seen, roles: Roles::default() }
    }

    /// Notes that a peer presented a certificate.
    pub fn observe(&mut self, certificate: &Rc<Certificate>, usage: &Usage, now: UnixTime) -> Admission {
        let id = certificate.id;
        let Some(known) = self.watched.get_mut(&id) else {
            let mut admission = Admission::New;
            if self.watched.len() >= self.most {
                let Some((_, oldest)) = self.seen.first().copied() else { return Admission::Full };
                self.remove(&oldest);
                admission = Admission::InPlaceOf(oldest);
            }
            self.insert(Rc::clone(certificate), usage.clone(), Some(now));
            return admission;
        };
        let before = known.last_seen();
        let mut admission = Admission::New;
        if let Some(sighting) = known.usages.iter_mut().find(|sighting| sighting.usage == *usage) {
            // What the document lists stays, seen or not.
            sighting.last_seen = sighting.last_seen.map(|_| now);
            let is_long_ago = before.is_some_and(|before| now.since(before).is_none_or(|age| age >= REFRESH));
            admission = if is_long_ago { Admission::Again } else { Admission::Known };
        } else if known.usages.len() >= MOST_USAGES {
            return Admission::TooManyUsages;
        } else {
            self.roles.enter(known, usage.clone(), Some(now));
        }
        let after = known.last_seen();
        self.move_seen(id, before, after);
        admission
    }

    /// Adds a certificate of the document.
    pub fn configure(&mut self, certificate: Rc<Certificate>, usage: Usage) {
        let id = certificate.id;
        let Some(known) = self.watched.get_mut(&id) else { return self.insert(certificate, usage, None) };
        let before = known.last_seen();
        self.roles.enter(known, usage, None);
        self.move_seen(id, before, None);
    }

    /// Takes over a certificate that a predecessor watched.
    pub(super) fn restore(&mut self, certificate: Rc<Certificate>, usages: impl Iterator<Item = Sighting>) {
        let id = certificate.id;
        let mut watched = Watched { certificate, usages: Vec::new(), wakes_at: None };
        watched.usages.extend(usages.take(MOST_USAGES));
        let Some(seen) = watched.last_seen() else { return };
        let Entry::Vacant(entry) = self.watched.entry(id) else { return };
        for sighting in &watched.usages {
            self.roles.note(&watched.certificate, sighting.usage.role());
        }
        entry.insert(watched);
        self.seen.insert((seen, id));
        // The document may allow less than the one before.
        if self.watched.len() > self.most
            && let Some((_, oldest)) = self.seen.first().copied()
        {
            self.remove(&oldest);
        }
    }

    fn insert(&mut self, certificate: Rc<Certificate>, usage: Usage, last_seen: Option<UnixTime>) {
        let id = certificate.id;
        let mut watched = Watched { certificate, usages: Vec::new(), wakes_at: None };
        self.roles.enter(&mut watched, usage, last_seen);
        self.watched.insert(id, watched);
        self.move_seen(id, None, last_seen);
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

    /// Notes that a certificate's usages were checked.
    pub fn mark_checked(&mut self, id: &CertId) {
        for sighting in self.watched.get_mut(id).into_iter().flat_map(|watched| &mut watched.usages) {
            sighting.checked = true;
        }
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
        let Some(watched) = self.watched.get_mut(id) else { return false };
        let is_gone = |sighting: &Sighting| sighting.last_seen.is_some_and(|seen| seen < since);
        if !watched.usages.iter().any(is_gone) {
            return false;
        }
        if watched.usages.iter().all(is_gone) {
            self.remove(id);
            return true;
        }
        let before = watched.last_seen();
        watched.usages.retain(|sighting| !is_gone(sighting));
        self.roles.update(watched);
        let after = watched.last_seen();
        self.move_seen(*id, before, after);
        true
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
