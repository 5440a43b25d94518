//! Who takes part in the tests: certificates, the requests that show them, documents, and instances of the plugin.

mod certificate;
mod document;
mod instance;
mod observations;
mod request;
mod told;

use std::time::Duration;

pub use certificate::Certificate;
pub use document::Document;
pub use instance::Instance;
pub use observations::Observations;
pub use request::Request;
pub use told::Told;

use crate::host::Host;

/// The queue between observers and monitor.
pub const QUEUE: &str = "cert-expiry-monitor/observations";

/// The cluster of the receiver that [`Document::telling`] names.
pub const RECEIVER: &str = "webhook_receiver";

/// When the fake host's clock starts: 2026-01-14T17:43:05Z.
pub const START: Duration = seconds(1_768_412_585);

/// The value of a metric of ours; zero if nobody has defined it.
pub fn metric(host: &Host, name: &str) -> u64 {
    host.metric(&format!("cert_expiry_monitor_{name}")).unwrap_or_default()
}

/// That many seconds.
pub const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
