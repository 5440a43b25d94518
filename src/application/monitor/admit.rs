//! Certificates on their way into the inventory, wherever they come from.

use std::rc::Rc;
use std::time::Duration;

use super::Monitor;
use super::check::Cause;
use super::turn::{Turn, comparing};
use crate::application::inventory::{Admission, CONFIG_PLACE, Source};
use crate::application::metric::Dropped;
use crate::config::{Configured, GroupBy};
use crate::domain::{CertId, Certificate, UnixTime, Usage};

/// Flushes that a peer's certificate waits for somebody who knows its API: a listener sees the connection, a filter the
/// request.
const FLUSHES: u32 = 2;
/// What the later of them may be late: it is to be read before anything is told.
const LATE: Duration = Duration::from_secs(1);

impl Monitor {
    /// Takes a certificate into the inventory and checks it, if that is something new.
    pub(super) fn admit(
        &mut self,
        certificate: &Rc<Certificate>,
        usage: &Usage,
        source: Source,
        places: &[String],
        turn: &mut Turn,
    ) {
        self.recognise(certificate, turn);
        if self.ignores(certificate, usage, places, &[], turn) {
            return;
        }
        for (own, places) in self.told_apart(usage, places) {
            self.admit_as(certificate, &own, usage.api_id(), source, &places, turn);
        }
        self.announce_upstream(usage);
    }

    /// Takes a certificate that the document lists into the inventory.
    pub(super) fn admit_listed(&mut self, listed: &Configured, turn: &mut Turn) {
        let Configured { certificate, usage, place } = listed;
        let place = place.as_ref().map(|name| format!("{CONFIG_PLACE}{name}"));
        if self.ignores(certificate, usage, place.as_slice(), &[], turn) {
            return;
        }
        for (own, places) in self.told_apart(usage, place.as_slice()) {
            self.inventory.enter(certificate, &own, Source::Config, &places);
            self.note_api(certificate, &own, usage.api_id());
        }
    }

    /// Whether nobody wants to hear of a certificate in this usage.
    pub(super) fn ignores(
        &self,
        certificate: &Certificate,
        usage: &Usage,
        places: &[String],
        api_ids: &[String],
        turn: &mut Turn,
    ) -> bool {
        let expiry = &self.config.expiry;
        turn.spend(comparing(expiry.effort(certificate, usage, places, api_ids)));
        expiry.ignores(certificate, usage, places, api_ids)
    }

    /// The usages that are reported on their own, and where each is.
    fn told_apart(&self, usage: &Usage, places: &[String]) -> Vec<(Usage, Vec<String>)> {
        match self.config.expiry.group_by {
            GroupBy::Place if !places.is_empty() => {
                let mut usages = Vec::new();
                usages.extend(places.iter().map(|place| (usage.clone().at(Some(place.clone())), vec![place.clone()])));
                usages
            }
            GroupBy::Certificate => vec![(Usage::new(usage.role(), None), places.to_vec())],
            GroupBy::Api | GroupBy::Place => vec![(usage.clone(), places.to_vec())],
        }
    }

    /// Notes an API where APIs are not told apart.
    fn note_api(&mut self, certificate: &Certificate, own: &Usage, api_id: Option<&str>) {
        if let Some(api_id) = api_id.filter(|_| own.api_id().is_none()) {
            self.inventory.note_api(&certificate.id, own, api_id);
        }
    }

    /// Takes a certificate into the inventory in a usage that is told apart from others.
    fn admit_as(
        &mut self,
        certificate: &Rc<Certificate>,
        usage: &Usage,
        api_id: Option<&str>,
        source: Source,
        places: &[String],
        turn: &mut Turn,
    ) {
        let id = certificate.id;
        let tells_apis_apart = self.config.expiry.group_by != GroupBy::Certificate;
        if matches!(source, Source::Peer(_)) && tells_apis_apart && self.is_absorbed(&id, usage, turn) {
            return;
        }
        let admission = self.inventory.enter(certificate, usage, source, places);
        self.note_api(certificate, usage, api_id);
        match admission {
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
        match source {
            Source::Peer(now) => {
                if admission != Admission::Known && admission != Admission::Again && is_anonymous(usage) {
                    self.inventory.hold_back(&id, usage, self.told_apart_by(now));
                }
                self.check(&id, Cause::Met, turn.now, turn);
            }
            // A round that finds what was known has nothing to report.
            Source::Config | Source::Admin(_) if admission == Admission::Known => {}
            Source::Config | Source::Admin(_) => {
                self.check(&id, Cause::Routine, turn.now, turn);
            }
        }
    }

    /// Has a certificate take the place of the one that stood for it while nobody had shown it. What was told about that
    /// one counts for this one.
    pub(super) fn recognise(&mut self, shown: &Rc<Certificate>, turn: &mut Turn) {
        // Where it lies in several files there is one for each of them.
        while let Some(stand_in) = self.inventory.stand_in(shown) {
            // What was told about both is told once from now on.
            let known = self.ledger.get(&shown.id).map(|record| record.notices.keys().cloned().collect::<Vec<_>>());
            for usage in known.unwrap_or_default() {
                self.close(&stand_in, &usage, turn);
            }
            self.inventory.replace(&stand_in, shown);
            self.ledger.rename(&stand_in, &shown.id);
            // What else was told of that one is told of this one anew, if it is true.
            self.close_ended(&stand_in, turn);
            self.changes.note(&stand_in);
            self.changes.note(&shown.id);
        }
    }

    /// Whether somebody knows more of this usage of a certificate: for which API it is. Whoever knows takes the place of
    /// those who do not.
    fn is_absorbed(&mut self, id: &CertId, usage: &Usage, turn: &mut Turn) -> bool {
        let Some(watched) = self.inventory.get(id) else { return false };
        let is_named = |known: &Usage| known.role() == usage.role() && !is_anonymous(known);
        if is_anonymous(usage) {
            return watched.usages.iter().any(|sighting| is_named(&sighting.usage) && sighting.last_seen.is_some());
        }
        let anonymous = Usage::new(usage.role(), None);
        if watched.sighting(&anonymous).is_some() && self.inventory.forget_usage(id, &anonymous) {
            self.changes.note(id);
            self.close_ended(id, turn);
        }
        false
    }

    fn told_apart_by(&self, now: UnixTime) -> UnixTime {
        now.after(self.config.observe.flush.saturating_mul(FLUSHES).saturating_add(LATE))
    }
}

fn is_anonymous(usage: &Usage) -> bool {
    usage.api_id().is_none()
}
