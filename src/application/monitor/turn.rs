//! One input being handled: the time, the effects so far, and how much work may still be done.

use crate::application::effect::Effect;
use crate::application::metric::Metric;
use crate::domain::UnixTime;
use crate::domain::event::MOST_LISTED;

/// Work that one tick may do. A unit is some 20,000 wasm instructions, and tests/abi/instructions.rs holds a callback to
/// ten million, which is below 5 ms.
pub(super) const WORK: u32 = 270;
/// What deciding about one usage of a certificate costs, beside the unit for looking at the certificate.
pub(super) const ASSESSING: u32 = 2;
/// What asking for a usage of a certificate what is true of it beside its end costs.
pub(super) const CONDITIONS: u32 = 1;
/// What making an event costs.
pub(super) const EVENT: u32 = 22;
/// What rendering and sending a request costs.
pub(super) const SENDING: u32 = 60;

/// What every further event in a request costs.
pub(super) const SENDING_MORE: u32 = 55;

/// What making the metrics of a webhook exist costs.
pub(super) const DEFINING: u32 = 35;

/// What having an event tried again costs.
pub(super) const DECIDING: u32 = 2;

/// What asking the store of a fleet costs, and taking its answer in.
pub(super) const CLAIMING: u32 = 10;

/// What a list of that many certificates in an event costs beside that.
pub(super) fn listing(certificates: usize) -> u32 {
    by_size(certificates.saturating_mul(3), 2)
}

/// What telling of that many events as one costs.
pub(super) fn digesting(events: usize) -> u32 {
    u32::try_from(events.min(MOST_LISTED).saturating_mul(4)).unwrap_or(u32::MAX)
}

/// What signing that many bytes costs.
pub(super) fn signing(bytes: usize) -> u32 {
    by_size(bytes, 250)
}

/// What looking through that many entries of an outbox costs.
pub(super) fn looking(entries: usize) -> u32 {
    by_size(entries, 60)
}

/// What comparing a certificate with that many others costs.
pub(super) fn looking_up(others: usize) -> u32 {
    by_size(others, 8)
}

/// What comparing that many bytes with patterns costs.
pub(super) fn comparing(bytes: usize) -> u32 {
    by_size(bytes, 1_000)
}

/// What parsing an observation of that many bytes costs.
pub(super) fn parsing(bytes: usize) -> u32 {
    by_size(bytes, 25).saturating_add(20)
}

/// What looking for a chain in that many bytes costs: most of it depends on what they are.
pub(super) fn scanning(bytes: usize) -> u32 {
    by_size(bytes, 400).saturating_add(120)
}

/// What parsing a certificate of that many bytes of DER costs.
pub(super) fn parsing_der(bytes: usize) -> u32 {
    by_size(bytes, 100).saturating_add(8)
}

/// What writing a blob of that many bytes costs.
pub(super) fn storing(bytes: usize) -> u32 {
    by_size(bytes, 60).saturating_add(8)
}

/// What looking for that many records to forget costs.
pub(super) fn pruning(records: usize) -> u32 {
    by_size(records, 4)
}

fn by_size(size: usize, per_unit: usize) -> u32 {
    u32::try_from(size / per_unit).unwrap_or(u32::MAX)
}

/// See the module's text.
pub(super) struct Turn {
    /// The time of the input.
    pub(super) now: UnixTime,
    work: u32,
    is_exhausted: bool,
    effects: Vec<Effect>,
}

impl Turn {
    pub(super) const fn new(now: UnixTime, work: u32) -> Self {
        Self { now, work, is_exhausted: false, effects: Vec::new() }
    }

    /// How much work may still be done.
    pub(super) const fn work(&self) -> u32 {
        self.work
    }

    pub(super) const fn spend(&mut self, cost: u32) {
        self.work = self.work.saturating_sub(cost);
    }

    /// What was done leaves time for nothing else, not even for what every tick does.
    pub(super) const fn exhaust(&mut self) {
        (self.work, self.is_exhausted) = (0, true);
    }

    pub(super) const fn is_exhausted(&self) -> bool {
        self.is_exhausted
    }

    /// Gives back what was kept.
    pub(super) const fn gain(&mut self, work: u32) {
        self.work = self.work.saturating_add(work);
    }

    pub(super) const fn has_work_left(&self) -> bool {
        self.work > 0
    }

    /// Whether there is time for work at this price. What is dear is done as long as a quarter of a tick is left.
    pub(super) fn affords(&self, price: u32) -> bool {
        price.min(WORK / 4) <= self.work
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
