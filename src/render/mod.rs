//! Event → what goes over the wire: bodies and header values.

pub mod fields;
pub mod header;
pub mod template;
pub mod timestamp;

pub use header::HeaderTemplate;
pub use template::{Template, TemplateError};
