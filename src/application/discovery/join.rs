//! What is held and what is loaded → what is served.
//!
//! `/certs` decides what is served, and `/config_dump` explains it. Each step looks at one thing of a list, so that the
//! work can be put down between any two.

use std::rc::Rc;

use super::findings::{Findings, add_places};
use super::gathered::{Content, Gathered, place};
use super::loaded::{Entry, index};
use super::pool::bare;
use super::stale::Unserved;
use super::survey::Survey;
use super::{Known, spend};
use crate::config::CaBundles;
use crate::decode::admin::Kind;
use crate::decode::admin::certs::Loaded;
use crate::domain::certificate::{IdSource, Position};
use crate::domain::{CertId, Certificate, Role, Usage};

/// A bundle with more certificates is one of those that operating systems bring along: hardly any of them matters here.
const LARGE: usize = 10;

/// How often the large bundles are gone through for the issuers of what is used. Chains are not as long.
const MOST_SWEEPS: u32 = 16;

/// What looking for one thing, and noting one, may cost, in instructions.
pub(super) const LOOK: u32 = 10_000;

/// The stages, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Who uses what.
    Uses,
    /// Secrets that nobody names.
    Unnamed,
    /// What of all that is loaded.
    Loaded,
    /// Chains that are served.
    Chains,
    /// What is served in the place of secrets that are not.
    Unserved,
    /// Leaves that nothing explains.
    LooseChains,
    /// Which authorities of large bundles chains end in.
    Issuers,
    /// Bundles that are served.
    Bundles,
    /// Authorities that nothing explains.
    LooseBundles,
    /// What is not needed any more is forgotten bit by bit.
    Leavings,
}

pub(super) struct Join {
    pub(super) gathered: Gathered,
    bundles: CaBundles,
    pub(super) slots: Vec<Slot>,
    /// Slots by holding and usage.
    order: Vec<u32>,
    findings: Findings,
    pub(super) survey: Survey,
    unserved: Unserved,
    stage: Stage,
    /// The thing of the stage's list that is looked at next, and the certificate in it.
    at: usize,
    member: usize,
    sweeps: u32,
    has_new_issuers: bool,
}

/// A holding in one usage.
pub(super) struct Slot {
    pub(super) holding: u32,
    pub(super) usage: Usage,
    pub(super) places: Vec<String>,
    /// Something names it.
    pub(super) is_named: bool,
}

impl Join {
    pub(super) fn new(gathered: Gathered, bundles: CaBundles, requests: u32) -> Self {
        let survey = Survey { unreadable: gathered.unreadable, requests, ..Survey::default() };
        let (slots, order, findings) = (Vec::new(), Vec::new(), Findings::default());
        let (stage, at, member, sweeps, has_new_issuers) = (Stage::Uses, 0, 0, 0, false);
        let unserved = Unserved::default();
        Self { gathered, bundles, slots, order, findings, survey, unserved, stage, at, member, sweeps, has_new_issuers }
    }

    /// Goes on until there is no room left or nothing left to do; then, what was found.
    pub(super) fn go_on(&mut self, known: &dyn Known, room: &mut u32) -> Option<Survey> {
        while *room > 0 {
            spend(room, LOOK);
            let is_over = match self.stage {
                Stage::Uses => self.take_use(room),
                Stage::Unnamed => self.take_unnamed(),
                Stage::Loaded => self.take_holding(room),
                Stage::Chains => self.take_slot(Kind::Chain, known, room),
                Stage::Unserved => self.take_unserved(known, room),
                Stage::LooseChains => self.take_loose(Kind::Chain, known, room),
                Stage::Issuers => self.take_issuers(known, room),
                Stage::Bundles => self.take_slot(Kind::Bundle, known, room),
                Stage::LooseBundles => self.take_loose(Kind::Bundle, known, room),
                Stage::Leavings => {
                    let is_over = self.unserved.forget();
                    self.slots.pop().is_none() && is_over
                }
            };
            if is_over {
                (self.at, self.member) = (0, 0);
                self.stage = match self.stage {
                    Stage::Uses => Stage::Unnamed,
                    Stage::Unnamed => Stage::Loaded,
                    Stage::Loaded => Stage::Chains,
                    Stage::Chains => Stage::Unserved,
                    Stage::Unserved => Stage::LooseChains,
                    Stage::LooseChains => Stage::Issuers,
                    Stage::Issuers if std::mem::take(&mut self.has_new_issuers) && self.sweeps < MOST_SWEEPS => {
                        self.sweeps = self.sweeps.saturating_add(1);
                        Stage::Issuers
                    }
                    Stage::Issuers => Stage::Bundles,
                    Stage::Bundles => Stage::LooseBundles,
                    Stage::LooseBundles => Stage::Leavings,
                    Stage::Leavings => {
                        let found = std::mem::take(&mut self.findings).into_found();
                        return Some(Survey { found, ..std::mem::take(&mut self.survey) });
                    }
                };
            }
        }
        None
    }

    /// The next thing.
    fn next(&mut self) {
        (self.at, self.member) = (self.at.saturating_add(1), 0);
    }

    fn take_use(&mut self, room: &mut u32) -> bool {
        spend(room, LOOK);
        let Some(user) = self.gathered.uses.get(self.at) else { return true };
        let found = self.gathered.holding_of(user).zip(self.gathered.usage_of(user));
        if let Some((holding, (usage, place))) = found {
            self.note_slot(holding, usage, &[place], true);
        }
        self.next();
        false
    }

    fn take_unnamed(&mut self) -> bool {
        let Some(holding) = self.gathered.holdings.get(self.at) else { return true };
        if holding.is_dynamic && !holding.is_used {
            let usage = usage_of(holding.kind);
            self.note_slot(u32::try_from(self.at).unwrap_or(u32::MAX), usage, &[], false);
        }
        self.next();
        false
    }

    fn note_slot(&mut self, holding: u32, usage: Usage, places: &[String], is_named: bool) {
        let Some(held) = self.gathered.holdings.get_mut(index(holding)) else { return };
        held.is_used = true;
        let place = self.order.binary_search_by(|known| {
            let slot = self.slots.get(index(*known));
            slot.map_or(std::cmp::Ordering::Less, |slot| (slot.holding, &slot.usage).cmp(&(holding, &usage)))
        });
        match place {
            Ok(at) => {
                if let Some(slot) = self.order.get(at).and_then(|number| self.slots.get_mut(index(*number))) {
                    add_places(&mut slot.places, places);
                }
            }
            Err(at) => {
                let Ok(number) = u32::try_from(self.slots.len()) else { return };
                self.order.insert(at, number);
                // Where it is kept comes first: by that it is known again in the next round.
                let mut own = held.places();
                add_places(&mut own, places);
                self.slots.push(Slot { holding, usage, places: own, is_named });
            }
        }
    }

    /// Finds out whether a holding is loaded, and notes that it explains what is.
    fn take_holding(&mut self, room: &mut u32) -> bool {
        let Gathered { holdings, loaded, .. } = &mut self.gathered;
        let Some(holding) = holdings.get_mut(self.at) else { return true };
        let kind = holding.kind;
        // Of a chain, the leaf is told.
        let most = if kind == Kind::Chain { 1 } else { usize::MAX };
        match &holding.content {
            _ if !holding.is_used => {}
            Content::Certificates(certificates) => {
                if let Some(certificate) = certificates.get(self.member).filter(|_| self.member < most) {
                    holding.is_served |= loaded.explain(kind, certificate);
                    self.member = self.member.saturating_add(1);
                    return false;
                }
            }
            Content::File(path) => {
                let count = loaded.explain_path(kind, path);
                if kind == Kind::Bundle && count == 1 {
                    self.survey.partly_visible.get_or_insert_with(|| path.clone());
                }
                spend(room, u32::try_from(count).unwrap_or(u32::MAX).saturating_mul(100));
                holding.is_served = count > 0;
            }
        }
        self.next();
        false
    }

    /// Finds the certificates of a slot that is served.
    fn take_slot(&mut self, kind: Kind, known: &dyn Known, room: &mut u32) -> bool {
        let Some(slot) = self.slots.get(self.at) else { return true };
        let Some(holding) = self.gathered.holdings.get(index(slot.holding)) else { return true };
        if holding.kind != kind || !holding.is_served {
            if kind == Kind::Chain && holding.kind == kind && holding.secret.is_some() {
                self.unserved.slots.push(Some(self.at));
            }
            self.next();
            return false;
        }
        let Some((certificate, count)) = self.member(index(slot.holding), known, room) else {
            self.next();
            return false;
        };
        self.member = self.member.saturating_add(1);
        let is_wanted = kind == Kind::Chain || self.is_wanted(&certificate, count, known, room);
        if is_wanted && let Some(slot) = self.slots.get(self.at) {
            self.findings.add(&certificate, &slot.usage, &slot.places);
            if kind == Kind::Chain {
                self.gathered.pool.note_service(&certificate);
            }
        }
        false
    }

    /// The certificate of a holding that is looked at, and how many there are.
    fn member(&self, holding: usize, known: &dyn Known, room: &mut u32) -> Option<(Rc<Certificate>, usize)> {
        let holding = self.gathered.holdings.get(holding)?;
        match &holding.content {
            Content::Certificates(certificates) => {
                certificates.get(self.member).map(|certificate| (Rc::clone(certificate), certificates.len()))
            }
            Content::File(path) => {
                let entries = self.gathered.loaded.of_path(holding.kind, path);
                let number = entries.get(self.member)?;
                self.certificate_of(index(*number), known, room).map(|certificate| (certificate, entries.len()))
            }
        }
    }

    /// A certificate that is loaded: with all that is known of it, else with what Envoy tells.
    pub(super) fn certificate_of(&self, number: usize, known: &dyn Known, room: &mut u32) -> Option<Rc<Certificate>> {
        spend(room, LOOK);
        let loaded = &self.gathered.loaded.get(number)?.loaded;
        let twin = self.gathered.pool.twin(loaded).cloned();
        let twin = twin.or_else(|| known.twin(bare(&loaded.serial_number), loaded.not_before, loaded.not_after));
        twin.or_else(|| {
            spend(room, LOOK);
            Some(Rc::new(provisional(loaded)))
        })
    }

    /// Notes what is served in a slot.
    pub(super) fn settle(&mut self, certificate: &Rc<Certificate>, usage: &Usage, places: &[String]) {
        self.findings.add(certificate, usage, places);
        self.gathered.pool.note_service(certificate);
    }

    fn take_unserved(&mut self, known: &dyn Known, room: &mut u32) -> bool {
        let mut unserved = std::mem::take(&mut self.unserved);
        let is_over = unserved.go_on(self, known, room);
        self.unserved = unserved;
        is_over
    }

    /// What is loaded and nothing explains: it is where it was, or where its path says.
    fn take_loose(&mut self, kind: Kind, known: &dyn Known, room: &mut u32) -> bool {
        let number = self.at;
        self.next();
        let Some(entry) = self.gathered.loaded.get(number) else { return true };
        if entry.is_explained || entry.loaded.kind != kind {
            return false;
        }
        let count = if kind == Kind::Bundle { self.gathered.loaded.of_path(kind, &entry.loaded.path).len() } else { 0 };
        let places = if entry.is_inline() { Vec::new() } else { vec![place("file/", &entry.loaded.path)] };
        let Some(certificate) = self.certificate_of(number, known, room) else { return false };
        let before = known.found_before(&certificate.id);
        spend(room, LOOK);
        // How many stand together is not known of what is inline: what was wanted once is wanted still.
        if before.is_empty() && !self.is_wanted(&certificate, count, known, room) {
            return false;
        }
        let mut before =
            before.iter().filter(|(usage, _)| (usage.role() == Role::Ca) == (kind == Kind::Bundle)).peekable();
        if before.peek().is_none() {
            self.findings.add(&certificate, &usage_of(kind), &places);
        }
        for (usage, places) in before {
            self.findings.add(&certificate, usage, places);
        }
        if kind == Kind::Chain {
            self.gathered.pool.note_service(&certificate);
        }
        false
    }

    /// Whether a certificate of a bundle of that many is one to be told of.
    fn is_wanted(&self, certificate: &Certificate, count: usize, known: &dyn Known, room: &mut u32) -> bool {
        count <= LARGE
            || match self.bundles {
                CaBundles::All => true,
                CaBundles::None => false,
                CaBundles::Used => self.is_issuer(certificate, known, room),
            }
    }

    fn is_issuer(&self, certificate: &Certificate, known: &dyn Known, room: &mut u32) -> bool {
        spend(room, LOOK);
        let subject = certificate.subject.as_str();
        !subject.is_empty() && (self.gathered.pool.has_issued(subject) || known.has_issued(subject))
    }

    /// Follows chains upwards within large bundles.
    fn take_issuers(&mut self, known: &dyn Known, room: &mut u32) -> bool {
        let Some(holding) = self.gathered.holdings.get(self.at) else { return true };
        let is_asked = self.bundles == CaBundles::Used && holding.kind == Kind::Bundle && holding.is_served;
        let Some((certificate, _)) =
            (if is_asked { self.member(self.at, known, room) } else { None }).filter(|(_, count)| *count > LARGE)
        else {
            self.next();
            return false;
        };
        self.member = self.member.saturating_add(1);
        if self.is_issuer(&certificate, known, room) {
            self.has_new_issuers |= self.gathered.pool.note_service(&certificate);
        }
        false
    }
}

/// What certificates are used for of which nothing else is known.
fn usage_of(kind: Kind) -> Usage {
    Usage::new(if kind == Kind::Bundle { Role::Ca } else { Role::Server }, None)
}

/// A certificate of which only `/certs` tells.
fn provisional(loaded: &Loaded) -> Certificate {
    let Loaded { kind, path, serial_number, not_before, not_after, sans } = loaded;
    let text = format!(
        "cert-expiry-monitor/provisional\0{}\0{}\0{}\0{path}",
        bare(serial_number),
        not_before.secs(),
        not_after.secs()
    );
    let file = path.rsplit('/').next().filter(|name| !name.is_empty() && !name.starts_with('<'));
    let name = sans.first().map(String::as_str).or(file).unwrap_or(serial_number);
    Certificate {
        source: IdSource::Provisional,
        position: if *kind == Kind::Chain { Position::Leaf } else { Position::Unknown },
        not_before: *not_before,
        serial_number: serial_number.clone(),
        sans: sans.clone(),
        sans_total: u32::try_from(sans.len()).unwrap_or(u32::MAX),
        ..Certificate::bare(CertId::of_der(text.as_bytes()), name, *not_after)
    }
}

impl Entry {
    /// Whether it is a leaf without a path that nothing explains.
    pub(super) fn is_loose_leaf(&self) -> bool {
        self.loaded.kind == Kind::Chain && self.is_inline() && !self.is_explained
    }
}
