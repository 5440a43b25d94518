//! Shared data: values under keys, one space for each `vm_id`, with compare-and-swap as Envoy has it.

use std::collections::BTreeMap;

/// All shared data of the process.
#[derive(Default)]
pub struct SharedData {
    last_cas: u32,
    entries: BTreeMap<(String, String), Entry>,
}

struct Entry {
    value: Vec<u8>,
    cas: u32,
}

/// The value has changed since its number was read.
#[derive(Debug, PartialEq, Eq)]
pub struct CasMismatch;

impl SharedData {
    /// A value and its number.
    pub fn get(&self, vm_id: &str, key: &str) -> Option<(&[u8], u32)> {
        let entry = self.entries.get(&(vm_id.to_owned(), key.to_owned()))?;
        Some((&entry.value, entry.cas))
    }

    /// Sets a value. Zero overwrites whatever is there; any other number must be the value's own,
    /// but **a key that does not exist is created, whatever the number is**.
    pub fn set(&mut self, vm_id: &str, key: &str, value: Vec<u8>, cas: u32) -> Result<(), CasMismatch> {
        let place = (vm_id.to_owned(), key.to_owned());
        if self.entries.get(&place).is_some_and(|entry| cas != 0 && entry.cas != cas) {
            return Err(CasMismatch);
        }
        self.last_cas = self.last_cas.checked_add(1).unwrap_or(1);
        self.entries.insert(place, Entry { value, cas: self.last_cas });
        Ok(())
    }

    /// The keys of one `vm_id`. A plugin cannot ask for them.
    pub fn keys(&self, vm_id: &str) -> Vec<String> {
        self.entries.keys().filter(|(owner, _)| owner == vm_id).map(|(_, key)| key.clone()).collect()
    }

    /// Drops everything of one `vm_id`.
    pub fn forget(&mut self, vm_id: &str) {
        self.entries.retain(|(owner, _), _| owner != vm_id);
    }
}
