//! Event → what goes over the wire: bodies, header values, signatures.
//!
//! A [`Format`] says how the bodies of a webhook look: a preset that receivers know, or a [`Template`] of the user.

mod facts;
pub mod fields;
mod filters;
pub mod format;
pub mod go;
mod grammar;
pub mod header;
mod listing;
mod neutral;
mod options;
mod pen;
mod preset;
mod record;
mod samples;
pub mod secret;
pub mod signature;
pub mod template;
pub mod timestamp;

#[cfg(test)]
mod tests;

pub use format::Format;
pub use grammar::nearest;
pub use header::HeaderTemplate;
pub use template::{Template, TemplateError};
