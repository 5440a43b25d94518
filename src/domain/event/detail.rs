//! What an event has to say beside its certificate.

use std::rc::Rc;

use super::{EventKind, Severity};
use crate::domain::certificate::{CertId, Certificate};
use crate::domain::rejection::Rejection;
use crate::domain::role::{Role, Usage};
use crate::domain::time::UnixTime;

/// What an event has to say beside its certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Nothing.
    #[default]
    Nothing,
    /// Another certificate: the one that is held and not served, the one that took this one's place, or the one that ends
    /// before it.
    Other(Rc<Certificate>),
    /// The handshake that failed.
    Rejection(Rc<Rejection>),
    /// What is wrong, for people.
    Text(String),
    /// What should have happened.
    Due {
        /// When.
        at: UnixTime,
        /// Why then, for people.
        text: String,
    },
    /// Several certificates.
    Listing(Rc<Listing>),
    /// How the monitor is.
    Report(Rc<Report>),
}

/// Several certificates, the worst first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// How many they are.
    pub total: usize,
    /// The first of them: at most [`MOST_LISTED`].
    pub certificates: Vec<Listed>,
}

/// Certificates of which an event about several names each.
pub const MOST_LISTED: usize = 100;

/// One of several certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its fingerprint.
    pub id: CertId,
    /// Its name.
    pub name: String,
    /// What it is used for.
    pub usage: Usage,
    /// Its end.
    pub not_after: UnixTime,
    /// The event about it that is told with the others, if there is one: its id, its kind, how bad it is, its rule and one
    /// sentence.
    pub event: Option<ListedEvent>,
}

/// An event that is told together with others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedEvent {
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: EventKind,
    /// How bad it is.
    pub severity: Severity,
    /// The name of its rule.
    pub rule: String,
    /// One sentence for people.
    pub message: String,
}

/// How the monitor is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many certificates are watched in each role, in the order of [`Role::ALL`].
    pub roles: [Counts; Role::ALL.len()],
    /// The certificate that ends next, and when.
    pub next: Option<(String, UnixTime)>,
    /// The hash of the document that rules.
    pub configuration: String,
}

/// Certificates of one role by their state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub total: u32,
    /// Those of which somebody was warned and that have not ended.
    pub expiring: u32,
    /// Those that have ended.
    pub expired: u32,
}
