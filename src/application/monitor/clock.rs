//! What is done about the clock: people are told that it may be wrong, and a sudden crowd of ends waits until that is
//! known. [`clock`](crate::application::clock) knows what there is to know.

use log::warn;

use super::Monitor;
use super::deliver::silent_until;
use super::turn::Turn;
use crate::application::clock::{Doubt, Hold, Recheck, Tick, Word};
use crate::application::effect::{Answer, CallId};
use crate::application::ledger::Record;
use crate::config::Handler;
use crate::decode::date::date;
use crate::domain::event::largest_unit;
use crate::domain::{CertId, Detail, Event, EventKind, Incident, UnixTime};

/// Certificates that are a crowd if they end in the time that is disputed. Of fewer everybody is told at once.
const CROWD: usize = 3;
/// Ends that are looked at to find a crowd.
const MOST_LOOKED_AT: usize = 512;
/// How large a crowd is counted for people.
const MOST_COUNTED: usize = 200;
/// Ends that are looked at by one unit of work.
const ENDS_PER_UNIT: usize = 4;
/// Certificates that are woken by one unit of work.
const WOKEN_PER_UNIT: usize = 2;
/// Webhooks that a text names.
const MOST_NAMED: usize = 3;
/// The rule of events about the clock.
const RULE: &str = "clock";

/// Certificates that are woken: those behind this end, up to this time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waking {
    behind: (UnixTime, CertId),
    until: UnixTime,
}

impl Monitor {
    /// Lets nothing wait for longer than it ever would, when the clock was set back.
    pub(super) fn notice_time(&mut self, turn: &mut Turn) {
        let now = turn.now;
        if now < std::mem::replace(&mut self.latest, now) {
            for at in &mut self.ask_at {
                *at = now.min(*at);
            }
            if let Some(discoverer) = &mut self.discoverer {
                discoverer.hasten(now);
            }
            self.outbox.hasten(now);
        }
        // Asking about silences takes its time.
        while turn.has_work_left() && self.hasten_next(turn) {
            turn.spend(1);
        }
    }

    fn hasten_next(&mut self, turn: &mut Turn) -> bool {
        let (config, now) = (&self.config, turn.now);
        let longest = |handler| {
            let delivery = config.handlers.get(handler).and_then(Handler::webhook).map(|webhook| &webhook.delivery);
            let wait = delivery.and_then(|delivery| delivery.batch).map(|(_, wait)| wait).unwrap_or_default();
            let wait = config.expiry.digest.unwrap_or_default().max(wait);
            delivery.map(|delivery| delivery.schedule.longest()).unwrap_or_default().max(wait)
        };
        let mut held_until = |event: &Event| silent_until(&config.expiry, event, now, turn).unwrap_or_default();
        self.outbox.hasten_next(now, longest, &mut held_until)
    }

    /// Looks at the clock before anything else is done by it.
    pub(super) fn look_at_clock(&mut self, turn: &mut Turn) {
        let due = self.next_wakeup();
        let Tick { is_after_jump, recheck } = self.clock.tick(turn.now, due);
        if is_after_jump {
            self.close_doubt(turn);
        }
        self.look_again(recheck);
        if self.clock.next() <= turn.now {
            self.tell_doubt(turn);
        }
        self.wake_again(turn);
    }

    /// Takes note of what time it was where an answer comes from.
    pub(super) fn note_date(&mut self, call: CallId, answer: &Answer, turn: &mut Turn) {
        let date = match answer {
            Answer::Response(response) => response.date.as_deref().and_then(date),
            _ => None,
        };
        match self.clock.answered(call, date, turn.now) {
            Word::Nothing => {}
            Word::Doubt(recheck) => self.look_again(recheck),
            Word::Trust(recheck) => {
                self.look_again(recheck);
                if self.config.wants(EventKind::ClockSkewSuspected) {
                    self.close_doubt(turn);
                }
            }
        }
    }

    /// What stands for the clock of this proxy. That of another one is another matter.
    fn doubtful(&self, detail: Detail) -> Incident {
        let of_proxy = Incident::of_proxy(EventKind::ClockSkewSuspected, &self.proxy.node, detail);
        Incident { rule: RULE.to_owned(), ..of_proxy }
    }

    /// Tells that the clock may be wrong, and again after the event cooldown while it may.
    pub(super) fn tell_doubt(&mut self, turn: &mut Turn) {
        let Some(doubt) = self.clock.doubt(turn.now) else { return };
        doubt.is_told = true;
        let doubt = doubt.clone();
        if !self.config.wants(EventKind::ClockSkewSuspected) {
            return;
        }
        let incident = self.doubtful(Detail::Nothing);
        // As long as it lasts the same is said of it.
        let said = self.ledger.notice(&incident.about, &incident.usage).map(|notice| notice.detail.clone());
        let detail = said.unwrap_or_else(|| Detail::Text(self.words_for(&doubt)));
        self.tell_incident(&Incident { detail, ..incident }, turn);
    }

    fn words_for(&self, doubt: &Doubt) -> String {
        let Doubt { is_ahead, by, receivers, .. } = doubt;
        let mut names = String::new();
        for (index, receiver) in receivers.iter().take(MOST_NAMED).enumerate() {
            names.push_str(if index == 0 { "" } else { ", " });
            names.push_str(&self.name_of(*receiver));
        }
        let others = match receivers.len().saturating_sub(MOST_NAMED) {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        let side = if *is_ahead { "ahead of it" } else { "behind it" };
        format!("receivers' clocks are {} {side}, webhooks {names}{others}", largest_unit(*by))
    }

    /// Says that the clock is right, if people were told that it may be wrong.
    pub(super) fn close_doubt(&mut self, turn: &mut Turn) {
        let Incident { about, usage, .. } = self.doubtful(Detail::Nothing);
        if self.ledger.notice(&about, &usage).is_some() {
            self.close(&about, &usage, turn);
        }
    }

    /// Until when nobody is told that a certificate has ended: many seem to have, and the clock may be wrong.
    pub(super) fn hold_back(&mut self, end: UnixTime, turn: &mut Turn) -> Option<UnixTime> {
        let from = self.clock.disputed_since(turn.now).filter(|from| end > *from)?;
        if !self.clock.has_crowd() && self.crowd(from, CROWD, turn) < CROWD {
            return None;
        }
        let was_holding = self.clock.is_holding();
        let Hold::Wait(until) = self.clock.hold(end) else { return None };
        if !was_holding {
            let count = self.crowd(from, MOST_COUNTED, turn);
            let or_more = if count < MOST_COUNTED { "" } else { " or more" };
            let (is_confirmed, by) = self.clock.grounds();
            let why = if is_confirmed { "it is ahead of receivers' clocks by" } else { "it has jumped by" };
            warn!(
                "{count}{or_more} certificates have expired at once by a clock that may be wrong: {why} {}. Nobody is told \
                 of them before receivers' answers say what time it is, or for {}",
                largest_unit(by),
                largest_unit(turn.now.until(self.clock.next()))
            );
        }
        Some(until)
    }

    /// How many certificates have ended since `from` and nobody was told of it, up to so many.
    fn crowd(&self, from: UnixTime, most: usize, turn: &mut Turn) -> usize {
        // What has ended too long ago is told in no case.
        let from = from.max(turn.now.before(self.config.expiry.expired_max_age));
        let ends = self.inventory.ends_after(from).take_while(|(end, _)| *end <= turn.now).take(MOST_LOOKED_AT);
        let is_told = |id: &CertId| {
            let mut notices = self.ledger.get(id).into_iter().flat_map(Record::notices);
            notices.any(|(_, notice)| notice.kind == EventKind::CertificateExpired)
        };
        let (mut looked_at, mut count) = (0_usize, 0_usize);
        for (_, id) in ends {
            looked_at = looked_at.saturating_add(1);
            count = count.saturating_add(usize::from(!is_told(&id)));
            if count >= most {
                break;
            }
        }
        turn.spend(units(looked_at, ENDS_PER_UNIT));
        count
    }

    /// Has certificates looked at again that a change of the clock concerns.
    fn look_again(&mut self, recheck: Option<Recheck>) {
        let Some(Recheck { after, until, because, is_of_held }) = recheck else { return };
        if is_of_held {
            warn!("Certificates that have expired are held back no longer: {}", because.as_str());
        }
        let new = Waking { behind: (after, CertId::from_bytes([0xff; 32])), until };
        self.waking =
            Some(self.waking.map_or(new, |known| Waking {
                behind: known.behind.min(new.behind),
                until: known.until.max(new.until),
            }));
    }

    fn wake_again(&mut self, turn: &mut Turn) {
        while turn.has_work_left()
            && let Some(Waking { behind, until }) = self.waking
        {
            let mut ids = Vec::new();
            ids.extend(self.inventory.ends_behind(behind).take_while(|(end, _)| *end <= until).take(WOKEN_PER_UNIT));
            turn.spend(1);
            self.waking = ids.last().map(|last| Waking { behind: *last, until });
            for (_, id) in ids {
                self.inventory.wake(id, turn.now);
            }
        }
    }
}

fn units(count: usize, per_unit: usize) -> u32 {
    u32::try_from(count.div_ceil(per_unit)).unwrap_or(u32::MAX)
}
