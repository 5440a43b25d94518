//! Values that outlive an instance: how they are written, and how a reader knows who wrote them.
//!
//! Every instance of the same `vm_id` reads and writes the same keys, from several threads, and so may a stranger where
//! the `vm_id` is empty. Nothing can be deleted, so the keys are a fixed number, and what is found under them is checked
//! before it is believed.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The layout of what stands behind the header. Raised by a release that changes it; one of another layout is set aside,
/// not trusted.
pub(super) const LAYOUT: u8 = 5;
/// Layout, epoch, holder: the same in all releases from this one on, so that they can tell who came later.
const HEADER: usize = 1 + 8 + 8;

/// The number of one version of a value, for compare-and-swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub u32);

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is there.
    Done,
    /// Somebody else has written since the value was read.
    Overtaken,
    /// The host does not take it.
    Refused,
}

/// The host's shared data.
pub trait SharedData {
    /// A value and its version; `None` if there is none.
    fn read(&self, key: &str) -> Option<(Vec<u8>, Version)>;
    /// Replaces the version that was read; `None`: there was no value.
    fn write(&self, key: &str, value: &[u8], read: Option<Version>) -> Written;
}

/// One holding of the lease. Epochs only rise, and no two holders share one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tenure {
    /// Counts the holders.
    pub epoch: u64,
    /// A random number that names the instance.
    pub holder: u64,
}

/// Whether one epoch comes after another one: within half of all numbers it does (serial number arithmetic, RFC 1982), so
/// that there is no last epoch.
pub(super) const fn is_later(epoch: u64, than: u64) -> bool {
    epoch.wrapping_sub(than).cast_signed() > 0
}

/// Whether there can be that many holders between two epochs: one a second for a century. What claims to be later was not
/// written by a holder.
pub(super) const fn is_credible(epoch: u64, latest: u64) -> bool {
    const CENTURY: u64 = 1 << 32;
    !is_later(epoch, latest.wrapping_add(CENTURY))
}

/// A value together with the holder who wrote it.
pub(super) fn seal(tenure: Tenure, contents: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(contents.len().saturating_add(HEADER));
    value.push(LAYOUT);
    value.extend(tenure.epoch.to_le_bytes());
    value.extend(tenure.holder.to_le_bytes());
    value.extend(contents);
    value
}

/// A value together with what its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sealed<'a> {
    pub(super) layout: u8,
    pub(super) writer: Tenure,
    pub(super) contents: &'a [u8],
}

impl<'a> Sealed<'a> {
    /// Reads the header; `None` if there is none.
    pub(super) fn open(value: &'a [u8]) -> Option<Self> {
        let (layout, rest) = value.split_first()?;
        let (epoch, rest) = rest.split_first_chunk()?;
        let (holder, contents) = rest.split_first_chunk()?;
        let writer = Tenure { epoch: u64::from_le_bytes(*epoch), holder: u64::from_le_bytes(*holder) };
        Some(Self { layout: *layout, writer, contents })
    }
}

/// Contents in their stored form. Empty if they cannot be written, which only a lack of memory brings about.
pub(super) fn encode(contents: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(contents).unwrap_or_default()
}

/// Stored contents; `None` if they are not of that form.
pub(super) fn decode<T: DeserializeOwned>(contents: &[u8]) -> Option<T> {
    postcard::take_from_bytes(contents).ok().filter(|(_, rest)| rest.is_empty()).map(|(value, _)| value)
}

/// For `#[serde(with)]`: a fingerprint as one piece. As an array, serde would take its bytes one by one, at many times
/// the cost.
pub(super) mod fingerprint {
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    use crate::domain::CertId;

    pub(crate) fn serialize<S: Serializer>(id: &CertId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&id.to_bytes())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<CertId, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = CertId;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("32 bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<CertId, E> {
                bytes.try_into().map(CertId::from_bytes).map_err(|_| E::invalid_length(bytes.len(), &self))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use super::*;

    /// Shared data in memory.
    #[derive(Default)]
    pub(crate) struct Memory {
        values: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
        last: RefCell<u32>,
    }

    impl Memory {
        pub(crate) fn put(&self, key: &str, value: &[u8]) {
            *self.last.borrow_mut() += 1;
            self.values.borrow_mut().insert(key.to_owned(), (value.to_vec(), *self.last.borrow()));
        }
    }

    impl SharedData for Memory {
        fn read(&self, key: &str) -> Option<(Vec<u8>, Version)> {
            self.values.borrow().get(key).map(|(value, version)| (value.clone(), Version(*version)))
        }

        fn write(&self, key: &str, value: &[u8], read: Option<Version>) -> Written {
            if self.read(key).map(|(_, version)| version) != read {
                return Written::Overtaken;
            }
            self.put(key, value);
            Written::Done
        }
    }

    #[test]
    fn a_value_says_who_wrote_it() {
        let writer = Tenure { epoch: 7, holder: u64::MAX };
        for contents in [b"contents".as_slice(), b""] {
            assert_eq!(Sealed::open(&seal(writer, contents)), Some(Sealed { layout: LAYOUT, writer, contents }));
        }
        for length in 0..HEADER {
            assert_eq!(Sealed::open(&seal(writer, b"")[..length]), None, "the first {length} bytes");
        }
    }

    #[test]
    fn there_is_no_last_epoch() {
        assert!(is_later(8, 7) && !is_later(7, 7) && !is_later(7, 8));
        assert!(is_later(0, u64::MAX) && !is_later(u64::MAX, 0));
        assert!(is_credible(8, 7) && is_credible(1, 1_000) && is_credible(5, u64::MAX));
        assert!(!is_credible(1 << 40, 7) && !is_credible(u64::MAX / 3, 0));
    }

    #[test]
    fn contents_come_back_whole_or_not_at_all() {
        let contents = encode(&(7_u32, "text"));
        assert_eq!(decode::<(u32, String)>(&contents), Some((7, "text".to_owned())));
        assert_eq!(decode::<(u32, String)>(&contents[1..]), None);
        assert_eq!(decode::<(u32, String)>(&[contents.as_slice(), b"more"].concat()), None);
    }
}
