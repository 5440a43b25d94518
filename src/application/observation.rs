//! What an observer hands over to the monitor: one item of the shared queue.

use serde::{Deserialize, Serialize};

use crate::domain::{Role, Usage};

/// The queue's name. Queues belong to a `vm_id`, which other plugins may share.
pub const QUEUE: &str = "cert-expiry-monitor/observations";

/// The largest certificate that is handed over, in bytes of PEM. Most have 1 to 3 KB, and one with four hundred names
/// still fits.
pub const LARGEST_CERTIFICATE: usize = 16 * 1_024;

/// The largest item: a certificate, an API's name, and what stands around them.
pub const LARGEST_ITEM: usize = LARGEST_CERTIFICATE + 2 * 1_024;

/// The layout of an item. Instances of two releases can share a queue while one replaces the other.
const VERSION: u8 = 1;

/// A certificate that was seen on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// What it was used for.
    pub usage: Usage,
    /// The certificate as the host gave it: PEM, plain or URL-encoded.
    pub certificate: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Item<'a> {
    version: u8,
    role: &'a str,
    api_id: Option<&'a str>,
    certificate: &'a [u8],
}

impl Observation {
    /// The item to put into the queue; `None` if it cannot be written, which only a lack of memory brings about.
    pub fn encode(usage: &Usage, certificate: &[u8]) -> Option<Vec<u8>> {
        let item = Item { version: VERSION, role: usage.role().as_str(), api_id: usage.api_id(), certificate };
        postcard::to_allocvec(&item).ok()
    }

    /// Reads an item; `None` if it is not one of this version, whoever put it there.
    pub fn decode(item: &[u8]) -> Option<Self> {
        let item: Item<'_> = postcard::from_bytes(item).ok().filter(|item: &Item<'_>| item.version == VERSION)?;
        let role = Role::parse(item.role).filter(|role| role.has_api())?;
        let api_id = item.api_id.map(crate::domain::text::harmless);
        Some(Self { usage: Usage::new(role, api_id), certificate: item.certificate.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_comes_back_as_it_was() {
        for api_id in [None, Some("orders".to_owned())] {
            let usage = Usage::new(Role::Client, api_id);
            let item = Observation::encode(&usage, b"pem").unwrap();
            assert_eq!(Observation::decode(&item), Some(Observation { usage, certificate: b"pem".to_vec() }));
        }
    }

    #[test]
    fn anything_else_is_nothing() {
        let item = Observation::encode(&Usage::new(Role::Upstream, Some("orders".into())), b"pem").unwrap();
        for length in 0..item.len() {
            assert_eq!(Observation::decode(&item[..length]), None, "the first {length} bytes");
        }
        let mut other_version = item.clone();
        other_version[0] = VERSION + 1;
        assert_eq!(Observation::decode(&other_version), None);
        let server = Item { version: VERSION, role: "server", api_id: None, certificate: b"" };
        assert_eq!(Observation::decode(&postcard::to_allocvec(&server).unwrap()), None, "nobody observes a server");
        assert_eq!(Observation::decode(b"another plugin's text"), None);
    }
}
