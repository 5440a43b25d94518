//! Watched authorities by their subjects: who may have issued what.

use std::cell::Cell;
use std::rc::Rc;

use super::Inventory;
use crate::domain::certificate::Position;
use crate::domain::condition::{Issuers, has_issued};
use crate::domain::{Certificate, Role};

/// Authorities of one subject that are looked at. Real ones are a few: renewed, cross-signed, or both.
const MOST_OF_ONE_SUBJECT: usize = 16;

/// The watched authorities that count in a role, and how many of them were looked at.
pub struct Authorities<'a> {
    inventory: &'a Inventory,
    role: Role,
    looked_at: Cell<usize>,
}

impl Inventory {
    /// The watched authorities that certificates of a role may depend on. Whoever connects shows whatever authorities he
    /// likes, and nobody verifies a signature here: those of clients count for clients alone, and after all others.
    pub const fn authorities(&self, role: Role) -> Authorities<'_> {
        Authorities { inventory: self, role, looked_at: Cell::new(0) }
    }
}

impl Authorities<'_> {
    /// How many were looked at.
    pub const fn looked_at(&self) -> usize {
        self.looked_at.get()
    }
}

impl Issuers for Authorities<'_> {
    fn of(&self, certificate: &Certificate) -> Vec<Rc<Certificate>> {
        let others = [Role::Server, Role::Ca, Role::Upstream].into_iter();
        let roles = others.chain((self.role == Role::Client).then_some(Role::Client));
        let bearing = roles.flat_map(|role| self.inventory.roles.subjects.bearing(role, &certificate.issuer));
        let mut issuers: Vec<Rc<Certificate>> = Vec::new();
        for id in bearing.take(MOST_OF_ONE_SUBJECT) {
            self.looked_at.set(self.looked_at.get().saturating_add(1));
            let authority = self.inventory.get(id).map(|watched| &watched.certificate);
            issuers.extend(authority.filter(|authority| has_issued(authority, certificate)).cloned());
        }
        issuers
    }
}

pub(super) const fn is_authority(certificate: &Certificate) -> bool {
    matches!(certificate.position, Position::Intermediate | Position::Root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::inventory::Source;
    use crate::domain::{CertId, UnixTime, Usage};

    fn authority(subject: &str, issuer: &str, end: i64) -> Rc<Certificate> {
        let position = if subject == issuer { Position::Root } else { Position::Intermediate };
        let id = CertId::of_words(&[subject, issuer, &end.to_string()]);
        let (subject, issuer) = (subject.to_owned(), issuer.to_owned());
        Rc::new(Certificate { position, subject, issuer, ..Certificate::bare(id, "ca", UnixTime::from_secs(end)) })
    }

    fn leaf(issuer: &str) -> Certificate {
        let bare = Certificate::bare(CertId::of_der(b"leaf"), "leaf", UnixTime::from_secs(1));
        Certificate { issuer: issuer.to_owned(), position: Position::Leaf, ..bare }
    }

    fn ends_for(role: Role, inventory: &Inventory, issuer: &str) -> Vec<i64> {
        let issuers = inventory.authorities(role).of(&leaf(issuer));
        let mut ends: Vec<_> = issuers.iter().map(|issuer| issuer.not_after.secs()).collect();
        ends.sort_unstable();
        ends
    }

    fn ends(inventory: &Inventory, issuer: &str) -> Vec<i64> {
        ends_for(Role::Server, inventory, issuer)
    }

    #[test]
    fn those_of_a_name_are_found_for_as_long_as_they_are_watched() {
        let mut inventory = Inventory::new(10);
        let ca = Usage::new(Role::Ca, None);
        for (authority, round) in [
            (authority("CN=a", "CN=root", 1), 1),
            (authority("CN=a", "CN=other", 2), 2),
            (authority("CN=root", "CN=root", 3), 2),
        ] {
            inventory.enter(&authority, &ca, Source::Admin(round), &[]);
        }
        inventory.enter(&Rc::new(leaf("CN=a")), &Usage::new(Role::Server, None), Source::Config, &[]);
        assert_eq!(ends(&inventory, "CN=a"), [1, 2]);
        assert_eq!(ends(&inventory, "CN=root"), [3]);
        assert_eq!(ends(&inventory, "CN=leaf"), [0; 0]);
        inventory.forget_found(&authority("CN=a", "CN=root", 1).id, 2);
        assert_eq!(ends(&inventory, "CN=a"), [2]);
        let mut successor = Inventory::new(10);
        let watched = inventory.get(&authority("CN=root", "CN=root", 3).id).unwrap().clone();
        successor.restore(Rc::clone(&watched.certificate), watched.usages.into_iter());
        assert_eq!(ends(&successor, "CN=root"), [3]);
    }

    #[test]
    fn those_of_clients_count_for_clients_alone_and_no_more_than_some_are_looked_at() {
        let mut inventory = Inventory::new(1_000);
        let enter = |inventory: &mut Inventory, end, role, source| {
            inventory.enter(&authority("CN=a", "CN=b", end), &Usage::new(role, None), source, &[]);
        };
        for end in (100..200).map(|minute| minute * 60) {
            enter(&mut inventory, end, Role::Client, Source::Peer(UnixTime::default()));
        }
        assert_eq!(ends(&inventory, "CN=a"), [0; 0]);
        enter(&mut inventory, 1, Role::Ca, Source::Admin(1));
        enter(&mut inventory, 2, Role::Upstream, Source::Peer(UnixTime::default()));
        for role in [Role::Server, Role::Upstream] {
            assert_eq!(ends_for(role, &inventory, "CN=a"), [1, 2], "{role}");
        }
        assert_eq!(ends_for(Role::Client, &inventory, "CN=a")[..3], [1, 2, 186 * 60], "they take no place from others");
        let authorities = inventory.authorities(Role::Client);
        assert_eq!(authorities.of(&leaf("CN=a")).len(), MOST_OF_ONE_SUBJECT);
        assert_eq!(authorities.looked_at(), MOST_OF_ONE_SUBJECT);
        // One that Envoy holds as well counts for all.
        enter(&mut inventory, 150 * 60, Role::Ca, Source::Admin(1));
        assert_eq!(ends(&inventory, "CN=a"), [1, 2, 150 * 60]);
    }
}
