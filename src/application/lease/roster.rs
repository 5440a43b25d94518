//! Which document rules, and which candidate would be a better holder.
//!
//! A proxy that is given a new configuration keeps instances of the old one for as long as a listener drains, ten
//! minutes and more, and its singleton for good. So instances announce their documents, and the last one announced
//! rules.

use serde::{Deserialize, Serialize};

use super::Kind;
use crate::application::shared_data::{decode, encode};
use crate::config::DocumentHash;

/// Documents that are remembered as superseded.
pub(super) const MOST_PAST: u32 = 16;

/// The roster as it stands in shared data. Every candidate may write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Roster {
    /// The document that rules.
    pub(super) current: DocumentHash,
    /// Documents that ruled before, the latest last.
    past: Vec<DocumentHash>,
    /// Changes every second while an instance of the current document lives.
    pub(super) beat: u32,
    /// Who would be a better holder than the one there is.
    pub(super) wish: Option<Wish>,
}

/// A candidate that would be a better holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wish {
    pub(super) candidate: u64,
    pub(super) kind: Kind,
    pub(super) has_streams: bool,
    pub(super) document: DocumentHash,
}

/// How good a holder an instance would be; less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    is_past: bool,
    kind: Kind,
    has_streams: bool,
}

impl Roster {
    pub(super) const fn new(document: DocumentHash) -> Self {
        Self { current: document, past: Vec::new(), beat: 0, wish: None }
    }

    pub(super) fn decode(value: &[u8]) -> Option<Self> {
        decode(value).filter(|roster: &Self| roster.past.len() <= MOST_PAST as usize)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// How many documents have ruled since this one, the current one included; `None` if it never did.
    pub(super) fn behind(&self, document: DocumentHash) -> Option<u32> {
        let later = self.past.iter().rev().position(|past| *past == document)?;
        u32::try_from(later).ok()?.checked_add(1)
    }

    /// Makes a document the one that rules.
    pub(super) fn announce(&mut self, document: DocumentHash) {
        self.past.retain(|past| *past != document);
        self.past.push(std::mem::replace(&mut self.current, document));
        if self.past.len() > MOST_PAST as usize {
            self.past.remove(0);
        }
        self.beat = self.beat.wrapping_add(1);
    }

    pub(super) fn rank(&self, document: DocumentHash, kind: Kind, has_streams: bool) -> Rank {
        Rank { is_past: document != self.current, kind, has_streams }
    }

    pub(super) fn rank_of(&self, wish: &Wish) -> Rank {
        self.rank(wish.document, wish.kind, wish.has_streams)
    }
}
