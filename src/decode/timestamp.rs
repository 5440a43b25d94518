//! Times as RFC 3339 writes them. Fractions of a second are dropped: what is read here has none that matter.

use time::{Date, Month, OffsetDateTime, Time};

use crate::domain::UnixTime;

/// The longest text that can be a time: nobody counts in less than nanoseconds.
const LONGEST: usize = 40;

/// `2026-11-22T09:00:00Z`, the form of protobuf's timestamps: always UTC.
pub fn parse(text: &str) -> Option<UnixTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    seconds(date, time).map(UnixTime::from_secs)
}

/// `2026-11-22T10:00:00.5+01:00`: every form that the RFC allows, of a time in UTC or beside it.
pub fn with_offset(text: &str) -> Option<UnixTime> {
    let text = Some(text).filter(|text| text.len() <= LONGEST)?.to_ascii_uppercase();
    let (date, time) = text.split_once('T')?;
    let (time, offset) = if let Some(time) = time.strip_suffix('Z') {
        (time, 0)
    } else if let Some((time, ahead)) = time.split_once('+') {
        (time, minutes(ahead)?)
    } else {
        let (time, behind) = time.split_once('-')?;
        (time, minutes(behind)?.saturating_neg())
    };
    let seconds = seconds(date, time)?.saturating_sub(offset.saturating_mul(60));
    Some(UnixTime::from_secs(seconds))
}

/// Seconds since the epoch, if the clock on the wall is that of UTC.
fn seconds(date: &str, time: &str) -> Option<i64> {
    let mut date = date.split('-').map(number);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.split(':').map(number);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    if date.next().is_some() || time.next().is_some() || fraction.is_empty() || !is_digits(fraction) {
        return None;
    }
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(year.into(), month, u8::try_from(day).ok()?).ok()?;
    let narrow = |number: u16| u8::try_from(number).ok();
    let time = Time::from_hms(narrow(hour)?, narrow(minute)?, narrow(second)?).ok()?;
    Some(OffsetDateTime::new_utc(date, time).unix_timestamp())
}

/// The minutes of `05:30`, less than a day.
fn minutes(offset: &str) -> Option<i64> {
    let (hours, minutes) = offset.split_once(':')?;
    let (hours, minutes) = (i64::from(number(hours)?), i64::from(number(minutes)?));
    (hours < 24 && minutes < 60).then(|| hours.saturating_mul(60).saturating_add(minutes))
}

fn number(digits: &str) -> Option<u16> {
    is_digits(digits).then(|| digits.parse().ok())?
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
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

    #[test]
    fn a_time_beside_utc_is_the_same_time() {
        for text in [
            "2026-11-22T11:29:53Z",
            "2026-11-22t11:29:53z",
            "2026-11-22T11:29:53.999999999Z",
            "2026-11-22T11:29:53+00:00",
            "2026-11-22T11:29:53-00:00",
            "2026-11-22T12:29:53+01:00",
            "2026-11-22T12:29:53.5+01:00",
            "2026-11-22T16:59:53+05:30",
            "2026-11-21T23:29:53-12:00",
            "2026-11-23T11:28:53+23:59",
        ] {
            assert_eq!(with_offset(text), Some(UnixTime::from_secs(1_795_346_993)), "{text}");
        }
        assert_eq!(with_offset("0000-01-01T00:00:00+23:59").map(UnixTime::secs), Some(-62_167_305_540));
    }

    #[test]
    fn a_time_without_its_offset_is_none() {
        let long = format!("2026-11-22T11:29:53.{}Z", "0".repeat(40));
        for text in [
            "",
            "+01:00",
            "T+",
            "2026-11-22",
            "2026-11-22T11:29:53",
            "2026-11-22 11:29:53Z",
            "2026-11-22T11:29:53+",
            "2026-11-22T11:29:53+01",
            "2026-11-22T11:29:53+0100",
            "2026-11-22T11:29:53+24:00",
            "2026-11-22T11:29:53+01:60",
            "2026-11-22T11:29:53+-1:00",
            "2026-11-22T11:29:53+01:00Z",
            "2026-11-22T11:29:53+01:00:00",
            "2026-11-22T11:29:53.Z",
            "2026-11-22T11:29:53.5.5Z",
            "2026-11-22T11:29:53.x+01:00",
            "2026-11-22T11:29:53−01:00",
            &long,
        ] {
            assert_eq!(with_offset(text), None, "{text}");
        }
    }
}
