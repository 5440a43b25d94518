//! What the plugin knows and decides: values and pure functions, told the time, free of serde, log and the SDK.
//!
//! A [`Certificate`] has a [`Usage`] (role and API). [`assess`](assessment::assess) says which [`Rule`] it has crossed at a
//! time, and [`ledger::decide`] whether that is worth an [`Event`] after what was sent before.

pub mod assessment;
pub mod backoff;
pub mod certificate;
pub mod chance;
pub mod condition;
pub mod delivery;
pub mod event;
pub mod incident;
pub mod ledger;
pub mod presence;
pub mod rejection;
pub mod renewal;
pub mod role;
pub mod rule;
pub mod storm;
pub mod text;
pub mod time;

pub use assessment::Assessment;
pub use certificate::{CertId, Certificate};
pub use event::{Alert, Detail, Event, EventKind, Severity};
pub use incident::Incident;
pub use presence::{Origin, Presence};
pub use rejection::{Reason, Rejection};
pub use role::{Role, Usage};
pub use rule::{Plan, Rule, Share};
pub use time::UnixTime;
