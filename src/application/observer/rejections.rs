//! Handshakes that failed because of a certificate. Anyone can make one fail, so only some of them are handed over.

use super::side::{self, Side};
use super::{MOST_WAITING, Observer, Proxy, Stream};
use crate::application::metric::{Dropped, Metric};
use crate::application::observation::{Form, Item};
use crate::domain::time::MINUTE;
use crate::domain::{Reason, Role, UnixTime, Usage};

/// Failures at one place that are handed over in a minute.
const MOST: u32 = 10;
/// Places of which failures are handed over in a minute.
const MOST_PLACES: usize = 64;
/// The most bytes of Envoy's text that are looked at.
const LONGEST_TEXT: usize = 512;
/// What may wait for a monitor, so that there is always room for certificates.
const MOST_REJECTIONS_WAITING: usize = MOST_WAITING / 2;

/// The failures of this minute.
#[derive(Debug, Default)]
pub(super) struct Rejections {
    since: UnixTime,
    /// Places, and how many there were at each.
    places: Vec<(String, u32)>,
}

impl Rejections {
    /// Whether there is room for another one.
    fn admit(&mut self, place: &str, now: UnixTime) -> bool {
        // One from the future began before the clock was set back.
        if now.since(self.since).is_none_or(|age| age >= MINUTE) {
            self.since = now;
            self.places.clear();
        }
        if let Some((_, count)) = self.places.iter_mut().find(|(known, _)| known == place) {
            *count = count.saturating_add(1);
            return *count <= MOST;
        }
        let has_room = self.places.len() < MOST_PLACES;
        if has_room {
            self.places.push((place.to_owned(), 1));
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
        if Reason::of(side.role, &text).is_none() {
            return;
        }
        let place = side::place(side.role, proxy);
        let is_admitted = self.rejections.admit(place.as_deref().unwrap_or_default(), self.now);
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
        let mut admitted = |place, secs| (0..100).filter(|_| rejections.admit(place, at(secs))).count();
        assert_eq!((admitted("a", 0), admitted("b", 59), admitted("a", 59)), (10, 10, 0));
        assert_eq!((admitted("a", 60), admitted("a", 119), admitted("a", -1)), (10, 0, 10), "the clock was set back");
    }

    #[test]
    fn there_are_sixty_four_places_a_minute() {
        let mut rejections = Rejections::default();
        let admitted = (0..1_000).filter(|place| rejections.admit(&place.to_string(), at(0))).count();
        assert_eq!((admitted, rejections.places.len()), (64, 64));
        assert!(rejections.admit("63", at(1)) && !rejections.admit("64", at(1)), "those that are known go on");
        assert!(rejections.admit("64", at(60)));
    }
}
