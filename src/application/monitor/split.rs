//! Upstreams of which one server still presents what the others have replaced.

use std::rc::Rc;

use super::Monitor;
use super::turn::{Turn, looking_up};
use crate::application::inventory::{Sighting, Watched};
use crate::application::observation::ADDRESS_PLACE;
use crate::application::observer::SHORTEST_PAUSE;
use crate::domain::certificate::Position;
use crate::domain::condition::{Shown, Standing, standing};
use crate::domain::{Certificate, Usage};

/// Certificates of one name that are compared. Where more are called the same, each server has its own.
const MOST_COMPARED: usize = 16;

impl Monitor {
    /// The certificate that has taken the place of one that an upstream presents, everywhere but at the address at which
    /// that was met last; and this address.
    pub(super) fn left_behind(
        &mut self,
        certificate: &Rc<Certificate>,
        usage: &Usage,
        turn: &mut Turn,
    ) -> Option<(Rc<Certificate>, String)> {
        let watched = self.inventory.get(&certificate.id)?;
        let sighting = watched.sighting(usage).filter(|sighting| sighting.is_of_peer())?;
        let (address, last_seen) = (sighting.latest_address()?, sighting.last_seen?);
        let own = Shown { last_seen, ..self.shown(watched, usage, address)? };
        let namesakes = self
            .inventory
            .named(&certificate.name, usage.role())
            .filter(|known| known.certificate.id != certificate.id);
        let mut others = Vec::new();
        others.extend(namesakes.take(MOST_COMPARED).filter_map(|known| self.shown(known, usage, address)));
        turn.spend(looking_up(others.len()));
        if own.is_one_of_several || others.is_empty() {
            return None;
        }
        // Observers hand each over once in this time.
        let pause = self.config.expiry.check_cooldown.max(SHORTEST_PAUSE);
        let is_elsewhere = |place: &String| place.starts_with(ADDRESS_PLACE) && place != address;
        let is_shared = alike(watched, usage).any(|known| known.places.iter().any(is_elsewhere));
        match standing(&own, &others, is_shared, pause) {
            Standing::LeftBehindBy(newer) => Some((Rc::clone(newer), address.to_owned())),
            Standing::OneOfSeveral => {
                self.record(&certificate.id).is_one_of_several = true;
                None
            }
            Standing::Sound => None,
        }
    }

    /// How a certificate is presented by the upstreams of an API, if it is.
    fn shown<'a>(&self, watched: &'a Watched, usage: &Usage, address: &str) -> Option<Shown<'a>> {
        let certificate = &watched.certificate;
        let record = self.ledger.get(&certificate.id)?;
        (certificate.position == Position::Leaf).then_some(())?;
        Some(Shown {
            certificate,
            first_seen: record.first_seen?,
            last_seen: alike(watched, usage).filter_map(|known| known.last_seen).max()?,
            is_there: alike(watched, usage).any(|known| known.places.iter().any(|place| place == address)),
            is_one_of_several: record.is_one_of_several,
        })
    }
}

/// How a certificate is known from upstreams of the same API, wherever they are.
fn alike<'a>(watched: &'a Watched, usage: &Usage) -> impl Iterator<Item = &'a Sighting> {
    let (role, api_id) = (usage.role(), usage.api_id());
    watched
        .usages
        .iter()
        .filter(move |known| known.is_of_peer() && (known.usage.role(), known.usage.api_id()) == (role, api_id))
}
