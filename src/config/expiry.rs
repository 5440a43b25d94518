//! `certificate_expiry_monitor`: when a certificate is worth an event, and how often.

use std::time::Duration;

use super::reader::{Node, Object};
use crate::domain::Rule;
use crate::domain::time::HOUR;

/// Thresholds, cooldowns and the interval. The names and defaults are Tyk's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The rules, the expiry itself included.
    pub rules: Vec<Rule>,
    /// A certificate is not checked again before this has passed.
    pub check_cooldown: Duration,
    /// The same event is not repeated before this has passed.
    pub event_cooldown: Duration,
    /// The time between periodic checks; zero: none.
    pub check_interval: Duration,
    /// The most certificates that are watched. Peers that nobody has seen for longest make room for new ones.
    pub max_certificates: usize,
}

impl Expiry {
    /// The length of the periods that number repeated events: the event cooldown; where that is zero the check interval,
    /// and where both are, an hour.
    pub fn period(&self) -> Duration {
        [self.event_cooldown, self.check_interval].into_iter().find(|length| !length.is_zero()).unwrap_or(HOUR)
    }
}

/// The longest cooldown or interval: a year.
const YEAR: u32 = 365 * 86_400;
/// The longest threshold: certificates of a hundred years exist.
const CENTURY: u32 = 36_525;

/// The most that `max_certificates` allows, and what it is if nothing is said.
const MOST_CERTIFICATES: (u32, u32) = (100_000, 20_000);

const KEYS: [&str; 5] = [
    "warning_threshold_days",
    "check_cooldown_seconds",
    "event_cooldown_seconds",
    "check_interval_seconds",
    "max_certificates",
];

pub(super) fn read(root: &Object<'_>) -> Expiry {
    let section = section(root).and_then(|node| node.object(&KEYS));
    let integer = |key, allowed, default| {
        section.as_ref().and_then(|section| section.get(key)).and_then(|node| node.integer(allowed)).unwrap_or(default)
    };
    let seconds = |key, default| Duration::from_secs(integer(key, 0..=YEAR, default).into());
    let mut rules = vec![Rule::expired()];
    rules.extend(Some(Rule::days(integer("warning_threshold_days", 0..=CENTURY, 30))).filter(|rule| !rule.is_expiry()));
    Expiry {
        rules,
        check_cooldown: seconds("check_cooldown_seconds", 86_400),
        event_cooldown: seconds("event_cooldown_seconds", 86_400),
        check_interval: seconds("check_interval_seconds", 3_600),
        max_certificates: usize::try_from(integer("max_certificates", 1..=MOST_CERTIFICATES.0, MOST_CERTIFICATES.1))
            .unwrap_or(usize::MAX),
    }
}

/// The section itself, or as it stands in a pasted `tyk.conf`, below `security`.
fn section<'a>(root: &Object<'a>) -> Option<Node<'a>> {
    let own = root.get("certificate_expiry_monitor");
    let tyks = root
        .get("security")
        .and_then(|node| node.object(&["certificate_expiry_monitor"]))
        .and_then(|security| security.get("certificate_expiry_monitor"));
    if let (Some(_), Some(tyks)) = (&own, &tyks) {
        tyks.refuse("is there already as certificate_expiry_monitor at top level; keep one of them");
    }
    own.or(tyks)
}
