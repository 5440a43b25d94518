//! What templates and formats make of events.

mod presets;
mod templates;

use crate::domain::{Event, EventKind, Role};
use crate::render::samples::sample;

/// A certificate of a client that is expiring and whose names are all this one.
pub(super) fn named(name: &str) -> Event {
    sample(EventKind::CertificateExpiringSoon, Role::Client, name)
}
