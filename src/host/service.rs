//! The monitor in its service: ticks, queue, callouts, shared data.

use std::collections::VecDeque;
use std::time::Duration;

use super::calls::{self, Queue};
use super::metrics::Metrics;
use crate::application::effect::{Answer, Call, CallId, Effect};
use crate::application::monitor::{Input, Monitor};
use crate::application::observation::QUEUE;
use crate::domain::UnixTime;

/// The longest time between ticks: they are signs of life as well.
const LONGEST_PERIOD: Duration = Duration::from_secs(1);
/// The shortest time between ticks, which leaves the main thread to others while much is due.
const SHORTEST_PERIOD: Duration = Duration::from_millis(10);

/// A monitor and what it needs of the host.
#[derive(Debug)]
pub(super) struct Service {
    monitor: Monitor,
    queue: Option<Queue>,
    started: bool,
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
            started: false,
            period: LONGEST_PERIOD,
            calls: Vec::new(),
            metrics: Metrics::default(),
        }
    }

    pub(super) fn on_tick(&mut self) {
        let now = calls::now();
        if !self.started {
            self.started = true;
            for blob in Monitor::stored_keys().filter_map(|key| calls::shared_data(&key)) {
                self.handle(Input::Restored(blob), now);
            }
        }
        if self.queue.is_none() {
            self.queue = calls::register_queue(QUEUE);
        }
        self.drain();
        self.handle(Input::Tick, now);
        self.adjust_period(now);
    }

    /// Takes over what observers put into the queue, as much as the monitor has room for.
    pub(super) fn drain(&mut self) {
        let Some(queue) = self.queue else { return };
        let items: Vec<_> = std::iter::from_fn(|| calls::dequeue(queue)).take(self.monitor.room()).collect();
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
        let period = now.until(self.monitor.next_wakeup()).clamp(SHORTEST_PERIOD, LONGEST_PERIOD);
        if period != self.period {
            self.period = period;
            calls::set_tick_period(period);
        }
    }
}
