//! What is not looked at or told at once, because somebody may have more to say.

use super::{Inventory, Look};
use crate::domain::{CertId, UnixTime, Usage};

impl Inventory {
    /// Has a usage looked at no earlier than `until`.
    pub fn hold_back(&mut self, id: &CertId, usage: &Usage, until: UnixTime) {
        if let Some(sighting) = self.watched.get_mut(id).and_then(|watched| watched.sighting_mut(usage)) {
            sighting.look = Look::NotBefore(until);
            self.later.insert((until, *id));
        }
    }

    /// Has what is true of a usage beside its end looked at when all is taken in that was handed over together.
    pub fn reconcile_later(&mut self, id: &CertId, usage: &Usage, now: UnixTime) {
        if let Some(sighting) = self.watched.get_mut(id).and_then(|watched| watched.sighting_mut(usage)) {
            sighting.is_unreconciled = true;
            self.later.insert((now, *id));
        }
    }

    /// Notes that nothing is told of the end of a certificate in a usage before a peer presents it again.
    pub fn await_peer(&mut self, id: &CertId, usage: &Usage) {
        if let Some(sighting) = self.watched.get_mut(id).and_then(|watched| watched.sighting_mut(usage)) {
            sighting.look = Look::Awaited;
        }
    }

    /// When [`Inventory::due_later`] has something to hand out.
    pub fn next_later(&self) -> UnixTime {
        self.later.first().map_or(UnixTime::NEVER, |(at, _)| *at)
    }

    /// Takes the next certificate of which some usage has waited for long enough.
    pub fn due_later(&mut self, now: UnixTime) -> Option<CertId> {
        if self.next_later() > now {
            return None;
        }
        self.later.pop_first().map(|(_, id)| id)
    }

    /// Whether a usage of a certificate has waited for long enough to be looked at.
    pub fn has_waited(&self, id: &CertId, now: UnixTime) -> bool {
        let has_waited = |look: Look| matches!(look, Look::NotBefore(_)) && !look.is_early(now);
        self.get(id).is_some_and(|watched| watched.usages.iter().any(|sighting| has_waited(sighting.look)))
    }

    /// Takes a usage of which is to be looked at what is true of it beside its end.
    pub fn take_unreconciled(&mut self, id: &CertId) -> Option<Usage> {
        let usages = &mut self.watched.get_mut(id)?.usages;
        let sighting = usages.iter_mut().find(|sighting| sighting.is_unreconciled)?;
        sighting.is_unreconciled = false;
        Some(sighting.usage.clone())
    }

    /// Notes that a certificate's usages were checked, but for those that wait still.
    pub fn mark_checked(&mut self, id: &CertId, now: UnixTime) {
        for sighting in self.watched.get_mut(id).into_iter().flat_map(|watched| &mut watched.usages) {
            if !sighting.look.is_taken() && !sighting.look.is_early(now) {
                sighting.look = Look::Again;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::application::inventory::Source;
    use crate::domain::{Certificate, Role};

    const fn at(secs: i64) -> UnixTime {
        UnixTime::from_secs(secs)
    }

    fn enter(inventory: &mut Inventory, api_id: Option<&str>, now: i64) -> (CertId, Usage) {
        let certificate = Rc::new(Certificate::bare(CertId::of_der(b"der"), "orders", at(9)));
        let usage = Usage::new(Role::Client, api_id.map(str::to_owned));
        inventory.enter(&certificate, &usage, Source::Peer(at(now)), &[]);
        (certificate.id, usage)
    }

    #[test]
    fn what_waits_is_handed_out_once_and_waits_no_longer_when_it_is_forgotten() {
        let mut inventory = Inventory::new(10);
        let (id, vague) = enter(&mut inventory, None, 1);
        inventory.hold_back(&id, &vague, at(5));
        assert_eq!(
            (inventory.next_later(), inventory.due_later(at(4)), inventory.has_waited(&id, at(4))),
            (at(5), None, false)
        );
        inventory.mark_checked(&id, at(4));
        assert!(!inventory.get(&id).unwrap().usages[0].look.is_taken());
        assert!(inventory.has_waited(&id, at(5)));
        // Somebody knows more of it.
        enter(&mut inventory, Some("orders"), 2);
        inventory.forget_usage(&id, &vague);
        assert_eq!((inventory.due_later(at(5)), inventory.due_later(at(5))), (Some(id), None));
        assert!(!inventory.has_waited(&id, at(5)));
        assert_eq!(inventory.next_wakeup(), UnixTime::NEVER, "nothing else is looked at because of it");
    }

    #[test]
    fn each_usage_is_taken_once() {
        let mut inventory = Inventory::new(10);
        for api_id in ["orders", "billing"] {
            let (id, usage) = enter(&mut inventory, Some(api_id), 1);
            inventory.reconcile_later(&id, &usage, at(1));
        }
        let id = inventory.due_later(at(1)).unwrap();
        assert_eq!(inventory.due_later(at(1)), None);
        let apis = [(); 3].map(|()| inventory.take_unreconciled(&id).map(|usage| usage.api_id().unwrap().to_owned()));
        assert_eq!(apis, [Some("orders".to_owned()), Some("billing".to_owned()), None]);
    }

    #[test]
    fn what_is_awaited_is_looked_at_when_it_comes() {
        let mut inventory = Inventory::new(10);
        let (id, usage) = enter(&mut inventory, Some("orders"), 1);
        inventory.mark_checked(&id, at(1));
        let is_checked = |inventory: &Inventory| inventory.get(&id).unwrap().usages[0].look.is_taken();
        enter(&mut inventory, Some("orders"), 2);
        assert!(is_checked(&inventory));
        inventory.await_peer(&id, &usage);
        assert!(is_checked(&inventory));
        enter(&mut inventory, Some("orders"), 3);
        assert!(!is_checked(&inventory));
        let seen = &inventory.get(&id).unwrap().usages[0];
        assert_eq!((seen.first_seen, seen.last_seen), (Some(at(1)), Some(at(3))));
    }
}
