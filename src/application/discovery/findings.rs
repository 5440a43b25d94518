//! What was found so far: one entry for each certificate and usage.

use std::cmp::Ordering;
use std::rc::Rc;

use super::loaded::index;
use super::survey::Found;
use crate::application::inventory::MOST_PLACES;
use crate::domain::{Certificate, Usage};

#[derive(Default)]
pub(super) struct Findings {
    found: Vec<Found>,
    order: Vec<u32>,
}

impl Findings {
    pub(super) fn add(&mut self, certificate: &Rc<Certificate>, usage: &Usage, places: &[String]) {
        let place = self.order.binary_search_by(|known| {
            self.found.get(index(*known)).map_or(Ordering::Less, |known| {
                known.certificate.id.cmp(&certificate.id).then_with(|| known.usage.cmp(usage))
            })
        });
        match place {
            Ok(at) => {
                let found = self.order.get(at).and_then(|number| self.found.get_mut(index(*number)));
                if let Some(found) = found {
                    add_places(&mut found.places, places);
                }
            }
            Err(at) => {
                let Ok(number) = u32::try_from(self.found.len()) else { return };
                self.order.insert(at, number);
                let (certificate, usage) = (Rc::clone(certificate), usage.clone());
                let mut found = Found { certificate, usage, places: Vec::new() };
                add_places(&mut found.places, places);
                self.found.push(found);
            }
        }
    }

    pub(super) fn into_found(self) -> Vec<Found> {
        self.found
    }
}

/// Adds places, as far as there is room.
pub(super) fn add_places(known: &mut Vec<String>, places: &[String]) {
    for place in places {
        if known.len() < MOST_PLACES && !known.contains(place) {
            known.push(place.clone());
        }
    }
}
