//! When a delivery that failed is tried again.

use std::time::Duration;

use super::time::{HOUR, MINUTE};

/// The pause after each failure, so that a short outage costs seconds and a long one few requests.
const PAUSES: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    MINUTE.saturating_mul(2),
    MINUTE.saturating_mul(10),
    HOUR,
    HOUR.saturating_mul(4),
    LONGEST,
];

/// The longest pause.
pub const LONGEST: Duration = HOUR.saturating_mul(12);

/// The pause after so many failures in a row; `None` if enough has been tried.
pub fn pause(failures: u32) -> Option<Duration> {
    PAUSES.get(usize::try_from(failures).ok()?.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let pauses: Vec<_> = (1..).map_while(pause).collect();
        assert_eq!(pauses.len(), 7);
        assert!(pauses.is_sorted());
        assert_eq!(pause(0), None, "nothing has failed");
        assert_eq!(pause(u32::MAX), None);
    }
}
