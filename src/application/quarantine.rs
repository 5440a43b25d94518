//! Certificates that the parser may not survive.
//!
//! A certificate from outside is noted as suspect before it is parsed, and the note is cleared afterwards. Where a
//! successor finds one, parsing was the last thing that its predecessor did.

use serde::{Deserialize, Serialize};

use super::shared_data::{decode, encode, fingerprint};
use crate::domain::CertId;

/// The key of the note in shared data.
pub(super) const SUSPECT: &str = "cert-expiry-monitor/suspect";
/// The key of the quarantine in shared data.
pub(super) const QUARANTINE: &str = "cert-expiry-monitor/quarantine";

/// Certificates that are kept in quarantine; then the first one is tried again.
const MOST: usize = 256;

/// Certificates that are never parsed.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    fingerprints: Vec<CertId>,
}

#[derive(Serialize, Deserialize)]
struct Stored(#[serde(with = "fingerprint")] CertId);

impl Quarantine {
    pub(super) fn contains(&self, id: &CertId) -> bool {
        self.fingerprints.contains(id)
    }

    pub(super) fn add(&mut self, id: CertId) {
        self.fingerprints.retain(|known| *known != id);
        if self.fingerprints.len() >= MOST {
            self.fingerprints.remove(0);
        }
        self.fingerprints.push(id);
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        encode_ids(&self.fingerprints)
    }
}

/// Fingerprints in their stored form. The note has at most one.
pub(super) fn encode_ids(ids: &[CertId]) -> Vec<u8> {
    encode(&ids.iter().copied().map(Stored).collect::<Vec<_>>())
}

/// Stored fingerprints; `None` if they are none.
pub(super) fn decode_ids(contents: &[u8]) -> Option<Vec<CertId>> {
    let stored: Vec<Stored> = decode(contents)?;
    let mut ids = Vec::new();
    ids.extend(stored.into_iter().map(|Stored(id)| id));
    Some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_bounded_and_is_read_as_it_was_written() {
        let of = |number: usize| CertId::of_der(&number.to_le_bytes());
        let mut quarantine = Quarantine::default();
        for number in 0..=MOST {
            quarantine.add(of(number));
        }
        assert!(!quarantine.contains(&of(0)) && quarantine.contains(&of(1)) && quarantine.contains(&of(MOST)));
        assert_eq!(decode_ids(&quarantine.encode()), Some(quarantine.fingerprints));
        assert_eq!(decode_ids(&encode_ids(&[])), Some(Vec::new()));
        assert_eq!(decode_ids(b"garbage, of course"), None);
        assert_eq!(decode_ids(b""), None);
    }
}
