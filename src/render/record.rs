//! Fields that belong together, as templates see them.

use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object};

/// Names and values in an order of their own. There are few of them, so looking for one is cheaper than sorting all. A name
/// of which nothing is known is one that a template may use, and is not shown where all are.
#[derive(Debug)]
pub(super) struct Record(pub(super) Vec<(&'static str, Value)>);

impl Record {
    /// Whether nothing is known of what it is about.
    pub(super) fn is_nothing(&self) -> bool {
        self.0.iter().all(|(_, value)| is_nothing(value))
    }
}

/// Whether `value` is nothing, or holds fields of which nothing is known.
pub(super) fn is_nothing(value: &Value) -> bool {
    let is_unknown = || value.downcast_object_ref::<Record>().is_some_and(Record::is_nothing);
    value.is_undefined() || value.is_none() || is_unknown()
}

impl Object for Record {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let known = self.0.iter().filter(|(_, value)| !is_nothing(value));
        Enumerator::Values(known.map(|(name, _)| (*name).into()).collect())
    }

    fn is_true(self: &Arc<Self>) -> bool {
        !self.is_nothing()
    }
}
