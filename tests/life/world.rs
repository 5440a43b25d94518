//! Who plays a row, and whether all that was received was expected, and the other way round.

use std::fmt;

use serde_json::{Value, json};

use super::{Deed, Expected, Peer, Scenario, Slot};

/// A proxy with a monitor, a receiver and a clock.
pub trait World {
    /// One that starts at this time.
    fn starting(document: &Value, at: i64, grain: i64) -> Self;

    /// Lets time pass until then.
    fn advance_to(&mut self, at: i64);

    /// Lets time pass and has the monitor look at that very moment.
    fn look_at(&mut self, at: i64);

    /// Envoy holds and serves these.
    fn serve(&mut self, slots: &[Slot]);

    /// A peer presents a certificate.
    fn present(&mut self, peer: &Peer);

    /// The document is replaced.
    fn replace(&mut self, document: &Value);

    /// The proxy's clock is set. Everybody else's goes on.
    fn set_clock(&mut self, at: i64);

    /// The monitor ends, and another instance goes on.
    fn restart(&mut self);

    /// Everything that was received since the last call, in the order of time.
    fn received(&mut self) -> Vec<Received>;

    /// How much later than expected anything may be received where ticks may be so far apart.
    fn lateness(grain: i64) -> i64;
}

/// An event as a receiver got it.
#[derive(Clone, PartialEq, Eq)]
pub struct Received {
    /// When it was sent, in seconds from [`BEGIN`](super::BEGIN) on the proxy's clock.
    pub at: i64,
    pub body: Value,
}

/// One line with what tells events apart.
impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.event())?;
        for key in ["cert_name", "cert_role", "api_id", "rule", "severity", "message", "cert_id", "id", "places"] {
            let value = &self.body[key];
            if !value.is_null() {
                write!(f, " {key}={value}")?;
            }
        }
        Ok(())
    }
}

impl Received {
    /// One request with this body.
    pub fn of(at: i64, body: &[u8]) -> Self {
        Self { at, body: serde_json::from_slice(body).unwrap() }
    }

    /// A text of the body; empty if it is not there.
    pub fn text(&self, key: &str) -> &str {
        self.body[key].as_str().unwrap_or_default()
    }

    pub fn event(&self) -> &str {
        self.text("event")
    }

    pub fn id(&self) -> &str {
        self.text("id")
    }

    fn says(&self, key: &str, value: &Value) -> bool {
        let set = |value: &Value| {
            let mut texts: Vec<_> =
                value.as_array().cloned().unwrap_or_default().iter().map(Value::to_string).collect();
            texts.sort();
            texts
        };
        if key == "places" { set(value) == set(&self.body[key]) } else { self.body[key] == *value }
    }

    fn is(&self, expected: &Expected, latest: i64) -> bool {
        let facts = expected.facts.as_object().unwrap();
        (expected.at..=latest).contains(&self.at)
            && self.event() == expected.event
            && [self.text("cert_name"), "*"].contains(&expected.name.as_str())
            && facts.iter().all(|(key, value)| self.says(key, value))
    }
}

/// The document of a row with these certificates.
pub fn document(scenario: &Scenario, listed: &[Value]) -> Value {
    let mut document = scenario.document.clone();
    document["certificates"] = listed.to_vec().into();
    if document["observe"].is_null() && !scenario.deeds.iter().any(|(_, deed)| matches!(deed, Deed::Present(_))) {
        // Years go by faster where nobody looks every five seconds for what nobody presents.
        document["observe"] = json!({ "flush_seconds": 3_600 });
    }
    document
}

/// Plays a row and returns what was received in it.
pub fn story<W: World>(scenario: &Scenario) -> Vec<Received> {
    let mut world = W::starting(&document(scenario, &scenario.listed), scenario.starts, scenario.grain);
    for (at, deed) in &scenario.deeds {
        // What is so from the start is so before the proxy's first deed.
        if *at > scenario.starts {
            world.advance_to(*at);
        }
        match deed {
            Deed::Serve(slots) => world.serve(slots),
            Deed::Present(peer) => world.present(peer),
            Deed::List(listed) => world.replace(&document(scenario, listed)),
            Deed::SetClock(to) => world.set_clock(*to),
            Deed::Restart => world.restart(),
        }
    }
    world.advance_to(scenario.ends);
    world.received()
}

/// Plays a row. What came and was not expected, and what was expected and did not come, is an error that names all of it.
pub fn play<W: World>(scenario: &Scenario) -> Result<(), String> {
    let late = W::lateness(scenario.grain);
    let mut missing = scenario.expected.clone();
    let mut surprising = Vec::new();
    for received in story::<W>(scenario) {
        let is_it = |expected: &Expected| received.is(expected, expected.at + expected.within + late);
        match missing.iter().position(is_it) {
            Some(position) => {
                missing.remove(position);
            }
            None => surprising.push(received),
        }
    }
    if missing.is_empty() && surprising.is_empty() {
        return Ok(());
    }
    let first = |count: usize| if count > 5 { format!(" (the first five of {count})") } else { String::new() };
    let (few, strange) = (missing.iter().take(5).collect::<Vec<_>>(), surprising.iter().take(5).collect::<Vec<_>>());
    Err(format!(
        "{}\nnot received{}: {few:#?}\nnot expected{}: {strange:#?}",
        scenario.sentence,
        first(missing.len()),
        first(surprising.len())
    ))
}

/// Plays all rows and says what is wrong with each.
pub fn play_all<W: World>(rows: &[Scenario]) {
    let wrong: Vec<_> = rows.iter().filter_map(|row| play::<W>(row).err()).collect();
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n\n"));
}
