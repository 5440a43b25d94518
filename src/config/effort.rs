//! How much there is to compare to find out what holds for a certificate.
//!
//! Whoever connects chooses how long a certificate's names are, and the document how many patterns there are: it is
//! counted here, so that the monitor does no more of it at a time than it may.

use super::pattern::Pattern;
use super::reader::Node;
use crate::domain::{Certificate, Usage};

/// What overrides and silences, or webhooks, together ask of a certificate. Bytes compared stand for everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Effort {
    pub(super) names: Patterns,
    pub(super) places: Patterns,
    pub(super) api_ids: Patterns,
    pub(super) cert_ids: Patterns,
    /// Roles, fingerprints, names of APIs: what is the same or is not.
    pub(super) plain: usize,
    /// How often the names are written in small letters for it.
    pub(super) lowering: usize,
}

/// Patterns that are compared with the same texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Patterns {
    /// How many there are.
    count: usize,
    /// What they cost for each text.
    text: usize,
    /// What they cost for each byte of it: how many pieces are looked for everywhere.
    byte: usize,
}

/// What comparing costs beside the bytes that are compared, in bytes.
const COMPARISON: usize = 4;
/// What comparing a byte of a pattern with one of a text costs, in bytes: each may be a `?`.
const ENDS: usize = 2;
/// What looking for a piece costs for each byte that is looked through, in bytes.
const SEARCH: usize = 2;
/// What writing a byte in small letters costs, in bytes.
const LOWERING: usize = 4;
/// The length of a fingerprint in hex.
const ID: usize = 64;

impl Patterns {
    pub(super) fn add(&mut self, pattern: &Pattern) {
        self.count = self.count.saturating_add(1);
        self.text = self.text.saturating_add(pattern.ends().saturating_mul(ENDS)).saturating_add(COMPARISON);
        self.byte = self.byte.saturating_add(pattern.searches());
    }

    fn and(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_add(other.count),
            text: self.text.saturating_add(other.text),
            byte: self.byte.saturating_add(other.byte),
        }
    }

    /// What they cost for texts of these lengths.
    fn on(self, lengths: impl Iterator<Item = usize>) -> usize {
        let cost = |length| self.byte.saturating_mul(length).saturating_mul(SEARCH).saturating_add(self.text);
        lengths.map(cost).fold(0, usize::saturating_add)
    }
}

/// Refuses a list that has more patterns than `most`, or too many that are looked for everywhere in a text: each is compared
/// with the names and places of every certificate.
pub(super) fn limit(list: Option<&Node<'_>>, efforts: impl Iterator<Item = Effort>, most: usize) {
    let Some(list) = list else { return };
    let effort = efforts.fold(Effort::default(), Effort::and);
    let (patterns, searches, fewer) = (effort.patterns(), effort.searches(), most / PER_SEARCH);
    if patterns > most {
        list.refuse(format!("{patterns} patterns are not allowed; expected at most {most} in all"));
    }
    if searches > fewer {
        list.refuse(format!("{searches} texts between two * are not allowed; expected at most {fewer} in all"));
    }
}

/// What stands between two `*` takes as long as so many patterns.
const PER_SEARCH: usize = 6;

impl Effort {
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            names: self.names.and(other.names),
            places: self.places.and(other.places),
            api_ids: self.api_ids.and(other.api_ids),
            cert_ids: self.cert_ids.and(other.cert_ids),
            plain: self.plain.saturating_add(other.plain),
            lowering: self.lowering.saturating_add(other.lowering),
        }
    }

    /// How many patterns there are.
    const fn patterns(&self) -> usize {
        let Self { names, places, api_ids, cert_ids, .. } = self;
        names.count.saturating_add(places.count).saturating_add(api_ids.count).saturating_add(cert_ids.count)
    }

    /// How many pieces of patterns are looked for everywhere in a text.
    const fn searches(&self) -> usize {
        let Self { names, places, api_ids, cert_ids, .. } = self;
        names.byte.saturating_add(places.byte).saturating_add(api_ids.byte).saturating_add(cert_ids.byte)
    }

    /// How much is compared for this usage of a certificate that sits at `places`, and is used for `api_ids` where APIs are
    /// not told apart.
    pub(super) fn on(&self, certificate: &Certificate, usage: &Usage, places: &[String], api_ids: &[String]) -> usize {
        let small = certificate.names().map(String::len).fold(0, usize::saturating_add);
        let small = small.saturating_mul(self.lowering).saturating_mul(LOWERING);
        let names = self.names.on(certificate.names().map(String::len)).saturating_add(small);
        let places = self.places.on(places.iter().map(String::len));
        let own = usage.api_id().into_iter().map(str::len);
        let api_ids = self.api_ids.on(own.chain(api_ids.iter().map(String::len)));
        let parts = [names, places, api_ids, self.cert_ids.on([ID].into_iter())];
        parts.into_iter().fold(self.plain.saturating_mul(COMPARISON), usize::saturating_add)
    }
}
