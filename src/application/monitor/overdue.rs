//! When the certificates of a slot are usually renewed, and whether the one that is there is late.

use std::rc::Rc;

use super::Monitor;
use super::turn::{Turn, looking_up};
use crate::application::advice::Advice;
use crate::decode::renewal_info::Window;
use crate::domain::certificate::Position;
use crate::domain::renewal::{CROWD, Expected, Life, expected};
use crate::domain::text::LONGEST;
use crate::domain::{CertId, Certificate, Detail, EventKind, Incident, Origin, Presence, Role, Share, UnixTime, Usage};
use crate::render::timestamp::rfc3339;

/// What naming a slot costs.
const NAMING: u32 = 1;

/// Why a renewal is due: in one word and for people, and when it was to come.
struct Due {
    rule: &'static str,
    at: UnixTime,
    text: String,
}

impl Monitor {
    /// Notes that a slot holds a certificate, if anybody is to know when its certificates are renewed.
    pub(super) fn note_life(&mut self, certificate: &Rc<Certificate>, usage: &Usage, turn: &mut Turn) {
        if !self.renewals.keeps_habits {
            return;
        }
        turn.spend(NAMING);
        let presence = self.presence_of(&certificate.id, usage, turn.now);
        let slot = slot_of(certificate, usage, &presence);
        let Some(life) = Life::of(certificate) else { return };
        let habit = self.ledger.get(&slot).and_then(|record| record.habit.as_ref());
        if self.is_crowded(certificate, usage, &presence, turn) {
            // Those of a set follow one another in no order that anybody could learn. What was learned of a lone peer is kept
            // until it is alone again: strangers may bear its name for a while.
            if habit.is_some_and(|habit| habit.share().is_none()) {
                self.record(&slot).habit = None;
            }
            return;
        }
        if habit.is_some_and(|habit| habit.lives().contains(&life)) {
            return;
        }
        let before = habit.and_then(|habit| habit.lives().last().copied());
        if self.ledger.change(&slot).habit.get_or_insert_default().note(life) {
            self.changes.note(&slot);
        }
        // What the document lists has no other trace: the document before is gone with its certificates.
        if let Some(before) = before.filter(|before| presence.origin == Origin::Config && before.end < life.end)
            && self.inventory.get(&before.id).is_none_or(|watched| watched.sighting(usage).is_none())
        {
            let old = Certificate {
                not_before: before.begin,
                position: certificate.position,
                ..Certificate::bare(before.id, &certificate.name, before.end)
            };
            self.tell_renewal(&Rc::new(old), usage, &presence, turn);
        }
    }

    /// Whether the renewal of a certificate is late, or when it will be.
    pub(super) fn overdue(
        &self,
        certificate: &Rc<Certificate>,
        usage: &Usage,
        presence: &Presence,
        turn: &mut Turn,
    ) -> (Option<Incident>, Option<UnixTime>) {
        let nothing = (None, None);
        // Its end is told otherwise.
        let has_ended = certificate.not_after <= turn.now;
        if has_ended || !is_leaf(certificate, usage) || self.is_crowded(certificate, usage, presence, turn) {
            return nothing;
        }
        let asked = self.authority_of(certificate).and_then(|_| self.ledger.get(&certificate.id));
        let advice = asked.and_then(|record| record.advice.as_deref());
        let due = if let Some(Advice { window: Some(window), moved_from, .. }) = advice {
            by_advice(window, *moved_from, turn.now)
        } else {
            turn.spend(NAMING);
            self.by_habit(certificate, usage, presence, turn.now)
        };
        match due {
            Err(when) => (None, when),
            Ok(_) if self.successor(certificate, usage, presence, turn).is_some() => nothing,
            Ok(Due { rule, at, text }) => {
                let (kind, detail) = (EventKind::CertificateRenewalOverdue, Detail::Due { at, text });
                let presence = presence.clone();
                (Some(Incident::of_certificate(kind, certificate, usage, presence, rule, detail)), None)
            }
        }
    }

    /// What is usual, as it is written or was learned; or when it will be late by that.
    fn by_habit(
        &self,
        certificate: &Certificate,
        usage: &Usage,
        presence: &Presence,
        now: UnixTime,
    ) -> Result<Due, Option<UnixTime>> {
        let written = self.config.expiry.renewal_expected_at.map(Share::percent);
        let learned = || {
            let record = self.ledger.get(&slot_of(certificate, usage, presence))?;
            record.habit.as_ref()?.share()
        };
        let permille = written.map(|percent| u16::from(percent).saturating_mul(10)).or_else(learned).ok_or(None)?;
        let Expected { at, late } = expected(certificate, permille).ok_or(None)?;
        if now < late {
            return Err(Some(late));
        }
        let percent = permille / 10;
        let text = match written {
            Some(_) => format!("renewals are expected after {percent} % of the lifetime"),
            None => format!("the last renewals here came after at most {percent} % of the lifetime"),
        };
        Ok(Due { rule: Incident::RENEWAL, at, text })
    }

    /// Whether so many peers of one name are met in one usage that each has a certificate of its own.
    fn is_crowded(&self, certificate: &Certificate, usage: &Usage, presence: &Presence, turn: &mut Turn) -> bool {
        if presence.origin != Origin::Peer {
            return false;
        }
        let mut looked_at = 0_usize;
        let namesakes =
            self.inventory.named(&certificate.name, usage.role()).inspect(|_| looked_at = looked_at.saturating_add(1));
        let is_crowded = namesakes.filter(|watched| watched.sighting(usage).is_some()).nth(CROWD - 1).is_some();
        turn.spend(looking_up(looked_at));
        is_crowded
    }
}

/// What the authority says; or when it will be late by that.
fn by_advice(window: &Window, moved_from: Option<UnixTime>, now: UnixTime) -> Result<Due, Option<UnixTime>> {
    let Window { start, end, explanation_url } = window;
    let span = format!("{} to {}", rfc3339(*start), rfc3339(*end));
    let (rule, at, text) = match moved_from {
        _ if now >= *end => (Incident::RENEWAL_INFO, *end, format!("the authority wants it renewed from {span}")),
        Some(from) => {
            let text = format!("the authority wants it renewed from {span}, and no more from {}", rfc3339(from));
            (Incident::RENEWAL_INFO_MOVED, *start, text)
        }
        None => return Err(Some(*end)),
    };
    let explained = explanation_url.as_ref().map(|url| format!("{text}: {url}"));
    // Part of a URL leads nowhere.
    let text = explained.filter(|text| text.chars().count() <= LONGEST).unwrap_or(text);
    Ok(Due { rule, at, text })
}

/// Whether a certificate is one that somebody renews in time. Of what nobody has shown, that is said by its usage.
pub(super) fn is_leaf(certificate: &Certificate, usage: &Usage) -> bool {
    let is_vague = certificate.position == Position::Unknown && usage.role() != Role::Ca;
    certificate.position == Position::Leaf || is_vague
}

/// Stands for a slot: what a certificate is used for, where it sits, and its name. The first place is where it is kept,
/// which stays the same; peers have no place of their own.
fn slot_of(certificate: &Certificate, usage: &Usage, presence: &Presence) -> CertId {
    let place = presence.place().filter(|_| presence.origin != Origin::Peer);
    CertId::of_words(&[
        "cert-expiry-monitor/slot",
        usage.role().as_str(),
        usage.api_id().unwrap_or_default(),
        usage.place().or(place).unwrap_or_default(),
        &certificate.name,
    ])
}
