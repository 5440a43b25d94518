//! While it holds the lease: what it stores, what it finds, and how it leaves.

use log::info;

use super::{Because, Candidate, Standing};
use crate::application::lease::{LEASE, Lease};
use crate::application::shared_data::{LAYOUT, Sealed, SharedData, Written, is_credible, is_later, seal};

/// What became of a value that a holder stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// It is stored.
    Done,
    /// There is a newer holder. Nothing was written, and nothing more shall be.
    Superseded,
    /// The host does not take it.
    Refused,
}

/// What stands in shared data, for whoever holds the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heritage<'a> {
    /// What a holder before has written.
    Contents(&'a [u8]),
    /// Nothing that a holder of this release has written.
    Nothing,
    /// There is a newer holder.
    Superseded,
}

impl Candidate {
    /// Stores a value as the holder, unless there is a newer one.
    pub fn store(&mut self, shared: &impl SharedData, key: &str, contents: &[u8]) -> Store {
        let value = seal(self.tenure, contents);
        // Only another holder writes these keys: whoever is overtaken twice is none any more.
        for _ in 0..2 {
            if self.standing != Standing::Holding {
                break;
            }
            let (there, version) =
                shared.read(key).map_or((None, None), |(value, version)| (Some(value), Some(version)));
            if there.is_some_and(|there| self.inherit(&there) == Heritage::Superseded) {
                break;
            }
            match shared.write(key, &value, version) {
                Written::Done => return Store::Done,
                Written::Overtaken => {}
                Written::Refused => return Store::Refused,
            }
        }
        self.lose();
        Store::Superseded
    }

    /// What a holder before has left. If it comes after this instance, then that one holds the lease no more.
    pub fn inherit<'a>(&mut self, value: &'a [u8]) -> Heritage<'a> {
        // An earlier release may have had another header.
        let is_credible =
            |sealed: &Sealed<'_>| sealed.layout >= LAYOUT && is_credible(sealed.writer.epoch, self.latest);
        let credible = Sealed::open(value).filter(is_credible);
        let Some(Sealed { layout, writer, contents }) = credible else { return Heritage::Nothing };
        self.note(writer);
        if is_later(self.tenure.epoch, writer.epoch) || writer == self.tenure {
            return if layout == LAYOUT { Heritage::Contents(contents) } else { Heritage::Nothing };
        }
        self.lose();
        Heritage::Superseded
    }

    /// Whether it still holds the lease, which others may have taken since the last tick.
    pub fn confirm(&mut self, shared: &impl SharedData) -> bool {
        let (lease, _) = self.read_lease(shared);
        if lease.is_none_or(|lease| lease.tenure != self.tenure) {
            self.lose();
        }
        self.standing == Standing::Holding
    }

    /// Gives the lease back, so that the next holder need not wait.
    pub fn release(&mut self, shared: &impl SharedData, because: Because) {
        let (lease, version) = self.read_lease(shared);
        if self.standing != Standing::Waiting && lease.is_some_and(|lease| lease.tenure == self.tenure) {
            let (kind, epoch) = (self.kind.as_str(), self.tenure.epoch);
            info!("Releasing the lease kind={kind} epoch={epoch} because={}", because.as_str());
            let vacant = Lease { tenure: self.tenure, terms: self.terms(true) };
            shared.write(LEASE, &vacant.encode(), version);
            // It is given back, and not lost to anybody.
            self.standing = Standing::Waiting;
        }
        self.lose();
    }
}
