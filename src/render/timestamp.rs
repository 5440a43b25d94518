//! Times as people and receivers read them.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::domain::UnixTime;

/// The last second that RFC 3339 can write. X.509 uses it for "no end" (RFC 5280, 4.1.2.5).
const LAST_SECOND: i64 = 253_402_300_799;

/// `2026-01-17T13:51:52Z` (RFC 3339, UTC, whole seconds). Times that the format cannot write become the nearest one
/// that it can.
pub fn rfc3339(time: UnixTime) -> String {
    // The first second of year 0; the format knows no sign.
    const FIRST_SECOND: i64 = -62_167_219_200;
    OffsetDateTime::from_unix_timestamp(time.secs().clamp(FIRST_SECOND, LAST_SECOND))
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utc_with_z_and_whole_seconds() {
        assert_eq!(rfc3339(UnixTime::from_millis(1_768_657_912_999)), "2026-01-17T13:51:52Z");
    }

    #[test]
    fn times_out_of_range_become_the_nearest_one() {
        assert_eq!(rfc3339(UnixTime::NEVER), "9999-12-31T23:59:59Z");
        assert_eq!(rfc3339(UnixTime::from_secs(i64::MIN)), "0000-01-01T00:00:00Z");
    }
}
