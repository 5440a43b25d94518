//! One parsed X.509 certificate.

mod key;

use std::fmt;
use std::time::Duration;

use sha2::{Digest, Sha256};

pub use self::key::{Curve, Key, LARGEST_RSA, Signature};
use super::text::hex;
use super::time::UnixTime;

/// The SHA-256 fingerprint of a certificate's DER encoding: what `openssl x509 -fingerprint -sha256` prints, in
/// lower-case hex without colons.
///
/// Kept as four numbers, the first bytes in the highest places: their order is that of the bytes, and comparing them is
/// cheap, which looking certificates up comes down to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CertId([u64; 4]);

impl CertId {
    /// The fingerprint of `der`.
    pub fn of_der(der: &[u8]) -> Self {
        Self::from_bytes(Sha256::digest(der).into())
    }

    /// An id that stands for a certificate that nobody has shown, or for a place: made of these words. No DER begins like
    /// them.
    pub fn of_words(words: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for word in words {
            hash.update(word.as_bytes());
            hash.update([0]);
        }
        Self::from_bytes(hash.finalize().into())
    }

    /// An id that stands for what `word` says of this certificate. It is looked up for every certificate in every round, so
    /// it costs less than a hash; and it differs from this one in its last bytes alone, so that both are kept in one place.
    #[must_use]
    pub fn marked(self, word: &str) -> Self {
        let [first, second, third, last] = self.0;
        // FNV-1a: no two words that are used here have the same mark.
        let mark = word
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |mark, byte| (mark ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self([first, second, third, last ^ mark])
    }

    /// An id from its 32 bytes, as kept in shared data.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let mut words = [0; 4];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks(8)) {
            *word = chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        }
        Self(words)
    }

    /// An id from 64 hex digits; `None` if they are not.
    pub fn from_hex(digits: &[u8]) -> Option<Self> {
        let mut words = [0; 4];
        for (word, chunk) in words.iter_mut().zip(digits.chunks(16)) {
            *word = chunk.iter().try_fold(0, |word: u64, digit| {
                let digit = char::from(*digit).to_digit(16)?;
                Some(word << 4 | u64::from(digit))
            })?;
        }
        (digits.len() == 64).then_some(Self(words))
    }

    /// The 32 bytes.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, word) in bytes.chunks_mut(8).zip(self.0) {
            chunk.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    /// The first 16 bits.
    pub const fn head(&self) -> u16 {
        let [first, ..] = self.0;
        (first >> 48) as u16
    }

    /// The first 8 hex digits: enough for a log line.
    pub fn short(&self) -> String {
        let [first, ..] = self.0;
        format!("{:08x}", first >> 32)
    }
}

impl fmt::Display for CertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.to_bytes()))
    }
}

impl fmt::Debug for CertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a certificate's id was made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdSource {
    /// The SHA-256 of its DER.
    #[default]
    Fingerprint,
    /// Serial number, validity and path, as Envoy's `/certs` tells them: nobody has shown the certificate itself.
    Provisional,
    /// Nothing is known of the certificate: the id stands for the place where one was expected.
    Unknown,
}

impl IdSource {
    /// Every source; a stored one is named by its place in here.
    pub const ALL: [Self; 3] = [Self::Fingerprint, Self::Provisional, Self::Unknown];

    /// The word of bodies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fingerprint => "sha256",
            Self::Provisional => "serial_number",
            Self::Unknown => "none",
        }
    }
}

/// Where a certificate stands in its chain, as it says itself (RFC 5280, 4.2.1.9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Position {
    /// It is no authority.
    Leaf,
    /// An authority whose issuer is another one.
    Intermediate,
    /// An authority that is its own issuer.
    Root,
    /// Nobody has shown the certificate itself.
    #[default]
    Unknown,
}

impl Position {
    /// Every position; a stored one is named by its place in here.
    pub const ALL: [Self; 4] = [Self::Leaf, Self::Intermediate, Self::Root, Self::Unknown];

    /// The word of bodies; `None` where it is not known.
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Leaf => Some("leaf"),
            Self::Intermediate => Some("intermediate"),
            Self::Root => Some("root"),
            Self::Unknown => None,
        }
    }
}

/// What the monitor keeps of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its fingerprint, or what stands for it.
    pub id: CertId,
    /// What the id was made of.
    pub source: IdSource,
    /// Where it stands in its chain.
    pub position: Position,
    /// The subject's common name, else the first subject alternative name, else the serial number; made harmless by
    /// [`text::harmless`](super::text::harmless).
    pub name: String,
    /// The end of its validity (RFC 5280, 4.1.2.5). It counts as expired from this very moment.
    pub not_after: UnixTime,
    /// The begin of its validity.
    pub not_before: UnixTime,
    /// The serial number (RFC 5280, 4.1.2.2) in upper-case hex.
    pub serial_number: String,
    /// The subject's distinguished name as RFC 4514 writes it, made harmless.
    pub subject: String,
    /// The issuer's, in the same way.
    pub issuer: String,
    /// The first subject alternative names, made harmless: at most [`MOST_NAMES`], and [`NAMES_BYTES`] in all.
    pub sans: Vec<String>,
    /// How many subject alternative names it has, of whatever kind.
    pub sans_total: u32,
    /// Its public key.
    pub key: Key,
    /// What it is signed with.
    pub signature: Signature,
    /// The identifier of its own key (RFC 5280, 4.2.1.2), as [`key_id`] keeps it.
    pub subject_key_id: Box<[u8]>,
    /// The identifier of the key that has signed it (RFC 5280, 4.2.1.1), in the same way.
    pub authority_key_id: Box<[u8]>,
}

/// Subject alternative names of one certificate that are kept.
pub const MOST_NAMES: usize = 20;
/// What they may take in all, in bytes: certificates of strangers are kept by the thousand.
pub const NAMES_BYTES: usize = 1_024;
/// The longest identifier of a key that is kept, in bytes. They are hashes, nearly always of 20.
pub const LONGEST_KEY_ID: usize = 64;

/// The identifier of a key as it is kept: empty if there is none, or none that is worth its room. Part of one would
/// stand for another key.
pub fn key_id(bytes: &[u8]) -> Box<[u8]> {
    if bytes.len() > LONGEST_KEY_ID { Box::default() } else { bytes.into() }
}

impl Certificate {
    /// Its name, and the alternative ones that are kept.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.name).chain(&self.sans)
    }

    /// A certificate of which nothing is known but its name and its end.
    pub fn bare(id: CertId, name: &str, not_after: UnixTime) -> Self {
        let (serial_number, subject, issuer) = (String::new(), String::new(), String::new());
        let (name, not_before, sans) = (name.to_owned(), not_after, Vec::new());
        Self {
            id,
            source: IdSource::default(),
            position: Position::default(),
            name,
            not_after,
            not_before,
            serial_number,
            subject,
            issuer,
            sans,
            sans_total: 0,
            key: Key::default(),
            signature: Signature::default(),
            subject_key_id: Box::default(),
            authority_key_id: Box::default(),
        }
    }

    /// How long it is valid in all; `None` where that is not known, or where it never is.
    pub fn lifetime(&self) -> Option<Duration> {
        let length = self.not_after.since(self.not_before)?;
        (self.not_after != UnixTime::NEVER && !length.is_zero()).then_some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::EventKind;

    #[test]
    fn ids_are_in_the_order_of_their_bytes() {
        let ids: Vec<_> = (0..64_u8).map(|number| CertId::of_der(&[number])).collect();
        let mut twin = ids[0].to_bytes();
        twin[31] ^= 1;
        let twin = CertId::from_bytes(twin);
        for (a, b) in ids.iter().flat_map(|a| ids.iter().chain([&twin]).map(move |b| (*a, *b))) {
            assert_eq!(a.cmp(&b), a.to_bytes().cmp(&b.to_bytes()), "{a} {b}");
            assert_eq!(CertId::from_bytes(a.to_bytes()), a);
        }
    }

    #[test]
    fn a_lifetime_is_what_lies_between_begin_and_end() {
        let at = UnixTime::from_secs;
        for (begin, end, seconds) in [
            (at(100), at(160), Some(60)),
            (at(-30), at(30), Some(60)),
            (at(100), at(100), None),
            (at(101), at(100), None),
            (at(100), UnixTime::NEVER, None),
            (at(i64::MIN), at(0), Some(i64::MAX.unsigned_abs() / 1_000)),
        ] {
            let certificate =
                Certificate { not_before: begin, ..Certificate::bare(CertId::of_der(b"der"), "name", end) };
            assert_eq!(certificate.lifetime().map(|length| length.as_secs()), seconds, "{begin:?} {end:?}");
        }
        assert_eq!(Certificate::bare(CertId::of_der(b"der"), "name", at(100)).lifetime(), None);
    }

    #[test]
    fn an_identifier_of_a_key_is_kept_whole_or_not_at_all() {
        for (length, kept) in [(0, 0), (20, 20), (LONGEST_KEY_ID, LONGEST_KEY_ID), (LONGEST_KEY_ID + 1, 0)] {
            assert_eq!(key_id(&vec![7; length]).len(), kept, "{length}");
        }
    }

    #[test]
    fn what_is_said_of_a_certificate_has_an_id_of_its_own_beside_it() {
        let (a, b) = (CertId::of_der(b"a"), CertId::of_der(b"b"));
        let words = EventKind::ALL.map(EventKind::as_str);
        let mut ids = vec![a, b];
        ids.extend(words.iter().flat_map(|word| [a.marked(word), b.marked(word)]));
        assert!(ids.iter().all(|id| [a.head(), b.head()].contains(&id.head())));
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 2 + 2 * words.len());
        assert_eq!(a.marked("word"), a.marked("word"));
    }

    #[test]
    fn an_id_is_read_from_hex_and_from_nothing_else() {
        let id = CertId::of_der(b"der");
        assert_eq!(CertId::from_hex(id.to_string().as_bytes()), Some(id));
        assert_eq!(CertId::from_hex(id.to_string().to_uppercase().as_bytes()), Some(id));
        for wrong in ["", "g", "0", &format!("{id}0"), &id.to_string().replace(|c: char| c > '1', "x")] {
            assert_eq!(CertId::from_hex(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
