//! One input being handled: the time, the effects so far, and how much work may still be done.

use crate::application::effect::Effect;
use crate::application::metric::Metric;
use crate::domain::UnixTime;

/// Work that one tick may do, in checks of a certificate that is in order. Keeps a callback below 5 ms; tests/abi counts
/// the instructions.
const WORK: u32 = 400;
/// What parsing an observed certificate costs, in the same unit.
pub(super) const PARSING: u32 = 20;
/// What making an event costs.
pub(super) const EVENT: u32 = 4;
/// What rendering and sending a request costs.
pub(super) const SENDING: u32 = 30;
/// What writing a blob costs.
pub(super) const STORING: u32 = 30;

/// See the module's text.
pub(super) struct Turn {
    /// The time of the input.
    pub(super) now: UnixTime,
    work: u32,
    effects: Vec<Effect>,
}

impl Turn {
    pub(super) const fn new(now: UnixTime) -> Self {
        Self { now, work: WORK, effects: Vec::new() }
    }

    pub(super) const fn spend(&mut self, cost: u32) {
        self.work = self.work.saturating_sub(cost);
    }

    pub(super) const fn has_work_left(&self) -> bool {
        self.work > 0
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(super) fn count(&mut self, metric: Metric, by: u64) {
        self.effect(Effect::Count(metric, by));
    }

    /// Sets a gauge. Envoy's are unsigned: what lies before 1970 is zero.
    pub(super) fn gauge(&mut self, metric: Metric, value: i64) {
        self.effect(Effect::Gauge(metric, u64::try_from(value).unwrap_or_default()));
    }

    pub(super) fn into_effects(self) -> Vec<Effect> {
        self.effects
    }
}
