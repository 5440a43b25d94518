//! What Envoy says of a connection: all of it may be a peer's work.

use std::cell::RefCell;

use cert_expiry_monitor::application::lease::{Candidate, Kind, LEASE};
use cert_expiry_monitor::application::metric::Metric;
use cert_expiry_monitor::application::observation::{Item, LARGEST_ITEM};
use cert_expiry_monitor::application::observer::{Message, Observer, Proxy, Stream};
use cert_expiry_monitor::application::shared_data::SharedData;
use cert_expiry_monitor::config::{Config, DocumentHash};
use cert_expiry_monitor::domain::{CertId, UnixTime};

use super::memory::Memory;

/// Where certificates may be read from, and that there are probes.
const DOCUMENTS: [&str; 3] = [
    "{}",
    r#"{"observe": {"client_certificate": "xfcc", "upstream_certificate": "response_header:x-upstream"}}"#,
    r#"{"observe": {"client_certificate": "filter_state:client", "upstream_certificate": "attribute"},
        "discovery": {"admin_cluster": "admin",
            "probes": [{"cluster": "probe", "authority": "a", "path": "/", "api_id": "orders"}]}}"#,
];

/// A connection of which these things are said, one after another, whatever is asked.
struct Connection<'a> {
    parts: RefCell<Box<dyn Iterator<Item = &'a [u8]> + 'a>>,
    lease: Vec<u8>,
    digests: RefCell<Vec<Vec<u8>>>,
    items: RefCell<Vec<Vec<u8>>>,
}

impl Connection<'_> {
    fn say(&self) -> Option<Vec<u8>> {
        self.parts.borrow_mut().next().map(<[u8]>::to_vec)
    }
}

impl Proxy for Connection<'_> {
    fn property(&self, path: &str) -> Option<Vec<u8>> {
        let value = self.say();
        if path.contains("digest") {
            self.digests.borrow_mut().extend(value.clone());
        }
        value
    }

    fn header(&self, _: Message, _: &str) -> Option<Vec<u8>> {
        self.say()
    }

    fn remove_header(&self, _: Message, _: &str) {}

    fn lease(&self) -> Option<Vec<u8>> {
        Some(self.lease.clone())
    }

    fn hand_over(&self, item: &[u8]) -> bool {
        self.items.borrow_mut().push(item.to_vec());
        true
    }

    fn count(&self, _: &Metric) {}
}

/// The first byte says under which document; zeros stand between what Envoy says.
pub fn run(data: &[u8]) {
    let Some((number, said)) = data.split_first() else { return };
    let config = Config::load(DOCUMENTS[usize::from(*number) % DOCUMENTS.len()].as_bytes()).expect("a valid document");
    let connection = Connection {
        parts: RefCell::new(Box::new(said.split(|byte| *byte == 0))),
        lease: lease(),
        digests: RefCell::default(),
        items: RefCell::default(),
    };
    let mut observer = Observer::new(&config, UnixTime::from_secs(0));
    observer.on_tick(&connection, UnixTime::from_secs(1));
    for _ in 0..3 {
        let mut stream = Stream::default();
        observer.on_request(&mut stream, &connection);
        observer.on_response(&mut stream, &connection);
        observer.on_log(&connection);
    }
    // Envoy computes digests itself: none that is no digest ever comes.
    let are_digests = connection.digests.borrow().iter().all(|it| it.is_empty() || CertId::from_hex(it).is_some());
    for item in connection.items.borrow().iter() {
        assert!(!are_digests || item.len() <= LARGEST_ITEM, "{} bytes", item.len());
        assert!(!are_digests || Item::decode(item).is_some(), "what is handed over can be read");
    }
}

/// The lease of a monitor that lives.
fn lease() -> Vec<u8> {
    let memory = Memory::default();
    let mut monitor = Candidate::new(7, Kind::Monitor, DocumentHash::default());
    for second in 0..5 {
        monitor.tick(&memory, UnixTime::from_secs(second));
    }
    memory.read(LEASE).map(|(value, _)| value).unwrap_or_default()
}
