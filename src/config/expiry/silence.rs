//! `silences` and `quiet_hours`: when warnings are kept back.

use super::super::effort::limit;
use super::super::reader::{Node, Object};
use super::matching::{self, Match};
use crate::decode::timestamp;
use crate::domain::UnixTime;
use crate::domain::text::harmless;
use crate::render::timestamp::rfc3339;

/// Patterns of all silences together.
const MOST_PATTERNS: usize = 120;

/// Keeps warnings about some certificates back for a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Silence {
    /// Which certificates.
    pub matching: Match,
    /// When it is over.
    pub until: UnixTime,
    /// Why, for people.
    pub reason: String,
}

/// Hours of the day (UTC) during which warnings are kept back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietHours {
    /// The second of the day at which they begin.
    from: i64,
    /// How many seconds they last: less than a day.
    length: i64,
}

const DAY_SECS: i64 = 86_400;

impl QuietHours {
    /// When they are over; `None` if it is not quiet at `now`.
    pub fn until(&self, now: UnixTime) -> Option<UnixTime> {
        let elapsed = now.secs().saturating_sub(self.from).rem_euclid(DAY_SECS);
        let left = self.length.saturating_sub(elapsed);
        (left > 0).then(|| UnixTime::from_secs(now.secs().saturating_add(left)))
    }
}

pub(super) fn read_silences(section: Option<&Object<'_>>) -> Vec<Silence> {
    let list = section.and_then(|section| section.get("silences"));
    let entries = list.as_ref().and_then(Node::list).unwrap_or_default();
    let mut silences = Vec::new();
    silences.extend(entries.iter().filter_map(read_silence));
    limit(list.as_ref(), silences.iter().map(|silence: &Silence| silence.matching.effort()), MOST_PATTERNS);
    silences
}

fn read_silence(node: &Node<'_>) -> Option<Silence> {
    let entry = node.object(&["match", "until", "reason"])?;
    let matching = matching::read(&entry);
    let until = entry.require("until").and_then(|node| read_time(&node));
    let reason = entry.get("reason").and_then(|node| node.text()).map(harmless).unwrap_or_default();
    Some(Silence { matching: matching?, until: until?, reason })
}

fn read_time(node: &Node<'_>) -> Option<UnixTime> {
    let time = node.as_text().map(str::trim).and_then(timestamp::with_offset);
    if time.is_none() {
        node.refuse_value("a time such as \"2026-12-01T00:00:00Z\" or \"2026-12-01T01:00:00+01:00\"");
    }
    time
}

/// One line for each of `silences` that keeps nothing back any more.
pub(super) fn passed(silences: &[Silence], now: UnixTime) -> Vec<String> {
    let line = |(index, silence): (usize, &Silence)| {
        let reason = if silence.reason.is_empty() { String::new() } else { format!(" ({})", silence.reason) };
        let until = rfc3339(silence.until);
        format!("certificate_expiry_monitor.silences[{index}]: has passed at {until}{reason}; it can be removed")
    };
    silences.iter().enumerate().filter(|(_, silence)| silence.until <= now).map(line).collect()
}

pub(super) fn read_quiet_hours(node: &Node<'_>) -> Option<QuietHours> {
    let section = node.object(&["from", "to"])?;
    let time = |key| section.require(key).and_then(|node| read_time_of_day(&node));
    let (from, to) = (time("from"), time("to"));
    let (from, to) = (from?, to?);
    if from == to {
        node.refuse("begin when they end; leave the key out where nothing is to be kept back");
        return None;
    }
    Some(QuietHours { from, length: to.saturating_sub(from).rem_euclid(DAY_SECS) })
}

/// `HH:MM` as the second of the day.
fn read_time_of_day(node: &Node<'_>) -> Option<i64> {
    let time = node.as_text().and_then(parse_time_of_day);
    if time.is_none() {
        node.refuse_value("a time of day (UTC) from \"00:00\" to \"23:59\"");
    }
    time
}

fn parse_time_of_day(text: &str) -> Option<i64> {
    let part = |digits: &str, most: i64| {
        let is_number = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok())?.filter(|number: &i64| *number <= most)
    };
    let (hours, minutes) = text.split_once(':')?;
    Some(part(hours, 23)? * 3_600 + part(minutes, 59)? * 60)
}
