//! Many small records in a fixed number of values of shared data, so that a change rewrites little.

use std::collections::BTreeSet;

use crate::domain::CertId;

/// The number of values. Each holds the certificates whose id begins with certain bits, a hundred of them where a hundred
/// thousand are watched.
pub(super) const SHARDS: u16 = 1 << BITS;
const BITS: u32 = 10;

/// Which shards have to be written. They take turns, so that none waits for others that keep changing.
#[derive(Debug, Default)]
pub(super) struct Changes {
    changed: BTreeSet<u16>,
    next: u16,
}

/// The shard that a certificate belongs to.
pub(super) const fn shard_of(id: &CertId) -> u16 {
    id.head() >> (16 - BITS)
}

/// The first and the last id that a shard may hold.
pub(super) fn range_of(shard: u16) -> (CertId, CertId) {
    let (mut first, mut last) = ([0; 32], [u8::MAX; 32]);
    let begin = shard << (16 - BITS);
    let end = begin | (u16::MAX >> BITS);
    [first[0], first[1]] = begin.to_be_bytes();
    [last[0], last[1]] = end.to_be_bytes();
    (CertId::from_bytes(first), CertId::from_bytes(last))
}

impl Changes {
    /// The shard of this certificate has to be written.
    pub(super) fn note(&mut self, id: &CertId) {
        self.changed.insert(shard_of(id));
    }

    /// Takes the next shard that has to be written.
    pub(super) fn take(&mut self) -> Option<u16> {
        let shard = self.changed.range(self.next..).next().or_else(|| self.changed.first()).copied()?;
        self.changed.remove(&shard);
        self.next = shard.saturating_add(1);
        Some(shard)
    }

    /// Takes the shard of this certificate, if it has to be written.
    pub(super) fn take_of(&mut self, id: &CertId) -> Option<u16> {
        let shard = shard_of(id);
        self.changed.remove(&shard).then_some(shard)
    }

    /// Whether the shard of this certificate waits to be written.
    pub(super) fn contains(&self, id: &CertId) -> bool {
        self.changed.contains(&shard_of(id))
    }

    /// Whether all is written.
    pub(super) fn is_empty(&self) -> bool {
        self.changed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(first: u8, second: u8) -> CertId {
        let mut bytes = [7; 32];
        [bytes[0], bytes[1]] = [first, second];
        CertId::from_bytes(bytes)
    }

    #[test]
    fn every_id_lies_in_its_shard() {
        for bytes in 0..=u16::MAX {
            let [first, second] = bytes.to_be_bytes();
            let id = id(first, second);
            let shard = shard_of(&id);
            let (from, to) = range_of(shard);
            assert!(shard < SHARDS && from <= id && id <= to, "{id}");
        }
        assert!(range_of(0).1 < range_of(1).0);
    }

    #[test]
    fn shards_take_turns() {
        let mut changes = Changes::default();
        for first in [3, 200, 1] {
            changes.note(&id(first, 0));
        }
        assert_eq!(changes.take(), Some(4));
        changes.note(&id(1, 63));
        assert_eq!([changes.take(), changes.take(), changes.take()], [Some(12), Some(800), Some(4)]);
        assert!(changes.is_empty());
    }
}
