//! How a usage of a certificate is known: who has told of it, where it sits, and whether it was looked at.

use crate::application::observation::ADDRESS_PLACE;
use crate::domain::{Origin, Presence, Role, UnixTime, Usage};

/// The most places of one usage that are kept, and the most APIs: they tell people where to look.
pub const MOST_PLACES: usize = 32;

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

/// When a usage is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// At once: a first report waits for no cooldown.
    #[default]
    First,
    /// For the first time, and no earlier: somebody may tell more of it until then.
    NotBefore(UnixTime),
    /// Again, when the cooldown is over.
    Again,
    /// The same, and at once when a peer presents it: it seems to be replaced, and nothing is told of its end before.
    Awaited,
}

impl Look {
    /// Whether it has been looked at since it became known.
    pub const fn is_taken(self) -> bool {
        matches!(self, Self::Again | Self::Awaited)
    }

    /// Whether somebody may still tell more of it.
    pub fn is_early(self, now: UnixTime) -> bool {
        matches!(self, Self::NotBefore(until) if until > now)
    }
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
    /// When an observer first handed it over.
    pub first_seen: Option<UnixTime>,
    /// When an observer last handed it over.
    pub last_seen: Option<UnixTime>,
    /// Where it sits: `listener/ingress`, `cluster/orders`, `secret/edge`.
    pub places: Vec<String>,
    /// The APIs it is used for, where these are not told apart.
    pub api_ids: Vec<String>,
    /// When it is looked at.
    pub look: Look,
    /// What is true of it beside its end is yet to be looked at: others may be handed over with it that matter.
    pub is_unreconciled: bool,
}

impl Sighting {
    /// A usage that nobody has told of yet.
    pub const fn new(usage: Usage) -> Self {
        Self {
            usage,
            is_listed: false,
            found_in: None,
            first_seen: None,
            last_seen: None,
            places: Vec::new(),
            api_ids: Vec::new(),
            look: Look::First,
            is_unreconciled: false,
        }
    }

    /// The usages of those sightings that are asked for.
    pub fn usages_of(sightings: &[Self], is_asked_for: &dyn Fn(&Self) -> bool) -> Vec<Usage> {
        sightings.iter().filter(|known| is_asked_for(known)).map(|known| known.usage.clone()).collect()
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
            Source::Peer(now) => {
                self.first_seen.get_or_insert(now);
                self.last_seen = Some(now);
                if self.look == Look::Awaited {
                    self.look = Look::First;
                }
            }
        }
        for place in places {
            if self.usage.role() == Role::Upstream && place.starts_with(ADDRESS_PLACE) {
                self.forget_address(place);
            }
            if self.places.len() < MOST_PLACES && !self.places.contains(place) {
                self.places.push(place.clone());
            }
        }
    }

    /// Makes room for an address, so that it becomes the last one.
    fn forget_address(&mut self, address: &str) {
        let known = self.places.iter().position(|place| place == address);
        let oldest = || self.places.iter().position(|place| place.starts_with(ADDRESS_PLACE));
        let is_full = self.places.len() >= MOST_PLACES;
        if let Some(index) = known.or_else(|| oldest().filter(|_| is_full)) {
            self.places.remove(index);
        }
    }

    /// The address at which an upstream has presented it last.
    pub fn latest_address(&self) -> Option<&str> {
        self.places.iter().map(String::as_str).rfind(|place| place.starts_with(ADDRESS_PLACE))
    }

    /// Notes an API for which it is used. What holds for that one may be something else: it is looked at anew.
    pub(super) fn note_api(&mut self, api_id: &str) {
        if self.api_ids.len() < MOST_PLACES && !self.api_ids.iter().any(|known| known == api_id) {
            self.api_ids.push(api_id.to_owned());
            if self.look.is_taken() {
                self.look = Look::First;
            }
        }
    }

    /// Where and when it was met; `now` is the time of the last look at what the document lists and Envoy holds.
    pub fn presence(&self, first_seen: Option<UnixTime>, now: UnixTime) -> Presence {
        let origin = match self {
            Self { is_listed: true, .. } => Origin::Config,
            Self { found_in: Some(_), .. } => Origin::Admin,
            _ => Origin::Peer,
        };
        let last_seen = if origin == Origin::Peer { self.last_seen } else { Some(now) };
        Presence { places: self.places.clone(), api_ids: self.api_ids.clone(), origin, first_seen, last_seen }
    }

    /// Whether it is known from a connection alone, and so only as long as a peer presents it.
    pub const fn is_of_peer(&self) -> bool {
        !self.is_listed && self.found_in.is_none()
    }

    /// Whether it is known from connections alone, and was last seen before this.
    pub fn is_gone(&self, before: UnixTime) -> bool {
        self.is_of_peer() && self.last_seen.is_some_and(|seen| seen < before)
    }

    /// Whether nobody tells of it any more.
    pub(super) const fn is_over(&self) -> bool {
        self.is_of_peer() && self.last_seen.is_none()
    }
}

/// What the place of a certificate begins with that the document names.
pub const CONFIG_PLACE: &str = "config/";
