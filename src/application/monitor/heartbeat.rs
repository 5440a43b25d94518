//! A sign of life: how many certificates are watched and how they are. Silence becomes visible by it.

use std::rc::Rc;

use super::Monitor;
use super::turn::{EVENT, Turn};
use crate::application::metric::Metric;
use crate::domain::event::{Counts, Report};
use crate::domain::{CertId, Detail, Event, EventKind, Incident, Role, UnixTime};

/// Certificates that are counted by one unit of work.
const COUNTED_PER_UNIT: usize = 2;
/// The rule of these events.
const RULE: &str = "heartbeat";

/// When the next sign of life is due, and what it will say.
#[derive(Debug)]
pub(super) struct Heart {
    next: UnixTime,
    census: Option<Census>,
}

/// Certificates being counted.
#[derive(Debug, Default)]
struct Census {
    /// The last one that was counted.
    cursor: Option<CertId>,
    roles: [Counts; Role::ALL.len()],
}

impl Default for Heart {
    fn default() -> Self {
        Self { next: UnixTime::NEVER, census: None }
    }
}

impl Heart {
    /// When there is something to do.
    pub(super) const fn next(&self) -> UnixTime {
        if self.census.is_some() { UnixTime::from_secs(0) } else { self.next }
    }
}

impl Monitor {
    /// Begins with signs of life, once all certificates have been checked. A successor keeps the time of its predecessor.
    pub(super) fn begin_signs_of_life(&mut self, turn: &Turn) {
        let interval = self.config.expiry.heartbeat;
        let is_wanted = !interval.is_zero() && self.config.wants(EventKind::MonitorHeartbeat);
        if is_wanted && self.heart.next == UnixTime::NEVER {
            let last = self.ledger.get(&self.alive(Detail::Nothing).about).and_then(|record| record.checked_at);
            self.heart.next = last.map_or(turn.now, |last| last.after(interval));
        }
    }

    /// What stands for the life of this proxy's monitor. That of another one is another matter.
    fn alive(&self, detail: Detail) -> Incident {
        let of_proxy = Incident::of_proxy(EventKind::MonitorHeartbeat, &self.proxy.node, detail);
        Incident { rule: RULE.to_owned(), ..of_proxy }
    }

    /// Counts what is watched when a sign of life is due, and gives it.
    pub(super) fn give_signs_of_life(&mut self, turn: &mut Turn) {
        let latest = turn.now.after(self.config.expiry.heartbeat);
        if self.heart.next < UnixTime::NEVER && self.heart.next > latest {
            // The clock was set back.
            self.heart.next = turn.now;
        }
        if self.heart.next <= turn.now && self.heart.census.is_none() {
            self.heart.census = Some(Census::default());
        }
        while turn.has_work_left()
            && let Some(mut census) = self.heart.census.take()
        {
            turn.spend(1);
            for _ in 0..COUNTED_PER_UNIT {
                let Some(id) = self.inventory.next_behind(census.cursor) else {
                    return self.give_sign_of_life(census.roles, turn);
                };
                census.cursor = Some(id);
                self.count(&id, &mut census.roles, turn.now);
            }
            self.heart.census = Some(census);
        }
    }

    /// Counts a certificate in each of its roles.
    fn count(&self, id: &CertId, roles: &mut [Counts; Role::ALL.len()], now: UnixTime) {
        let Some(watched) = self.inventory.get(id) else { return };
        let record = self.ledger.get(id);
        for (role, counts) in Role::ALL.into_iter().zip(roles) {
            let mut usages = watched.usages.iter().map(|sighting| &sighting.usage).filter(|usage| usage.role() == role);
            let is_warned_of = |usage| {
                let notice = record.and_then(|record| record.notice(usage));
                notice.is_some_and(|notice| notice.kind == EventKind::CertificateExpiringSoon)
            };
            let Some(first) = usages.next() else { continue };
            counts.total = counts.total.saturating_add(1);
            if watched.certificate.not_after <= now {
                counts.expired = counts.expired.saturating_add(1);
            } else if is_warned_of(first) || usages.any(is_warned_of) {
                counts.expiring = counts.expiring.saturating_add(1);
            }
        }
    }

    fn give_sign_of_life(&mut self, roles: [Counts; Role::ALL.len()], turn: &mut Turn) {
        turn.spend(EVENT);
        let interval = self.config.expiry.heartbeat;
        // One that is a little late does not put the next one off.
        let is_late = self.heart.next.after(interval) <= turn.now;
        let due = if is_late { turn.now } else { self.heart.next };
        self.heart.next = due.after(interval);
        let next = self.inventory.next_to_expire(turn.now).filter(|next| next.not_after < UnixTime::NEVER);
        let next = next.map(|next| (next.name.clone(), next.not_after));
        let report = Report { roles, next, configuration: self.config.hash.to_string() };
        let incident = self.alive(Detail::Report(Rc::new(report)));
        let event = Event::of_incident(&incident, due, interval, due, turn.now);
        // There is no notice of it: what could not be delivered is old news, and owed to nobody.
        self.record(&event.about).checked_at = Some(due);
        turn.count(Metric::events_total(event.kind), 1);
        self.tell(&event, due, None, turn);
    }
}
