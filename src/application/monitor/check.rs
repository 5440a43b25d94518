//! Which certificates are looked at, and what is decided about them.

use log::{debug, info};

use super::Monitor;
use super::report::announce_event;
use super::turn::{ASSESSING, EVENT, Turn, parsing};
use crate::application::inventory::{Admission, Watched};
use crate::application::ledger::Record;
use crate::application::metric::{Dropped, Metric};
use crate::application::observation::{LARGEST_ITEM, Observation};
use crate::decode::observed;
use crate::domain::assessment::assess;
use crate::domain::ledger::{Notice, Verdict, decide};
use crate::domain::time::HOUR;
use crate::domain::{CertId, Certificate, Event, UnixTime, Usage};

/// Why a certificate is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// A round has come to it, or an observer has handed it over again: the check cooldown holds.
    Routine,
    /// It crosses a rule now, or something is owed: no cooldown holds.
    Due,
}

impl Monitor {
    pub(super) fn gather(&mut self, mut items: Vec<Vec<u8>>, turn: &mut Turn) {
        debug!("Batch certificates for expiration check with {} certificates", items.len());
        let total = items.len();
        // Observers hand nothing larger over; others may write into the queue.
        items.retain(|item| item.len() <= LARGEST_ITEM);
        let oversized = u64::try_from(total.saturating_sub(items.len())).unwrap_or(u64::MAX);
        turn.count(Metric::dropped_total(Dropped::OversizedCertificate), oversized);
        if self.gathered.is_empty() {
            self.flush_at = turn.now.after(self.config.observe.flush);
        }
        self.gathered.extend(items);
    }

    /// Takes what observers handed over into the inventory and checks it.
    pub(super) fn flush(&mut self, turn: &mut Turn) {
        // Further away than ever set: the clock was set back.
        let is_late = self.flush_at < UnixTime::NEVER && self.flush_at > turn.now.after(self.config.observe.flush);
        if (self.flush_at <= turn.now || is_late) && self.flushing.is_empty() {
            debug!("Flush certificate expiry monitor batch batch_size={}", self.gathered.len());
            self.flushing = std::mem::take(&mut self.gathered).into();
            self.flush_at = UnixTime::NEVER;
        }
        while turn.has_work_left() {
            let Some(item) = self.flushing.pop_front() else { break };
            turn.spend(parsing(item.len()));
            match self.admit(&item, turn.now) {
                Ok(id) => {
                    self.check(&id, Cause::Routine, turn.now, turn);
                }
                Err(reason) => turn.count(Metric::dropped_total(reason), 1),
            }
        }
    }

    fn admit(&mut self, item: &[u8], now: UnixTime) -> Result<CertId, Dropped> {
        let Observation { usage, certificate } = Observation::decode(item).ok_or(Dropped::BadQueueItem)?;
        let certificate = observed::certificate(&certificate).map_err(|problem| {
            debug!("An observed certificate cannot be watched: {problem} cert_role={}", usage.role());
            Dropped::UnreadableCertificate
        })?;
        let id = certificate.id;
        self.announce_upstream(&usage);
        match self.inventory.observe(certificate, usage, now) {
            Admission::Watched => Ok(id),
            Admission::Full => Err(Dropped::InventoryFull),
        }
    }

    /// Checks the certificates that cross a rule now.
    pub(super) fn check_due(&mut self, turn: &mut Turn) {
        while turn.has_work_left() {
            let Some(id) = self.inventory.due(turn.now) else { break };
            self.check(&id, Cause::Due, turn.now, turn);
        }
    }

    /// Goes on with the round that is due.
    pub(super) fn check_round(&mut self, turn: &mut Turn) {
        self.rounds.begin(turn.now);
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
        }
        self.rounds.current = Some(round);
    }

    /// A peer's certificate that nobody has handed over for twice the check cooldown is gone: most likely it was renewed,
    /// and a warning about the old one would be a false alarm.
    fn forget_gone_peers(&mut self, id: &CertId, now: UnixTime) {
        let gone_after = self.config.expiry.check_cooldown.saturating_mul(2).max(HOUR);
        self.inventory.forget_peers(id, now.before(gone_after));
    }

    /// Checks one certificate in all its usages. `at` is the moment that cooldowns count from: for a round the time it
    /// was due. Returns whether it was checked, or the check cooldown spared it.
    fn check(&mut self, id: &CertId, cause: Cause, at: UnixTime, turn: &mut Turn) -> bool {
        turn.spend(1);
        self.forget_gone_peers(id, turn.now);
        let Some(watched) = self.inventory.get(id) else { return false };
        let record = self.ledger.get(id);
        let is_cooling = cause == Cause::Routine && self.is_cooling(record, at);
        let is_wanted = |usage: &&Usage| !is_cooling || is_pressing(watched, record, usage);
        let usages: Vec<_> = watched.usages.keys().filter(is_wanted).cloned().collect();
        if usages.is_empty() {
            debug!("Skipping certificate - cooldown active cert_id={}", id.short());
            return false;
        }
        let certificate = watched.certificate.clone();
        for usage in &usages {
            turn.spend(ASSESSING);
            self.judge(&certificate, usage, at, turn);
        }
        self.inventory.mark_checked(id);
        if !is_cooling {
            self.ledger.change(id).checked_at = Some(at);
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
    fn judge(&mut self, certificate: &Certificate, usage: &Usage, at: UnixTime, turn: &mut Turn) {
        let period = self.config.expiry.period();
        let assessment = assess(certificate.not_after, &self.config.expiry.rules, turn.now);
        let last = self.ledger.get(&certificate.id).and_then(|record| record.notices.get(usage));
        match decide(&assessment, last, period, at) {
            Verdict::Quiet(_) => {}
            Verdict::Notify(crossing, _) => {
                turn.spend(EVENT);
                let event = Event::new(certificate, usage, &crossing, period, at, turn.now);
                let notice = Notice { remaining: crossing.rule.remaining(), at, owed: Vec::new() };
                self.ledger.change(&certificate.id).notices.insert(usage.clone(), notice);
                announce_event(&event, turn);
                self.tell(&event, at, None, turn);
            }
            Verdict::Retry(crossing) => {
                turn.spend(EVENT);
                let Some(notice) = self.ledger.change(&certificate.id).notices.get_mut(usage) else { return };
                let noticed_at = notice.at;
                let (on_their_way, due) =
                    std::mem::take(&mut notice.owed).into_iter().partition(|debt| debt.on_its_way);
                notice.owed = on_their_way;
                let event = Event::new(certificate, usage, &crossing, period, noticed_at, turn.now);
                self.tell(&event, noticed_at, Some(&due), turn);
            }
        }
    }
}

/// A first report, and what a webhook did not get, wait for no cooldown.
fn is_pressing(watched: &Watched, record: Option<&Record>, usage: &Usage) -> bool {
    let is_new = watched.usages.get(usage).is_some_and(|sighting| !sighting.checked);
    is_new || record.and_then(|record| record.notices.get(usage)).is_some_and(Notice::has_debts)
}
