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

/// The watched certificates of one role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InRole {
    /// How many they are.
    pub count: u32,
    /// When the first of them ends.
    pub earliest: Option<UnixTime>,
}

/// All watched certificates.
#[derive(Debug, Default)]
pub struct Inventory {
    watched: BTreeMap<CertId, Watched>,
    wakeups: BTreeSet<(UnixTime, CertId)>,
    summary: Summary,
}

/// The inventory by role, kept up to date because counting twenty thousand certificates takes a tick of its own.
#[derive(Debug, Default)]
struct Summary {
    /// In the order of [`Role::ALL`].
    roles: [InRole; Role::ALL.len()],
    is_changed: bool,
    /// Whether the certificate that ended first in some role is gone.
    is_stale: bool,
}

impl Summary {
    fn of(&mut self, role: Role) -> Option<&mut InRole> {
        self.is_changed = true;
        self.roles.get_mut(role as usize)
    }

    fn add(&mut self, role: Role, end: UnixTime) {
        if let Some(in_role) = self.of(role) {
            in_role.count = in_role.count.saturating_add(1);
            in_role.earliest = Some(in_role.earliest.map_or(end, |earliest| earliest.min(end)));
        }
    }

    fn remove(&mut self, role: Role, end: UnixTime) {
        if let Some(in_role) = self.of(role) {
            in_role.count = in_role.count.saturating_sub(1);
            self.is_stale |= in_role.earliest == Some(end);
        }
    }
}

impl Inventory {
    /// Adds a certificate of the document.
    pub fn configure(&mut self, certificate: Certificate, usage: Usage) {
        self.add(certificate, usage, None);
    }

    /// Notes that a peer presented a certificate.
    pub fn observe(&mut self, certificate: Certificate, usage: Usage, now: UnixTime) -> Admission {
        if let Some(sighting) = self.watched.get_mut(&certificate.id).and_then(|known| known.usages.get_mut(&usage)) {
            // What the document lists stays, seen or not.
            sighting.last_seen = sighting.last_seen.map(|_| now);
            return Admission::Watched;
        }
        if self.watched.len() >= MOST_CERTIFICATES && !self.watched.contains_key(&certificate.id) {
            return Admission::Full;
        }
        self.add(certificate, usage, Some(now));
        Admission::Watched
    }

    fn add(&mut self, certificate: Certificate, usage: Usage, last_seen: Option<UnixTime>) {
        let (role, end) = (usage.role(), certificate.not_after);
        let watched = self.watched.entry(certificate.id);
        let usages = &mut watched.or_insert_with(|| Watched { certificate, usages: BTreeMap::new() }).usages;
        if !usages.keys().any(|known| known.role() == role) {
            self.summary.add(role, end);
        }
        usages.insert(usage, Sighting { last_seen, checked: false });
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
        let Some(watched) = self.watched.get_mut(id) else { return };
        let is_gone = |sighting: &Sighting| sighting.last_seen.is_some_and(|seen| seen < since);
        if !watched.usages.values().any(is_gone) {
            return;
        }
        let plays = |watched: &Watched, role| watched.usages.keys().any(|usage| usage.role() == role);
        let before = Role::ALL.map(|role| plays(watched, role));
        watched.usages.retain(|_, sighting| !is_gone(sighting));
        for (role, _) in Role::ALL.into_iter().zip(before).filter(|(role, played)| *played && !plays(watched, *role)) {
            self.summary.remove(role, watched.certificate.not_after);
        }
        if watched.usages.is_empty() {
            self.watched.remove(id);
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

    /// How many certificates are watched in each role, and when the first of them ends.
    pub fn by_role(&self) -> impl Iterator<Item = (Role, InRole)> {
        Role::ALL.into_iter().zip(self.summary.roles)
    }

    /// Whether [`Inventory::by_role`] says something new since the last call.
    pub fn take_changed(&mut self) -> bool {
        if std::mem::take(&mut self.summary.is_stale) {
            self.find_earliest();
        }
        std::mem::take(&mut self.summary.is_changed)
    }

    fn find_earliest(&mut self) {
        for in_role in &mut self.summary.roles {
            in_role.earliest = None;
        }
        for watched in self.watched.values() {
            let end = watched.certificate.not_after;
            for usage in watched.usages.keys() {
                if let Some(in_role) = self.summary.roles.get_mut(usage.role() as usize) {
                    in_role.earliest = Some(in_role.earliest.map_or(end, |earliest| earliest.min(end)));
                }
            }
        }
    }

    /// The certificate that ends next, of those that have not ended.
    pub fn next_to_expire(&self, now: UnixTime) -> Option<&Certificate> {
        let alive = self.watched.values().map(|watched| &watched.certificate).filter(|c| c.not_after > now);
        alive.min_by_key(|certificate| certificate.not_after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(name: &str, not_after: i64) -> Certificate {
        let id = CertId::of_der(name.as_bytes());
        Certificate { id, name: name.to_owned(), not_after: UnixTime::from_secs(not_after) }
    }

    fn client(api_id: &str) -> Usage {
        Usage::new(Role::Client, Some(api_id.to_owned()))
    }

    fn in_role(inventory: &Inventory, role: Role) -> (u32, Option<i64>) {
        let (_, is) = inventory.by_role().find(|(known, _)| *known == role).unwrap();
        (is.count, is.earliest.map(UnixTime::secs))
    }

    #[test]
    fn a_certificate_counts_once_in_each_role_however_many_apis_use_it() {
        let mut inventory = Inventory::default();
        let now = UnixTime::from_secs(1);
        for (name, end, usage) in [
            ("a", 50, client("x")),
            ("a", 50, client("y")),
            ("a", 50, client("x")),
            ("a", 50, Usage::new(Role::Upstream, None)),
            ("b", 40, client("x")),
        ] {
            assert_eq!(inventory.observe(certificate(name, end), usage, now), Admission::Watched);
        }
        assert_eq!(in_role(&inventory, Role::Client), (2, Some(40)));
        assert_eq!(in_role(&inventory, Role::Upstream), (1, Some(50)));
        assert_eq!(in_role(&inventory, Role::Server), (0, None));
        assert_eq!(inventory.len(), 2);
        assert!(inventory.take_changed() && !inventory.take_changed());
        inventory.observe(certificate("a", 50), client("x"), now);
        assert!(!inventory.take_changed(), "nothing new");
    }

    #[test]
    fn what_is_forgotten_does_not_count() {
        let mut inventory = Inventory::default();
        inventory.observe(certificate("a", 40), client("x"), UnixTime::from_secs(1));
        inventory.observe(certificate("a", 40), client("y"), UnixTime::from_secs(9));
        inventory.observe(certificate("b", 50), client("x"), UnixTime::from_secs(9));
        inventory.take_changed();
        let id = certificate("a", 40).id;
        inventory.forget_peers(&id, UnixTime::from_secs(5));
        assert!(!inventory.take_changed(), "it is still a client's");
        inventory.forget_peers(&id, UnixTime::from_secs(10));
        assert!(inventory.take_changed());
        assert_eq!(in_role(&inventory, Role::Client), (1, Some(50)));
    }

    #[test]
    fn a_full_inventory_turns_new_peers_away_and_nobody_else() {
        let mut inventory = Inventory::default();
        let now = UnixTime::from_secs(1);
        for number in 0..MOST_CERTIFICATES {
            assert_eq!(inventory.observe(certificate(&number.to_string(), 9), client("x"), now), Admission::Watched);
        }
        assert_eq!(inventory.observe(certificate("one more", 9), client("x"), now), Admission::Full);
        assert_eq!(inventory.observe(certificate("7", 9), client("y"), now), Admission::Watched, "it is known");
    }

    #[test]
    fn peers_are_forgotten_and_what_the_document_lists_is_not() {
        let mut inventory = Inventory::default();
        let listed = certificate("listed", 9);
        inventory.configure(listed.clone(), client("x"));
        inventory.observe(listed.clone(), client("x"), UnixTime::from_secs(1));
        inventory.observe(listed.clone(), client("y"), UnixTime::from_secs(1));
        inventory.forget_peers(&listed.id, UnixTime::from_secs(2));
        assert_eq!(inventory.get(&listed.id).unwrap().usages.keys().collect::<Vec<_>>(), [&client("x")]);
        let seen = certificate("seen", 9);
        inventory.observe(seen.clone(), client("x"), UnixTime::from_secs(5));
        inventory.forget_peers(&seen.id, UnixTime::from_secs(5));
        assert!(inventory.contains(&seen.id), "seen since");
        inventory.forget_peers(&seen.id, UnixTime::from_secs(6));
        assert!(!inventory.contains(&seen.id));
    }

    #[test]
    fn certificates_are_due_in_the_order_of_their_times() {
        let mut inventory = Inventory::default();
        let (a, b) = (CertId::of_der(b"a"), CertId::of_der(b"b"));
        inventory.wake(b, UnixTime::from_secs(2));
        inventory.wake(a, UnixTime::from_secs(1));
        assert_eq!(inventory.due(UnixTime::from_millis(999)), None);
        assert_eq!(inventory.next_wakeup(), UnixTime::from_secs(1));
        let now = UnixTime::from_secs(2);
        assert_eq!([inventory.due(now), inventory.due(now), inventory.due(now)], [Some(a), Some(b), None]);
    }
}
