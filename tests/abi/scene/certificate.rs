//! Certificates: those in tests/data, and relatives of theirs that differ in a number or in their end.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::forged::{hex, pem};

/// When the stored certificates end.
const END: &[u8] = b"260117135152Z";

/// Before a serial number of twenty bytes: version 3, integer.
const BEFORE_SERIAL: &[u8] = &[0xa0, 0x03, 0x02, 0x01, 0x02, 0x02, 0x14];

/// A certificate in DER. Nobody verifies signatures here, so a relative of a good one is as good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate(Vec<u8>);

impl Certificate {
    /// Whatever these bytes are.
    pub fn of_der(der: Vec<u8>) -> Self {
        Self(der)
    }

    /// The one in `tests/data/<name>.pem`.
    pub fn stored(name: &str) -> Self {
        let path = format!("{}/tests/data/{name}.pem", env!("CARGO_MANIFEST_DIR"));
        let pem = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        Self(STANDARD.decode(base64).unwrap())
    }

    /// The same with another serial number.
    pub fn numbered(&self, number: u32) -> Self {
        let serial = self.position_of(BEFORE_SERIAL) + BEFORE_SERIAL.len();
        let mut der = self.0.clone();
        der[serial + 16..serial + 20].copy_from_slice(&number.to_be_bytes());
        Self(der)
    }

    /// The same with another end, in Unix time.
    pub fn ending_at(&self, end: i64) -> Self {
        let end = OffsetDateTime::from_unix_timestamp(end).unwrap();
        let (date, time) = (end.date(), end.time());
        let text = format!(
            "{:02}{:02}{:02}{:02}{:02}{:02}Z",
            date.year() % 100,
            u8::from(date.month()),
            date.day(),
            time.hour(),
            time.minute(),
            time.second()
        );
        let position = self.position_of(END);
        let mut der = self.0.clone();
        der[position..position + END.len()].copy_from_slice(text.as_bytes());
        Self(der)
    }

    /// Its PEM, as Envoy's attributes give it.
    pub fn pem(&self) -> String {
        pem(&self.0)
    }

    /// Its PEM, as Envoy's formatters and headers give it.
    pub fn encoded_pem(&self) -> String {
        self.pem().replace(' ', "%20").replace('\n', "%0A").replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
    }

    /// Its SHA-256 fingerprint.
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }

    /// Its SHA-256 fingerprint in hex: the id in events, and the digest in Envoy's attributes.
    pub fn id(&self) -> String {
        hex(&self.fingerprint())
    }

    fn position_of(&self, part: &[u8]) -> usize {
        self.0.windows(part.len()).position(|window| window == part).expect("a certificate from tests/data")
    }
}
