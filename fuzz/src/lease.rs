//! Lease and roster, in whose places anything may stand that does not change any more.

use cert_expiry_monitor::application::lease::{Candidate, Heritage, Kind, LEASE, Lease, ROSTER, Standing, Store};
use cert_expiry_monitor::application::shared_data::SharedData;
use cert_expiry_monitor::config::DocumentHash;
use cert_expiry_monitor::domain::UnixTime;

use super::memory::Memory;

/// A candidate finds this after a monitor that does not live any more: 10 s for another document's, and some for claims.
const PATIENCE: i64 = 30;

/// Where a holder stores something.
const STORED: &str = "cert-expiry-monitor/certificates/0";

/// The first byte says how long the lease is; behind it stands the roster, which is read as a stored value, too.
pub fn run(data: &[u8]) {
    let (length, rest) = data.split_first().map_or((0, data), |(length, rest)| (usize::from(*length), rest));
    let (lease, roster) = rest.split_at(length.min(rest.len()));
    let memory = Memory::default();
    memory.put(LEASE, lease);
    memory.put(ROSTER, roster);
    let mut candidate = Candidate::new(7, Kind::Auto, DocumentHash::default());
    let takes = (0..PATIENCE).any(|second| candidate.tick(&memory, UnixTime::from_secs(second)) == Standing::Holding);
    assert!(takes, "nobody writes any more, and it does not take the lease");
    let (value, _) = memory.read(LEASE).expect("it is held");
    assert_eq!(Lease::decode(&value).map(|lease| lease.tenure), Some(candidate.tenure()));
    // What it stores is its own, unless somebody newer has been there.
    if candidate.inherit(roster) != Heritage::Superseded {
        assert_eq!(candidate.store(&memory, STORED, roster), Store::Done);
        let (value, _) = memory.read(STORED).expect("it is stored");
        assert_eq!(candidate.inherit(&value), Heritage::Contents(roster));
    }
}
