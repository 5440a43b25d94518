//! What is true of a certificate beside its end: looked at whenever the certificate is checked and in every round, told
//! while it is true, closed when it is not.

use std::rc::Rc;
use std::time::Duration;

use super::Monitor;
use super::turn::{CONDITIONS, EVENT, Turn, looking_up};
use crate::application::inventory::Sighting;
use crate::application::observation::ADDRESS_PLACE;
use crate::config::Config;
use crate::domain::condition::{begins_at, ends_first, weaknesses};
use crate::domain::{CertId, Certificate, Detail, Event, EventKind, Incident, Presence, Role, UnixTime, Usage};

/// What is found of one kind: what is true, and when that will be another thing.
type Finding = (Option<Incident>, Option<UnixTime>);

/// The kinds that are looked into: those that some handler names.
pub(super) fn wanted(config: &Config) -> Vec<EventKind> {
    let kinds = EventKind::CONDITIONS.into_iter().chain([EventKind::CertificateStale]);
    let mut wanted = Vec::new();
    wanted.extend(kinds.filter(|kind| config.wants(*kind)));
    wanted
}

impl Monitor {
    /// Looks at a certificate in all its usages that the check cooldown has spared.
    pub(super) fn reconcile_all(&mut self, id: &CertId, at: UnixTime, turn: &mut Turn) {
        if self.conditions.is_empty() {
            return;
        }
        let Some(watched) = self.inventory.get(id) else { return };
        let certificate = Rc::clone(&watched.certificate);
        for usage in Sighting::usages_of(&watched.usages, &|known| known.look.is_taken()) {
            if let Some(next) = self.reconcile(&certificate, &usage, at, turn) {
                self.inventory.wake(*id, next);
            }
        }
    }

    /// Looks at a certificate that peers have presented, in those usages in which that was something new.
    pub(super) fn reconcile_met(&mut self, id: &CertId, turn: &mut Turn) {
        while let Some(usage) = self.inventory.take_unreconciled(id) {
            let Some(certificate) = self.inventory.get(id).map(|watched| Rc::clone(&watched.certificate)) else {
                return;
            };
            if let Some(next) = self.reconcile(&certificate, &usage, turn.now, turn) {
                self.inventory.wake(*id, next);
            }
        }
    }

    /// Tells of what is true of a certificate in a usage, and closes what is not true any more. `at` is the moment that
    /// cooldowns count from. Returns when to look at it again.
    pub(super) fn reconcile(
        &mut self,
        certificate: &Rc<Certificate>,
        usage: &Usage,
        at: UnixTime,
        turn: &mut Turn,
    ) -> Option<UnixTime> {
        // Nobody cares any more about one that ended long ago.
        let is_dead = certificate.not_after.after(self.config.expiry.expired_max_age) < turn.now;
        if self.conditions.is_empty() || is_dead {
            return None;
        }
        turn.spend(CONDITIONS);
        let presence = self.presence_of(&certificate.id, usage, turn.now);
        let mut next: Option<UnixTime> = None;
        for index in 0..self.conditions.len() {
            let Some(kind) = self.conditions.get(index).copied() else { break };
            let (found, changes_at) = self.find(kind, certificate, usage, &presence, turn);
            match found {
                Some(incident) => self.tell_incident_of(&incident, at, turn),
                None => self.close_if_told(&Incident::about(kind, certificate.id), usage, turn),
            }
            next = [next, changes_at].into_iter().flatten().min();
        }
        next
    }

    fn find(
        &mut self,
        kind: EventKind,
        certificate: &Rc<Certificate>,
        usage: &Usage,
        presence: &Presence,
        turn: &mut Turn,
    ) -> Finding {
        let incident = |presence: &Presence, rule, detail| {
            Incident::of_certificate(kind, certificate, usage, presence.clone(), rule, detail)
        };
        let found = match kind {
            EventKind::CertificateNotYetValid => {
                let begin = begins_at(certificate, turn.now);
                return (begin.map(|_| incident(presence, Incident::NOT_YET_VALID, Detail::Nothing)), begin);
            }
            EventKind::CertificateWeak => {
                let found = weaknesses(certificate, &self.config.expiry.policies);
                let texts = found.iter().fold(String::new(), |texts, weakness| {
                    let comma = if texts.is_empty() { "" } else { "; " };
                    texts + comma + &weakness.text
                });
                found.first().map(|worst| incident(presence, worst.policy, Detail::Text(texts)))
            }
            EventKind::ChainExpiresFirst => {
                let authorities = self.inventory.authorities(usage.role());
                let first = ends_first(certificate, &authorities);
                turn.spend(looking_up(authorities.looked_at()));
                first.map(|first| incident(presence, Incident::CHAIN, Detail::Other(first)))
            }
            EventKind::CertificateStale if usage.role() == Role::Upstream => {
                self.left_behind(certificate, usage, turn).map(|(newer, address)| {
                    // Where to look comes first; what else is known of the old one is where it was before.
                    let mut places = vec![address];
                    places.extend(presence.places.iter().filter(|place| !place.starts_with(ADDRESS_PLACE)).cloned());
                    let presence = Presence { places, ..presence.clone() };
                    incident(&presence, Incident::SPLIT, Detail::Other(newer))
                })
            }
            EventKind::CertificateRenewalOverdue => return self.overdue(certificate, usage, presence, turn),
            _ => None,
        };
        (found, None)
    }

    /// Closes an alert if there is one.
    fn close_if_told(&mut self, about: &CertId, usage: &Usage, turn: &mut Turn) {
        if self.ledger.notice(about, usage).is_some() {
            self.close(about, usage, turn);
        }
    }

    /// Tells of the usages in which a certificate is met for the first time. They are news and no alert: there is no cooldown,
    /// and nothing is begun anew when all tries to deliver it are spent.
    pub(super) fn introduce(&mut self, certificate: &Rc<Certificate>, usages: &[Usage], turn: &mut Turn) {
        let id = &certificate.id;
        let is_new = self.ledger.get(id).is_none_or(|record| record.first_seen.is_none());
        if is_new {
            self.record(id).first_seen = Some(turn.now);
        }
        if !self.config.wants(EventKind::CertificateDiscovered) {
            return;
        }
        if !is_new && self.ledger.get(id).is_some_and(|record| record.discovered.is_empty()) {
            // It was met when nobody wanted to hear of that.
            let known = self.inventory.get(id).into_iter().flat_map(|watched| &watched.usages);
            self.ledger.change(id).discovered.extend(known.map(|sighting| sighting.usage.clone()));
            self.changes.note(id);
        }
        for usage in usages {
            if self.ledger.get(id).is_some_and(|record| !record.discovered.contains(usage)) {
                self.record(id).discovered.push(usage.clone());
                self.tell_discovered(certificate, usage, turn);
            }
        }
    }

    fn tell_discovered(&mut self, certificate: &Rc<Certificate>, usage: &Usage, turn: &mut Turn) {
        turn.spend(EVENT);
        let (kind, presence) = (EventKind::CertificateDiscovered, self.presence_of(&certificate.id, usage, turn.now));
        let incident =
            Incident::of_certificate(kind, certificate, usage, presence, Incident::DISCOVERED, Detail::Nothing);
        // It happens once, whenever that is: its number is that of the only period there is.
        let event = Event::of_incident(&incident, turn.now, Duration::MAX, turn.now, turn.now);
        self.announce_event(&event, turn);
        self.tell(&event, turn.now, None, turn);
    }
}
