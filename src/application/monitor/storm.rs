//! Telling of many certificates that end within a day. Looked for behind each round of checks, and told once for each day.

use std::rc::Rc;
use std::time::Duration;

use super::Monitor;
use super::discover::Discoverer;
use super::turn::{EVENT, Turn, looking_up};
use crate::domain::event::{Listed, Listing};
use crate::domain::ledger::Notice;
use crate::domain::storm::{Search, Storm, is_over};
use crate::domain::time::DAY;
use crate::domain::{CertId, Detail, Event, EventKind, Incident, UnixTime, Usage};

/// Storms that are told before the first of them is over. Where there is one every day, nobody needs to hear of all.
const MOST_TOLD: usize = 16;
/// Ends that are looked at by one unit of work.
const ENDS_PER_UNIT: usize = 6;
/// What lives shorter than twice as long as a storm ends within a day of others for most of its life. Where thresholds are
/// guarded for such certificates, they make no storm either.
const SHORTEST_LIFE: Duration = DAY.saturating_mul(2);
/// The rule of these events.
const RULE: &str = "storm";

/// What is known of storms.
#[derive(Debug, Default)]
pub(super) struct Storms {
    /// A round of checks is over, and they have not been looked for since.
    is_due: bool,
    /// The search that goes on, and the end that it has come to.
    search: Option<(Search, (UnixTime, CertId))>,
    /// Those that were told and are not over.
    told: Vec<(CertId, Usage)>,
}

/// One that was told.
struct Told {
    about: CertId,
    usage: Usage,
    /// When its first certificate ends, and how many they were.
    first: UnixTime,
    total: usize,
}

impl Storms {
    /// Looks for storms at the next opportunity: all certificates have been checked.
    pub(super) const fn look(&mut self) {
        self.is_due = true;
    }

    /// Remembers those that a predecessor has told.
    pub(super) fn take_over(&mut self, told: impl Iterator<Item = (CertId, Usage)>) {
        self.told.extend(told);
    }
}

impl Monitor {
    /// Whether storms can be looked for. While a round of discovery goes on, only some certificates may be known.
    pub(super) fn has_storms_to_look_for(&self) -> bool {
        let has_discovered = |discoverer: &Discoverer| discoverer.is_idle() && discoverer.next() > self.latest;
        self.storms.search.is_some() || (self.storms.is_due && self.discoverer.as_ref().is_none_or(has_discovered))
    }

    /// Goes on looking for storms.
    pub(super) fn look_for_storms(&mut self, turn: &mut Turn) {
        if self.storms.is_due && self.has_storms_to_look_for() {
            self.storms.is_due = false;
            self.forget_storms(turn.now);
            let least = self.config.expiry.expiry_storm;
            if least > 0 && self.config.wants(EventKind::ExpiryStorm) {
                // What ends now has ended.
                let from = (turn.now, CertId::from_bytes([0xff; 32]));
                self.storms.search = Some((Search::new(least), from));
            }
        }
        while turn.has_work_left()
            && let Some((mut search, mut cursor)) = self.storms.search.take()
        {
            turn.spend(1);
            let mut found = Vec::new();
            let mut count = 0_usize;
            // What has no end is in no storm.
            let ends = self.inventory.ends_behind(cursor).take_while(|(end, _)| *end < UnixTime::NEVER);
            for (end, id) in ends.take(ENDS_PER_UNIT) {
                cursor = (end, id);
                count = count.saturating_add(1);
                if self.may_be_in_storm(&id) {
                    found.extend(search.push(end, id));
                }
            }
            if count == ENDS_PER_UNIT {
                self.storms.search = Some((search, cursor));
            } else {
                found.extend(search.take());
            }
            for storm in found {
                self.take_storm(&storm, turn);
            }
        }
    }

    fn may_be_in_storm(&self, id: &CertId) -> bool {
        let lifetime = self.inventory.get(id).and_then(|watched| watched.certificate.lifetime());
        let is_guarded = self.config.expiry.plan.short_lived.is_some();
        !is_guarded || lifetime.is_none_or(|lifetime| lifetime >= SHORTEST_LIFE)
    }

    /// Forgets the storms that are over, and those of which nobody wants to hear any more.
    fn forget_storms(&mut self, now: UnixTime) {
        let is_wanted = self.config.expiry.expiry_storm > 0 && self.config.wants(EventKind::ExpiryStorm);
        for (about, usage) in std::mem::take(&mut self.storms.told) {
            let lasts = self.told_storm(&about, &usage).is_some_and(|told| !is_over(told.first, now));
            if lasts && is_wanted {
                self.storms.told.push((about, usage));
            } else {
                self.record(&about).notices.remove(&usage);
            }
        }
    }

    fn told_storm(&self, about: &CertId, usage: &Usage) -> Option<Told> {
        let notice = self.ledger.notice(about, usage)?;
        let Detail::Listing(listing) = &notice.detail else { return None };
        let first = listing.certificates.first()?.not_after;
        Some(Told { about: *about, usage: usage.clone(), first, total: listing.total })
    }

    /// Tells of a storm, if it was not told of yet or has doubled.
    fn take_storm(&mut self, storm: &Storm, turn: &mut Turn) {
        turn.spend(looking_up(self.storms.told.len()));
        let told = self.storms.told.iter().filter_map(|(about, usage)| self.told_storm(about, usage));
        // The window moves on as certificates end: what it was told as is the largest that it has something in common with.
        let told = told.filter(|told| storm.is_part_of(told.first)).max_by_key(|told| told.total);
        let is_news = match &told {
            Some(told) => storm.total >= told.total.saturating_mul(2),
            None => self.storms.told.len() < MOST_TOLD,
        };
        if !is_news {
            return;
        }
        let detail = Detail::Listing(Rc::new(self.listing(storm)));
        let incident = if let Some(told) = told {
            let Some(notice) = self.ledger.notice(&told.about, &told.usage) else { return };
            Incident { detail, ..Incident::again(told.about, notice, &told.usage) }
        } else {
            // Every proxy calls it by the day on which the first of them ends.
            let day = storm.first().secs().div_euclid(DAY.as_secs().cast_signed());
            let incident = Incident::of_proxy(EventKind::ExpiryStorm, &day.to_string(), detail);
            self.storms.told.push((incident.about, incident.usage.clone()));
            Incident { rule: RULE.to_owned(), ..incident }
        };
        turn.spend(EVENT);
        let event = Event::of_incident(&incident, turn.now, DAY, turn.now, turn.now);
        let notice = Notice::of(&event, Duration::ZERO, turn.now, None);
        self.record(&incident.about).notices.insert(incident.usage.clone(), Box::new(notice));
        self.announce_event(&event, turn);
        self.tell(&event, turn.now, None, turn);
    }

    fn listing(&self, storm: &Storm) -> Listing {
        let mut certificates = Vec::new();
        certificates.extend(storm.certificates.iter().filter_map(|(end, id)| {
            let watched = self.inventory.get(id)?;
            let (name, usage) = (watched.certificate.name.clone(), watched.usages.first()?.usage.clone());
            Some(Listed { id: *id, name, usage, not_after: *end, event: None })
        }));
        Listing { total: storm.total, certificates }
    }
}
