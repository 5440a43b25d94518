//! The monitor in its service: ticks, queue, callouts, shared data.

use std::collections::VecDeque;
use std::time::Duration;

use super::calls::{self, Queue, Taken};
use super::metrics::Metrics;
use crate::application::effect::{Answer, Call, CallId, Effect};
use crate::application::monitor::{Input, Monitor};
use crate::application::observation::QUEUE;
use crate::domain::UnixTime;

/// The longest time between ticks: they are signs of life as well.
const LONGEST_PERIOD: Duration = Duration::from_secs(1);
/// The shortest time between ticks, which leaves the main thread to others while much is due.
const SHORTEST_PERIOD: Duration = Duration::from_millis(10);

/// Blobs of a predecessor's ledger that are read in one tick: decoding is what costs.
const BLOBS_PER_TICK: usize = 2;

/// A monitor and what it needs of the host.
#[derive(Debug)]
pub(super) struct Service {
    monitor: Monitor,
    queue: Option<Queue>,
    /// The blobs of a predecessor's ledger that have not been looked at yet.
    unread: VecDeque<String>,
    period: Duration,
    /// The calls that are not answered yet, by the host's tokens.
    calls: Vec<(u32, CallId)>,
    metrics: Metrics,
}

impl Service {
    /// A service around `monitor`. Nothing is done before the first tick: the host configures an instance also just to
    /// see whether it takes its configuration.
    pub(super) fn new(monitor: Monitor) -> Self {
        calls::set_tick_period(LONGEST_PERIOD);
        Self {
            monitor,
            queue: None,
            unread: Monitor::stored_keys().collect(),
            period: LONGEST_PERIOD,
            calls: Vec::new(),
            metrics: Metrics::default(),
        }
    }

    pub(super) fn on_tick(&mut self) {
        let now = calls::now();
        self.restore(now);
        // Whoever does not know yet what was told must not tell anything.
        if self.unread.is_empty() {
            self.drain();
            self.handle(Input::Tick, now);
        }
        self.adjust_period(now);
    }

    /// Reads what a predecessor left, as much as a tick has time for.
    fn restore(&mut self, now: UnixTime) {
        for _ in 0..BLOBS_PER_TICK {
            let blob = std::iter::from_fn(|| self.unread.pop_front()).find_map(|key| calls::shared_data(&key));
            let Some(blob) = blob else { return };
            self.handle(Input::Restored(blob), now);
        }
    }

    /// Takes over what observers put into the queue, as much as the monitor has room for.
    pub(super) fn drain(&mut self) {
        if self.queue.is_none() {
            self.queue = calls::register_queue(QUEUE);
        }
        let Some(queue) = self.queue else { return };
        let mut items = Vec::new();
        while items.len() < self.monitor.room() {
            match calls::dequeue(queue) {
                Taken::Item(item) => items.push(item),
                Taken::Nothing => break,
                Taken::QueueIsGone => {
                    self.queue = None;
                    break;
                }
            }
        }
        if !items.is_empty() {
            self.handle(Input::Observed(items), calls::now());
        }
    }

    /// A callout has ended; no headers mean that it has not been answered.
    pub(super) fn on_response(&mut self, token: u32, headers: usize) {
        let Some(index) = self.calls.iter().position(|(known, _)| *known == token) else { return };
        let (_, call) = self.calls.swap_remove(index);
        let status = || calls::answer_header(":status").and_then(|status| String::from_utf8(status).ok()?.parse().ok());
        let answer = if headers == 0 { None } else { status() };
        let now = calls::now();
        self.handle(Input::Answered(call, answer.map_or(Answer::NoResponse, Answer::Status)), now);
        // There is room for the next request now.
        self.adjust_period(now);
    }

    /// Hands an input to the monitor and does what it wants, and what that leads to.
    fn handle(&mut self, input: Input, now: UnixTime) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for effect in self.monitor.handle(input, now) {
                inputs.extend(self.perform(effect));
            }
        }
    }

    fn perform(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Call(call) => return self.call(&call),
            Effect::Store { key, value } => {
                if !calls::set_shared_data(&key, &value) {
                    log::error!("Shared data does not take {key}: cooldowns may be lost if this instance ends");
                }
            }
            Effect::Gauge(metric, value) => self.metrics.set(&metric, value),
            Effect::Count(metric, by) => self.metrics.add(&metric, by),
        }
        None
    }

    fn call(&mut self, call: &Call) -> Option<Input> {
        match calls::dispatch(call) {
            Ok(token) => {
                self.calls.push((token, call.id));
                None
            }
            Err(answer) => Some(Input::Answered(call.id, answer)),
        }
    }

    fn adjust_period(&mut self, now: UnixTime) {
        let next = if self.unread.is_empty() { self.monitor.next_wakeup() } else { now };
        let period = now.until(next).clamp(SHORTEST_PERIOD, LONGEST_PERIOD);
        if period != self.period {
            self.period = period;
            calls::set_tick_period(period);
        }
    }
}
