//! How a usage of a certificate is known: who has told of it, where it sits, and whether it was looked at.

use crate::domain::{UnixTime, Usage};

/// The most places of one usage that are kept: they tell people where to look, and one is enough for that.
pub const MOST_PLACES: usize = 8;

/// Who tells of a usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The document lists it.
    Config,
    /// The round of discovery of this number found it in Envoy's admin interface.
    Admin(u32),
    /// A peer has presented it at this time.
    Peer(UnixTime),
}

/// A usage of a watched certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The usage.
    pub usage: Usage,
    /// Whether the document lists it.
    pub is_listed: bool,
    /// The last round of discovery that found it.
    pub found_in: Option<u32>,
    /// When an observer last handed it over.
    pub last_seen: Option<UnixTime>,
    /// Where it sits: `listener/ingress`, `cluster/orders`, `secret/edge`.
    pub places: Vec<String>,
    /// Whether it has been checked since it became known. A first report waits for no cooldown.
    pub checked: bool,
    /// It is not looked at before: somebody may tell more of it until then.
    pub waits_until: Option<UnixTime>,
}

impl Sighting {
    /// A usage that nobody has told of yet.
    pub const fn new(usage: Usage) -> Self {
        let (is_listed, found_in, last_seen, waits_until) = (false, None, None, None);
        Self { usage, is_listed, found_in, last_seen, places: Vec::new(), checked: false, waits_until }
    }

    /// Notes who has told of it, and where it sits.
    pub(super) fn note(&mut self, source: Source, places: &[String]) {
        match source {
            Source::Config => self.is_listed = true,
            // What a round finds is all there is.
            Source::Admin(round) => {
                if self.found_in.replace(round).is_some_and(|before| before != round) && self.last_seen.is_none() {
                    self.places.retain(|place| place.starts_with(CONFIG_PLACE));
                }
            }
            Source::Peer(now) => self.last_seen = Some(now),
        }
        for place in places {
            if self.places.len() < MOST_PLACES && !self.places.contains(place) {
                self.places.push(place.clone());
            }
        }
    }

    /// Whether it is known from a connection alone, and so only as long as a peer presents it.
    pub const fn is_of_peer(&self) -> bool {
        !self.is_listed && self.found_in.is_none()
    }

    /// Whether nobody tells of it any more.
    pub(super) const fn is_over(&self) -> bool {
        self.is_of_peer() && self.last_seen.is_none()
    }
}

/// What the place of a certificate begins with that the document names.
pub const CONFIG_PLACE: &str = "config/";
