//! `overrides`: what holds for some certificates in place of what holds for all.

use std::rc::Rc;

use super::super::effort::limit;
use super::super::reader::{Node, Object};
use super::matching::{self, Match};
use super::thresholds::read_plan;
use crate::domain::rule::{Plan, Share};

/// Patterns of all overrides together.
const MOST_PATTERNS: usize = 600;

/// What holds for the certificates that match.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// Which certificates.
    pub matching: Match,
    /// What becomes of them.
    pub effect: Effect,
}

/// What becomes of certificates with an override.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nobody is told about them.
    Ignore,
    /// They have rules of their own.
    Thresholds(Rc<Plan>),
}

pub(super) fn read(section: Option<&Object<'_>>, guard: Option<Share>) -> Vec<Override> {
    let list = section.and_then(|section| section.get("overrides"));
    let entries = list.as_ref().and_then(Node::list).unwrap_or_default();
    let mut overrides = Vec::new();
    overrides.extend(entries.iter().filter_map(|node| read_override(node, guard)));
    limit(list.as_ref(), overrides.iter().map(|entry: &Override| entry.matching.effort()), MOST_PATTERNS);
    overrides
}

fn read_override(node: &Node<'_>, guard: Option<Share>) -> Option<Override> {
    let entry = node.object(&["match", "thresholds", "ignore"])?;
    let matching = matching::read(&entry);
    // A mistake has been reported, and need not look like a second one.
    let ignores = entry.get("ignore").is_some_and(|node| node.boolean().unwrap_or(true));
    let effect = match (entry.get("thresholds"), ignores) {
        (Some(node), true) => {
            node.refuse("is there beside ignore; nobody is told about what is ignored");
            None
        }
        (Some(node), false) => read_plan(&node, guard).map(Effect::Thresholds),
        (None, true) => Some(Effect::Ignore),
        (None, false) => {
            node.refuse("changes nothing; give it thresholds, or ignore as true");
            None
        }
    };
    Some(Override { matching: matching?, effect: effect? })
}
