//! What a monitor of many certificates leaves in shared data, without the minutes that it takes to hand them all over.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::{LEASE, SHARD};
use crate::host::Host;

/// The bytes before the contents of a value: layout, epoch, holder.
pub const HEADER: usize = 1 + 8 + 8;

/// A client's role, as stored.
const CLIENT: u8 = 2;

/// A key on P-256, and a signature of which the hash is not broken, as stored.
const KEY: u16 = 0xff02;
const SIGNATURE: u8 = 3;

/// How many shards there are.
pub const SHARDS: u16 = 1_024;

/// The shard of the certificate with this fingerprint: its first ten bits.
pub fn shard_of(fingerprint: &[u8; 32]) -> u16 {
    u16::from_be_bytes([fingerprint[0], fingerprint[1]]) >> 6
}

/// Clients' certificates, by the number of their shard.
#[derive(Debug, Default)]
pub struct Heritage {
    shards: BTreeMap<u16, Contents>,
}

/// What stands in a shard behind the header.
#[derive(Debug, Default, Serialize)]
struct Contents {
    peers: Vec<Peer>,
    records: Vec<Record>,
    entries: Vec<()>,
}

#[derive(Debug, Serialize)]
struct Peer {
    id: Id,
    source: u8,
    position: u8,
    name: String,
    not_after: i64,
    not_before: i64,
    serial_number: String,
    subject: String,
    issuer: String,
    sans: Vec<String>,
    sans_total: u32,
    key: u16,
    signature: u8,
    subject_key_id: Vec<u8>,
    authority_key_id: Vec<u8>,
    usages: Vec<Usage>,
}

#[derive(Debug, Serialize)]
struct Record {
    id: Id,
    checked_at: Option<i64>,
    first_seen: Option<i64>,
    discovered: Vec<()>,
    is_one_of_several: bool,
    notices: Vec<()>,
    told: Vec<()>,
    advice: Option<()>,
    lives: Vec<()>,
}

/// Role, API, the place that it is told apart by, when first and last seen, whether found by discovery, places, APIs.
type Usage = (u8, Option<String>, Option<String>, Option<i64>, Option<i64>, bool, Vec<String>, Vec<String>);

#[derive(Clone, Copy, Debug)]
struct Id([u8; 32]);

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap()
}

impl Heritage {
    /// That many certificates of clients on the route `orders`, seen and checked at `now`, which end a year later.
    pub fn of_clients(count: u32, now: Duration) -> Self {
        let mut heritage = Self::default();
        for number in 0..count {
            heritage.add(Sha256::digest(number.to_le_bytes()).into(), now, now + Duration::from_secs(365 * 86_400));
        }
        heritage
    }

    /// The same, as certificates that discovery has found.
    #[must_use]
    pub fn found(mut self) -> Self {
        for peer in self.shards.values_mut().flat_map(|contents| &mut contents.peers) {
            for (_, _, _, first_seen, last_seen, is_found, _, _) in &mut peer.usages {
                (*first_seen, *last_seen, *is_found) = (None, None, true);
            }
        }
        self
    }

    /// The same, with as many alternative names as are kept, which are as long as they may be.
    #[must_use]
    pub fn with_long_names(mut self) -> Self {
        for peer in self.shards.values_mut().flat_map(|contents| &mut contents.peers) {
            peer.sans = (0..20).map(|number| format!("{number:02}.{}.internal", "a-x-n".repeat(7))).collect();
            peer.sans_total = 20;
        }
        self
    }

    /// The same, of which so many end on each day, one day after the other.
    #[must_use]
    pub fn ending_each_day(mut self, count: usize) -> Self {
        let peers = self.shards.values_mut().flat_map(|contents| &mut contents.peers);
        for (number, peer) in peers.enumerate() {
            peer.not_after += i64::try_from(number / count * 86_400_000).unwrap();
        }
        self
    }

    /// The same, beside what is remembered of so many others that are not watched any more.
    #[must_use]
    pub fn and_of_forgotten(mut self, count: u32, now: Duration) -> Self {
        for number in 0..count {
            self.remember(Sha256::digest(number.to_be_bytes()).into(), now);
        }
        self
    }

    fn remember(&mut self, id: [u8; 32], now: Duration) {
        let checked_at = Some(milliseconds(now));
        let record = Record {
            id: Id(id),
            checked_at,
            first_seen: checked_at,
            discovered: Vec::new(),
            is_one_of_several: false,
            notices: Vec::new(),
            told: Vec::new(),
            advice: None,
            lives: Vec::new(),
        };
        self.shards.entry(shard_of(&id)).or_default().records.push(record);
    }

    /// Adds a certificate with this fingerprint.
    pub fn add(&mut self, id: [u8; 32], now: Duration, end: Duration) {
        self.remember(id, now);
        let shard = self.shards.entry(shard_of(&id)).or_default();
        let place = "listener/ingress".to_owned();
        let (api_id, seen) = (Some("orders".to_owned()), Some(milliseconds(now)));
        let usage = (CLIENT, api_id, None, seen, seen, false, vec![place], Vec::new());
        let name = "Test Client".to_owned();
        shard.peers.push(Peer {
            id: Id(id),
            source: 0,
            position: 0,
            name,
            not_after: milliseconds(end),
            // What tests/data/client.pem says.
            not_before: 1_768_571_512_000,
            serial_number: "2B49C0F9718A0EB28F0092B83FE7BB82C952394A".to_owned(),
            subject: "CN=Test Client".to_owned(),
            issuer: "CN=Test CA".to_owned(),
            sans: Vec::new(),
            sans_total: 0,
            key: KEY,
            signature: SIGNATURE,
            subject_key_id: Vec::new(),
            authority_key_id: Vec::new(),
            usages: vec![usage],
        });
    }

    /// Puts it into shared data, as if the holder of the lease had written it. Returns its size in bytes.
    pub fn leave(mut self, host: &Host) -> usize {
        let lease = host.shared_data(LEASE).expect("somebody holds the lease");
        let mut size = 0;
        for (shard, contents) in &mut self.shards {
            contents.peers.sort_by_key(|peer| peer.id.0);
            contents.records.sort_by_key(|record| record.id.0);
            let mut value = lease[..HEADER].to_vec();
            value.extend(postcard::to_allocvec(contents).unwrap());
            size += value.len();
            host.set_shared_data(&format!("{SHARD}{shard}"), value);
        }
        size
    }
}
