//! What observers hand over: taken from the queue in batches, item by item, each one parsed at most once.

use std::rc::Rc;
use std::time::Duration;

use log::{debug, error};

use super::Monitor;
use super::chain::Chain;
use super::flood::About;
use super::turn::{Turn, parsing};
use crate::application::effect::Effect;
use crate::application::inventory::Source;
use crate::application::metric::{Dropped, Metric};
use crate::application::observation::{Form, Item, LARGEST_ITEM, Observation, Rejection};
use crate::application::quarantine::{QUARANTINE, SUSPECT, encode_ids};
use crate::decode::observed::{self, Unreadable};
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
    /// What is read next, and has been noted as suspect.
    reading: Option<Item>,
    /// The chain that is taken in next.
    pub(super) chain: Option<Chain>,
}

impl Batch {
    /// A batch every `period`; the first one at once.
    pub(super) const fn new(period: Duration) -> Self {
        Self { period, next: UnixTime::from_secs(0), began: None, size: 0, reading: None, chain: None }
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
    /// Takes an item in. A certificate that is not known yet is noted as suspect before it is read.
    pub(super) fn take_in(&mut self, item: &[u8], turn: &mut Turn) {
        self.batch.size = self.batch.size.saturating_add(1);
        turn.spend(1);
        // Observers hand nothing larger over; others may write into the queue.
        if item.len() > LARGEST_ITEM {
            Self::refuse(Dropped::OversizedCertificate, turn);
            return self.go_on(turn);
        }
        match Item::decode(item) {
            Some(Item::Seen(observation)) => {
                let known = self.inventory.get(&observation.id).filter(|_| observation.form == Form::Pem);
                let known = known.map(|watched| Rc::clone(&watched.certificate));
                if let Some(certificate) = known {
                    let source = Source::Peer(turn.now);
                    self.admit(&certificate, &observation.usage, source, &observation.places(), turn);
                } else if self.quarantine.contains(&observation.id) {
                    Self::refuse(Dropped::Quarantined, turn);
                } else {
                    turn.effect(Self::suspect([observation.id]));
                    turn.effect(Effect::Inspect);
                    self.batch.reading = Some(Item::Seen(observation));
                    return;
                }
            }
            Some(Item::Rejected(rejection)) => {
                if let Some(rejection) = self.take_rejection(rejection, turn) {
                    turn.effect(Self::suspect(rejection.certificate.as_ref().map(|(id, _)| *id)));
                    turn.effect(Effect::Inspect);
                    self.batch.reading = Some(Item::Rejected(rejection));
                    return;
                }
            }
            None => Self::refuse(Dropped::BadQueueItem, turn),
        }
        self.go_on(turn);
    }

    /// Reads what was noted as suspect.
    pub(super) fn inspect(&mut self, turn: &mut Turn) {
        if self.inspect_found(turn) {
            return;
        }
        match self.batch.reading.take() {
            Some(Item::Rejected(rejection)) => self.inspect_rejected(&rejection, turn),
            Some(Item::Seen(observation)) if observation.form == Form::Xfcc => {
                let chain = Chain::of(observation, turn);
                turn.effect(Self::suspect([]));
                if chain.is_empty() {
                    Self::refuse(Dropped::UnreadableCertificate, turn);
                }
                self.batch.chain = Some(chain);
            }
            Some(Item::Seen(observation)) => {
                let (places, Observation { usage, id, certificate, .. }) = (observation.places(), observation);
                turn.spend(parsing(certificate.len()));
                self.take_parsed(observed::certificate(&certificate), id, &usage, &places, turn);
            }
            None => self.parse_link(turn),
        }
        self.go_on(turn);
    }

    /// Parses the certificate that a peer has shown in vain. Whatever it is, it is told of and not kept.
    fn inspect_rejected(&mut self, rejection: &Rejection, turn: &mut Turn) {
        let Some((id, pem)) = &rejection.certificate else { return };
        turn.spend(parsing(pem.len()));
        let parsed = observed::certificate(pem).ok().filter(|certificate| certificate.id == *id);
        turn.effect(Self::suspect([]));
        self.reject(rejection, parsed.map(Rc::new), turn);
    }

    /// Takes in what is left of a chain, then the next item: now, or in the next tick.
    pub(super) fn go_on(&mut self, turn: &mut Turn) {
        while turn.has_work_left()
            && let Some(chain) = self.batch.chain.take()
        {
            if self.take_link(chain, turn) {
                return;
            }
        }
        if turn.has_work_left() {
            turn.effect(Effect::Dequeue);
        }
    }

    /// Takes in what came of parsing.
    pub(super) fn take_parsed(
        &mut self,
        parsed: Result<Certificate, Unreadable>,
        id: CertId,
        usage: &Usage,
        places: &[String],
        turn: &mut Turn,
    ) {
        turn.effect(Self::suspect([]));
        match parsed {
            Ok(certificate) if certificate.id == id => {
                self.admit(&Rc::new(certificate), usage, Source::Peer(turn.now), places, turn);
            }
            Ok(_) => Self::refuse(Dropped::BadQueueItem, turn),
            Err(problem) => {
                if self.flood.admits(About::Refusal, turn.now) {
                    debug!("An observed certificate cannot be watched: {problem} cert_role={}", usage.role());
                }
                Self::refuse(Dropped::UnreadableCertificate, turn);
            }
        }
    }

    /// Never parses a certificate again: its predecessor ended when it did.
    pub(super) fn quarantine(&mut self, id: CertId, turn: &mut Turn) {
        error!("A certificate is quarantined: the monitor before ended while it was parsing it cert_id={}", id.short());
        turn.count(Metric::dropped_total(Dropped::Quarantined), 1);
        self.quarantine.add(id);
        turn.effect(Effect::Store { key: QUARANTINE.to_owned(), contents: self.quarantine.encode() });
        turn.effect(Self::suspect([]));
    }

    /// The note about the certificate that is parsed now, if one is.
    pub(super) fn suspect(ids: impl IntoIterator<Item = CertId>) -> Effect {
        let mut suspects = Vec::new();
        suspects.extend(ids);
        Effect::Store { key: SUSPECT.to_owned(), contents: encode_ids(&suspects) }
    }

    pub(super) fn refuse(reason: Dropped, turn: &mut Turn) {
        turn.count(Metric::dropped_total(reason), 1);
    }
}
