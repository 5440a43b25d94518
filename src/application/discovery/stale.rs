//! Secrets that Envoy holds and does not serve: what does it serve in their place?

use std::rc::Rc;

use super::gathered::{Content, place};
use super::join::{Join, LOOK};
use super::loaded::{Entry, index};
use super::survey::Stale;
use super::{Known, spend};
use crate::decode::admin::Kind;
use crate::domain::Certificate;

/// How it is found out, the surest way first.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Way {
    /// What is loaded is put in order.
    #[default]
    Sorting,
    /// It was found there before.
    Before,
    /// It has the same names.
    Alike,
    /// There is nothing else that it could be.
    Left,
}

#[derive(Default)]
pub(super) struct Unserved {
    /// The slots that are not served.
    pub(super) slots: Vec<Option<usize>>,
    way: Way,
    at: usize,
    /// Places and what is loaded that was found there before.
    before: Vec<(String, usize)>,
    /// Leaves that nothing explains and nobody has found before, by the first of their names in the alphabet.
    loose: Vec<usize>,
}

impl Unserved {
    /// Takes one step; whether it was the last.
    pub(super) fn go_on(&mut self, join: &mut Join, known: &dyn Known, room: &mut u32) -> bool {
        let at = self.at;
        self.at = at.saturating_add(1);
        if self.way == Way::Sorting {
            if self.slots.is_empty() {
                return true;
            }
            if at < join.gathered.loaded.len() {
                self.sort(at, join, known, room);
                return false;
            }
        } else if at < self.slots.len() {
            self.find(at, join, known, room);
            return false;
        }
        self.at = 0;
        self.way = match self.way {
            Way::Sorting => Way::Before,
            Way::Before => Way::Alike,
            Way::Alike => Way::Left,
            Way::Left => return true,
        };
        false
    }

    /// Forgets one thing; whether there was none.
    pub(super) fn forget(&mut self) -> bool {
        self.before.pop().is_none()
    }

    fn sort(&mut self, number: usize, join: &Join, known: &dyn Known, room: &mut u32) {
        let Some(entry) = join.gathered.loaded.get(number) else { return };
        if entry.loaded.kind != Kind::Chain {
            return;
        }
        let Some(certificate) = join.certificate_of(number, known, room) else { return };
        let before = known.found_before(&certificate.id);
        spend(room, 2 * LOOK);
        if before.is_empty() && entry.is_loose_leaf() {
            let name = first_name(&entry.loaded.sans);
            let at = self.loose.partition_point(|known| {
                join.gathered.loaded.get(*known).is_some_and(|known| first_name(&known.loaded.sans) <= name)
            });
            self.loose.insert(at, number);
        }
        for place in before.into_iter().flat_map(|(_, places)| places) {
            if place.starts_with("secret/") {
                let at = self.before.partition_point(|(known, _)| *known <= place);
                self.before.insert(at, (place, number));
            }
        }
    }

    /// Looks for what is served in a slot.
    fn find(&mut self, at: usize, join: &mut Join, known: &dyn Known, room: &mut u32) {
        let Some(slot) = self.slots.get(at).copied().flatten().and_then(|slot| join.slots.get(slot)) else { return };
        let Some(holding) = join.gathered.holdings.get(index(slot.holding)) else { return };
        let (Content::Certificates(certificates), Some(name)) = (&holding.content, &holding.secret) else { return };
        let Some(held) = certificates.first() else { return };
        let place = place("secret/", name);
        spend(room, LOOK);
        let found = match self.way {
            // Another slot of the same secret was settled before.
            _ if holding.served_instead.is_some() => holding.served_instead,
            Way::Before => self.found_at(&place),
            // Nobody names it: it may be in service nowhere.
            _ if !slot.is_named => None,
            Way::Alike => self.take_alike(held, join),
            _ => self.take_left(join),
        };
        let Some(number) = found else { return };
        let Some(served) = join.certificate_of(number, known, room) else { return };
        let (usage, places, held) = (slot.usage.clone(), slot.places.clone(), Rc::clone(held));
        let holding = index(slot.holding);
        join.settle(&served, &usage, &places);
        join.gathered.explain_by(number, holding);
        join.survey.stale.push(Stale { place, usage, places, served, held });
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = None;
        }
    }

    /// What was found there before and is loaded still.
    fn found_at(&self, place: &str) -> Option<usize> {
        let at = self.before.partition_point(|(known, _)| known.as_str() < place);
        self.before.get(at).filter(|(known, _)| known == place).map(|(_, number)| *number)
    }

    /// A leaf with the same names.
    fn take_alike(&mut self, held: &Certificate, join: &Join) -> Option<usize> {
        let names = |number: usize| join.gathered.loaded.get(number).map(|entry| entry.loaded.sans.as_slice());
        let name = first_name(&held.sans)?;
        let from = self.loose.partition_point(|known| names(*known).and_then(|names| first_name(names)) < Some(name));
        let alike = |number: usize| {
            names(number).is_some_and(|names| {
                names.len() == held.sans.len() && names.iter().all(|name| held.sans.contains(name))
            })
        };
        let rest = self.loose.get(from..)?;
        let length = rest.partition_point(|known| names(*known).and_then(|names| first_name(names)) <= Some(name));
        let found = rest.iter().take(length.min(MOST_ALIKE)).position(|known| alike(*known))?;
        Some(self.loose.remove(from.checked_add(found)?))
    }

    /// Any leaf that nothing explains.
    fn take_left(&mut self, join: &Join) -> Option<usize> {
        while let Some(number) = self.loose.pop() {
            if join.gathered.loaded.get(number).is_some_and(Entry::is_loose_leaf) {
                return Some(number);
            }
        }
        None
    }
}

/// Leaves that share a name and are compared by all they have.
const MOST_ALIKE: usize = 32;

fn first_name(names: &[String]) -> Option<&String> {
    names.iter().min()
}
