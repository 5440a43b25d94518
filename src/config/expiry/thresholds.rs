//! `thresholds`, `warning_threshold_days` and `short_lived`: how much may be left before somebody is told.

use std::rc::Rc;
use std::time::Duration;

use super::super::duration::{CENTURY, parse_length};
use super::super::reader::{Node, Object};
use crate::domain::Severity;
use crate::domain::rule::{Plan, Rule, Share, Threshold};
use crate::domain::time::DAY;

/// The threshold where none is written, in days.
const DEFAULT_DAYS: u32 = 30;
/// The share of the lifetime that guards short-lived certificates where nothing else is written, in percent.
const DEFAULT_GUARD: u8 = 20;

/// The thresholds of a document.
pub(super) struct Thresholds {
    /// The rules for every certificate.
    pub(super) plan: Rc<Plan>,
    /// `warning_threshold_days` as written, where no guard is on it.
    pub(super) literal: Option<Duration>,
    /// The guard of every list of thresholds.
    pub(super) guard: Option<Share>,
}

/// What `short_lived` says.
#[derive(Clone, Copy)]
enum ShortLived {
    /// Nothing: whoever writes days means them, and everything else is guarded.
    Unsaid,
    /// Everything is guarded by this share.
    Guarded(Share),
    /// Nothing is guarded.
    Off,
}

pub(super) fn read(section: Option<&Object<'_>>) -> Thresholds {
    let get = |key| section.and_then(|section| section.get(key));
    let short_lived = get("short_lived").and_then(|node| read_short_lived(&node)).unwrap_or(ShortLived::Unsaid);
    let guard = match short_lived {
        ShortLived::Unsaid => Share::new(DEFAULT_GUARD),
        ShortLived::Guarded(share) => Some(share),
        ShortLived::Off => None,
    };
    let (list, days) = (get("thresholds"), get("warning_threshold_days"));
    if let (Some(list), Some(_)) = (&list, &days) {
        list.refuse("is there beside warning_threshold_days; keep one of them");
    }
    let written = days.and_then(|node| node.integer(0..=CENTURY));
    let listed = list.and_then(|node| read_plan(&node, guard));
    let of_days = || match (written, short_lived) {
        (None, _) => Plan::new(vec![Rule::days(DEFAULT_DAYS)], guard),
        // The expiry alone: a guard would warn before it.
        (Some(0), _) => Plan::new(Vec::new(), None),
        (Some(days), ShortLived::Guarded(share)) => Plan::new(vec![Rule::days(days)], Some(share)),
        (Some(days), _) => Plan::new(vec![Rule::days(days)], None),
    };
    let plan = listed.unwrap_or_else(|| Rc::new(of_days()));
    let is_literal = plan.short_lived.is_none();
    let literal = written.filter(|days| is_literal && *days > 0).map(|days| DAY.saturating_mul(days));
    Thresholds { plan, literal, guard }
}

fn read_short_lived(node: &Node<'_>) -> Option<ShortLived> {
    let read = node.as_text().map(str::trim).and_then(|text| match text {
        "off" => Some(ShortLived::Off),
        text => parse_share(text).map(ShortLived::Guarded),
    });
    if read.is_none() {
        node.refuse_value("a share of the lifetime from 1% to 99%, or off");
    }
    read
}

/// A list of thresholds, and the rules that it makes.
pub(in crate::config) fn read_plan(node: &Node<'_>, guard: Option<Share>) -> Option<Rc<Plan>> {
    let items = node.list()?;
    if items.is_empty() {
        node.refuse("names nothing; leave the key out for the default");
        return None;
    }
    let mut rules: Vec<Rule> = Vec::new();
    for item in &items {
        let Some(rule) = read_rule(item) else { continue };
        match rules.iter().find(|known| known.threshold() == rule.threshold()) {
            Some(known) => item.refuse(format!("{} is there already as {}", rule.name(), known.name())),
            None => rules.push(rule),
        }
    }
    Some(Rc::new(Plan::new(rules, guard)))
}

/// A threshold alone, which is a warning, or with its severity.
fn read_rule(node: &Node<'_>) -> Option<Rule> {
    if !node.is_object() {
        return read_threshold(node, Severity::Warning);
    }
    let object = node.object(&["remaining", "severity"])?;
    let words = Severity::ALL.map(|severity| (severity.as_str(), severity));
    let severity = object.get("severity").map_or(Some(Severity::Warning), |node| node.word(&words));
    let remaining = object.require("remaining");
    read_threshold(&remaining?, severity?)
}

fn read_threshold(node: &Node<'_>, severity: Severity) -> Option<Rule> {
    let name = node.as_text().map(str::trim).unwrap_or_default();
    let threshold = match parse_share(name) {
        Some(share) => Some(Threshold::Share(share)),
        None => parse_length(name, CENTURY).map(Threshold::Remaining),
    };
    if threshold.is_none() {
        node.refuse_value(format!(
            "a duration such as 36h or 30d, from 1m to {CENTURY}d, or a share of the lifetime from 1% to 99%"
        ));
    }
    threshold.map(|threshold| Rule::new(name, threshold, severity))
}

/// A share of something, such as `66%`.
pub(super) fn read_share(node: &Node<'_>) -> Option<Share> {
    let share = node.as_text().map(str::trim).and_then(parse_share);
    if share.is_none() {
        node.refuse_value("a share of the lifetime from 1% to 99%");
    }
    share
}

fn parse_share(text: &str) -> Option<Share> {
    let digits = text.strip_suffix('%')?;
    // A number would be read with a sign, too.
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?.and_then(Share::new)
}
