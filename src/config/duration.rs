//! Lengths of time as texts: `5s`, `1m30s`, `2h`, `30d`.

use std::time::Duration;

use super::reader::Node;
use crate::domain::time::{DAY, MINUTE};

/// The days of the longest pause.
pub(super) const YEAR: u32 = 365;
/// The days of the longest time before or after a certificate's end: certificates of a hundred years exist.
pub(super) const CENTURY: u32 = 36_525;

pub(super) fn read_duration(node: &Node<'_>) -> Option<Duration> {
    let parsed = node.text().map(|text| parse(text, YEAR))?;
    if parsed.is_none() {
        node.refuse_value("a duration such as 10s, 1m30s, 2h or 1d, a year at most");
    }
    parsed
}

/// A duration for what takes its time: from a minute to `days`.
pub(super) fn read_length(node: &Node<'_>, days: u32) -> Option<Duration> {
    let parsed = node.as_text().and_then(|text| parse_length(text, days));
    if parsed.is_none() {
        node.refuse_value(format!("a duration such as 36h or 30d, from 1m to {days}d"));
    }
    parsed
}

/// A duration from a minute to `days`.
pub(super) fn parse_length(text: &str, days: u32) -> Option<Duration> {
    parse(text, days).filter(|length| *length >= MINUTE)
}

/// A duration of at most `days` as Go writes it, which Tyk's documents have, and days; no fractions.
fn parse(text: &str, days: u32) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest == "0" {
        return Some(total);
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit_end)?;
        let number = number.parse::<u64>().ok()?;
        let length = match unit {
            "d" => Duration::from_secs(number.checked_mul(86_400)?),
            "h" => Duration::from_secs(number.checked_mul(3_600)?),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "s" => Duration::from_secs(number),
            "ms" => Duration::from_millis(number),
            _ => return None,
        };
        total = total.checked_add(length)?;
        rest = after;
    }
    (!text.trim().is_empty() && total <= DAY.saturating_mul(days)).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up_and_nothing_else_is_read() {
        for (text, seconds) in [("10s", 10), ("1m30s", 90), ("2h", 7_200), ("1d", 86_400), ("0", 0), ("0s", 0)] {
            assert_eq!(parse(text, YEAR), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("250ms", YEAR), Some(Duration::from_millis(250)));
        for text in ["", " ", "10", "s", "1.5h", "-1s", "1w", "10 s", "366d", "99999999999999999999s", "1s2"] {
            assert_eq!(parse(text, YEAR), None, "{text}");
        }
    }

    #[test]
    fn lengths_have_a_least_and_a_most() {
        for (text, is_one) in [
            ("0", false),
            ("59s", false),
            ("59999ms", false),
            ("1m", true),
            ("366d", true),
            ("36525d", true),
            ("36525d1ms", false),
            ("18446744073709551615d", false),
        ] {
            assert_eq!(parse_length(text, CENTURY).is_some(), is_one, "{text}");
        }
        assert_eq!(parse_length("365d1s", YEAR), None);
    }
}
