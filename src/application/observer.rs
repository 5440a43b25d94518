//! Reads the certificates of connections and hands new ones over. It parses nothing, and whatever it meets, the stream
//! goes on.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::time::Duration;

use log::warn;

use super::lease::{Lease, SILENT, Watch};
use super::metric::{Dropped, Metric};
use super::observation::{LARGEST_CERTIFICATE, Observation};
use super::seen::Seen;
use super::shared_data::Tenure;
use crate::config::{ApiId, Config, Observe};
use crate::domain::text::{LONGEST, harmless};
use crate::domain::{Role, UnixTime, Usage};

/// What an observer needs of the proxy.
pub trait Proxy {
    /// A property of the current stream, its path joined by NUL; `None` if it is absent or cannot be read.
    fn property(&self, path: &str) -> Option<Vec<u8>>;
    /// The lease as it stands in shared data.
    fn lease(&self) -> Option<Vec<u8>>;
    /// Puts an item into the monitor's queue; `false` if there is none yet or it takes nothing.
    fn hand_over(&self, item: &[u8]) -> bool;
    /// Adds one to a counter.
    fn count(&self, metric: &Metric);
}

/// Nothing is handed over a second time within this, whatever the check cooldown is.
const SHORTEST_PAUSE: Duration = Duration::from_secs(60);
/// The bytes of observations that are kept while no monitor takes them, before new ones are dropped. Some hundred
/// certificates, or a few very large ones: a worker's VM shall stay small.
const MOST_WAITING: usize = 256 * 1_024;
/// The bytes that are put into the queue between two looks at the monitor: the queue has no bound of its own.
const MOST_BETWEEN_LOOKS: usize = 256 * 1_024;
/// The time between two looks at the monitor, less what a tick may come early.
const LOOK: Duration = Duration::from_millis(900);

/// One connection side and the properties that tell about its peer.
struct Side {
    role: Role,
    digest: &'static str,
    certificate: &'static str,
}

const DOWNSTREAM: Side = Side {
    role: Role::Client,
    digest: "connection\0sha256_peer_certificate_digest",
    certificate: "connection\0peer_certificate",
};

const UPSTREAM: Side = Side {
    role: Role::Upstream,
    digest: "upstream\0sha256_peer_certificate_digest",
    certificate: "upstream\0peer_certificate",
};

/// The observer of one plugin instance.
#[derive(Debug)]
pub struct Observer {
    observe: Observe,
    seen: Seen,
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
    epoch: Option<u64>,
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
}

impl Observer {
    /// An observer as the document wants it.
    pub fn new(config: &Config, now: UnixTime) -> Self {
        let pause = config.expiry.check_cooldown.max(SHORTEST_PAUSE);
        Self {
            observe: config.observe.clone(),
            seen: Seen::new(pause),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            was_full: false,
            has_forgotten: false,
            now,
            looked: UnixTime::NEVER,
            monitor: Monitor::Silent,
            lease: Watch::new(),
            epoch: None,
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
        if self.epoch.replace(tenure.epoch).is_some_and(|before| before != tenure.epoch) {
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
        if self.observe.reads(DOWNSTREAM.role) {
            self.observe_side(&DOWNSTREAM, stream, proxy);
        }
    }

    /// The upstream's certificate can be read now: no earlier, because a host is chosen only after the request's
    /// filters.
    pub fn on_response(&mut self, stream: &mut Stream, proxy: &impl Proxy) {
        if self.observe.reads(UPSTREAM.role) {
            self.observe_side(&UPSTREAM, stream, proxy);
        }
    }

    fn observe_side(&mut self, side: &Side, stream: &mut Stream, proxy: &impl Proxy) {
        // The digest says in one small read whether there is a certificate and whether it is known.
        let Some(digest) = proxy.property(side.digest).filter(|digest| !digest.is_empty()) else { return };
        let api_id = stream.api_id.get_or_init(|| read_api_id(&self.observe.api_id, proxy));
        let length = digest.len();
        let key = key(digest, side.role, api_id.as_deref());
        if self.seen.contains(&key, self.now) {
            return;
        }
        if self.waiting_bytes >= MOST_WAITING {
            self.drop_one(proxy);
            return;
        }
        // Envoy before 1.38 has no such property: remembered as well, so that it is not asked for on every request.
        if let Some(certificate) = proxy.property(side.certificate).filter(|certificate| !certificate.is_empty()) {
            let usage = Usage::new(side.role, api_id.clone());
            self.hand_over(&usage, key.get(..length).unwrap_or_default(), &certificate, proxy);
        }
        if self.seen.insert(key, self.now) {
            proxy.count(&Metric::dropped_total(Dropped::SeenFull));
            if !std::mem::replace(&mut self.has_forgotten, true) {
                warn!(
                    "More certificates, roles and APIs are in use than a worker remembers: known ones are handed over again"
                );
            }
        }
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

    /// Hands a certificate over, or has it wait for a monitor.
    fn hand_over(&mut self, usage: &Usage, digest: &[u8], certificate: &[u8], proxy: &impl Proxy) {
        if certificate.len() > LARGEST_CERTIFICATE {
            proxy.count(&Metric::dropped_total(Dropped::OversizedCertificate));
            return;
        }
        let Some(item) = Observation::encode(usage, digest, certificate) else { return };
        // In their order, and without asking for a queue again that was not there for the last one.
        if self.is_waiting() || !self.put(&item, proxy) {
            self.waiting_bytes = self.waiting_bytes.saturating_add(item.len());
            self.waiting.push_back(item);
        }
        proxy.count(&Metric::observations_total(usage.role()));
    }
}

fn read_api_id(api_id: &ApiId, proxy: &impl Proxy) -> Option<String> {
    match api_id {
        ApiId::Fixed(value) => Some(value.clone()),
        ApiId::Properties(paths) => paths.iter().find_map(|path| {
            let bytes = proxy.property(path)?;
            // Long enough for every text that is kept, and no more work than that.
            let bytes = bytes.get(..LONGEST.saturating_mul(4)).unwrap_or(&bytes);
            Some(harmless(&String::from_utf8_lossy(bytes))).filter(|text| !text.is_empty())
        }),
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
