//! What an observer reads, and what it hands over.

mod fallbacks;
mod logs;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::*;
use crate::application::lease::{Kind, Terms};
use crate::application::observation::{LARGEST_CERTIFICATE, Observation, Rejection};

#[derive(Default)]
struct FakeProxy {
    properties: BTreeMap<&'static str, Vec<u8>>,
    headers: BTreeMap<&'static str, Vec<u8>>,
    /// Looks at properties and headers, and headers that were taken away.
    reads: Cell<u32>,
    removed: RefCell<Vec<String>>,
    has_monitor: Cell<bool>,
    epoch: Cell<u64>,
    beat: Cell<u32>,
    is_behind: Cell<bool>,
    queue: RefCell<Vec<Item>>,
    counted: RefCell<Vec<String>>,
}

impl Proxy for FakeProxy {
    fn property(&self, path: &str) -> Option<Vec<u8>> {
        self.reads.set(self.reads.get() + 1);
        self.properties.get(path.replace('\0', ".").as_str()).cloned()
    }

    fn header(&self, message: Message, name: &str) -> Option<Vec<u8>> {
        self.reads.set(self.reads.get() + 1);
        self.headers.get(header(message, name).as_str()).cloned()
    }

    fn remove_header(&self, message: Message, name: &str) {
        self.reads.set(self.reads.get() + 1);
        self.removed.borrow_mut().push(header(message, name));
    }

    fn lease(&self) -> Option<Vec<u8>> {
        let config = Config::load(b"").unwrap();
        let terms = Terms {
            kind: Kind::Monitor,
            has_streams: false,
            document: config.hash,
            beat: self.beat.get(),
            is_vacant: false,
            is_behind: self.is_behind.get(),
        };
        let lease = Lease { tenure: Tenure { epoch: self.epoch.get(), holder: 1 }, terms };
        self.has_monitor.get().then(|| {
            self.beat.set(self.beat.get() + 1);
            lease.encode()
        })
    }

    fn hand_over(&self, item: &[u8]) -> bool {
        self.queue.borrow_mut().push(Item::decode(item).unwrap());
        true
    }

    fn count(&self, metric: &Metric) {
        self.counted.borrow_mut().push(metric.name().to_owned());
    }
}

/// A header of a message by one name: `request:x-y`.
fn header(message: Message, name: &str) -> String {
    format!("{}:{name}", if message == Message::Request { "request" } else { "response" })
}

fn mtls() -> FakeProxy {
    let proxy = FakeProxy {
        properties: [
            ("connection.sha256_peer_certificate_digest", b"c1".repeat(32)),
            ("connection.peer_certificate", b"client pem".to_vec()),
            ("upstream.sha256_peer_certificate_digest", b"d1".repeat(32)),
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
    let mut observer = Observer::new(&Config::load(document.as_bytes()).unwrap(), UnixTime::from_secs(999));
    observer.on_tick(&mtls(), UnixTime::from_secs(1_000));
    observer
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
    observations(proxy).iter().map(|o| (o.usage.role(), o.usage.api_id().map(str::to_owned))).collect()
}

fn observations(proxy: &FakeProxy) -> Vec<Observation> {
    let seen = |item| if let Item::Seen(observation) = item { Some(observation) } else { None };
    proxy.queue.take().into_iter().filter_map(seen).collect()
}

fn rejections(proxy: &FakeProxy) -> Vec<Rejection> {
    let rejected = |item| if let Item::Rejected(rejection) = item { Some(rejection) } else { None };
    proxy.queue.take().into_iter().filter_map(rejected).collect()
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
fn what_is_seen_before_there_is_a_monitor_waits_for_it() {
    let (mut observer, proxy) = (observer("{}"), mtls());
    proxy.has_monitor.set(false);
    observer.on_tick(&proxy, UnixTime::from_secs(1_001));
    request(&mut observer, &proxy);
    assert!(observer.is_waiting());
    assert_eq!(request(&mut observer, &proxy), 3, "it is not read again");
    proxy.has_monitor.set(true);
    observer.on_tick(&proxy, UnixTime::from_secs(1_002));
    assert_eq!(handed_over(&proxy).len(), 2);
    assert!(!observer.is_waiting());
}

#[test]
fn nothing_is_put_into_the_queue_of_a_monitor_that_is_silent_or_behind() {
    let (mut observer, proxy) = (observer("{}"), mtls());
    let mut seconds = 1_000;
    let mut next_second = |observer: &mut Observer, proxy: &FakeProxy| {
        seconds += 1;
        observer.on_tick(proxy, UnixTime::from_secs(seconds));
        request(observer, proxy);
        // The same beat again, unless the test lets it go on.
        proxy.beat.set(7);
        handed_over(proxy).len()
    };
    proxy.beat.set(7);
    assert_eq!(next_second(&mut observer, &proxy), 2);
    for _ in 0..=SILENT {
        next_second(&mut observer, &proxy);
    }
    observer.seen.clear();
    assert_eq!(next_second(&mut observer, &proxy), 0, "silent for too long");
    proxy.beat.set(8);
    assert_eq!(next_second(&mut observer, &proxy), 2, "it is back");
    observer.seen.clear();
    proxy.is_behind.set(true);
    assert_eq!(next_second(&mut observer, &proxy), 0, "it is behind");
    proxy.is_behind.set(false);
    assert_eq!(next_second(&mut observer, &proxy), 2);
}

#[test]
fn after_a_takeover_everything_is_handed_over_again() {
    let (mut observer, proxy) = (observer("{}"), mtls());
    request(&mut observer, &proxy);
    assert_eq!(handed_over(&proxy).len(), 2);
    proxy.epoch.set(1);
    observer.on_tick(&proxy, UnixTime::from_secs(1_001));
    request(&mut observer, &proxy);
    assert_eq!(handed_over(&proxy).len(), 2);
}

#[test]
fn the_queue_is_not_flooded_between_two_looks() {
    let (mut observer, mut proxy) = (observer(r#"{"observe": {"upstream": false}}"#), mtls());
    proxy.properties.insert("connection.peer_certificate", vec![b'x'; LARGEST_CERTIFICATE]);
    for number in 0..40_u32 {
        let digest = format!("{number:064x}").into_bytes();
        proxy.properties.insert("connection.sha256_peer_certificate_digest", digest);
        request(&mut observer, &proxy);
    }
    assert_eq!(handed_over(&proxy).len(), 16);
    assert_eq!(observer.waiting.len(), 16);
    assert_eq!(proxy.counted.borrow().iter().filter(|name| name.contains("backlog")).count(), 8);
    observer.on_tick(&proxy, UnixTime::from_secs(1_001));
    assert_eq!(handed_over(&proxy).len(), 16);
}

#[test]
fn a_waiting_room_that_is_full_drops_and_counts() {
    let (mut observer, mut proxy) = (observer(r#"{"observe": {"upstream": false}}"#), mtls());
    proxy.has_monitor.set(false);
    observer.on_tick(&proxy, UnixTime::from_secs(1_001));
    proxy.properties.insert("connection.peer_certificate", vec![b'x'; LARGEST_CERTIFICATE]);
    for number in 0..20_u32 {
        let digest = format!("{number:064x}").into_bytes();
        proxy.properties.insert("connection.sha256_peer_certificate_digest", digest);
        request(&mut observer, &proxy);
    }
    assert_eq!(observer.waiting.len(), 16);
    let dropped = Metric::dropped_total(Dropped::NoMonitor);
    assert_eq!(proxy.counted.borrow().iter().filter(|name| *name == dropped.name()).count(), 4);
    proxy.has_monitor.set(true);
    observer.on_tick(&proxy, UnixTime::from_secs(1_002));
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
