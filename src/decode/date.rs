//! The `date` of an HTTP response (RFC 9110, 6.6.1).

use std::time::SystemTime;

use crate::domain::UnixTime;

/// An HTTP date (RFC 9110, 5.6.7) in any of its three forms; `None` for everything else, and for what lies before 1970.
pub fn date(header: &str) -> Option<UnixTime> {
    let date = httpdate::parse_http_date(header.trim()).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(UnixTime::default().after(date))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_read_and_nothing_else_is() {
        for (header, seconds) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
            ("Sun Nov  6 08:49:37 1994", Some(784_111_777)),
            (" Sun, 06 Nov 1994 08:49:37 GMT ", Some(784_111_777)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(253_402_300_799)),
            ("Mon, 01 Jan 1601 00:00:00 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Sun, 31 Feb 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 24:49:37 GMT", None),
            ("1994-11-06T08:49:37Z", None),
            ("784111777", None),
            ("Sün, 06 Nov 1994 08:49:37 GMT", None),
            ("\u{0}", None),
            ("", None),
        ] {
            assert_eq!(date(header), seconds.map(UnixTime::from_secs), "{header:?}");
        }
    }
}
