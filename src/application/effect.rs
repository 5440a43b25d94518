//! What the monitor wants done.

use std::time::Duration;

use super::discovery::LARGEST_ANSWER;
use super::metric::Metric;

/// One thing for the host to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a request and hand the answer back as [`Input::Answered`](super::monitor::Input::Answered).
    Call(Call),
    /// Write these contents under this key of shared data.
    Store {
        /// The key.
        key: String,
        /// What is to be found there.
        contents: Vec<u8>,
    },
    /// Take an item from the queue, and hand it back as [`Input::Dequeued`](super::monitor::Input::Dequeued).
    Dequeue,
    /// Come back at once with [`Input::Inspect`](super::monitor::Input::Inspect), when everything before is done.
    Inspect,
    /// Set a gauge.
    Gauge(Metric, u64),
    /// Add to a counter; zero makes it exist.
    Count(Metric, u64),
}

/// Names a call until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// A request by HTTP callout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its name in the answer.
    pub id: CallId,
    /// The Envoy cluster that it goes through.
    pub cluster: String,
    /// Its headers, pseudo-headers first.
    pub headers: Vec<(String, String)>,
    /// Its body, if it has one.
    pub body: Option<Vec<u8>>,
    /// How long to wait for the answer.
    pub timeout: Duration,
    /// The largest body of an answer that is read, in bytes; zero: none is wanted. [`LARGEST_BODY`] at most.
    pub largest_answer: usize,
}

/// The largest body that is read, in bytes.
pub const LARGEST_BODY: usize = LARGEST_ANSWER;

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The receiver answered, or Envoy in its place.
    Response(Response),
    /// The stream ended without an answer.
    NoResponse,
    /// Envoy does not take the call: it has no such cluster.
    NoCluster,
    /// Envoy has the cluster, but no host of it that takes a request now.
    NoHost,
}

/// An answer, as far as anybody looks at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Whether Envoy made it: 503 when it cannot connect, 504 when time is up. It bears no
    /// `x-envoy-upstream-service-time` then.
    pub by_envoy: bool,
    /// `Retry-After`.
    pub retry_after: Option<String>,
    /// `Date`: what time it is where the answer comes from. Envoy's own answers bear none, and none is added to those that
    /// come without.
    pub date: Option<String>,
    /// `WebHook-Allowed-Origin`, the consent to a handshake.
    pub allowed_origin: Option<String>,
    /// `WebHook-Allowed-Rate`, in requests a minute.
    pub allowed_rate: Option<String>,
    /// The body, where it was wanted; `None` if it is larger than [`Call::largest_answer`].
    pub body: Option<Vec<u8>>,
}

impl Answer {
    /// The receiver answered with this status.
    pub fn status(status: u16) -> Self {
        Self::Response(Response { status, ..Response::default() })
    }
}
