//! What an answer means for an event on its way.

/// What becomes of a delivery that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The receiver has it.
    Delivered,
    /// It would be refused again: another try is a waste.
    Refused,
    /// The receiver does not want anything any more.
    Gone,
    /// Another try may succeed.
    Retry,
}

/// The fate of a delivery that was answered with `status`. What Standard Webhooks and `CloudEvents` say is followed:
/// redirections are not (they would be a way to send secrets elsewhere), 410 ends it all, and whatever is not known to be
/// for good may pass.
pub const fn fate(status: u16) -> Fate {
    match status {
        200..=299 => Fate::Delivered,
        300..=399 | 400 | 401 | 403 | 404 | 405 | 413 | 415 | 422 => Fate::Refused,
        410 => Fate::Gone,
        _ => Fate::Retry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_fate() {
        let permanent = [400, 401, 403, 404, 405, 413, 415, 422];
        for status in 0..=u16::MAX {
            let expected = match status / 100 {
                2 => Fate::Delivered,
                3 => Fate::Refused,
                _ if status == 410 => Fate::Gone,
                _ if permanent.contains(&status) => Fate::Refused,
                _ => Fate::Retry,
            };
            assert_eq!(fate(status), expected, "{status}");
        }
    }

    #[test]
    fn what_passes_is_tried_again() {
        for status in [100, 402, 406, 407, 408, 409, 425, 429, 431, 451, 500, 501, 502, 503, 504, 511, 599] {
            assert_eq!(fate(status), Fate::Retry, "{status}");
        }
    }
}
