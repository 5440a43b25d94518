//! A row of the table.

use serde_json::{Value, json};

use super::{Certificate, DAY, HOUR};

/// One row: what a document makes of what happens. Times are seconds from [`BEGIN`](super::BEGIN).
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it shows, in one sentence.
    pub sentence: &'static str,
    /// The document, without the certificates that it lists.
    pub document: Value,
    /// The certificates that it lists from the start.
    pub listed: Vec<Value>,
    /// When the proxy starts.
    pub starts: i64,
    /// What happens, and when, in this order.
    pub deeds: Vec<(i64, Deed)>,
    /// When it is over, on the clock that is right by then.
    pub ends: i64,
    /// How far apart the ticks of a world may be that cannot skip what nothing happens in.
    pub grain: i64,
    /// Everything that is received.
    pub expected: Vec<Expected>,
}

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Envoy holds and serves these, and nothing else.
    Serve(Vec<Slot>),
    /// A peer presents a certificate.
    Present(Peer),
    /// The document is replaced by one that lists these certificates.
    List(Vec<Value>),
    /// The proxy's clock is set. Everybody else's goes on.
    SetClock(i64),
    /// The monitor ends, and another instance goes on.
    Restart,
}

/// A secret that came by SDS.
#[derive(Clone, Debug)]
pub struct Slot {
    pub secret: String,
    /// The listeners that present it.
    pub listeners: Vec<String>,
    /// The leaf first.
    pub chain: Vec<Certificate>,
}

impl Slot {
    /// One that a listener of the same name presents.
    pub fn of(name: &str, certificate: Certificate) -> Self {
        Self { secret: name.to_owned(), listeners: vec![name.to_owned()], chain: vec![certificate] }
    }
}

/// A peer on a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    pub is_upstream: bool,
    /// Its route, which names its API.
    pub route: Option<String>,
    /// The listener that it came through; for an upstream the cluster that it belongs to.
    pub at: Option<String>,
    pub certificate: Certificate,
}

impl Peer {
    /// A client on a route.
    pub fn client(route: &str, certificate: &Certificate) -> Self {
        Self { is_upstream: false, route: Some(route.to_owned()), at: None, certificate: certificate.clone() }
    }

    /// An upstream on a route.
    pub fn upstream(route: &str, certificate: &Certificate) -> Self {
        Self { is_upstream: true, ..Self::client(route, certificate) }
    }

    /// The same through this listener, or of this cluster.
    #[must_use]
    pub fn at(self, name: &str) -> Self {
        Self { at: Some(name.to_owned()), ..self }
    }
}

/// One event that is received.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The earliest time.
    pub at: i64,
    /// How much later it may be.
    pub within: i64,
    pub event: &'static str,
    /// The certificate's name; `*` for any.
    pub name: String,
    /// What else the body says. Places are compared in any order.
    pub facts: Value,
}

/// An event at this very time.
pub fn event(at: i64, event: &'static str, name: &str) -> Expected {
    Expected { at, within: 0, event, name: name.to_owned(), facts: json!({}) }
}

impl Expected {
    /// The same, so much later at most.
    #[must_use]
    pub fn within(self, within: i64) -> Self {
        Self { within, ..self }
    }

    /// The same, whose body says this too.
    #[must_use]
    pub fn saying(self, facts: Value) -> Self {
        Self { facts, ..self }
    }
}

/// One event a day, from the first day to before the last one. Repetitions come with the rounds of checks.
pub fn daily(days: std::ops::Range<i64>, kind: &'static str, name: &str) -> Vec<Expected> {
    days.map(|day| event(day * DAY, kind, name).within(HOUR + 1)).collect()
}

/// A row without anything.
pub fn scenario(sentence: &'static str, document: Value) -> Scenario {
    let (listed, deeds, expected) = (Vec::new(), Vec::new(), Vec::new());
    Scenario { sentence, document, listed, starts: 0, deeds, ends: 0, grain: HOUR, expected }
}

/// A document whose receiver hears of these events, and of the ends of alerts.
pub fn telling(events: &[&str]) -> Value {
    json!({ "webhooks": [{
        "name": "hooks",
        "cluster": "hooks",
        "url": "https://hooks.example.com/x",
        "headers": { "x-id": "{{ id }}" },
        "events": events,
        "send_resolved": true,
    }] })
}

/// The same with other sections.
#[must_use]
pub fn with(mut document: Value, sections: Value) -> Value {
    let Value::Object(sections) = sections else { panic!("sections: {sections}") };
    document.as_object_mut().unwrap().extend(sections);
    document
}

/// The same, which asks Envoy for its certificates this often, give or take a tenth.
#[must_use]
pub fn discovering(document: Value, seconds: i64) -> Value {
    with(document, json!({ "discovery": { "admin_cluster": super::envoy::ADMIN, "interval_seconds": seconds } }))
}

/// An entry of `certificates`.
pub fn listed(role: &str, certificates: &[Certificate]) -> Value {
    json!({ "role": role, "pem": certificates.iter().map(Certificate::pem).collect::<String>() })
}
