//! Reads the certificates of connections and hands new ones over. It parses nothing, and whatever it meets, the stream
//! goes on.

mod rejections;
mod seen;
mod side;

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::time::Duration;

use log::warn;

use self::rejections::{Rejections, is_cut_off};
pub use self::seen::SHORTEST_PAUSE;
use self::seen::Seen;
use self::side::{DOWNSTREAM, Shown, Side, Source, UPSTREAM};
use super::lease::{Lease, SILENT, Watch};
use super::metric::{Dropped, Metric};
use super::observation::{Item, Site};
use super::probe;
use super::shared_data::Tenure;
use crate::config::{Config, Observe};
use crate::domain::{Role, UnixTime, Usage};

/// What an observer needs of the proxy.
pub trait Proxy {
    /// A property of the current stream, its path joined by NUL; `None` if it is absent or cannot be read.
    fn property(&self, path: &str) -> Option<Vec<u8>>;
    /// A header of the message that passes now, or of one that has passed where a log is written.
    fn header(&self, message: Message, name: &str) -> Option<Vec<u8>>;
    /// Takes a header away from the message that passes now.
    fn remove_header(&self, message: Message, name: &str);
    /// The lease as it stands in shared data.
    fn lease(&self) -> Option<Vec<u8>>;
    /// Puts an item into the monitor's queue; `false` if there is none yet or it takes nothing.
    fn hand_over(&self, item: &[u8]) -> bool;
    /// Adds one to a counter.
    fn count(&self, metric: &Metric);
}

/// One half of an HTTP exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// What the client sends.
    Request,
    /// What the upstream sends.
    Response,
}

/// The bytes of observations that are kept while no monitor takes them, before new ones are dropped. Some hundred
/// certificates, or a few very large ones: a worker's VM shall stay small.
const MOST_WAITING: usize = 256 * 1_024;
/// The bytes that are put into the queue between two looks at the monitor: the queue has no bound of its own.
const MOST_BETWEEN_LOOKS: usize = 256 * 1_024;
/// The time between two looks at the monitor, less what a tick may come early.
const LOOK: Duration = Duration::from_millis(900);

/// The observer of one plugin instance.
#[derive(Debug)]
pub struct Observer {
    observe: Observe,
    source: Source,
    /// Whether requests may be probes.
    is_probed: bool,
    seen: Seen,
    rejections: Rejections,
    waiting: VecDeque<Vec<u8>>,
    waiting_bytes: usize,
    /// Whether the waiting room was full since it was last empty: one line says so.
    was_full: bool,
    /// Whether it has met more than it remembers: one line says so.
    has_forgotten: bool,
    now: UnixTime,
    looked: UnixTime,
    monitor: Monitor,
    lease: Watch<(Tenure, u32)>,
    /// The last holder of the lease.
    holder: Option<Tenure>,
    /// What may still be put into the queue until the next look.
    allowance: usize,
}

/// What is known of the monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Monitor {
    /// There is none, or it gives no sign of life.
    Silent,
    /// It does not get the queue empty.
    Behind,
    /// It takes what there is.
    Ready,
}

/// What an observer remembers of one stream.
#[derive(Debug, Default)]
pub struct Stream {
    /// Read once, when it is first needed.
    api_id: OnceCell<Option<String>>,
    /// The API that the monitor makes this request for.
    probed: Option<String>,
}

impl Observer {
    /// An observer as the document wants it.
    pub fn new(config: &Config, now: UnixTime) -> Self {
        let pause = config.expiry.check_cooldown.max(SHORTEST_PAUSE);
        Self {
            observe: config.observe.clone(),
            source: Source::new(&config.observe),
            is_probed: config.has_probes(),
            seen: Seen::new(pause),
            rejections: Rejections::default(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            was_full: false,
            has_forgotten: false,
            now,
            looked: UnixTime::NEVER,
            monitor: Monitor::Silent,
            lease: Watch::new(),
            holder: None,
            allowance: 0,
        }
    }

    /// Tells the time, which no request asks the host for. About once a second it looks how the monitor is, and hands
    /// over what had to wait.
    pub fn on_tick(&mut self, proxy: &impl Proxy, now: UnixTime) {
        self.now = now;
        if now.since(self.looked).is_some_and(|age| age < LOOK) {
            return;
        }
        self.looked = now;
        self.allowance = MOST_BETWEEN_LOOKS;
        self.look(proxy);
        while let Some(item) = self.waiting.pop_front() {
            if !self.put(&item, proxy) {
                self.waiting.push_front(item);
                break;
            }
            self.waiting_bytes = self.waiting_bytes.saturating_sub(item.len());
        }
        self.was_full &= self.is_waiting();
    }

    fn look(&mut self, proxy: &impl Proxy) {
        self.monitor = Monitor::Silent;
        let Some(Lease { tenure, terms }) = proxy.lease().and_then(|value| Lease::decode(&value)) else { return };
        // What was handed over before a takeover may be lost.
        if self.holder.replace(tenure).is_some_and(|before| before.epoch != tenure.epoch) {
            self.seen.clear();
        }
        if self.lease.see((tenure, terms.beat)) <= SILENT && !terms.is_vacant {
            self.monitor = if terms.is_behind { Monitor::Behind } else { Monitor::Ready };
        }
    }

    /// Puts an item into the queue, if there is a monitor that takes it out again.
    fn put(&mut self, item: &[u8], proxy: &impl Proxy) -> bool {
        let is_allowed = self.monitor == Monitor::Ready && self.allowance > 0;
        let is_put = is_allowed && proxy.hand_over(item);
        if is_put {
            self.allowance = self.allowance.saturating_sub(item.len());
        }
        is_put
    }

    /// Whether something waits for a monitor.
    fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The client's certificate can be read now.
    pub fn on_request(&mut self, stream: &mut Stream, proxy: &impl Proxy) {
        if self.is_probed && self.observe.reads(UPSTREAM.role) {
            stream.probed = Self::take_probe(proxy);
        }
        if self.observe.reads(DOWNSTREAM.role) {
            self.observe_side(&DOWNSTREAM, stream, proxy);
        }
    }

    /// What the monitor makes this request for, if it does. Nobody else sees it: Envoy shows no header of the request any
    /// more when the upstream's certificate can be read.
    fn take_probe(proxy: &impl Proxy) -> Option<String> {
        let header = proxy.header(Message::Request, probe::HEADER)?;
        proxy.remove_header(Message::Request, probe::HEADER);
        // The holder may have changed since it was last looked for: it makes its first probes at once.
        let holder = proxy.lease().and_then(|value| Lease::decode(&value))?.tenure;
        probe::api_id(&header, holder)
    }

    /// The upstream's certificate can be read now: no earlier, because a host is chosen only after the request's
    /// filters.
    pub fn on_response(&mut self, stream: &mut Stream, proxy: &impl Proxy) {
        if self.observe.reads(UPSTREAM.role) {
            let is_encrypted = self.observe_side(&UPSTREAM, stream, proxy);
            if let Some(name) = self.source.header_to_remove(is_encrypted) {
                proxy.remove_header(Message::Response, name);
            }
        }
    }

    /// A request or a connection is over. Here alone it is told of handshakes that failed.
    pub fn on_log(&mut self, proxy: &impl Proxy) {
        let stream = Stream::default();
        if self.observe.reads(DOWNSTREAM.role) {
            // Anyone can open a connection that fails, with any certificate: it is not watched, whatever failed.
            match DOWNSTREAM.failure(proxy).filter(|text| !is_cut_off(text)) {
                Some(text) => self.observe_failure(&DOWNSTREAM, &text, &stream, proxy),
                None => _ = self.observe_side(&DOWNSTREAM, &stream, proxy),
            }
        }
        if self.observe.reads(UPSTREAM.role)
            && !self.observe_side(&UPSTREAM, &stream, proxy)
            && let Some(text) = UPSTREAM.failure(proxy)
        {
            self.observe_failure(&UPSTREAM, &text, &stream, proxy);
        }
    }

    /// Observes the peer on one side; whether it has presented a certificate.
    fn observe_side(&mut self, side: &Side, stream: &Stream, proxy: &impl Proxy) -> bool {
        // The digest says in one small read whether there is a certificate and whether it is known.
        let Some(digest) = side.digest(proxy) else { return false };
        let api_id = self.api_id(side.role, stream, proxy);
        let length = digest.len();
        let key = key(digest, side.role, api_id);
        if self.seen.contains(&key, self.now) {
            return true;
        }
        if self.waiting_bytes >= MOST_WAITING {
            self.drop_one(proxy);
            return true;
        }
        let has_forgotten = if let Some(shown) = self.source.read(side.role, proxy) {
            let usage = Usage::new(side.role, api_id.map(str::to_owned));
            self.hand_over(side, &usage, key.get(..length).unwrap_or_default(), &shown, proxy);
            self.seen.insert(key, self.now)
        } else {
            // Remembered as well, so that it is not looked for on every request.
            self.seen.insert_briefly(key, self.now)
        };
        if has_forgotten {
            proxy.count(&Metric::dropped_total(Dropped::SeenFull));
            if !std::mem::replace(&mut self.has_forgotten, true) {
                warn!(
                    "More certificates, roles and APIs are in use than a worker remembers: known ones are handed over again"
                );
            }
        }
        true
    }

    /// The API that a peer's certificate is used for.
    fn api_id<'a>(&self, role: Role, stream: &'a Stream, proxy: &impl Proxy) -> Option<&'a str> {
        let probed = stream.probed.as_deref().filter(|_| role == UPSTREAM.role);
        probed.or_else(|| stream.api_id.get_or_init(|| side::read_api_id(&self.observe.api_id, proxy)).as_deref())
    }

    fn drop_one(&mut self, proxy: &impl Proxy) {
        let (reason, why) = match self.monitor {
            Monitor::Silent => (Dropped::NoMonitor, "no monitor is alive"),
            Monitor::Behind | Monitor::Ready => (Dropped::Backlog, "the monitor has more to check than it can"),
        };
        proxy.count(&Metric::dropped_total(reason));
        if !std::mem::replace(&mut self.was_full, true) {
            warn!("Certificates of peers are not handed over: {why}; they will be when they are shown again");
        }
    }

    /// Hands a certificate over.
    fn hand_over(&mut self, side: &Side, usage: &Usage, digest: &[u8], shown: &Shown, proxy: &impl Proxy) {
        let Shown { form, certificate } = shown;
        if certificate.len() > form.largest() {
            proxy.count(&Metric::dropped_total(Dropped::OversizedCertificate));
            return;
        }
        let place = side::place(side.role, proxy);
        // Which server of a cluster it is. The address of a client is gone with its connection.
        let address = if side.role == Role::Upstream { side.address(proxy) } else { None };
        let at = Site { place: place.as_deref(), address: address.as_deref() };
        let Some(item) = Item::seen(usage, at, digest, *form, certificate) else { return };
        self.put_or_keep(item, proxy);
        proxy.count(&Metric::observations_total(side.role));
    }

    /// Puts an item into the queue, or has it wait for a monitor.
    fn put_or_keep(&mut self, item: Vec<u8>, proxy: &impl Proxy) {
        // In their order, and without asking for a queue again that was not there for the last one.
        if self.is_waiting() || !self.put(&item, proxy) {
            self.waiting_bytes = self.waiting_bytes.saturating_add(item.len());
            self.waiting.push_back(item);
        }
    }
}

/// What makes an observation new: certificate, role and API. Made of the digest itself: this happens on every request.
fn key(digest: Vec<u8>, role: Role, api_id: Option<&str>) -> Vec<u8> {
    let api_id = api_id.unwrap_or_default().as_bytes();
    let mut key = digest;
    key.reserve_exact(api_id.len().saturating_add(1));
    key.push(role as u8);
    key.extend_from_slice(api_id);
    key
}

#[cfg(test)]
mod tests;
