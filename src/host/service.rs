//! An instance that stands for the lease, and the monitor while it holds it: ticks, queue, callouts, shared data.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::time::Duration;

use super::calls::{self, HostSharedData, Queue, Taken};
use super::metrics::Metrics;
use crate::application::effect::{Answer, Call, CallId, Effect, Response};
use crate::application::lease::{Because, Candidate, Heritage, Kind, Standing, Store};
use crate::application::metric::Metric;
use crate::application::monitor::{Input, Monitor};
use crate::application::observation::QUEUE;
use crate::application::shared_data::SharedData;
use crate::config::Config;
use crate::domain::UnixTime;
use crate::render::fields::Proxy;

/// The time before the first tick, which leaves time to claim the lease before the first check is due.
const FIRST_PERIOD: Duration = Duration::from_millis(500);
/// The time between a claim and the second look at it.
const CLAIM_PERIOD: Duration = Duration::from_millis(250);
/// The longest time between ticks: they are signs of life as well.
const LONGEST_PERIOD: Duration = Duration::from_secs(1);
/// The shortest time between ticks, which leaves the main thread to others while much is due.
const SHORTEST_PERIOD: Duration = Duration::from_millis(10);

/// The time between ticks while what a predecessor left is read: until then there is no monitor.
const READING_PERIOD: Duration = Duration::from_millis(5);

/// What a predecessor left is read in slices: decoding is what costs.
const BYTES_PER_TICK: usize = 10 * 1_024;
/// Keys that are looked up in one tick, whether there is something or not.
const KEYS_PER_TICK: usize = 256;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Service {
    config: Rc<Config>,
    /// One line for each webhook that lacks a variable.
    missing: Vec<String>,
    configured: UnixTime,
    candidate: Candidate,
    office: Option<Office>,
    metrics: Metrics,
    period: Duration,
    was_refused: bool,
}

/// What only the holder of the lease has.
#[derive(Debug)]
struct Office {
    monitor: Monitor,
    queue: Option<Queue>,
    /// What a predecessor left and has not been looked at yet.
    unread: VecDeque<String>,
    calls: Vec<Pending>,
    /// Why it is being left. There is no way back.
    leaving: Option<Because>,
}

/// A call that is not answered yet.
#[derive(Debug)]
struct Pending {
    /// The host's name for it.
    token: u32,
    call: CallId,
    /// The largest body that is read.
    largest_answer: usize,
}

/// There is a newer holder.
struct Superseded;

/// What a receiver has answered, or Envoy in its place; with its body, if it has one of that many bytes.
fn answer(body: Option<usize>) -> Answer {
    let text = |name| calls::answer_header(name).and_then(|value| String::from_utf8(value).ok());
    let Some(status) = text(":status").and_then(|status| status.parse().ok()) else { return Answer::NoResponse };
    Answer::Response(Response {
        status,
        by_envoy: calls::answer_header("x-envoy-upstream-service-time").is_none(),
        retry_after: text("retry-after"),
        date: text("date"),
        allowed_origin: text("webhook-allowed-origin"),
        allowed_rate: text("webhook-allowed-rate"),
        body: body.map(calls::answer_body),
    })
}

/// Envoy's major and minor version.
fn envoy() -> Option<(u64, u64)> {
    let number = |name: &str| {
        let path = format!("xds\0node\0user_agent_build_version\0version\0{name}");
        calls::property(&path).and_then(|value| value.try_into().ok()).map(u64::from_le_bytes)
    };
    number("major_number").zip(number("minor_number"))
}

/// How the proxy calls itself.
fn proxy() -> Proxy {
    let name = |field: &str| calls::property(&format!("xds\0node\0{field}")).unwrap_or_default();
    Proxy::new(&name("id"), &name("cluster"))
}

impl Service {
    /// A service for a document whose variables have been resolved. Nothing is done before the first tick: the host
    /// configures an instance also just to see whether it takes its configuration.
    pub(super) fn new(kind: Kind, config: Config, missing: Vec<String>, now: UnixTime) -> Self {
        calls::set_tick_period(FIRST_PERIOD);
        // Its keys are random, and nothing else that is at hand is.
        let id = RandomState::new().hash_one(now.millis());
        Self {
            candidate: Candidate::new(id, kind, config.hash),
            config: Rc::new(config),
            missing,
            configured: now,
            office: None,
            metrics: Metrics::default(),
            period: FIRST_PERIOD,
            was_refused: false,
        }
    }

    pub(super) fn on_tick(&mut self, has_streams: bool) {
        let now = calls::now();
        self.candidate.has_streams = has_streams;
        self.candidate.is_behind = self.office.as_ref().is_some_and(|office| office.monitor.is_behind(now));
        match self.candidate.tick(&HostSharedData, now) {
            Standing::Waiting => self.office = None,
            Standing::Claimed => {}
            Standing::Holding => {
                if self.office.is_none() {
                    self.take_office(now);
                }
                self.work(now);
            }
        }
        self.adjust_period(now);
    }

    fn take_office(&mut self, now: UnixTime) {
        let seed = RandomState::new().hash_one(now.millis());
        let monitor = Monitor::new(Rc::clone(&self.config), self.missing.clone(), self.configured, now, seed)
            .in_office(Some(self.candidate.tenure()), envoy(), proxy());
        let (queue, unread, calls) = (None, Monitor::stored_keys().collect(), Vec::new());
        self.office = Some(Office { monitor, queue, unread, calls, leaving: None });
        self.metrics.forget_values();
        for kind in Kind::ALL {
            self.metrics.set(&Metric::holder(kind), u64::from(kind == self.candidate.kind()));
        }
        if let Some(before) = self.candidate.predecessors_document().filter(|before| *before != self.config.hash) {
            self.metrics.set(&Metric::config_info(before), 0);
        }
        self.metrics.add(&Metric::failovers_total(), u64::from(self.candidate.follows_a_silent_holder()));
    }

    fn work(&mut self, now: UnixTime) {
        self.restore(now);
        let Some(office) = &mut self.office else { return };
        let has_read = office.unread.is_empty();
        office.leaving = office.leaving.or(self.candidate.wanted());
        if let Some(because) = office.leaving {
            office.monitor.retire(now);
            // Whoever has not read everything has not changed anything.
            if !has_read || office.monitor.has_retired(now) {
                return self.leave(because);
            }
        }
        // Whoever does not know yet what was told must not tell anything.
        if has_read {
            self.handle(Input::Tick, now);
        }
    }

    /// Reads what a predecessor left, as much as a tick has time for.
    fn restore(&mut self, now: UnixTime) {
        let mut bytes = 0_usize;
        for _ in 0..KEYS_PER_TICK {
            let Some(key) = self.office.as_mut().and_then(|office| office.unread.pop_front()) else { return };
            let Some((value, _)) = HostSharedData.read(&key) else { continue };
            let contents = match self.candidate.inherit(&value) {
                Heritage::Contents(contents) => contents.to_vec(),
                // It will be found to be nothing.
                Heritage::Nothing => Vec::new(),
                Heritage::Superseded => {
                    self.office = None;
                    return;
                }
            };
            self.handle(Input::Restored { key, contents }, now);
            bytes = bytes.saturating_add(value.len());
            if bytes > BYTES_PER_TICK {
                return;
            }
        }
    }

    fn leave(&mut self, because: Because) {
        if self.office.take().is_some() {
            self.metrics.set(&Metric::holder(self.candidate.kind()), 0);
        }
        self.candidate.release(&HostSharedData, because);
    }

    /// A callout has ended; no headers mean that it has not been answered.
    pub(super) fn on_response(&mut self, token: u32, headers: usize, body: usize) {
        let Some(office) = &mut self.office else { return };
        let Some(index) = office.calls.iter().position(|pending| pending.token == token) else { return };
        let Pending { call, largest_answer, .. } = office.calls.swap_remove(index);
        let body = Some(body).filter(|size| largest_answer > 0 && *size <= largest_answer);
        let now = calls::now();
        self.handle(Input::Answered(call, if headers == 0 { Answer::NoResponse } else { answer(body) }), now);
        // There is room for the next request now.
        self.adjust_period(now);
    }

    /// Hands an input to the monitor and does what it wants, and what that leads to.
    fn handle(&mut self, input: Input, now: UnixTime) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let Some(office) = &mut self.office else { return };
            for effect in office.monitor.handle(input, now) {
                match self.perform(effect) {
                    Ok(input) => inputs.extend(input),
                    Err(Superseded) => self.office = None,
                }
                if self.office.is_none() {
                    return;
                }
            }
        }
    }

    fn perform(&mut self, effect: Effect) -> Result<Option<Input>, Superseded> {
        match effect {
            Effect::Call(call) => return Ok(self.call(&call)),
            Effect::Store { key, contents } => self.store(&key, &contents)?,
            Effect::Dequeue => return Ok(self.dequeue()),
            Effect::Inspect => return Ok(Some(Input::Inspect)),
            Effect::Gauge(metric, value) => self.metrics.set(&metric, value),
            Effect::Count(metric, by) => self.metrics.add(&metric, by),
        }
        Ok(None)
    }

    fn store(&mut self, key: &str, contents: &[u8]) -> Result<(), Superseded> {
        match self.candidate.store(&HostSharedData, key, contents) {
            Store::Done => {}
            Store::Superseded => return Err(Superseded),
            Store::Refused => {
                if !std::mem::replace(&mut self.was_refused, true) {
                    log::error!("Shared data does not take {key}: a successor will not know what this instance knows");
                }
            }
        }
        Ok(())
    }

    fn call(&mut self, call: &Call) -> Option<Input> {
        match calls::dispatch(call) {
            Ok(token) => {
                self.office.as_mut()?.calls.push(Pending { token, call: call.id, largest_answer: call.largest_answer });
                None
            }
            Err(answer) => Some(Input::Answered(call.id, answer)),
        }
    }

    /// Takes an item that observers put into the queue. Registering it makes it the holder's.
    fn dequeue(&mut self) -> Option<Input> {
        let office = self.office.as_mut()?;
        if office.queue.is_none() {
            office.queue = calls::register_queue(QUEUE);
        }
        let taken = office.queue.map_or(Taken::Nothing, calls::dequeue);
        let item = match taken {
            Taken::Item(item) => Some(item),
            Taken::Nothing => None,
            Taken::QueueIsGone => {
                office.queue = None;
                None
            }
        };
        #[cfg(feature = "trap")]
        item.as_deref().map(super::trap::on_item);
        Some(Input::Dequeued(item))
    }

    fn adjust_period(&mut self, now: UnixTime) {
        let period = match &self.office {
            Some(office) if !office.unread.is_empty() => READING_PERIOD,
            Some(office) => now.until(office.monitor.next_wakeup()).clamp(SHORTEST_PERIOD, LONGEST_PERIOD),
            None if self.candidate.has_claimed() => CLAIM_PERIOD,
            None => LONGEST_PERIOD,
        };
        if period != self.period {
            self.period = period;
            calls::set_tick_period(period);
        }
    }
}

/// The host ends the instance, for instance because its listener has drained: what it knows is stored, and the next
/// holder need not wait. (`proxy_on_done` would come before, but it comes for every request as well.)
impl Drop for Service {
    fn drop(&mut self) {
        if let Some(office) = self.office.as_mut().filter(|office| office.unread.is_empty())
            && self.candidate.confirm(&HostSharedData)
        {
            for effect in office.monitor.save(calls::now()) {
                if let Effect::Store { key, contents } = effect
                    && self.candidate.store(&HostSharedData, &key, &contents) != Store::Done
                {
                    break;
                }
            }
        }
        self.leave(Because::End);
    }
}
