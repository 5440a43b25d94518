//! Times as Envoy writes them in JSON.

use time::{Date, Month, OffsetDateTime, Time};

use crate::domain::UnixTime;

/// `2026-11-22T09:00:00Z`, the form of protobuf's timestamps (RFC 3339 in UTC). Fractions of a second are dropped:
/// certificates have none.
pub(super) fn parse(text: &str) -> Option<UnixTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.split('-').map(number);
    let mut time = time.split('.').next()?.split(':').map(number);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    if date.next().is_some() || time.next().is_some() {
        return None;
    }
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(year.into(), month, u8::try_from(day).ok()?).ok()?;
    let narrow = |number: u16| u8::try_from(number).ok();
    let time = Time::from_hms(narrow(hour)?, narrow(minute)?, narrow(second)?).ok()?;
    Some(UnixTime::from_secs(OffsetDateTime::new_utc(date, time).unix_timestamp()))
}

fn number(digits: &str) -> Option<u16> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_to_the_second_and_nothing_else_is() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-22T11:29:53Z", 1_795_346_993),
            ("2026-11-22T11:29:53.655Z", 1_795_346_993),
            ("1969-12-31T23:59:59Z", -1),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(parse(text), Some(UnixTime::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "Z",
            "T",
            "TZ",
            "2026-11-22",
            "2026-11-22T11:29:53",
            "2026-13-22T11:29:53Z",
            "2026-02-30T11:29:53Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T11:29Z",
            "+026-11-22T11:29:53Z",
            "2026-11-22-1T11:29:53Z",
            "99999-11-22T11:29:53Z",
            "2026-11-22T11:29:53+01:00",
            "2026-11-22T11:29:53:00Z",
            "２026-11-22T11:29:53Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
