//! One parsed X.509 certificate.

use std::fmt;

use sha2::{Digest, Sha256};

use super::text::hex;
use super::time::UnixTime;

/// The SHA-256 fingerprint of a certificate's DER encoding: what `openssl x509 -fingerprint -sha256` prints, in
/// lower-case hex without colons.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertId([u8; 32]);

impl CertId {
    /// The fingerprint of `der`.
    pub fn of_der(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }

    /// An id from its 32 bytes, as kept in shared data.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 8 hex digits: enough for a log line.
    pub fn short(&self) -> String {
        self.0.first_chunk::<4>().map(|bytes| hex(bytes)).unwrap_or_default()
    }
}

impl fmt::Display for CertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for CertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the monitor keeps of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its fingerprint.
    pub id: CertId,
    /// The subject's common name, else the first subject alternative name, else the serial number; made harmless by
    /// [`text::harmless`](super::text::harmless).
    pub name: String,
    /// The end of its validity (RFC 5280, 4.1.2.5). It counts as expired from this very moment.
    pub not_after: UnixTime,
}
