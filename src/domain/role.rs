//! What a certificate is used for.

use std::fmt;

/// The part that a certificate plays for this proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// What a listener presents.
    Server,
    /// What verifies peers.
    Ca,
    /// What a downstream client presents.
    Client,
    /// Either side of an upstream connection, ours or theirs.
    Upstream,
}

impl Role {
    /// Every role, in the order in which people are shown them.
    pub const ALL: [Self; 4] = [Self::Server, Self::Ca, Self::Client, Self::Upstream];

    /// The word of configuration, events, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Ca => "ca",
            Self::Client => "client",
            Self::Upstream => "upstream",
        }
    }

    /// The role of that word, if it is one.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// Whether a certificate in this role belongs to an API. Server and CA certificates belong to the whole proxy.
    pub const fn has_api(self) -> bool {
        matches!(self, Self::Client | Self::Upstream)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A role and the API it is played for. One certificate with two usages is reported once for each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usage {
    role: Role,
    api_id: Option<String>,
    place: Option<String>,
}

impl Usage {
    /// A usage; an empty `api_id`, and one of a role that has no API, is none.
    pub fn new(role: Role, api_id: Option<String>) -> Self {
        Self { role, api_id: api_id.filter(|id| role.has_api() && !id.is_empty()), place: None }
    }

    /// The role played.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The API it is played for, if the role has one and it is known.
    pub fn api_id(&self) -> Option<&str> {
        self.api_id.as_deref()
    }

    /// The same at one place, where each place is reported on its own.
    #[must_use]
    pub fn at(self, place: Option<String>) -> Self {
        Self { place, ..self }
    }

    /// The place that it is told apart by, if it is.
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }
}
