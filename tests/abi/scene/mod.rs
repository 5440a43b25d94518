//! Who takes part in the tests: certificates, the requests that show them, documents, and instances of the plugin.

mod bill;
mod certificate;
mod crew;
mod document;
mod envoy;
mod forged;
mod heritage;
mod instance;
mod observations;
mod request;
mod told;

use std::time::Duration;

pub use bill::{Bill, patient_host};
pub use certificate::Certificate;
pub use crew::Crew;
pub use document::Document;
pub use envoy::{ADMIN, Envoy, SharedEnvoy, bundle_of, by_files, by_secret, chain_of, pem};
pub use forged::Forged;
pub use heritage::{HEADER, Heritage, SHARDS, shard_of};
pub use instance::Instance;
pub use observations::Observations;
pub use request::Request;
pub use told::Told;

use crate::host::{Answer, Host};

/// The queue between observers and monitor.
pub const QUEUE: &str = "cert-expiry-monitor/observations";

/// Who is the monitor, in shared data.
pub const LEASE: &str = "cert-expiry-monitor/lease";

/// Which document rules, in shared data.
pub const ROSTER: &str = "cert-expiry-monitor/roster";

/// What the keys of certificates, records and events begin with.
pub const SHARD: &str = "cert-expiry-monitor/certificates/";

/// The certificate that is being parsed, in shared data.
pub const SUSPECT: &str = "cert-expiry-monitor/suspect";

/// The certificates that are never parsed, in shared data.
pub const QUARANTINE: &str = "cert-expiry-monitor/quarantine";

/// The key of how webhooks stand with their receivers.
pub const STANDINGS: &str = "cert-expiry-monitor/webhooks";

/// The cluster of the receiver that [`Document::telling`] names.
pub const RECEIVER: &str = "webhook_receiver";

/// When the fake host's clock starts: 2026-01-14T17:43:05Z.
pub const START: Duration = seconds(1_768_412_585);

/// A host with a receiver that takes everything.
pub fn receiving_host() -> Host {
    let host = Host::new();
    host.receiver(RECEIVER, |_| Some(Answer::status(200)));
    host
}

/// The value of a metric of ours; zero if nobody has defined it.
pub fn metric(host: &Host, name: &str) -> u64 {
    host.metric(&format!("cert_expiry_monitor_{name}")).unwrap_or_default()
}

/// The same bytes in every run, with no meaning at all.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.push(state.to_le_bytes()[4]);
    }
    bytes
}

/// That many seconds.
pub const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
