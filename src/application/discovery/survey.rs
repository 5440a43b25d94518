//! What a round of discovery comes to.

use std::fmt;
use std::rc::Rc;

use crate::domain::text::harmless;
use crate::domain::{Certificate, Usage};

/// What a round found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Every certificate that is served, once for each usage, in no order that means anything.
    pub found: Vec<Found>,
    /// Where Envoy holds a certificate and serves another one.
    pub stale: Vec<Stale>,
    /// A file that Envoy verifies peers with and of which it tells one certificate: before 1.40 there may be more in it.
    pub partly_visible: Option<String>,
    /// PEM blocks, and texts that should hold some, in which there is no certificate that can be read.
    pub unreadable: u32,
    /// How many requests it took.
    pub requests: u32,
}

/// A certificate that is served, in one usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The certificate.
    pub certificate: Rc<Certificate>,
    /// What it is used for.
    pub usage: Usage,
    /// Where it sits: `secret/edge`, `file/etc/edge.pem`, `listener/ingress`, `cluster/orders`; where it is kept comes
    /// first.
    pub places: Vec<String>,
}

/// A place whose newest certificate Envoy does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// The place: `secret/edge`.
    pub place: String,
    /// What the certificate is used for.
    pub usage: Usage,
    /// Where both sit.
    pub places: Vec<String>,
    /// What is served.
    pub served: Rc<Certificate>,
    /// What should be.
    pub held: Rc<Certificate>,
}

/// Why a round came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What was asked for.
    pub path: String,
    /// What came.
    pub reason: Reason,
}

/// What came in place of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No answer, and why.
    NoAnswer(String),
    /// A status other than 200.
    Status(u16),
    /// More than [`LARGEST_ANSWER`](super::LARGEST_ANSWER).
    TooLarge,
    /// An answer that cannot be read, and why.
    Unreadable(String),
    /// An answer without what must be in it.
    Empty,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer(why) => write!(f, "no answer: {}", harmless(why)),
            Self::Status(403) => f.write_str("status 403: allow /certs and /config_dump in admin.allow_paths"),
            Self::Status(404) => f.write_str("status 404: is discovery.admin_cluster Envoy's admin interface?"),
            Self::Status(status @ 300..=399) => {
                write!(f, "status {status}: the admin interface redirects nobody; check discovery.admin_cluster")
            }
            Self::Status(status) => write!(f, "status {status}"),
            Self::TooLarge => write!(f, "the answer has more than {} MB", super::LARGEST_ANSWER >> 20),
            Self::Unreadable(why) => f.write_str(why),
            Self::Empty => f.write_str("the answer lacks what Envoy must have"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GET {}: {}", harmless(&self.path), self.reason)
    }
}
