//! Which certificates are looked at, and what is decided about them.

use std::rc::Rc;

use log::{debug, info, warn};

use super::Monitor;
use super::flood::About;
use super::turn::{ASSESSING, EVENT, Turn, comparing};
use crate::application::inventory::Sighting;
use crate::application::ledger::Record;
use crate::domain::assessment::{Crossing, assess};
use crate::domain::ledger::{Notice, Verdict, decide};
use crate::domain::time::{DAY, HOUR};
use crate::domain::{CertId, Certificate, Event, EventKind, Presence, UnixTime, Usage};

/// Why a certificate is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// A round has come to it, or discovery has found something new about it: the check cooldown holds.
    Routine,
    /// An observer has handed it over: the same.
    Met,
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

    /// Looks at what has waited for others that might be handed over, when all are taken in that were handed over together.
    pub(super) fn check_later(&mut self, turn: &mut Turn) {
        while turn.has_work_left() && !self.batch.is_running() {
            let Some(id) = self.inventory.due_later(turn.now) else { break };
            turn.spend(1);
            if self.inventory.has_waited(&id, turn.now) {
                self.check(&id, Cause::Routine, turn.now, turn);
            }
            self.reconcile_met(&id, turn);
        }
    }

    /// Goes on with the round that is due.
    pub(super) fn check_round(&mut self, turn: &mut Turn) {
        if self.rounds.begin(turn.now) {
            self.probes.begin();
            self.incidents_to_retry = self.owed_incidents.len();
            self.tell_doubt(turn);
        }
        self.retry_incidents(turn);
        let Some(mut round) = self.rounds.current.take() else { return };
        while turn.has_work_left() {
            let Some(id) = self.inventory.next_behind(round.cursor) else {
                info!("Checked {} certificates for expiry", round.checked);
                self.warn_of_short_lived(round.short_lived);
                self.storms.look();
                self.begin_signs_of_life(turn);
                return;
            };
            round.cursor = Some(id);
            if self.check(&id, Cause::Routine, round.due, turn) {
                round.checked = round.checked.saturating_add(1);
            } else {
                self.reconcile_all(&id, round.due, turn);
            }
            round.short_lived = round.short_lived.saturating_add(self.is_too_short_lived(&id).into());
            self.refresh(&id, turn);
        }
        self.rounds.current = Some(round);
    }

    /// Whether a threshold that is meant as it is written warns of a certificate for more than half of its life.
    fn is_too_short_lived(&self, id: &CertId) -> bool {
        let lifetime = self.inventory.get(id).and_then(|watched| watched.certificate.lifetime());
        let literal = self.config.expiry.literal_threshold;
        literal.zip(lifetime).is_some_and(|(threshold, lifetime)| lifetime < threshold.saturating_mul(2))
    }

    /// Says once that people are warned of certificates for most of their lives.
    fn warn_of_short_lived(&mut self, count: u64) {
        if count > 0 && !std::mem::replace(&mut self.said.short_lived, true) {
            let days = self.config.expiry.literal_threshold.unwrap_or_default().as_secs() / DAY.as_secs();
            warn!(
                "{count} certificates live shorter than twice warning_threshold_days ({days}): they are reported for most \
                 of their lives; thresholds [\"{days}d\"] or short_lived \"20%\" would report them later"
            );
        }
    }

    /// A peer's certificate that nobody has handed over for twice the check cooldown is gone: most likely it was renewed,
    /// and a warning about the old one would be a false alarm.
    fn forget_gone_peers(&mut self, id: &CertId, turn: &mut Turn) {
        if self.clock.disputed_until(turn.now).is_none() {
            self.forget_unseen(id, self.gone_before(turn.now), turn);
        }
    }

    /// Peers that were last handed over before this are gone.
    fn gone_before(&self, now: UnixTime) -> UnixTime {
        now.before(self.config.expiry.check_cooldown.saturating_mul(2).max(HOUR))
    }

    /// Which peers seem to be gone by a clock that may be wrong, and until when nobody knows: they are neither forgotten
    /// nor told of.
    fn in_limbo(&self, now: UnixTime) -> Option<(UnixTime, UnixTime)> {
        let until = self.clock.disputed_until(now)?;
        Some((self.gone_before(now), until))
    }

    /// Checks one certificate in all its usages. `at` is the moment that cooldowns count from: for a round the time it
    /// was due. Returns whether it was checked, or the check cooldown spared it.
    pub(super) fn check(&mut self, id: &CertId, cause: Cause, at: UnixTime, turn: &mut Turn) -> bool {
        turn.spend(1);
        // What is handed over together comes in any order: who is gone is for a later look to say.
        if cause != Cause::Met {
            self.forget_gone_peers(id, turn);
        }
        let Some(watched) = self.inventory.get(id) else { return false };
        let record = self.ledger.get(id);
        let is_cooling = cause != Cause::Due && self.is_cooling(record, at);
        let in_limbo =
            self.in_limbo(turn.now).filter(|(gone, _)| watched.usages.iter().any(|known| known.is_gone(*gone)));
        let usages = Sighting::usages_of(&watched.usages, &|known| {
            !known.look.is_early(turn.now)
                && in_limbo.is_none_or(|(gone, _)| !known.is_gone(gone))
                && (!is_cooling || is_pressing(known, record))
        });
        let certificate = Rc::clone(&watched.certificate);
        if let Some((_, until)) = in_limbo {
            self.inventory.wake(*id, until);
        }
        if usages.is_empty() {
            if self.flood.admits(About::Check, turn.now) {
                debug!("Skipping certificate - cooldown active cert_id={}", id.short());
            }
            return false;
        }
        self.introduce(&certificate, &usages, turn);
        for usage in &usages {
            turn.spend(ASSESSING);
            self.note_life(&certificate, usage, turn);
            self.invite_advice(&certificate, usage, turn);
            let ends = self.judge(&certificate, usage, at, turn);
            let changes = if cause == Cause::Met && !self.conditions.is_empty() {
                self.inventory.reconcile_later(id, usage, turn.now);
                None
            } else {
                self.reconcile(&certificate, usage, at, turn)
            };
            if let Some(next) = ends.into_iter().chain(changes).min() {
                self.inventory.wake(*id, next);
            }
        }
        self.inventory.mark_checked(id, turn.now);
        if !is_cooling {
            self.record(id).checked_at = Some(at);
        }
        true
    }

    /// Whether the check cooldown holds. One from the future, before the clock was set back, means nothing.
    fn is_cooling(&self, record: Option<&Record>, at: UnixTime) -> bool {
        let cooldown = self.config.expiry.check_cooldown;
        let checked_at = record.and_then(|record| record.checked_at);
        checked_at.is_some_and(|checked| at < checked.after(cooldown) && checked <= at.after(cooldown))
    }

    /// Decides about one usage of a certificate, and tells whom it concerns. Returns when to look at it again.
    fn judge(
        &mut self,
        certificate: &Rc<Certificate>,
        usage: &Usage,
        at: UnixTime,
        turn: &mut Turn,
    ) -> Option<UnixTime> {
        let config = Rc::clone(&self.config);
        let presence = self.presence_of(&certificate.id, usage, turn.now);
        turn.spend(comparing(config.expiry.effort(certificate, usage, &presence.places, &presence.api_ids)));
        let plan = config.expiry.plan_for(certificate, usage, &presence);
        let assessment = assess(certificate, &plan, turn.now);
        let next = assessment.next;
        let crossed = assessment.crossed.as_ref();
        let period = config.expiry.period_of(crossed.map(|crossing| EventKind::of(crossing.rule)));
        let last = self.ledger.notice(&certificate.id, usage);
        let has_not_ended =
            |last: &Notice| last.kind == EventKind::CertificateExpired && turn.now < certificate.not_after;
        if last.is_some_and(|last| crossed.is_none() || has_not_ended(last)) {
            // It was told under other rules, or by a clock that was wrong.
            self.close(&certificate.id, usage, turn);
        }
        if crossed.is_none() {
            return next;
        }
        if certificate.not_after.after(config.expiry.expired_max_age) < turn.now {
            return next;
        }
        let last = self.ledger.notice(&certificate.id, usage);
        let verdict = decide(&assessment, last, period, at, turn.now);
        if matches!(&verdict, Verdict::Notify(crossing, _) if crossing.rule.is_expiry())
            && last.is_none_or(|last| last.kind != EventKind::CertificateExpired)
            && let Some(until) = self.hold_back(certificate.not_after, turn)
        {
            return Some(until);
        }
        let last = self.ledger.notice(&certificate.id, usage);
        match verdict {
            Verdict::Quiet(_) => {}
            Verdict::Notify(Crossing { severity, .. }, _)
                if let Some(until) = config.expiry.held_until(certificate, usage, &presence, severity, turn.now) =>
            {
                return next.into_iter().chain([until]).min();
            }
            Verdict::Notify(_, because) if self.is_replaced(certificate, usage, because, turn) => {
                self.inventory.await_peer(&certificate.id, usage);
            }
            Verdict::Notify(crossing, _) => {
                turn.spend(EVENT);
                let stand_in = last.filter(|last| last.certificate.id != certificate.id);
                if let Some(before) = stand_in.cloned() {
                    // Receivers know that alert by the id of the one that stood for this certificate.
                    let period = config.expiry.period_of(Some(before.kind));
                    let end = Event::closing(before.certificate.id, &before, None, usage, period, turn.now);
                    self.tell(&end, turn.now, None, turn);
                }
                let event = Event::new(certificate, usage, presence, &crossing, period, at, turn.now);
                let last = self.ledger.notice(&certificate.id, usage);
                let notice = Notice::of(&event, crossing.remaining, at, last);
                self.record(&certificate.id).notices.insert(usage.clone(), Box::new(notice));
                self.announce_event(&event, turn);
                self.tell(&event, at, None, turn);
            }
            Verdict::Retry(crossing) => {
                turn.spend(EVENT);
                let Some(notice) = last else { return next };
                let (noticed_at, owed) = (notice.at, notice.owed.clone());
                let event = Event::new(certificate, usage, presence, &crossing, period, noticed_at, turn.now);
                if let Some(notice) = self.record(&certificate.id).notices.get_mut(usage) {
                    notice.owed.clear();
                }
                self.tell(&event, noticed_at, Some(&owed), turn);
            }
        }
        next
    }

    /// Where and when a certificate was met in a usage.
    pub(super) fn presence_of(&self, id: &CertId, usage: &Usage, now: UnixTime) -> Presence {
        let first_seen = self.ledger.get(id).and_then(|record| record.first_seen);
        let sighting = self.inventory.get(id).and_then(|watched| watched.sighting(usage));
        sighting.map(|sighting| sighting.presence(first_seen, now)).unwrap_or_default()
    }

    /// What is remembered of a certificate, to be changed.
    pub(super) fn record(&mut self, id: &CertId) -> &mut Record {
        self.changes.note(id);
        self.ledger.change(id)
    }
}

/// A first report, and what a webhook did not get, wait for no cooldown.
fn is_pressing(known: &Sighting, record: Option<&Record>) -> bool {
    let notice = record.and_then(|record| record.notice(&known.usage));
    !known.look.is_taken() || notice.is_some_and(|notice| !notice.owed.is_empty())
}
