//! Reads the certificates of connections and hands new ones over. It parses nothing, and whatever it meets, the stream
//! goes on.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::time::Duration;

use super::metric::{Dropped, Metric};
use super::observation::{LARGEST_CERTIFICATE, Observation};
use super::seen::Seen;
use crate::config::{ApiId, Config, Observe};
use crate::domain::text::{LONGEST, harmless};
use crate::domain::{Role, UnixTime, Usage};

/// What an observer needs of the proxy.
pub trait Proxy {
    /// A property of the current stream, its path joined by NUL; `None` if it is absent or cannot be read.
    fn property(&self, path: &str) -> Option<Vec<u8>>;
    /// Puts an item into the monitor's queue; `false` if there is none yet or it takes nothing.
    fn hand_over(&self, item: &[u8]) -> bool;
    /// Adds one to a counter.
    fn count(&self, metric: &Metric);
}

/// Nothing is handed over a second time within this, whatever the check cooldown is.
const SHORTEST_PAUSE: Duration = Duration::from_secs(60);
/// The bytes of observations that are kept while there is no monitor, before new ones are dropped. Some hundred
/// certificates, or a few very large ones: a worker's VM shall stay small.
const MOST_WAITING: usize = 256 * 1_024;

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
    now: UnixTime,
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
            now,
        }
    }

    /// Tells the time, which no request asks the host for, and hands over what had to wait for a monitor.
    pub fn on_tick(&mut self, proxy: &impl Proxy, now: UnixTime) {
        self.now = now;
        while let Some(item) = self.waiting.front().filter(|item| proxy.hand_over(item)) {
            self.waiting_bytes = self.waiting_bytes.saturating_sub(item.len());
            self.waiting.pop_front();
        }
    }

    /// Whether something waits for a monitor.
    pub fn is_waiting(&self) -> bool {
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
        let key = key(digest, side.role, api_id.as_deref());
        if self.seen.contains(&key, self.now) {
            return;
        }
        if self.waiting_bytes >= MOST_WAITING {
            proxy.count(&Metric::dropped_total(Dropped::NoMonitor));
            return;
        }
        // Envoy before 1.38 has no such property: remembered as well, so that it is not asked for on every request.
        if let Some(certificate) = proxy.property(side.certificate).filter(|certificate| !certificate.is_empty()) {
            let usage = Usage::new(side.role, api_id.clone());
            self.hand_over(&usage, &certificate, proxy);
        }
        self.seen.insert(key, self.now);
    }

    /// Hands a certificate over, or has it wait for a monitor.
    fn hand_over(&mut self, usage: &Usage, certificate: &[u8], proxy: &impl Proxy) {
        if certificate.len() > LARGEST_CERTIFICATE {
            proxy.count(&Metric::dropped_total(Dropped::OversizedCertificate));
            return;
        }
        let Some(item) = Observation::encode(usage, certificate) else { return };
        // In their order, and without asking for a queue again that was not there for the last one.
        if self.is_waiting() || !proxy.hand_over(&item) {
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
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Default)]
    struct FakeProxy {
        properties: BTreeMap<&'static str, Vec<u8>>,
        reads: Cell<u32>,
        has_monitor: Cell<bool>,
        queue: RefCell<Vec<Observation>>,
        counted: RefCell<Vec<String>>,
    }

    impl Proxy for FakeProxy {
        fn property(&self, path: &str) -> Option<Vec<u8>> {
            self.reads.set(self.reads.get() + 1);
            self.properties.get(path.replace('\0', ".").as_str()).cloned()
        }

        fn hand_over(&self, item: &[u8]) -> bool {
            if self.has_monitor.get() {
                self.queue.borrow_mut().push(Observation::decode(item).unwrap());
            }
            self.has_monitor.get()
        }

        fn count(&self, metric: &Metric) {
            self.counted.borrow_mut().push(metric.name().to_owned());
        }
    }

    fn mtls() -> FakeProxy {
        let proxy = FakeProxy {
            properties: [
                ("connection.sha256_peer_certificate_digest", b"c1".to_vec()),
                ("connection.peer_certificate", b"client pem".to_vec()),
                ("upstream.sha256_peer_certificate_digest", b"u1".to_vec()),
                ("upstream.peer_certificate", b"upstream pem".to_vec()),
                ("xds.route_name", b"orders".to_vec()),
            ]
            .into(),
            ..FakeProxy::default()
        };
        proxy.has_monitor.set(true);
        proxy
    }

    fn observer(document: &str) -> Observer {
        Observer::new(&Config::load(document.as_bytes()).unwrap(), UnixTime::from_secs(1_000))
    }

    /// One request and its response; the number of properties that it read.
    fn request(observer: &mut Observer, proxy: &FakeProxy) -> u32 {
        let mut stream = Stream::default();
        proxy.reads.set(0);
        observer.on_request(&mut stream, proxy);
        observer.on_response(&mut stream, proxy);
        proxy.reads.get()
    }

    fn handed_over(proxy: &FakeProxy) -> Vec<(Role, Option<String>)> {
        let queue = proxy.queue.take();
        queue.iter().map(|o| (o.usage.role(), o.usage.api_id().map(str::to_owned))).collect()
    }

    #[test]
    fn a_certificate_is_handed_over_once_and_known_ones_cost_three_reads() {
        let (mut observer, proxy) = (observer("{}"), mtls());
        request(&mut observer, &proxy);
        let orders = Some("orders".to_owned());
        assert_eq!(handed_over(&proxy), [(Role::Client, orders.clone()), (Role::Upstream, orders)]);
        for _ in 0..100 {
            assert_eq!(request(&mut observer, &proxy), 3);
        }
        assert_eq!(handed_over(&proxy), []);
    }

    #[test]
    fn another_api_is_another_observation() {
        let (mut observer, mut proxy) = (observer("{}"), mtls());
        request(&mut observer, &proxy);
        handed_over(&proxy);
        proxy.properties.insert("xds.route_name", b"billing".to_vec());
        request(&mut observer, &proxy);
        assert_eq!(handed_over(&proxy).len(), 2);
    }

    #[test]
    fn it_is_handed_over_again_after_the_check_cooldown_and_never_within_a_minute() {
        for (cooldown, pause) in [(3, 60), (7_200, 7_200)] {
            let document = format!(r#"{{"certificate_expiry_monitor": {{"check_cooldown_seconds": {cooldown}}}}}"#);
            let (mut observer, proxy) = (observer(&document), mtls());
            for (secs, expected) in [(0, 2), (pause - 1, 0), (pause, 2), (pause + 1, 0)] {
                observer.on_tick(&proxy, UnixTime::from_secs(1_000 + secs));
                request(&mut observer, &proxy);
                assert_eq!(handed_over(&proxy).len(), expected, "{secs} s, check cooldown {cooldown} s");
            }
        }
    }

    #[test]
    fn roles_that_are_off_and_plain_text_connections_cost_nothing_or_one_read() {
        assert_eq!(request(&mut observer(r#"{"observe": {"client": false, "upstream": false}}"#), &mtls()), 0);
        assert_eq!(request(&mut observer(r#"{"observe": {"upstream": false}}"#), &FakeProxy::default()), 1);
        let (mut client_only, proxy) = (observer(r#"{"observe": {"upstream": false}}"#), mtls());
        request(&mut client_only, &proxy);
        assert_eq!(request(&mut client_only, &proxy), 2);
    }

    #[test]
    fn the_api_is_the_first_property_that_says_something_or_a_fixed_one() {
        let api_of = |document: &str, properties: &[(&'static str, &str)]| {
            let mut proxy = mtls();
            proxy.properties.remove("xds.route_name");
            proxy.properties.extend(properties.iter().map(|(path, value)| (*path, value.as_bytes().to_vec())));
            request(&mut observer(document), &proxy);
            handed_over(&proxy).remove(0).1
        };
        assert_eq!(api_of("{}", &[]), None);
        assert_eq!(api_of("{}", &[("xds.cluster_name", "c")]).as_deref(), Some("c"));
        let both = [("xds.route_name", ""), ("xds.virtual_host_name", "v"), ("xds.cluster_name", "c")];
        assert_eq!(api_of("{}", &both).as_deref(), Some("v"));
        let own = r#"{"observe": {"api_id": "xds.route_metadata.filter_metadata.my.id"}}"#;
        assert_eq!(api_of(own, &[("xds.route_metadata.filter_metadata.my.id", "m")]).as_deref(), Some("m"));
        assert_eq!(api_of(r#"{"observe": {"api_id": {"value": "mine"}}}"#, &both).as_deref(), Some("mine"));
    }

    #[test]
    fn an_envoy_without_the_certificate_property_is_asked_once() {
        let (mut observer, mut proxy) = (observer("{}"), mtls());
        proxy.properties.remove("connection.peer_certificate");
        proxy.properties.remove("upstream.peer_certificate");
        assert_eq!(request(&mut observer, &proxy), 5);
        assert_eq!(request(&mut observer, &proxy), 3);
        assert_eq!(handed_over(&proxy), []);
    }

    #[test]
    fn what_is_seen_before_there_is_a_monitor_waits_for_it() {
        let (mut observer, proxy) = (observer("{}"), mtls());
        proxy.has_monitor.set(false);
        request(&mut observer, &proxy);
        assert!(observer.is_waiting());
        assert_eq!(request(&mut observer, &proxy), 3, "it is not read again");
        proxy.has_monitor.set(true);
        observer.on_tick(&proxy, UnixTime::from_secs(1_001));
        assert_eq!(handed_over(&proxy).len(), 2);
        assert!(!observer.is_waiting());
    }

    #[test]
    fn a_waiting_room_that_is_full_drops_and_counts() {
        let (mut observer, mut proxy) = (observer(r#"{"observe": {"upstream": false}}"#), mtls());
        proxy.has_monitor.set(false);
        proxy.properties.insert("connection.peer_certificate", vec![b'x'; LARGEST_CERTIFICATE]);
        for number in 0..20_u32 {
            proxy.properties.insert("connection.sha256_peer_certificate_digest", number.to_be_bytes().to_vec());
            request(&mut observer, &proxy);
        }
        assert_eq!(observer.waiting.len(), 16);
        let dropped = Metric::dropped_total(Dropped::NoMonitor);
        assert_eq!(proxy.counted.borrow().iter().filter(|name| *name == dropped.name()).count(), 4);
        proxy.has_monitor.set(true);
        observer.on_tick(&proxy, UnixTime::from_secs(1_001));
        assert_eq!((observer.waiting.len(), observer.waiting_bytes), (0, 0));
    }

    #[test]
    fn an_oversized_certificate_is_dropped_and_counted_once() {
        let (mut observer, mut proxy) = (observer(r#"{"observe": {"upstream": false}}"#), mtls());
        proxy.properties.insert("connection.peer_certificate", vec![b'x'; LARGEST_CERTIFICATE + 1]);
        request(&mut observer, &proxy);
        request(&mut observer, &proxy);
        assert_eq!(*proxy.counted.borrow(), [Metric::dropped_total(Dropped::OversizedCertificate).name()]);
        assert_eq!(handed_over(&proxy), []);
    }
}
