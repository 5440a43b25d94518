//! Which certificates are looked at, and what is decided about them.

use std::rc::Rc;

use log::{debug, info};

use super::Monitor;
use super::flood::About;
use super::turn::{ASSESSING, EVENT, Turn};
use crate::application::inventory::Watched;
use crate::application::ledger::Record;
use crate::domain::assessment::assess;
use crate::domain::ledger::{Notice, Verdict, decide};
use crate::domain::time::HOUR;
use crate::domain::{CertId, Certificate, Event, UnixTime, Usage};

/// Why a certificate is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// A round has come to it, or an observer has handed it over again: the check cooldown holds.
    Routine,
    /// It crosses a rule now, or something is owed: no cooldown holds.
    Due,
}

impl Monitor {
    /// Checks the certificates that cross a rule now.
    pub(super) fn check_due(&mut self, turn: &mut Turn) {
        while turn.has_work_left() {
            let Some(id) = self.inventory.due(turn.now) else { break };
            self.check(&id, Cause::Due, turn.now, turn);
        }
    }

    /// Goes on with the round that is due.
    pub(super) fn check_round(&mut self, turn: &mut Turn) {
        if self.rounds.begin(turn.now) {
            self.probes.begin();
            self.retry_incidents(turn);
        }
        let Some(mut round) = self.rounds.current.take() else { return };
        while turn.has_work_left() {
            let Some(id) = self.inventory.next_behind(round.cursor) else {
                info!("Checked {} certificates for expiry", round.checked);
                return;
            };
            round.cursor = Some(id);
            if self.check(&id, Cause::Routine, round.due, turn) {
                round.checked = round.checked.saturating_add(1);
            }
            self.refresh(&id, turn);
        }
        self.rounds.current = Some(round);
    }

    /// A peer's certificate that nobody has handed over for twice the check cooldown is gone: most likely it was renewed,
    /// and a warning about the old one would be a false alarm.
    fn forget_gone_peers(&mut self, id: &CertId, turn: &mut Turn) {
        let gone_after = self.config.expiry.check_cooldown.saturating_mul(2).max(HOUR);
        if self.inventory.forget_peers(id, turn.now.before(gone_after)) {
            self.changes.note(id);
            self.close_ended(id, turn);
        }
    }

    /// Checks one certificate in all its usages. `at` is the moment that cooldowns count from: for a round the time it
    /// was due. Returns whether it was checked, or the check cooldown spared it.
    pub(super) fn check(&mut self, id: &CertId, cause: Cause, at: UnixTime, turn: &mut Turn) -> bool {
        turn.spend(1);
        self.forget_gone_peers(id, turn);
        let Some(watched) = self.inventory.get(id) else { return false };
        let record = self.ledger.get(id);
        let is_cooling = cause == Cause::Routine && self.is_cooling(record, at);
        let is_wanted = |usage: &&Usage| !is_cooling || is_pressing(watched, record, usage);
        let ready = watched.usages.iter().filter(|sighting| sighting.waits_until.is_none_or(|until| until <= turn.now));
        let usages: Vec<_> = ready.map(|sighting| &sighting.usage).filter(is_wanted).cloned().collect();
        if usages.is_empty() {
            if self.flood.admits(About::Check, turn.now) {
                debug!("Skipping certificate - cooldown active cert_id={}", id.short());
            }
            return false;
        }
        let certificate = Rc::clone(&watched.certificate);
        for usage in &usages {
            turn.spend(ASSESSING);
            self.judge(&certificate, usage, at, turn);
        }
        self.inventory.mark_checked(id, turn.now);
        if !is_cooling {
            self.record(id).checked_at = Some(at);
        }
        if let Some(next) = assess(certificate.not_after, &self.config.expiry.rules, turn.now).next {
            self.inventory.wake(*id, next);
        }
        true
    }

    /// Whether the check cooldown holds. One from the future, before the clock was set back, means nothing.
    fn is_cooling(&self, record: Option<&Record>, at: UnixTime) -> bool {
        let cooldown = self.config.expiry.check_cooldown;
        let checked_at = record.and_then(|record| record.checked_at);
        checked_at.is_some_and(|checked| at < checked.after(cooldown) && checked <= at.after(cooldown))
    }

    /// Decides about one usage of a certificate, and tells whom it concerns.
    fn judge(&mut self, certificate: &Rc<Certificate>, usage: &Usage, at: UnixTime, turn: &mut Turn) {
        let config = Rc::clone(&self.config);
        let period = config.expiry.period();
        let assessment = assess(certificate.not_after, &config.expiry.rules, turn.now);
        let places = self.places_of(&certificate.id, usage);
        let last = self.ledger.get(&certificate.id).and_then(|record| record.notices.get(usage));
        match decide(&assessment, last, period, at) {
            Verdict::Quiet(_) => {}
            Verdict::Notify(crossing, _) => {
                turn.spend(EVENT);
                let stand_in = last.filter(|last| last.certificate.id != certificate.id);
                if let Some(before) = stand_in.cloned() {
                    // Receivers know that alert by the id of the one that stood for this certificate.
                    let end = Event::closing(before.certificate.id, &before, usage, turn.now);
                    self.tell(&end, turn.now, None, turn);
                }
                let event = Event::new(certificate, usage, &places, &crossing, period, at, turn.now);
                let notice = Notice {
                    certificate: Rc::clone(certificate),
                    kind: event.kind,
                    rule: event.rule.clone(),
                    since: event.since,
                    remaining: crossing.rule.remaining(),
                    places,
                    at,
                    owed: Vec::new(),
                };
                self.record(&certificate.id).notices.insert(usage.clone(), notice);
                self.announce_event(&event, turn);
                self.tell(&event, at, None, turn);
            }
            Verdict::Retry(crossing) => {
                turn.spend(EVENT);
                let Some(notice) = last else { return };
                let (noticed_at, owed) = (notice.at, notice.owed.clone());
                let event = Event::new(certificate, usage, &places, &crossing, period, noticed_at, turn.now);
                if let Some(notice) = self.record(&certificate.id).notices.get_mut(usage) {
                    notice.owed.clear();
                }
                self.tell(&event, noticed_at, Some(&owed), turn);
            }
        }
    }

    fn places_of(&self, id: &CertId, usage: &Usage) -> Vec<String> {
        let sighting = self.inventory.get(id).and_then(|watched| watched.sighting(usage));
        sighting.map(|sighting| sighting.places.clone()).unwrap_or_default()
    }

    /// What is remembered of a certificate, to be changed.
    pub(super) fn record(&mut self, id: &CertId) -> &mut Record {
        self.changes.note(id);
        self.ledger.change(id)
    }
}

/// A first report, and what a webhook did not get, wait for no cooldown.
fn is_pressing(watched: &Watched, record: Option<&Record>, usage: &Usage) -> bool {
    let is_new = watched.sighting(usage).is_some_and(|sighting| !sighting.checked);
    is_new || record.and_then(|record| record.notices.get(usage)).is_some_and(|notice| !notice.owed.is_empty())
}
