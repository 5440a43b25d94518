//! What observers hand over: taken from the queue in batches, item by item, each one parsed at most once.

use std::rc::Rc;
use std::time::Duration;

use log::{debug, error};

use super::Monitor;
use super::check::Cause;
use super::flood::About;
use super::turn::{Turn, parsing};
use crate::application::effect::Effect;
use crate::application::inventory::{Admission, Source};
use crate::application::metric::{Dropped, Metric};
use crate::application::observation::{LARGEST_ITEM, Observation};
use crate::application::quarantine::{QUARANTINE, SUSPECT, encode_ids};
use crate::decode::observed;
use crate::domain::{CertId, Certificate, UnixTime, Usage};

/// A batch that takes longer than this is a backlog.
const LONG: Duration = Duration::from_secs(1);

/// The items that are taken in together.
#[derive(Debug)]
pub(super) struct Batch {
    period: Duration,
    next: UnixTime,
    began: Option<UnixTime>,
    size: u64,
    /// The item that is parsed next.
    parsing: Option<Observation>,
}

impl Batch {
    /// A batch every `period`; the first one at once.
    pub(super) const fn new(period: Duration) -> Self {
        Self { period, next: UnixTime::from_secs(0), began: None, size: 0, parsing: None }
    }

    /// Begins the batch that is due.
    pub(super) fn begin(&mut self, now: UnixTime) {
        // Further away than ever set: the clock was set back.
        let is_due = self.next <= now || self.next > now.after(self.period);
        if self.began.is_none() && is_due {
            self.began = Some(now);
        }
    }

    /// The queue is empty.
    pub(super) fn end(&mut self, now: UnixTime) {
        if self.size > 0 {
            debug!("Batch certificates for expiration check with {} certificates", self.size);
            debug!("Flush certificate expiry monitor batch batch_size={}", self.size);
        }
        *self = Self { next: now.after(self.period), ..Self::new(self.period) };
    }

    pub(super) const fn is_running(&self) -> bool {
        self.began.is_some()
    }

    pub(super) fn is_long(&self, now: UnixTime) -> bool {
        self.began.and_then(|began| now.since(began)).is_some_and(|length| length > LONG)
    }

    /// When the next one begins.
    pub(super) const fn next(&self) -> UnixTime {
        self.next
    }
}

impl Monitor {
    /// Takes an item in. A certificate that is not known yet is noted as suspect before it is parsed.
    pub(super) fn take_in(&mut self, item: &[u8], turn: &mut Turn) {
        self.batch.size = self.batch.size.saturating_add(1);
        turn.spend(1);
        // Observers hand nothing larger over; others may write into the queue.
        if item.len() > LARGEST_ITEM {
            refuse(Dropped::OversizedCertificate, turn);
        } else if let Some(observation) = Observation::decode(item) {
            let known = self.inventory.get(&observation.id).map(|watched| Rc::clone(&watched.certificate));
            if let Some(certificate) = known {
                self.admit(&certificate, &observation.usage, turn);
            } else if self.quarantine.contains(&observation.id) {
                refuse(Dropped::Quarantined, turn);
            } else {
                turn.effect(suspect(&[observation.id]));
                turn.effect(Effect::Inspect);
                self.batch.parsing = Some(observation);
                return;
            }
        } else {
            refuse(Dropped::BadQueueItem, turn);
        }
        go_on(turn);
    }

    /// Parses the certificate that was noted as suspect.
    pub(super) fn inspect(&mut self, turn: &mut Turn) {
        let Some(Observation { usage, id, certificate }) = self.batch.parsing.take() else { return };
        turn.spend(parsing(certificate.len()));
        let parsed = observed::certificate(&certificate);
        turn.effect(suspect(&[]));
        match parsed {
            Ok(certificate) if certificate.id == id => self.admit(&Rc::new(certificate), &usage, turn),
            Ok(_) => refuse(Dropped::BadQueueItem, turn),
            Err(problem) => {
                if self.flood.admits(About::Refusal, turn.now) {
                    debug!("An observed certificate cannot be watched: {problem} cert_role={}", usage.role());
                }
                refuse(Dropped::UnreadableCertificate, turn);
            }
        }
        go_on(turn);
    }

    /// Takes a certificate into the inventory and checks it.
    fn admit(&mut self, certificate: &Rc<Certificate>, usage: &Usage, turn: &mut Turn) {
        let id = certificate.id;
        match self.inventory.enter(certificate, usage, Source::Peer(turn.now), &[]) {
            Admission::Known => {}
            Admission::New | Admission::Again => self.changes.note(&id),
            Admission::InPlaceOf(gone) => {
                self.changes.note(&id);
                self.changes.note(&gone);
                self.reach(Dropped::InventoryFull, 1, turn);
            }
            Admission::Full => return self.reach(Dropped::InventoryFull, 1, turn),
            Admission::TooManyUsages => return self.reach(Dropped::UsagesFull, 1, turn),
        }
        self.announce_upstream(usage);
        self.check(&id, Cause::Routine, turn.now, turn);
    }

    /// Never parses a certificate again: its predecessor ended when it did.
    pub(super) fn quarantine(&mut self, id: CertId, turn: &mut Turn) {
        error!("A certificate is quarantined: the monitor before ended while it was parsing it cert_id={}", id.short());
        turn.count(Metric::dropped_total(Dropped::Quarantined), 1);
        self.quarantine.add(id);
        turn.effect(Effect::Store { key: QUARANTINE.to_owned(), contents: self.quarantine.encode() });
        turn.effect(suspect(&[]));
    }
}

/// The note about the certificate that is parsed now, if one is.
fn suspect(ids: &[CertId]) -> Effect {
    Effect::Store { key: SUSPECT.to_owned(), contents: encode_ids(ids) }
}

fn refuse(reason: Dropped, turn: &mut Turn) {
    turn.count(Metric::dropped_total(reason), 1);
}

/// Takes the next item, now or in the next tick.
fn go_on(turn: &mut Turn) {
    if turn.has_work_left() {
        turn.effect(Effect::Dequeue);
    }
}
