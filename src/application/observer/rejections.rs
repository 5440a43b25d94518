//! Handshakes that failed because of a certificate. Anyone can make one fail, so only some of them are handed over.

use super::side::{self, Side};
use super::{MOST_WAITING, Observer, Proxy, Stream};
use crate::application::metric::{Dropped, Metric};
use crate::application::observation::{Form, Item};
use crate::domain::time::MINUTE;
use crate::domain::{Reason, Role, UnixTime, Usage};

/// Failures for one reason at one place that are handed over in a minute.
const MOST: u32 = 10;
/// Places, and reasons at each, of which failures are handed over in a minute.
const MOST_PLACES: usize = 128;
/// The most bytes of Envoy's text that are looked at.
const LONGEST_TEXT: usize = 512;
/// What may wait for a monitor, so that there is always room for certificates.
const MOST_REJECTIONS_WAITING: usize = MOST_WAITING / 2;

/// The failures of this minute.
#[derive(Debug, Default)]
pub(super) struct Rejections {
    since: UnixTime,
    /// Places and reasons, and how many there were of each.
    places: Vec<(String, Reason, u32)>,
}

impl Rejections {
    /// Whether there is room for another one.
    fn admit(&mut self, place: &str, reason: Reason, now: UnixTime) -> bool {
        // One from the future began before the clock was set back.
        if now.since(self.since).is_none_or(|age| age >= MINUTE) {
            self.since = now;
            self.places.clear();
        }
        let mut known = self.places.iter_mut();
        if let Some((_, _, count)) = known.find(|(known, why, _)| known == place && *why == reason) {
            *count = count.saturating_add(1);
            return *count <= MOST;
        }
        let has_room = self.places.len() < MOST_PLACES;
        if has_room {
            self.places.push((place.to_owned(), reason, 1));
        }
        has_room
    }
}

/// Whether Envoy's text about a failure only says that the peer has hung up on a connection that was good: many do. A
/// text about a certificate may quote whatever a stranger has written into it.
pub(super) fn is_cut_off(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    text.contains("system library") && !["SSL routines", "VERIFY_FAILED"].iter().any(|words| text.contains(words))
}

impl Observer {
    /// Hands a failed handshake over, if it was because of a certificate.
    pub(super) fn observe_failure(&mut self, side: &Side, text: &[u8], stream: &Stream, proxy: &impl Proxy) {
        let text = String::from_utf8_lossy(text.get(..LONGEST_TEXT).unwrap_or(text));
        let Some(reason) = Reason::of(side.role, &text) else { return };
        let place = side::place(side.role, proxy);
        let is_admitted = self.rejections.admit(place.as_deref().unwrap_or_default(), reason, self.now);
        if !is_admitted || self.waiting_bytes >= MOST_REJECTIONS_WAITING {
            proxy.count(&Metric::dropped_total(Dropped::Rejections));
            return;
        }
        let digest = side.digest(proxy).unwrap_or_default();
        // An upstream's certificate is never shown when it was refused.
        let shown = if side.role == Role::Client { self.source.read(side.role, proxy) } else { None };
        let shown = shown.filter(|shown| shown.form == Form::Pem && shown.certificate.len() <= Form::Pem.largest());
        let certificate = shown.map(|shown| shown.certificate).unwrap_or_default();
        let address = side.address(proxy);
        let usage = Usage::new(side.role, self.api_id(side.role, stream, proxy).map(str::to_owned));
        let failure = (address.as_deref(), text.as_ref());
        if let Some(item) = Item::rejected(&usage, place.as_deref(), failure, &digest, &certificate) {
            self.put_or_keep(item, proxy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> UnixTime {
        UnixTime::from_secs(1_768_000_000 + secs)
    }

    #[test]
    fn each_place_has_ten_a_minute() {
        let mut rejections = Rejections::default();
        let mut admitted =
            |place, secs| (0..100).filter(|_| rejections.admit(place, Reason::Expired, at(secs))).count();
        assert_eq!((admitted("a", 0), admitted("b", 59), admitted("a", 59)), (10, 10, 0));
        assert_eq!((admitted("a", 60), admitted("a", 119), admitted("a", -1)), (10, 0, 10), "the clock was set back");
    }

    #[test]
    fn each_reason_has_its_own() {
        let mut rejections = Rejections::default();
        let mut admitted = |reason| (0..100).filter(|_| rejections.admit("a", reason, at(0))).count();
        assert_eq!((admitted(Reason::Missing), admitted(Reason::Expired)), (10, 10), "scanners hide nobody");
    }

    #[test]
    fn places_and_reasons_are_bounded() {
        let mut rejections = Rejections::default();
        let mut admits = |place: usize, secs| rejections.admit(&place.to_string(), Reason::Expired, at(secs));
        assert_eq!((0..1_000).filter(|place| admits(*place, 0)).count(), MOST_PLACES);
        assert!(admits(MOST_PLACES - 1, 1) && !admits(MOST_PLACES, 1), "those that are known go on");
        assert!(admits(MOST_PLACES, 60));
        assert!(rejections.places.len() <= MOST_PLACES);
    }
}
