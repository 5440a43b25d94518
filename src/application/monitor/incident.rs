//! What happened at a place: told once for each place and cause, and again after the event cooldown if it lasts or comes
//! back.

use std::rc::Rc;
use std::time::Duration;

use super::Monitor;
use super::turn::{EVENT, Turn, comparing, looking};
use crate::application::discovery::Stale;
use crate::application::inventory::Sighting;
use crate::application::observation::Rejection as Observed;
use crate::domain::ledger::{Notice, Repetition, repeat};
use crate::domain::{
    CertId, Certificate, Event, EventKind, Incident, Presence, Reason, Rejection, Role, UnixTime, Usage,
};

/// Rounds of discovery in a row that must find Envoy serving another certificate than it holds: an update may be under way
/// during one.
const ROUNDS: u32 = 2;
/// Certificates of upstreams that are looked through for the one that was seen last at a place.
const MOST_LOOKED_AT: usize = 4_096;
/// Incidents that are remembered because somebody was not told of them.
const MOST_OWED: usize = 256;
/// What understanding Envoy's text about a failure costs, and naming what it is about.
const UNDERSTANDING: u32 = 8;
/// Where nothing is known of where it happened.
const NOWHERE: &str = "address/unknown";

fn place_of(observed: &Observed) -> &str {
    observed.place.as_deref().unwrap_or(NOWHERE)
}

/// A place where another certificate is served than the one that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    about: CertId,
    usage: Usage,
    /// Rounds that found it so.
    rounds: u32,
    /// Whether the last round did.
    is_stale: bool,
}

impl Monitor {
    /// Takes note of a handshake that failed, unless the certificate that was shown in it has to be parsed first: that is
    /// returned then.
    pub(super) fn take_rejection(&mut self, observed: Observed, turn: &mut Turn) -> Option<Observed> {
        turn.spend(UNDERSTANDING);
        let reason = Reason::of(observed.usage.role(), &observed.text)?;
        let about = Incident::rejected_at(&observed.usage, place_of(&observed), reason);
        let last = self.last_rejection(&about).map(|(_, notice)| notice);
        // Nobody is told again for now, so nothing is looked into.
        if repeat(last, self.config.expiry.period(), turn.now, turn.now) == Repetition::Quiet {
            return None;
        }
        let shown = match &observed.certificate {
            None => None,
            Some((id, pem)) => match self.inventory.get(id) {
                Some(watched) => Some(Rc::clone(&watched.certificate)),
                None if pem.is_empty() || self.quarantine.contains(id) => {
                    Some(Rc::new(Certificate::bare(*id, "", UnixTime::NEVER)))
                }
                None => return Some(observed),
            },
        };
        self.reject(&observed, shown, turn);
        None
    }

    /// Tells of a handshake that failed. `shown` is the certificate that was shown in it; it is not watched.
    pub(super) fn reject(&mut self, observed: &Observed, shown: Option<Rc<Certificate>>, turn: &mut Turn) {
        let Observed { usage, address, text, .. } = observed;
        turn.spend(UNDERSTANDING);
        let Some(mut reason) = Reason::of(usage.role(), text) else { return };
        let place = place_of(observed);
        let certificate = match usage.role() {
            Role::Upstream => self.seen_last_at(place, reason == Reason::Refused, turn),
            _ => shown,
        };
        if let Some(certificate) = certificate.as_ref().filter(|_| reason == Reason::Invalid) {
            // Envoy does not say why; the certificate may.
            if certificate.not_after <= turn.now {
                reason = Reason::Expired;
            } else if certificate.not_before > turn.now && certificate.not_after < UnixTime::NEVER {
                reason = Reason::NotYetValid;
            }
        }
        let (text, address) = (text.clone(), address.clone());
        let incident = Incident::rejected(certificate, usage, place, Rejection { reason, text, address });
        self.tell_incident(&incident, turn);
    }

    /// The certificate that the upstreams at a place have presented last, or the one that we present to them.
    fn seen_last_at(&self, place: &str, is_ours: bool, turn: &mut Turn) -> Option<Rc<Certificate>> {
        let is_there = |sighting: &&Sighting| {
            let is_theirs = sighting.is_of_peer();
            sighting.usage.role() == Role::Upstream
                && is_theirs != is_ours
                && sighting.places.iter().any(|known| known == place)
        };
        let candidates = self.inventory.in_role(Role::Upstream).take(MOST_LOOKED_AT);
        let candidates = candidates.filter_map(|watched| {
            let latest = watched.usages.iter().filter(is_there).map(|sighting| sighting.last_seen).max()?;
            Some((latest, watched))
        });
        // Each of them is fetched, and its places are compared.
        turn.spend(looking(self.inventory.count(Role::Upstream).min(MOST_LOOKED_AT).saturating_mul(4)));
        let (_, last) = candidates.max_by_key(|(latest, _)| *latest)?;
        Some(Rc::clone(&last.certificate))
    }

    /// Begins to take note of where a round of discovery found another certificate served than the one that is held.
    pub(super) fn begin_slots(&mut self) {
        for slot in &mut self.slots {
            slot.is_stale = false;
        }
    }

    /// Takes note of one of these places.
    pub(super) fn note_stale(&mut self, stale: &Stale, turn: &mut Turn) {
        let incident = Incident::stale(&stale.served, &stale.held, &stale.usage, Presence::at(&stale.places));
        let (about, usage) = (incident.about, incident.usage.clone());
        turn.spend(looking(self.slots.len()));
        let rounds = if let Some(slot) = self.slots.iter_mut().find(|slot| slot.about == about && slot.usage == usage) {
            slot.is_stale = true;
            slot.rounds = slot.rounds.saturating_add(1);
            slot.rounds
        } else {
            self.slots.push(Slot { about, usage, rounds: 1, is_stale: true });
            1
        };
        if rounds >= ROUNDS {
            self.tell_incident(&incident, turn);
        }
    }

    /// Closes the alert about one of the places where all is well again; whether there was one.
    pub(super) fn close_slot(&mut self, turn: &mut Turn) -> bool {
        turn.spend(looking(self.slots.len()));
        let Some(index) = self.slots.iter().position(|slot| !slot.is_stale) else { return false };
        let Slot { about, usage, .. } = self.slots.swap_remove(index);
        self.close(&about, &usage, turn);
        true
    }

    /// Remembers the places of which a predecessor has told: they are to be closed when all is well there.
    pub(super) fn take_over_slots(&mut self, told: impl Iterator<Item = (CertId, Usage)>) {
        self.slots.extend(told.map(|(about, usage)| Slot { about, usage, rounds: 1, is_stale: true }));
    }

    /// What was last told of handshakes that fail, for whichever API it was noticed.
    fn last_rejection(&self, about: &CertId) -> Option<(&Usage, &Notice)> {
        self.ledger.get(about)?.notices().max_by_key(|(_, notice)| notice.at)
    }

    /// What was last told of an incident.
    fn last_notice(&self, incident: &Incident) -> Option<(&Usage, &Notice)> {
        if incident.kind == EventKind::CertificateRejected {
            return self.last_rejection(&incident.about);
        }
        let (usage, notice) = self.ledger.get(&incident.about)?.notices.get_key_value(&incident.usage)?;
        Some((usage, notice))
    }

    /// Tells of an incident, if its cooldown allows.
    pub(super) fn tell_incident(&mut self, incident: &Incident, turn: &mut Turn) {
        self.tell_incident_of(incident, turn.now, turn);
    }

    /// The same where cooldowns count from `at`: for a round the time it was due.
    pub(super) fn tell_incident_of(&mut self, incident: &Incident, at: UnixTime, turn: &mut Turn) {
        let period = self.period_of(incident.kind);
        let last = self.last_notice(incident);
        let repetition = repeat(last.map(|(_, notice)| notice), period, at, turn.now);
        if repetition == Repetition::Notify
            && incident.kind.lasts()
            && let Some(until) = self.incident_held_until(incident, turn)
        {
            // It is looked at again by then, and may be over.
            self.inventory.wake(incident.certificate.id, until);
            return self.refresh_incident(incident, turn);
        }
        match (repetition, last) {
            (Repetition::Quiet, _) => self.refresh_incident(incident, turn),
            (Repetition::Retry, Some((usage, last))) => {
                turn.spend(EVENT);
                let incident = Incident { usage: usage.clone(), ..incident.clone() };
                let (noticed_at, owed) = (last.at, last.owed.clone());
                let event = Event::of_incident(&incident, last.since, period, noticed_at, turn.now);
                if let Some(notice) = self.record(&incident.about).notices.get_mut(&incident.usage) {
                    notice.owed.clear();
                }
                self.tell(&event, noticed_at, Some(&owed), turn);
            }
            (_, last) => {
                turn.spend(EVENT);
                // One that lasts has begun when it was first noticed; a handshake is over when it has failed.
                let lasting = last.filter(|_| incident.kind.lasts());
                let since = lasting.map_or(turn.now, |(_, last)| last.since);
                let event = Event::of_incident(incident, since, period, at, turn.now);
                let notice = Notice::of(&event, Duration::ZERO, at, None);
                self.record(&incident.about).notices.insert(incident.usage.clone(), Box::new(notice));
                self.announce_event(&event, turn);
                self.tell(&event, at, None, turn);
            }
        }
    }

    /// The length of the periods in which an incident of a kind is told once.
    fn period_of(&self, kind: EventKind) -> Duration {
        if kind.happens_once() { Duration::MAX } else { self.config.expiry.period() }
    }

    fn incident_held_until(&self, incident: &Incident, turn: &mut Turn) -> Option<UnixTime> {
        let Incident { kind, certificate, usage, presence, .. } = incident;
        let expiry = &self.config.expiry;
        if !kind.is_of_certificate() {
            return expiry.quiet_until(kind.severity(), turn.now);
        }
        turn.spend(comparing(expiry.effort(certificate, usage, &presence.places, &presence.api_ids)));
        expiry.held_until(certificate, usage, presence, kind.severity(), turn.now)
    }

    /// Tells those receivers of an incident that lasts again that would take it for over otherwise.
    fn refresh_incident(&mut self, incident: &Incident, turn: &mut Turn) {
        if !incident.kind.lasts() {
            return;
        }
        let Some((_, last)) = self.last_notice(incident) else { return };
        let period = self.config.expiry.period();
        let (noticed_at, owed) = (last.at, last.owed.clone());
        let event = Event::of_incident(incident, last.since, period, noticed_at, turn.now);
        self.post_again(&event, noticed_at, &owed, turn);
    }

    /// Remembers an incident that somebody was not told of.
    pub(super) fn owe_incident(&mut self, event: &Event) {
        let owed = (event.about, event.usage.clone());
        if self.owed_incidents.len() < MOST_OWED && !self.owed_incidents.contains(&owed) {
            self.owed_incidents.push(owed);
        }
    }

    /// Tells of incidents again that somebody was not told of, since a round of checks has begun.
    pub(super) fn retry_incidents(&mut self, turn: &mut Turn) {
        while self.incidents_to_retry > 0 && turn.has_work_left() {
            self.incidents_to_retry = self.incidents_to_retry.saturating_sub(1);
            if !self.owed_incidents.is_empty() {
                let (about, usage) = self.owed_incidents.remove(0);
                self.retry_incident(about, &usage, turn);
            }
        }
    }

    fn retry_incident(&mut self, about: CertId, usage: &Usage, turn: &mut Turn) {
        let Some(notice) = self.ledger.notice(&about, usage).filter(|notice| !notice.owed.is_empty()) else { return };
        let (since, noticed_at, owed) = (notice.since, notice.at, notice.owed.clone());
        let period = self.period_of(notice.kind);
        let event = Event::of_incident(&Incident::again(about, notice, usage), since, period, noticed_at, turn.now);
        if let Some(notice) = self.record(&about).notices.get_mut(usage) {
            notice.owed.clear();
        }
        turn.spend(EVENT);
        self.tell(&event, noticed_at, Some(&owed), turn);
    }
}
