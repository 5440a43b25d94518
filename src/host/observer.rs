//! The observer on the data path, as an HTTP filter that always lets the stream go on, and beside it, as an access logger.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use super::calls::{self, Queue};
use super::metrics::Metrics;
use crate::application::lease::LEASE;
use crate::application::metric::Metric;
use crate::application::observation::QUEUE;
use crate::application::observer::{Message, Observer, Proxy, Stream};
use crate::application::shared_data::SharedData;
use crate::domain::UnixTime;

/// The observer of a root context, shared with its streams.
#[derive(Debug)]
pub(super) struct SharedObserver {
    observer: RefCell<Observer>,
    has_streams: Cell<bool>,
    host: Host,
}

#[derive(Debug, Default)]
struct Host {
    queue: Cell<Option<Queue>>,
    metrics: RefCell<Metrics>,
}

impl Proxy for Host {
    fn property(&self, path: &str) -> Option<Vec<u8>> {
        calls::property(path)
    }

    fn header(&self, message: Message, name: &str) -> Option<Vec<u8>> {
        calls::message_header(message, name)
    }

    fn remove_header(&self, message: Message, name: &str) {
        calls::remove_message_header(message, name);
    }

    fn lease(&self) -> Option<Vec<u8>> {
        calls::HostSharedData.read(LEASE).map(|(value, _)| value)
    }

    fn hand_over(&self, item: &[u8]) -> bool {
        let handed_over = self.find_queue().is_some_and(|queue| calls::enqueue(queue, item));
        if !handed_over {
            // One that takes nothing any more is looked up again.
            self.queue.set(None);
        }
        handed_over
    }

    fn count(&self, metric: &Metric) {
        if let Ok(mut metrics) = self.metrics.try_borrow_mut() {
            metrics.add(metric, 1);
        }
    }
}

impl Host {
    /// The queue, which is there once a monitor has registered it. That may be after the first requests.
    fn find_queue(&self) -> Option<Queue> {
        if self.queue.get().is_none() {
            self.queue.set(calls::resolve_queue(QUEUE));
        }
        self.queue.get()
    }
}

impl SharedObserver {
    pub(super) fn new(observer: Observer) -> Rc<Self> {
        Rc::new(Self { observer: RefCell::new(observer), has_streams: Cell::new(false), host: Host::default() })
    }

    /// Passes the time on.
    pub(super) fn on_tick(&self, now: UnixTime) {
        // The host calls one callback after the other, so the observer is never in use twice; if it ever were, this tick
        // would be lost and nothing else.
        if let Ok(mut observer) = self.observer.try_borrow_mut() {
            observer.on_tick(&self.host, now);
        }
    }

    /// A request or a connection is over, and the host writes its access log.
    pub(super) fn on_log(&self) {
        if let Ok(mut observer) = self.observer.try_borrow_mut() {
            observer.on_log(&self.host);
        }
    }

    /// Whether a request has passed through this VM.
    pub(super) fn has_streams(&self) -> bool {
        self.has_streams.get()
    }
}

/// One request and its response.
pub(super) struct ObservedStream {
    observer: Option<Rc<SharedObserver>>,
    stream: Stream,
}

impl ObservedStream {
    /// A stream of an instance that observes, or of one that does not and lets it pass.
    pub(super) fn new(observer: Option<Rc<SharedObserver>>) -> Self {
        if let Some(shared) = &observer {
            shared.has_streams.set(true);
        }
        Self { observer, stream: Stream::default() }
    }
}

impl Context for ObservedStream {}

impl HttpContext for ObservedStream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        if let Some(shared) = &self.observer
            && let Ok(mut observer) = shared.observer.try_borrow_mut()
        {
            #[cfg(feature = "trap")]
            super::trap::on_request(shared.host.find_queue());
            observer.on_request(&mut self.stream, &shared.host);
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        if let Some(shared) = &self.observer
            && let Ok(mut observer) = shared.observer.try_borrow_mut()
        {
            observer.on_response(&mut self.stream, &shared.host);
        }
        Action::Continue
    }
}
