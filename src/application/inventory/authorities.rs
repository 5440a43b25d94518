//! Watched authorities by their names: who may have issued what.

use std::cell::Cell;
use std::rc::Rc;

use super::Inventory;
use super::names::mark;
use crate::domain::certificate::Position;
use crate::domain::condition::{Issuers, has_issued};
use crate::domain::{CertId, Certificate};

/// Authorities of one name that are looked at. Real ones are a few: renewed, cross-signed, or both.
const MOST_OF_ONE_NAME: usize = 16;

/// The watched authorities, and how many of them were looked at.
pub struct Authorities<'a> {
    inventory: &'a Inventory,
    looked_at: Cell<usize>,
}

impl Inventory {
    /// The watched authorities.
    pub const fn authorities(&self) -> Authorities<'_> {
        Authorities { inventory: self, looked_at: Cell::new(0) }
    }

    /// Notes a certificate that is watched from now on, if it is an authority.
    pub(super) fn note_authority(&mut self, certificate: &Certificate) {
        if is_authority(certificate) {
            self.issuers.insert((mark(&certificate.subject), certificate.id));
        }
    }

    /// Forgets one that is not watched any more.
    pub(super) fn forget_authority(&mut self, certificate: &Certificate) {
        if is_authority(certificate) {
            self.issuers.remove(&(mark(&certificate.subject), certificate.id));
        }
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
        let (first, last) = (CertId::from_bytes([0; 32]), CertId::from_bytes([0xff; 32]));
        let mark = mark(&certificate.issuer);
        let marked = self.inventory.issuers.range((mark, first)..=(mark, last)).take(MOST_OF_ONE_NAME);
        let mut issuers = Vec::new();
        for (_, id) in marked {
            self.looked_at.set(self.looked_at.get().saturating_add(1));
            let authority = self.inventory.get(id).map(|watched| &watched.certificate);
            issuers.extend(authority.filter(|authority| has_issued(authority, certificate)).cloned());
        }
        issuers
    }
}

const fn is_authority(certificate: &Certificate) -> bool {
    matches!(certificate.position, Position::Intermediate | Position::Root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::inventory::Source;
    use crate::domain::{Role, UnixTime, Usage};

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

    fn ends(inventory: &Inventory, issuer: &str) -> Vec<i64> {
        let issuers = inventory.authorities().of(&leaf(issuer));
        let mut ends: Vec<_> = issuers.iter().map(|issuer| issuer.not_after.secs()).collect();
        ends.sort_unstable();
        ends
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
    fn no_more_than_some_are_looked_at() {
        let mut inventory = Inventory::new(1_000);
        for end in 0..100 {
            let authority = authority("CN=a", "CN=b", end);
            inventory.enter(&authority, &Usage::new(Role::Client, None), Source::Peer(UnixTime::default()), &[]);
        }
        let authorities = inventory.authorities();
        assert_eq!(authorities.of(&leaf("CN=a")).len(), MOST_OF_ONE_NAME);
        assert_eq!(authorities.looked_at(), MOST_OF_ONE_NAME);
    }
}
