//! Which certificates bear a name: those that have taken one another's place, or may.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Inventory, Watched};
use crate::domain::{CertId, Certificate, UnixTime};

/// Certificates of one name that are looked at: a name may be borne by everything that is watched.
pub const MOST_NAMESAKES: usize = 64;

impl Inventory {
    /// The watched certificates of this name, in the order of their ids, the first [`MOST_NAMESAKES`] of them.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &Watched> {
        let (first, last) = (CertId::from_bytes([0; 32]), CertId::from_bytes([0xff; 32]));
        let mark = mark(name);
        let marked = self.names.range((mark, first)..=(mark, last)).take(MOST_NAMESAKES);
        marked.filter_map(|(_, id)| self.get(id)).filter(move |watched| watched.certificate.name == name)
    }
}

pub(super) fn mark_of(certificate: &Certificate) -> (UnixTime, CertId) {
    (mark(&certificate.name), certificate.id)
}

/// A number made of a name. It is no time, but sets of times and certificates are there already.
pub(super) fn mark(name: &str) -> UnixTime {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    UnixTime::from_millis(hasher.finish().cast_signed())
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::application::inventory::Source;
    use crate::domain::{Role, Usage};

    fn enter(inventory: &mut Inventory, number: u64, name: &str) -> CertId {
        let id = CertId::of_der(&number.to_be_bytes());
        let certificate = Rc::new(Certificate::bare(id, name, UnixTime::from_secs(9)));
        inventory.enter(&certificate, &Usage::new(Role::Client, None), Source::Peer(UnixTime::from_secs(1)), &[]);
        id
    }

    #[test]
    fn those_of_a_name_are_found_as_long_as_they_are_watched() {
        let mut inventory = Inventory::new(1_000);
        let (first, second) = (enter(&mut inventory, 1, "orders"), enter(&mut inventory, 2, "orders"));
        enter(&mut inventory, 3, "Orders");
        assert_eq!(inventory.named("orders").count(), 2);
        assert_eq!(inventory.named("billing").count(), 0);
        inventory.forget_peers(&first, UnixTime::from_secs(5));
        let left: Vec<_> = inventory.named("orders").map(|watched| watched.certificate.id).collect();
        assert_eq!(left, [second]);
    }

    #[test]
    fn a_name_that_everybody_bears_costs_no_more_than_some() {
        let mut inventory = Inventory::new(1_000);
        for number in 0..500 {
            enter(&mut inventory, number, "orders");
        }
        assert_eq!(inventory.named("orders").count(), MOST_NAMESAKES);
    }
}
