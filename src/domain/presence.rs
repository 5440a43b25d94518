//! Where and when a certificate was met.

use super::time::UnixTime;

/// How the monitor learned of a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// The plugin's document lists it.
    #[default]
    Config,
    /// Envoy's own admin interface shows it.
    Admin,
    /// It was presented on a connection.
    Peer,
}

impl Origin {
    /// Every origin; a stored one is named by its place in here.
    pub const ALL: [Self; 3] = [Self::Config, Self::Admin, Self::Peer];

    /// The word of bodies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Admin => "admin",
            Self::Peer => "peer",
        }
    }
}

/// What this proxy knows of one usage of a certificate beside the certificate. Another proxy may know something else, so
/// nothing of it is part of an event's id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// Where it sits: `listener/ingress`, `cluster/orders`, `secret/edge`.
    pub places: Vec<String>,
    /// The APIs it is used for, where one event tells of all of them.
    pub api_ids: Vec<String>,
    /// How it is known; the surest way, where there are several.
    pub origin: Origin,
    /// When it was first met.
    pub first_seen: Option<UnixTime>,
    /// When it was last met.
    pub last_seen: Option<UnixTime>,
}

impl Presence {
    /// At these places, and nothing else is known.
    pub fn at(places: &[String]) -> Self {
        Self { places: places.to_vec(), ..Self::default() }
    }

    /// The first place, which is the most telling one.
    pub fn place(&self) -> Option<&str> {
        self.places.first().map(String::as_str)
    }
}
