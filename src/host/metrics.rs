//! Metric ids by name: the host allocates a new one for every definition.

use std::collections::BTreeMap;

use super::calls::{self, MetricId, MetricKind};
use crate::application::metric::Metric;

/// The metrics that this instance has defined.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    /// Ids, and the value that a gauge was last set to.
    known: BTreeMap<Metric, (MetricId, Option<u64>)>,
}

impl Metrics {
    /// Sets a gauge, unless it has that value already.
    pub(super) fn set(&mut self, metric: &Metric, value: u64) {
        if let Some((id, last)) = self.known(metric, MetricKind::Gauge)
            && *last != Some(value)
        {
            *last = Some(value);
            calls::record_metric(*id, value);
        }
    }

    /// Adds to a counter. A counter to which nothing was added yet is defined all the same, so that it is seen at zero.
    pub(super) fn add(&mut self, metric: &Metric, by: u64) {
        if let Some((id, _)) = self.known(metric, MetricKind::Counter)
            && by > 0
        {
            calls::increment_metric(*id, by);
        }
    }

    /// Forgets the values of gauges: another instance may have set them since.
    pub(super) fn forget_values(&mut self) {
        for (_, last) in self.known.values_mut() {
            *last = None;
        }
    }

    fn known(&mut self, metric: &Metric, kind: MetricKind) -> Option<&mut (MetricId, Option<u64>)> {
        if !self.known.contains_key(metric) {
            let id = calls::define_metric(kind, metric.name())?;
            self.known.insert(metric.clone(), (id, None));
        }
        self.known.get_mut(metric)
    }
}
