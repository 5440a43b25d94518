//! Which certificate has taken another one's place, and who is told of it.
//!
//! An alert about a certificate that is gone is closed by its renewal where a successor is watched, and is resolved
//! otherwise. A roll-out may show the old one and the new one in turn: what a round of discovery misses while its successor
//! is there is gone when the next round misses it, too.

use std::rc::Rc;
use std::time::Duration;

use super::Monitor;
use super::inform::Questions;
use super::turn::{EVENT, Turn, looking, looking_up};
use crate::application::inventory::{Sighting, Watched};
use crate::config::{Config, Handler, NotifyRenewals};
use crate::domain::ledger::{Because, Notice};
use crate::domain::renewal::succeeds;
use crate::domain::{CertId, Certificate, Detail, Event, EventKind, Incident, Origin, Presence, UnixTime, Usage};

/// Certificates that wait for a second round of discovery. Of more at once the first round is believed.
const MOST_PARTINGS: usize = 1_024;

/// What the monitor knows of renewals, beside what it remembers of slots and certificates.
#[derive(Debug, Default)]
pub(super) struct Renewals {
    /// Whether anybody is told of renewals.
    is_told: bool,
    /// Whether those are told that nobody was alerted to before.
    tells_all: bool,
    /// Whether it is remembered when the certificates of slots were renewed.
    pub(super) keeps_habits: bool,
    /// Usages that the last round of discovery has not found, while a successor is there.
    partings: Vec<Parting>,
    pub(super) questions: Questions,
}

/// A usage of a certificate that a round of discovery has not found.
#[derive(Debug)]
struct Parting {
    certificate: Rc<Certificate>,
    usage: Usage,
    presence: Presence,
    /// The round that missed it first.
    round: u32,
}

/// Usages of a certificate that are not watched any more.
struct Gone {
    certificate: Rc<Certificate>,
    usages: Vec<(Usage, Presence)>,
}

impl Renewals {
    /// Nothing is known yet; of what nobody wants to hear, nothing ever is.
    pub(super) fn of(config: &Config) -> Self {
        let (is_told, expiry) = (config.wants(EventKind::CertificateRenewed), &config.expiry);
        let tells_all = is_told && expiry.notify_renewals == NotifyRenewals::All;
        let learns = config.wants(EventKind::CertificateRenewalOverdue) && expiry.renewal_expected_at.is_none();
        Self { is_told, tells_all, keeps_habits: tells_all || learns, ..Self::default() }
    }
}

impl Monitor {
    /// Forgets what a round of discovery has not found any more, and nobody else tells of.
    pub(super) fn forget_missed(&mut self, id: &CertId, round: u32, turn: &mut Turn) {
        let is_missed = |sighting: &&Sighting| {
            let is_known_otherwise = sighting.is_listed || sighting.last_seen.is_some();
            !is_known_otherwise && sighting.found_in.is_some_and(|found| found != round)
        };
        let gone = self.going(id, &is_missed, turn.now);
        if self.inventory.forget_found(id, round)
            && let Some(gone) = gone
        {
            self.changes.note(id);
            self.wait_for(&gone, round, turn);
            self.part(&gone, turn);
        }
    }

    /// Forgets what no peer has presented since.
    pub(super) fn forget_unseen(&mut self, id: &CertId, since: UnixTime, turn: &mut Turn) {
        let is_unseen = |sighting: &&Sighting| sighting.is_of_peer() && sighting.last_seen.is_some_and(|at| at < since);
        let gone = self.going(id, &is_unseen, turn.now);
        if self.inventory.forget_peers(id, since)
            && let Some(gone) = gone
        {
            self.changes.note(id);
            self.part(&gone, turn);
        }
    }

    /// The usages of a certificate that are about to be forgotten.
    fn going(&self, id: &CertId, is_going: &dyn Fn(&&Sighting) -> bool, now: UnixTime) -> Option<Gone> {
        let watched = self.inventory.get(id)?;
        let mut going = watched.usages.iter().filter(is_going).peekable();
        going.peek()?;
        let first_seen = self.ledger.get(id).and_then(|record| record.first_seen);
        let mut usages = Vec::new();
        usages.extend(going.map(|sighting| (sighting.usage.clone(), sighting.presence(first_seen, now))));
        Some(Gone { certificate: Rc::clone(&watched.certificate), usages })
    }

    /// Has what a round of discovery has missed for the first time wait for the next one, if there is a successor: only
    /// what somebody would be told of.
    fn wait_for(&mut self, gone: &Gone, round: u32, turn: &mut Turn) {
        for (usage, presence) in &gone.usages {
            turn.spend(looking(self.renewals.partings.len()));
            if self.renewals.partings.len() < MOST_PARTINGS
                && (self.renewals.tells_all || self.has_alert(&gone.certificate.id, usage))
                && self.successor(&gone.certificate, usage, presence, turn).is_some()
            {
                let (certificate, usage, presence) = (Rc::clone(&gone.certificate), usage.clone(), presence.clone());
                self.renewals.partings.push(Parting { certificate, usage, presence, round });
            }
        }
    }

    /// Decides about one of those that an earlier round has missed; whether there was one.
    pub(super) fn conclude_parting(&mut self, round: u32, turn: &mut Turn) -> bool {
        let partings = &mut self.renewals.partings;
        turn.spend(looking(partings.len()));
        let Some(index) = partings.iter().position(|parting| parting.round != round) else { return false };
        let Parting { certificate, usage, presence, .. } = partings.swap_remove(index);
        let watched = self.inventory.get(&certificate.id);
        // What is back was never gone.
        if watched.is_none_or(|watched| watched.sighting(&usage).is_none()) {
            self.part(&Gone { certificate, usages: vec![(usage, presence)] }, turn);
        }
        true
    }

    /// Closes the alerts about what is gone, and tells of renewals that nobody was alerted to before.
    fn part(&mut self, gone: &Gone, turn: &mut Turn) {
        let Gone { certificate, usages } = gone;
        // It stood in many an order.
        turn.spend(1);
        self.close_ended(&certificate.id, turn);
        for (usage, presence) in usages {
            if self.renewals.tells_all && !self.waits(&certificate.id, usage) {
                self.tell_renewal(certificate, usage, presence, turn);
            }
        }
    }

    /// Whether a usage of a certificate waits for a second round of discovery.
    fn waits(&self, id: &CertId, usage: &Usage) -> bool {
        self.renewals.partings.iter().any(|parting| parting.certificate.id == *id && parting.usage == *usage)
    }

    /// Whether an alert about a certificate in a usage is open.
    fn has_alert(&self, id: &CertId, usage: &Usage) -> bool {
        let is_open = |about: &CertId| self.ledger.notice(about, usage).is_some();
        let kinds = EventKind::CONDITIONS.into_iter().chain([EventKind::CertificateStale]);
        is_open(id) || kinds.map(|kind| Incident::about(kind, *id)).any(|about| is_open(&about))
    }

    /// The certificate that has taken the place of `old` in a usage: of several the one that ends last.
    pub(super) fn successor(
        &self,
        old: &Certificate,
        usage: &Usage,
        presence: &Presence,
        turn: &mut Turn,
    ) -> Option<Rc<Certificate>> {
        let mut looked_at = 0_usize;
        let namesakes =
            self.inventory.named(&old.name, usage.role()).inspect(|_| looked_at = looked_at.saturating_add(1));
        let takes_place = |watched: &&Watched| {
            let sighting = watched.sighting(usage).filter(|_| succeeds(&watched.certificate, old));
            sighting.is_some_and(|sighting| is_same_slot(sighting, presence))
        };
        let latest = |watched: &&Watched| (watched.certificate.not_after, watched.certificate.id);
        let successor = namesakes.filter(takes_place).max_by_key(latest).map(|watched| Rc::clone(&watched.certificate));
        turn.spend(looking_up(looked_at));
        successor
    }

    /// Whether a peer's certificate seems to be out of use: a successor has come since anybody has presented it. Where both
    /// are in use, as twenty pods may have one each under one name, it is presented again within the time in which observers
    /// hand nothing over twice.
    pub(super) fn is_replaced(&self, old: &Certificate, usage: &Usage, why: Because, turn: &mut Turn) -> bool {
        let sighting = self.inventory.get(&old.id).and_then(|watched| watched.sighting(usage));
        let Some(last_seen) = sighting.filter(|known| known.is_of_peer()).and_then(|known| known.last_seen) else {
            return false;
        };
        let told = self.ledger.notice(&old.id, usage);
        if why == Because::CooldownOver && told.is_some_and(|told| told.at < last_seen) {
            // It was in use after it was told, so that is worth repeating.
            return false;
        }
        let mut looked_at = 0_usize;
        let mut namesakes =
            self.inventory.named(&old.name, usage.role()).inspect(|_| looked_at = looked_at.saturating_add(1));
        let has_come_since = |known: &Sighting| known.is_of_peer() && known.first_seen.is_some_and(|at| at > last_seen);
        let is_replaced = namesakes
            .any(|watched| succeeds(&watched.certificate, old) && watched.sighting(usage).is_some_and(has_come_since));
        turn.spend(looking_up(looked_at));
        is_replaced
    }

    /// Closes an alert about a usage that is not watched any more, once it is sure that it is gone.
    pub(super) fn close_gone(&mut self, about: &CertId, usage: &Usage, turn: &mut Turn) {
        let Some(notice) = self.ledger.notice(about, usage) else { return };
        let id = if notice.is_of_condition() { notice.certificate.id } else { *about };
        turn.spend(looking(self.renewals.partings.len()));
        if self.waits(&id, usage) {
            return;
        }
        let (old, presence) = (Rc::clone(&notice.certificate), notice.presence.clone());
        // One renewal is told once: by the alert about the end, if there is one.
        let is_said = id != *about && (self.has_expiry_alert(&id, usage) || self.is_told_renewed(&id, usage));
        let is_wanted = self.renewals.is_told && !is_said && !self.is_in_use(&id, usage);
        let successor = is_wanted.then(|| self.successor(&old, usage, &presence, turn)).flatten();
        self.close_by(about, usage, successor.as_ref(), turn);
    }

    fn has_expiry_alert(&self, id: &CertId, usage: &Usage) -> bool {
        self.ledger.notice(id, usage).is_some()
    }

    /// Whether a certificate is watched in a usage still: nobody looks into what the alert was about any more, or more is
    /// known of the usage than before.
    fn is_in_use(&self, id: &CertId, usage: &Usage) -> bool {
        let is_vague = usage.api_id().is_none() && usage.place().is_none();
        let is_it = |known: &Usage| known == usage || (is_vague && known.role() == usage.role());
        let watched = self.inventory.get(id);
        watched.is_some_and(|watched| watched.usages.iter().any(|known| is_it(&known.usage)))
    }

    /// Closes the alert about a usage: whoever names renewals hears of the `successor`, if there is one, and all others that
    /// it is over.
    pub(super) fn close_by(
        &mut self,
        about: &CertId,
        usage: &Usage,
        successor: Option<&Rc<Certificate>>,
        turn: &mut Turn,
    ) {
        let Some(notice) = self.record(about).notices.remove(usage) else { return };
        turn.spend(EVENT);
        // What a certificate that stood for this one was told of, receivers know by the id of that one.
        let is_of_certificate = EventKind::OF_TYK.contains(&notice.kind);
        let known_as = if is_of_certificate { notice.certificate.id } else { *about };
        let period = self.config.expiry.period_of(Some(notice.kind));
        let end = |by| Event::closing(known_as, &notice, by, usage, period, turn.now);
        let (resolved, renewed) = (end(None), successor.map(|by| end(Some(by))));
        self.free(&resolved, turn);
        match renewed {
            None => {
                self.announce_event(&resolved, turn);
                self.tell(&resolved, turn.now, None, turn);
            }
            Some(renewed) => {
                self.announce_event(&renewed, turn);
                self.tell_some(&renewed, turn.now, None, &names_renewals, turn);
                self.tell_some(&resolved, turn.now, None, &|handler| !names_renewals(handler), turn);
                self.remember_renewal(&renewed, turn.now);
            }
        }
        // What comes back is told again.
        self.record(about).told.retain(|(known, kind, _), _| known != usage || kind.closes());
    }

    /// Tells of a renewal that nobody was alerted to before, once for the certificate that is gone.
    pub(super) fn tell_renewal(&mut self, old: &Rc<Certificate>, usage: &Usage, presence: &Presence, turn: &mut Turn) {
        let is_known =
            !self.renewals.tells_all || self.has_alert(&old.id, usage) || self.is_told_renewed(&old.id, usage);
        if is_known || self.is_in_use(&old.id, usage) {
            return;
        }
        let Some(successor) = self.successor(old, usage, presence, turn) else { return };
        let (kind, detail) = (EventKind::CertificateRenewed, Detail::Other(successor));
        let incident = Incident::of_certificate(kind, old, usage, presence.clone(), Incident::RENEWED, detail);
        self.tell_incident(&incident, turn);
    }

    /// Whether somebody was told that a certificate was renewed in a usage.
    fn is_told_renewed(&self, id: &CertId, usage: &Usage) -> bool {
        self.ledger.notice(&Incident::about(EventKind::CertificateRenewed, *id), usage).is_some()
    }

    fn remember_renewal(&mut self, event: &Event, now: UnixTime) {
        let notice = Notice::of(event, Duration::ZERO, now, None);
        let about = Incident::about(EventKind::CertificateRenewed, event.certificate.id);
        self.record(&about).notices.insert(event.usage.clone(), Box::new(notice));
    }
}

/// Whether a successor that is known like this belongs to the slot of one that was known like that. Peers of one name are a
/// set, wherever they were met; everything else has its place, and where no place has a name, the document is the place.
fn is_same_slot(sighting: &Sighting, presence: &Presence) -> bool {
    let (places, is_of_peer) = (&sighting.places, presence.origin == Origin::Peer);
    let shares_place = presence.places.iter().any(|place| places.contains(place));
    let is_nowhere = presence.places.is_empty() && places.is_empty();
    sighting.is_of_peer() == is_of_peer && (is_of_peer || shares_place || is_nowhere)
}

fn names_renewals(handler: &Handler) -> bool {
    handler.routing.events.contains(&EventKind::CertificateRenewed)
}
