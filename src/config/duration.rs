//! Lengths of time as texts: `5s`, `1m30s`, `2h`, `30d`.

use std::time::Duration;

use super::reader::Node;

/// The longest one: a year.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

pub(super) fn read_duration(node: &Node<'_>) -> Option<Duration> {
    let parsed = node.text().map(parse)?;
    if parsed.is_none() {
        node.refuse_value("a duration such as 10s, 1m30s, 2h or 1d, a year at most");
    }
    parsed
}

/// A duration as Go writes it, which Tyk's documents have, and days; no fractions.
fn parse(text: &str) -> Option<Duration> {
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
    (!text.trim().is_empty() && total <= LONGEST).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up_and_nothing_else_is_read() {
        for (text, seconds) in [("10s", 10), ("1m30s", 90), ("2h", 7_200), ("1d", 86_400), ("0", 0), ("0s", 0)] {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("250ms"), Some(Duration::from_millis(250)));
        for text in ["", " ", "10", "s", "1.5h", "-1s", "1w", "10 s", "366d", "99999999999999999999s", "1s2"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
