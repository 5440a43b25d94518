//! Who takes part in the tests: certificates, the requests that show them, documents, and instances of the plugin.

mod certificate;
mod document;
mod instance;
mod observations;
mod request;

use std::time::Duration;

pub use certificate::Certificate;
pub use document::Document;
pub use instance::Instance;
pub use observations::Observations;
pub use request::Request;

/// The queue between observers and monitor.
pub const QUEUE: &str = "cert-expiry-monitor/observations";

/// The cluster of the receiver that [`Document::telling`] names.
pub const RECEIVER: &str = "webhook_receiver";

/// That many seconds.
pub const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
