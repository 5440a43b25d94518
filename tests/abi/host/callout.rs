//! HTTP callouts: where they may go, what was sent, what comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use super::context::RootId;
use super::pairs::{Headers, headers};
use super::world::VmNumber;

/// What happens when a callout to a cluster is made. A cluster that nobody has declared is a
/// [`Dispatch::BadArgument`], as in Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dispatch {
    /// It is sent.
    Accepted,
    /// The cluster is unknown.
    BadArgument,
    /// It fails at once: no healthy host, a circuit breaker is open.
    InternalFailure,
}

/// A callout that was sent.
#[derive(Clone, Debug)]
pub struct Callout {
    /// The name of the VM that sent it.
    pub vm: String,
    /// Its number.
    pub vm_number: VmNumber,
    /// The root context that gets the answer.
    pub root: RootId,
    /// Its token, unique in its VM only.
    pub token: u32,
    pub cluster: String,
    pub headers: Headers,
    pub body: Vec<u8>,
    pub trailers: Headers,
    /// Zero means that Envoy waits for ever.
    pub timeout: Duration,
    /// On the host's clock.
    pub sent_at: Duration,
    /// Its answer has been delivered.
    pub answered: bool,
}

impl Callout {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of text")
    }
}

/// What comes back for a callout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// No headers at all mean that the stream was reset.
    pub headers: Headers,
    pub body: Vec<u8>,
    /// How long it takes.
    pub delay: Duration,
}

impl Answer {
    /// A receiver's answer with that `:status` and no body. Envoy adds how long it took.
    pub fn status(status: u16) -> Self {
        Self::by_envoy(status).header("x-envoy-upstream-service-time", "1")
    }

    /// What Envoy answers in the receiver's place.
    pub fn by_envoy(status: u16) -> Self {
        let status = status.to_string();
        Self { headers: headers(&[(":status", &status)]), body: Vec::new(), delay: Duration::ZERO }
    }

    /// The stream is reset, or the answer is too big: Envoy delivers zero headers.
    pub fn reset() -> Self {
        Self { headers: Headers::new(), body: Vec::new(), delay: Duration::ZERO }
    }

    /// What Envoy's router answers when the timeout has passed.
    pub fn timeout() -> Self {
        Self::by_envoy(504).body("upstream request timeout")
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// Decides what a receiver answers; `None` is silence.
pub type Receiver = Box<dyn FnMut(&Callout) -> Option<Answer>>;

/// All clusters and callouts of the process.
#[derive(Default)]
pub struct Callouts {
    pub clusters: BTreeMap<String, Dispatch>,
    pub receivers: BTreeMap<String, Receiver>,
    pub sent: Vec<Callout>,
    /// Answers that are decided but not delivered, by the callout's place in `sent`, with their time.
    pub decided: BTreeMap<usize, Option<(Duration, Answer)>>,
}

impl Callouts {
    /// What happens to a callout to this cluster.
    pub fn dispatch(&self, cluster: &str) -> Dispatch {
        self.clusters.get(cluster).copied().unwrap_or(Dispatch::BadArgument)
    }

    /// Callouts that a receiver has yet to decide on, with their places.
    pub fn undecided(&self) -> Vec<(usize, Callout)> {
        let sent = self.sent.iter().enumerate().filter(|(place, callout)| {
            !callout.answered && !self.decided.contains_key(place) && self.receivers.contains_key(&callout.cluster)
        });
        sent.map(|(place, callout)| (place, callout.clone())).collect()
    }

    /// Notes what a receiver answers. Silence, or an answer that comes too late, ends with the
    /// callout's timeout, if it has one.
    pub fn decide(&mut self, place: usize, answer: Option<Answer>) {
        let callout = &self.sent[place];
        let timeout = (!callout.timeout.is_zero()).then_some(callout.timeout);
        let answer = answer
            .filter(|answer| timeout.is_none_or(|timeout| answer.delay < timeout))
            .or_else(|| timeout.map(|timeout| Answer::timeout().after(timeout)));
        let decided = answer.map(|answer| (callout.sent_at + answer.delay, answer));
        self.decided.insert(place, decided);
    }

    /// When the next answer is due for one of these VMs.
    pub fn next_due(&self, vms: &[VmNumber]) -> Option<Duration> {
        self.waiting(vms).map(|(_, due)| due).min()
    }

    /// Takes an answer that is due for one of these VMs, the earliest first.
    pub fn take_due(&mut self, vms: &[VmNumber], now: Duration) -> Option<(Callout, Answer)> {
        let (place, _) = self.waiting(vms).filter(|(_, due)| *due <= now).min_by_key(|(place, due)| (*due, *place))?;
        let (_, answer) = self.decided.remove(&place)??;
        Some((self.sent[place].clone(), answer))
    }

    /// Notes that a callout has its answer.
    pub fn settle(&mut self, vm: VmNumber, token: u32) {
        for (place, callout) in self.sent.iter_mut().enumerate() {
            if callout.vm_number == vm && callout.token == token {
                callout.answered = true;
                self.decided.remove(&place);
            }
        }
    }

    fn waiting(&self, vms: &[VmNumber]) -> impl Iterator<Item = (usize, Duration)> {
        self.decided.iter().filter_map(|(place, decided)| {
            let (due, _) = decided.as_ref()?;
            vms.contains(&self.sent[*place].vm_number).then_some((*place, *due))
        })
    }
}
