//! Which certificates bear a name: those that have taken one another's place, or may.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Inventory, Watched};
use crate::domain::{CertId, Role, UnixTime};

/// Certificates of one name that are looked at: a name may be borne by everything that is watched.
pub const MOST_NAMESAKES: usize = 64;

/// Certificates by their roles and names, those of one name by their ends.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<(UnixTime, CertId)>);

impl Names {
    pub(super) fn insert(&mut self, role: Role, name: &str, (end, id): (UnixTime, CertId)) {
        self.0.insert((mark(role, name, end), id));
    }

    pub(super) fn remove(&mut self, role: Role, name: &str, (end, id): (UnixTime, CertId)) {
        self.0.remove(&(mark(role, name, end), id));
    }

    /// Those that may bear a name in a role, the one that ends last first.
    pub(super) fn bearing(&self, role: Role, name: &str) -> impl Iterator<Item = &CertId> {
        let first = mark(role, name, UnixTime::from_secs(0));
        let last = UnixTime::from_millis(first.millis() | i64::from(u32::MAX));
        let all = (first, CertId::from_bytes([0; 32]))..=(last, CertId::from_bytes([0xff; 32]));
        self.0.range(all).rev().map(|(_, id)| id)
    }
}

impl Inventory {
    /// The watched certificates of this name in a role, the one that ends last first, and no more than [`MOST_NAMESAKES`].
    ///
    /// Of a larger crowd those are looked at that may be successors, as these end later. In one API all peers of a name are a
    /// set, and a stranger is taken for a successor whatever is done here. One who shows this many to another API, with ends
    /// that nobody has, hides the real ones of this API: what he brings about is a renewal that is told as overdue, and an
    /// alert that is resolved in place of renewed. No client's end is kept silent by that.
    pub fn named(&self, name: &str, role: Role) -> impl Iterator<Item = &Watched> {
        let namesakes = self.roles.names.bearing(role, name).take(MOST_NAMESAKES);
        namesakes.filter_map(|id| self.get(id)).filter(move |watched| watched.certificate.name == name)
    }
}

/// A number made of role, name and end: two bits, thirty of a hash, and the minutes of the end, so that no name of one
/// role is taken for one of another. It is no time, but sets of times and certificates are there already.
fn mark(role: Role, name: &str, end: UnixTime) -> UnixTime {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let minutes = u32::try_from(end.secs().max(0) / 60).unwrap_or(u32::MAX);
    let mark = ((role as u64) << 62) | ((hasher.finish() >> 34) << 32) | u64::from(minutes);
    UnixTime::from_millis(mark.cast_signed())
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::application::inventory::Source;
    use crate::domain::{Certificate, Usage};

    /// One that ends on the day of its number.
    fn enter(inventory: &mut Inventory, number: i64, name: &str, role: Role) -> CertId {
        let id = CertId::of_der(&number.to_be_bytes());
        let certificate = Rc::new(Certificate::bare(id, name, UnixTime::from_secs(number * 86_400)));
        inventory.enter(&certificate, &Usage::new(role, None), Source::Peer(UnixTime::from_secs(1)), &[]);
        id
    }

    fn named(inventory: &Inventory, name: &str, role: Role) -> Vec<CertId> {
        inventory.named(name, role).map(|watched| watched.certificate.id).collect()
    }

    #[test]
    fn those_of_a_name_are_found_in_each_of_their_roles_for_as_long_as_they_are_in_it() {
        let mut inventory = Inventory::new(1_000);
        let [first, second] = [1, 2].map(|number| enter(&mut inventory, number, "orders", Role::Client));
        enter(&mut inventory, 3, "Orders", Role::Client);
        let certificate = Rc::clone(&inventory.get(&first).unwrap().certificate);
        inventory.enter(&certificate, &Usage::new(Role::Server, None), Source::Config, &[]);
        assert_eq!(named(&inventory, "orders", Role::Client), [second, first], "the later end comes first");
        assert_eq!(named(&inventory, "orders", Role::Server), [first]);
        assert_eq!(named(&inventory, "orders", Role::Ca), []);
        assert_eq!(named(&inventory, "billing", Role::Client), []);
        inventory.forget_peers(&first, UnixTime::from_secs(5));
        assert_eq!(named(&inventory, "orders", Role::Client), [second]);
        assert_eq!(named(&inventory, "orders", Role::Server), [first]);
        let watched = inventory.get(&first).unwrap().clone();
        let mut successor = Inventory::new(10);
        successor.restore(watched.certificate, watched.usages.into_iter());
        assert_eq!(named(&successor, "orders", Role::Server), [first]);
    }

    #[test]
    fn a_name_that_everybody_bears_costs_no_more_than_some_and_hides_nobody_in_another_role() {
        let mut inventory = Inventory::new(1_000);
        let server = enter(&mut inventory, 1, "orders", Role::Server);
        let clients: Vec<_> = (2..500).map(|number| enter(&mut inventory, number, "orders", Role::Client)).collect();
        let latest: Vec<_> = clients.into_iter().rev().take(MOST_NAMESAKES).collect();
        assert_eq!(named(&inventory, "orders", Role::Client), latest);
        assert_eq!(named(&inventory, "orders", Role::Server), [server]);
    }

    #[test]
    fn those_of_one_name_lie_together_whenever_they_end() {
        let ends = [i64::MIN, -1, 0, 59, 60, 253_402_300_799, i64::MAX].map(UnixTime::from_secs);
        for role in Role::ALL {
            for name in ["", "orders", "edge"] {
                let marks = ends.map(|end| mark(role, name, end));
                assert!(marks.is_sorted() && marks[4] < marks[5], "{role} {name}");
                let others = Role::ALL.into_iter().filter(|other| *other != role);
                let mut others = others.flat_map(|other| ends.map(|end| mark(other, name, end)));
                assert!(others.all(|other| other < marks[0] || other > marks[6]), "{role} {name}");
            }
        }
    }
}
