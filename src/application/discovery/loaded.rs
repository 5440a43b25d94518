//! What `/certs` says, by what a certificate says and by path.

use std::cmp::Ordering;

use super::pool::bare;
use crate::decode::admin::Kind;
use crate::decode::admin::certs::Loaded;
use crate::domain::{Certificate, UnixTime};

/// Every certificate that is loaded, each once for a path.
#[derive(Default)]
pub(super) struct Inventory {
    entries: Vec<Entry>,
    by_serial: Vec<u32>,
    by_path: Vec<u32>,
}

pub(super) struct Entry {
    pub(super) loaded: Loaded,
    /// Something in the dump says why it is loaded.
    pub(super) is_explained: bool,
}

impl Entry {
    /// Whether it came by SDS or stands in Envoy's configuration; then its path is none.
    pub(super) fn is_inline(&self) -> bool {
        self.loaded.path.starts_with('<')
    }
}

impl Inventory {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, number: usize) -> Option<&Entry> {
        self.entries.get(number)
    }

    pub(super) fn insert(&mut self, loaded: Loaded) {
        let Ok(number) = u32::try_from(self.entries.len()) else { return };
        let place =
            self.by_serial.binary_search_by(|known| self.compare(*known, |known| stamp(known).cmp(&stamp(&loaded))));
        let Err(at) = place else { return };
        self.by_serial.insert(at, number);
        let (kind, path) = (loaded.kind, loaded.path.as_str());
        let at = self.by_path.partition_point(|known| self.compare(*known, |known| by_path(known, kind, path)).is_le());
        self.by_path.insert(at, number);
        self.entries.push(Entry { loaded, is_explained: false });
    }

    /// Notes what the entries of a path are there for; how many they are.
    pub(super) fn explain_path(&mut self, kind: Kind, path: &str) -> usize {
        let (begin, length) = self.range_of(kind, path);
        for number in self.by_path.iter().skip(begin).take(length) {
            if let Some(entry) = self.entries.get_mut(index(*number)) {
                entry.is_explained = true;
            }
        }
        length
    }

    /// The entries of a path.
    pub(super) fn of_path(&self, kind: Kind, path: &str) -> &[u32] {
        let (begin, length) = self.range_of(kind, path);
        self.by_path.get(begin..begin.saturating_add(length)).unwrap_or_default()
    }

    /// Where the entries of a path begin, and how many they are.
    fn range_of(&self, kind: Kind, path: &str) -> (usize, usize) {
        let begin =
            self.by_path.partition_point(|known| self.compare(*known, |known| by_path(known, kind, path)).is_lt());
        let rest = self.by_path.get(begin..).unwrap_or_default();
        let length = rest.partition_point(|known| self.compare(*known, |known| by_path(known, kind, path)).is_le());
        (begin, length)
    }

    /// Whether a certificate is loaded for this. If it is, that explains what came without a path.
    pub(super) fn explain(&mut self, kind: Kind, certificate: &Certificate) -> bool {
        let Certificate { serial_number, not_before, not_after, .. } = certificate;
        let wanted = (kind, bare(serial_number), *not_before, *not_after);
        let order = |known: u32| {
            self.compare(known, |known| {
                (known.kind, bare(&known.serial_number), known.not_before, known.not_after).cmp(&wanted)
            })
        };
        let begin = self.by_serial.partition_point(|known| order(*known).is_lt());
        let rest = self.by_serial.get(begin..).unwrap_or_default();
        let length = rest.iter().take_while(|known| order(**known).is_eq()).count();
        for number in rest.get(..length).unwrap_or_default() {
            if let Some(entry) = self.entries.get_mut(index(*number))
                && entry.is_inline()
            {
                entry.is_explained = true;
            }
        }
        length > 0
    }

    /// Forgets one entry; whether there was one.
    pub(super) fn pop(&mut self) -> bool {
        self.entries.pop().is_some()
    }

    pub(super) fn set_explained(&mut self, number: usize) {
        if let Some(entry) = self.entries.get_mut(number) {
            entry.is_explained = true;
        }
    }

    fn compare(&self, number: u32, with: impl Fn(&Loaded) -> Ordering) -> Ordering {
        self.entries.get(index(number)).map_or(Ordering::Less, |entry| with(&entry.loaded))
    }
}

pub(super) fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

type Stamp<'a> = (Kind, &'a str, UnixTime, UnixTime, &'a str);

fn stamp(loaded: &Loaded) -> Stamp<'_> {
    (loaded.kind, bare(&loaded.serial_number), loaded.not_before, loaded.not_after, &loaded.path)
}

fn by_path(loaded: &Loaded, kind: Kind, path: &str) -> Ordering {
    loaded.kind.cmp(&kind).then_with(|| loaded.path.as_str().cmp(path))
}
