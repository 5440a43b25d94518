//! Metrics: one value for each name in the process, any number of ids for it in each VM.

use std::collections::BTreeMap;

use super::import::Status;

/// What kind of metric it is. The numbers are those of the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MetricKind {
    Counter = 0,
    Gauge = 1,
    Histogram = 2,
}

impl MetricKind {
    pub fn from_number(number: u32) -> Option<Self> {
        [Self::Counter, Self::Gauge, Self::Histogram].into_iter().find(|kind| *kind as u32 == number)
    }
}

/// The values of the process.
#[derive(Default)]
pub struct Metrics {
    values: BTreeMap<(MetricKind, String), u64>,
    definitions: BTreeMap<String, u32>,
}

/// The ids of one VM. Defining a name again gives a new id for the same value.
#[derive(Default)]
pub struct MetricIds {
    defined: u32,
    names: BTreeMap<u32, (MetricKind, String)>,
}

impl Metrics {
    /// Gives a metric an id in the VM that `ids` belongs to. It is zero until something sets it.
    pub fn define(&mut self, ids: &mut MetricIds, kind: MetricKind, name: String) -> u32 {
        self.values.entry((kind, name.clone())).or_default();
        *self.definitions.entry(name.clone()).or_default() += 1;
        ids.defined += 1;
        let id = ids.defined * 4 + kind as u32;
        ids.names.insert(id, (kind, name));
        id
    }

    /// Adds to a counter or a gauge.
    pub fn increment(&mut self, ids: &MetricIds, id: u32, offset: i64) -> Status {
        let Some((kind, value)) = self.find(ids, id) else { return Status::NOT_FOUND };
        match kind {
            MetricKind::Counter if offset <= 0 => return Status::BAD_ARGUMENT,
            MetricKind::Counter | MetricKind::Gauge => *value = value.wrapping_add_signed(offset),
            MetricKind::Histogram => return Status::BAD_ARGUMENT,
        }
        Status::OK
    }

    /// Sets a gauge; a counter is added to; a histogram keeps the last value.
    pub fn record(&mut self, ids: &MetricIds, id: u32, new: u64) -> Status {
        let Some((kind, value)) = self.find(ids, id) else { return Status::NOT_FOUND };
        match kind {
            MetricKind::Counter => *value = value.wrapping_add(new),
            MetricKind::Gauge | MetricKind::Histogram => *value = new,
        }
        Status::OK
    }

    /// The value of a counter or a gauge.
    pub fn get(&mut self, ids: &MetricIds, id: u32) -> Result<u64, Status> {
        match self.find(ids, id) {
            None => Err(Status::NOT_FOUND),
            Some((MetricKind::Histogram, _)) => Err(Status::BAD_ARGUMENT),
            Some((_, value)) => Ok(*value),
        }
    }

    /// All values by name.
    pub fn by_name(&self) -> BTreeMap<String, u64> {
        self.values.iter().map(|((_, name), value)| (name.clone(), *value)).collect()
    }

    /// How often each name was defined, in all VMs together.
    pub fn definitions(&self) -> &BTreeMap<String, u32> {
        &self.definitions
    }

    fn find(&mut self, ids: &MetricIds, id: u32) -> Option<(MetricKind, &mut u64)> {
        let metric = ids.names.get(&id)?;
        Some((metric.0, self.values.get_mut(metric)?))
    }
}
