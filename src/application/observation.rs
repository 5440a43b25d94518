//! What an observer hands over to the monitor: one item of the shared queue.

use serde::{Deserialize, Serialize};

use crate::domain::text::harmless;
use crate::domain::{CertId, Role, Usage};

/// The queue's name. Queues belong to a `vm_id`, which other plugins may share.
pub const QUEUE: &str = "cert-expiry-monitor/observations";

/// The largest certificate that is handed over, in bytes of PEM. Most have 1 to 3 KB, and one with four hundred names
/// still fits.
pub const LARGEST_CERTIFICATE: usize = 16 * 1_024;

/// The largest item: a certificate, an API's name, and what stands around them.
pub const LARGEST_ITEM: usize = LARGEST_CERTIFICATE + 2 * 1_024;

/// The layout of an item. Instances of two releases can share a queue while one replaces the other.
const VERSION: u8 = 2;

/// A certificate that was seen on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// What it was used for.
    pub usage: Usage,
    /// Its fingerprint, as the host computed it.
    pub id: CertId,
    /// The certificate as the host gave it: PEM, plain or URL-encoded.
    pub certificate: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Item<'a> {
    version: u8,
    role: &'a str,
    api_id: Option<&'a str>,
    /// The fingerprint in hex.
    digest: &'a [u8],
    certificate: &'a [u8],
}

impl Observation {
    /// The item to put into the queue; `None` if it cannot be written, which only a lack of memory brings about.
    pub fn encode(usage: &Usage, digest: &[u8], certificate: &[u8]) -> Option<Vec<u8>> {
        let (role, api_id) = (usage.role().as_str(), usage.api_id());
        let item = Item { version: VERSION, role, api_id, digest, certificate };
        postcard::to_allocvec(&item).ok()
    }

    /// Reads an item; `None` if it is not one of this version, whoever put it there.
    pub fn decode(item: &[u8]) -> Option<Self> {
        let item: Item<'_> = postcard::from_bytes(item).ok().filter(|item: &Item<'_>| item.version == VERSION)?;
        let role = Role::parse(item.role).filter(|role| role.has_api())?;
        let usage = Usage::new(role, item.api_id.map(harmless));
        Some(Self { usage, id: CertId::from_hex(item.digest)?, certificate: item.certificate.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_comes_back_as_it_was() {
        let id = CertId::of_der(b"der");
        for api_id in [None, Some("orders".to_owned())] {
            let usage = Usage::new(Role::Client, api_id);
            let item = Observation::encode(&usage, id.to_string().as_bytes(), b"pem").unwrap();
            assert_eq!(Observation::decode(&item), Some(Observation { usage, id, certificate: b"pem".to_vec() }));
        }
    }

    #[test]
    fn anything_else_is_nothing() {
        let digest = CertId::of_der(b"der").to_string();
        let usage = Usage::new(Role::Upstream, Some("orders".into()));
        let item = Observation::encode(&usage, digest.as_bytes(), b"pem").unwrap();
        for length in 0..item.len() {
            assert_eq!(Observation::decode(&item[..length]), None, "the first {length} bytes");
        }
        let of_version = |version: u8| [&[version], &item[1..]].concat();
        assert_eq!(Observation::decode(&of_version(VERSION + 1)), None);
        assert!(Observation::decode(&of_version(VERSION)).is_some());
        for role in [Role::Server, Role::Ca] {
            let item = Observation::encode(&Usage::new(role, None), digest.as_bytes(), b"pem").unwrap();
            assert_eq!(Observation::decode(&item), None, "no observer sees a {role} certificate");
        }
        for digest in ["", "0", &format!("{digest}0"), &digest.replace(|digit| digit > '1', "x")] {
            assert_eq!(Observation::decode(&Observation::encode(&usage, digest.as_bytes(), b"pem").unwrap()), None);
        }
    }
}
