//! Watches every value that the plugin writes into shared data, in every test: no two holders of the lease write under
//! one epoch, and epochs never fall.

use std::collections::BTreeMap;

use super::world::VmNumber;

/// What all keys of the plugin begin with.
const PREFIX: &str = "cert-expiry-monitor/";
/// The one value that every candidate may write.
const ROSTER: &str = "cert-expiry-monitor/roster";
/// The one value whose loss makes candidates count anew.
const LEASE: &str = "cert-expiry-monitor/lease";
/// The layout of all values.
const LAYOUT: u8 = 5;

/// What was written so far.
#[derive(Default)]
pub struct Guard {
    /// The writer of each epoch in each `vm_id`: its VM, and the name that it gave itself.
    holders: BTreeMap<(String, u64), (VmNumber, u64)>,
    /// How often each VM has written each key.
    writes: BTreeMap<(VmNumber, String), u64>,
    /// What was wrong, for who can panic: a host function cannot.
    violation: Option<String>,
}

impl Guard {
    /// A VM has written a value, and the host has taken it.
    pub fn wrote(&mut self, vm: VmNumber, vm_id: &str, key: &str, value: &[u8]) {
        let problem = self.check(vm, vm_id, key, value).err();
        self.violation = self.violation.take().or(problem);
    }

    /// The test must not go on.
    pub fn enforce(&self, vm: &str) {
        if let Some(violation) = &self.violation {
            panic!("{vm} {violation}");
        }
    }

    fn check(&mut self, vm: VmNumber, vm_id: &str, key: &str, value: &[u8]) -> Result<(), String> {
        *self.writes.entry((vm, key.to_owned())).or_default() += 1;
        if !key.starts_with(PREFIX) {
            return Err(format!("writes {key}"));
        }
        if key == ROSTER {
            return Ok(());
        }
        let (epoch, holder) = open(value).ok_or_else(|| format!("writes {key} without saying who it is"))?;
        let of_vm_id = self.holders.iter().filter(|((of, _), _)| of == vm_id);
        let latest = of_vm_id.map(|((_, epoch), _)| *epoch).max().unwrap_or_default();
        if epoch < latest {
            return Err(format!("writes {key} under epoch {epoch} although epoch {latest} has begun"));
        }
        let first = *self.holders.entry((vm_id.to_owned(), epoch)).or_insert((vm, holder));
        if first != (vm, holder) {
            return Err(format!("writes {key} under epoch {epoch} as {holder:x}, which belongs to {first:x?}"));
        }
        Ok(())
    }

    /// A test has overwritten a value. Where that is the lease, what is known of epochs is gone.
    pub fn planted(&mut self, vm_id: &str, key: &str) {
        if key == LEASE {
            self.forget(vm_id);
        }
    }

    /// Everything of one `vm_id` is gone.
    pub fn forget(&mut self, vm_id: &str) {
        self.holders.retain(|(of, _), _| of != vm_id);
    }

    /// How often a VM has written each key.
    pub fn writes(&self, vm: VmNumber) -> BTreeMap<String, u64> {
        let of_vm = self.writes.iter().filter(|((writer, _), _)| *writer == vm);
        of_vm.map(|((_, key), count)| (key.clone(), *count)).collect()
    }
}

/// Epoch and holder of a value.
fn open(value: &[u8]) -> Option<(u64, u64)> {
    let (layout, rest) = value.split_first()?;
    let (epoch, rest) = rest.split_first_chunk()?;
    let (holder, _) = rest.split_first_chunk()?;
    (*layout == LAYOUT).then_some((u64::from_le_bytes(*epoch), u64::from_le_bytes(*holder)))
}

#[test]
fn a_second_holder_of_an_epoch_and_an_epoch_that_falls_are_noticed() {
    let value = |epoch: u64, holder: u64| [&[LAYOUT][..], &epoch.to_le_bytes(), &holder.to_le_bytes(), b"x"].concat();
    let mut guard = Guard::default();
    let key = "cert-expiry-monitor/suspect";
    assert_eq!(guard.check(0, "a", LEASE, &value(1, 7)), Ok(()));
    assert_eq!(guard.check(1, "b", LEASE, &value(1, 8)), Ok(()), "another vm_id");
    assert!(guard.check(1, "a", key, &value(1, 8)).is_err(), "another holder");
    assert!(guard.check(1, "a", key, &value(1, 7)).is_err(), "another VM under the same name");
    assert_eq!(guard.check(1, "a", key, &value(2, 8)), Ok(()));
    assert!(guard.check(0, "a", key, &value(1, 7)).is_err(), "the epoch has passed");
    assert_eq!(guard.check(0, "a", ROSTER, b"anything"), Ok(()));
    assert!(guard.check(0, "a", key, b"anything").is_err(), "nobody's");
    assert!(guard.check(0, "a", "elsewhere", &value(3, 7)).is_err(), "not its key");
    guard.planted("a", LEASE);
    assert_eq!(guard.check(0, "a", key, &value(1, 7)), Ok(()), "the test began anew");
    assert_eq!(guard.writes(1).get(key), Some(&3));
}
