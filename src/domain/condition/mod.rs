//! What is true of a certificate beside its end, for as long as it is: it has not begun, it is weak, what it depends on ends
//! before it, or others present a newer one in its place.
//!
//! Each is a question about values that is asked at every check. Whoever asks tells of what is true, and closes what is
//! not true any more.

mod chain;
mod split;
mod weakness;

pub use self::chain::{Issuers, ends_first, has_issued};
pub use self::split::{Shown, Standing, standing};
pub use self::weakness::{Policies, Weakness, weaknesses};

use super::certificate::Certificate;
use super::time::UnixTime;

/// When a certificate begins that has not begun: its very first moment belongs to it. `None` as well where it is not known
/// when it begins.
pub fn begins_at(certificate: &Certificate, now: UnixTime) -> Option<UnixTime> {
    let begin = certificate.not_before;
    (now < begin && begin < certificate.not_after).then_some(begin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::CertId;

    #[test]
    fn a_certificate_has_begun_from_its_first_moment_on() {
        let begin = UnixTime::from_secs(1_700_000_000);
        let certificate = |not_after: UnixTime| Certificate {
            not_before: begin,
            ..Certificate::bare(CertId::of_der(b"der"), "a", not_after)
        };
        let end = UnixTime::from_secs(1_800_000_000);
        // seconds from the begin | its end | whether it waits for its begin
        for (offset, not_after, waits) in [
            (-1, end, true),
            (0, end, false),
            (1, end, false),
            (-1, UnixTime::NEVER, true),
            // Nothing is known but an end, or it is never valid.
            (-1, begin, false),
            (-1, UnixTime::from_secs(1_600_000_000), false),
        ] {
            let now = UnixTime::from_secs(begin.secs() + offset);
            assert_eq!(begins_at(&certificate(not_after), now), waits.then_some(begin), "{offset} {not_after:?}");
        }
    }
}
