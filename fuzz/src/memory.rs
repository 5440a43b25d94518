//! Shared data in which anything may stand.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use cert_expiry_monitor::application::shared_data::{SharedData, Version, Written};

/// Every value with its version.
#[derive(Default)]
pub struct Memory {
    values: RefCell<BTreeMap<String, (Vec<u8>, Version)>>,
    last: Cell<u32>,
}

impl Memory {
    /// Puts a value there, whoever reads it.
    pub fn put(&self, key: &str, value: &[u8]) {
        self.last.set(self.last.get() + 1);
        self.values.borrow_mut().insert(key.to_owned(), (value.to_vec(), Version(self.last.get())));
    }
}

impl SharedData for Memory {
    fn read(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        self.values.borrow().get(key).cloned()
    }

    fn write(&self, key: &str, value: &[u8], read: Option<Version>) -> Written {
        if self.read(key).map(|(_, version)| version) != read {
            return Written::Overtaken;
        }
        self.put(key, value);
        Written::Done
    }
}
