//! `/certs`: every certificate that a TLS context of Envoy has loaded.

use super::key::Key;
use super::reader::{Part, Reader};
use super::{Broken, Kind};
use crate::decode::timestamp;
use crate::domain::UnixTime;
use crate::domain::certificate::MOST_NAMES;
use crate::domain::text::harmless;

/// A certificate that is loaded. Envoy tells no more of it, and of a bundle before 1.40 only the first one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// What it is loaded for; of a chain, only the leaf is told.
    pub kind: Kind,
    /// The file it came from, made harmless; `<inline>` for what came by SDS or stands in the configuration.
    pub path: String,
    /// Its serial number in upper-case hex.
    pub serial_number: String,
    /// The begin of its validity.
    pub not_before: UnixTime,
    /// The end of its validity.
    pub not_after: UnixTime,
    /// Its subject alternative names, made harmless.
    pub sans: Vec<String>,
}

/// What comes next in an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Entry {
    /// A certificate that is loaded.
    Loaded(Loaded),
    /// The answer is over, and it was whole.
    Whole,
    /// There is no room left.
    Later,
}

/// An answer that is being read.
pub struct Certs {
    body: Vec<u8>,
    reader: Reader,
    entry: Draft,
    /// The list of certificates was there, empty or not. Any other server answers something else.
    is_expected: bool,
}

#[derive(Default)]
struct Draft {
    path: String,
    serial_number: String,
    validity: [Option<UnixTime>; 2],
    sans: Vec<String>,
}

impl Certs {
    /// Begins to read an answer.
    pub fn new(body: Vec<u8>) -> Self {
        Self { body, reader: Reader::new(), entry: Draft::default(), is_expected: false }
    }

    /// The next entry.
    pub fn next(&mut self, room: &mut u32) -> Result<Entry, Broken> {
        loop {
            match self.reader.next(&self.body, room)? {
                Part::Text(key, text) => self.entry.note(&self.reader, key, &text),
                Part::End(Key::Certificates) => self.is_expected |= self.reader.depth() == 1,
                Part::End(key @ (Key::CaCert | Key::CertChain)) => {
                    let kind = if key == Key::CertChain { Kind::Chain } else { Kind::Bundle };
                    if let Some(loaded) = std::mem::take(&mut self.entry).finish(kind) {
                        return Ok(Entry::Loaded(loaded));
                    }
                }
                Part::End(_) => {}
                Part::Whole if self.is_expected => return Ok(Entry::Whole),
                Part::Whole => return Err(Broken::NotExpected),
                Part::Later => return Ok(Entry::Later),
            }
        }
    }
}

impl Draft {
    fn note(&mut self, reader: &Reader, key: Key, text: &str) {
        match (reader.around(0), key) {
            (Key::CaCert | Key::CertChain, Key::Path) => self.path = harmless(text),
            (Key::CaCert | Key::CertChain, Key::SerialNumber) => {
                self.serial_number = harmless(text).to_ascii_uppercase();
            }
            (Key::CaCert | Key::CertChain, Key::ValidFrom) => self.validity[0] = timestamp::parse(text),
            (Key::CaCert | Key::CertChain, Key::ExpirationTime) => self.validity[1] = timestamp::parse(text),
            (Key::SubjectAltNames, Key::Dns | Key::Uri | Key::IpAddress) if self.sans.len() < MOST_NAMES => {
                self.sans.push(harmless(text));
            }
            _ => {}
        }
    }

    /// The entry, if it is one; what lacks its validity cannot be watched.
    fn finish(self, kind: Kind) -> Option<Loaded> {
        let Self { path, serial_number, validity: [not_before, not_after], sans } = self;
        Some(Loaded { kind, path, serial_number, not_before: not_before?, not_after: not_after?, sans })
    }
}
