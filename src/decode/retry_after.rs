//! `Retry-After` (RFC 9110, 10.2.3): how long a receiver asks to be left alone.

use std::time::Duration;

use super::date::date;
use crate::domain::UnixTime;
use crate::domain::backoff::LONGEST_WISH;

/// The wish of a header value, at most [`LONGEST_WISH`].
pub fn retry_after(value: &str, now: UnixTime) -> Option<Duration> {
    wish(value, now).map(|wish| wish.min(LONGEST_WISH))
}

/// The wish of a header value, seconds or an HTTP date. A date that has passed is no time at all. Some receivers send
/// fractions of seconds.
pub fn wish(value: &str, now: UnixTime) -> Option<Duration> {
    let value = value.trim();
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    if value.is_empty() || !value.chars().all(is_number) {
        return date(value).map(|date| now.until(date));
    }
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    let whole = if whole.is_empty() { 0 } else { whole.parse().unwrap_or(u64::MAX) };
    let is_more = fraction.bytes().any(|digit| digit != b'0');
    Some(Duration::from_secs(whole.saturating_add(u64::from(is_more))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read_and_nothing_else() {
        // Sun, 06 Nov 1994 08:49:37 GMT, as RFC 9110 has it.
        let now = UnixTime::from_secs(784_111_777 - 90);
        for (value, seconds) in [
            ("2", Some(2)),
            (" 0 ", Some(0)),
            ("1.5", Some(2)),
            ("0.30", Some(1)),
            ("3600", Some(3_600)),
            ("3601", Some(3_600)),
            ("99999999999999999999999", Some(3_600)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(90)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(90)),
            ("Sun Nov  6 08:49:37 1994", Some(90)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(3_600)),
            ("", None),
            ("-1", None),
            ("soon", None),
            ("2 s", None),
            ("1e3", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Mon, 01 Jan 1601 00:00:00 GMT", None),
        ] {
            assert_eq!(retry_after(value, now), seconds.map(Duration::from_secs), "{value:?}");
        }
    }
}
