//! Requests to upstreams that nobody calls, so that an observer meets their certificates.

use std::rc::Rc;
use std::time::Duration;

use log::{debug, warn};

use super::Monitor;
use super::flood::About;
use super::turn::{SENDING, Turn};
use crate::application::effect::{Answer, Call, CallId, Effect};
use crate::application::probe::{self, HEADER};
use crate::config::Probe;

/// How long a probe may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The probes of one round.
#[derive(Debug, Default)]
pub(super) struct Probes {
    /// How many were sent; `None` while no round is going on.
    sent: Option<usize>,
    /// Those that are not answered yet, by their number.
    pending: Vec<(CallId, usize)>,
}

impl Probes {
    /// A round of checks begins, and with it one of probes.
    pub(super) const fn begin(&mut self) {
        self.sent = Some(0);
    }

    /// Whether some are to be sent still.
    pub(super) const fn is_running(&self) -> bool {
        self.sent.is_some()
    }
}

impl Monitor {
    /// Sends the next probe of this round.
    pub(super) fn probe(&mut self, turn: &mut Turn) {
        let Some(number) = self.probes.sent else { return };
        let config = Rc::clone(&self.config);
        let probe = config.discovery.as_ref().and_then(|discovery| discovery.probes.get(number));
        self.probes.sent = probe.map(|_| number.saturating_add(1));
        let Some(probe) = probe else { return };
        let id = self.outbox.name_call();
        // One that was not answered in a whole interval never will be.
        self.probes.pending.retain(|(_, pending)| *pending != number);
        self.probes.pending.push((id, number));
        turn.spend(SENDING);
        turn.effect(Effect::Call(self.request(probe, id)));
    }

    fn request(&self, probe: &Probe, id: CallId) -> Call {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut headers = vec![
            header(":method", "HEAD"),
            header(":scheme", "http"),
            header(":authority", &probe.authority),
            header(":path", &probe.path),
            header("user-agent", "cert-expiry-monitor"),
        ];
        if let (Some(holder), Some(api_id)) = (self.holder, &probe.api_id) {
            headers.push((HEADER.to_owned(), probe::header(holder, api_id)));
        }
        Call { id, cluster: probe.cluster.clone(), headers, body: None, timeout: TIMEOUT, largest_answer: 0 }
    }

    /// Takes note of what became of a probe; whether the call was one. What it met is seen by the observer.
    pub(super) fn conclude_probe(&mut self, call: CallId, answer: &Answer, turn: &Turn) -> bool {
        let Some(index) = self.probes.pending.iter().position(|(pending, _)| *pending == call) else { return false };
        let (_, number) = self.probes.pending.swap_remove(index);
        let config = Rc::clone(&self.config);
        let Some(probe) = config.discovery.as_ref().and_then(|discovery| discovery.probes.get(number)) else {
            return true;
        };
        let Probe { cluster, authority, .. } = probe;
        match answer {
            // Whatever an upstream says, it has shown its certificate. What Envoy says in its place comes by way of our own
            // listener, and looks the same as what an upstream says.
            Answer::Response(response) if !matches!(response.status, 502..=504) => {
                debug!("Probe answered cluster={cluster} authority={authority} status={}", response.status);
            }
            _ if !self.flood.admits(About::Delivery, turn.now) => {}
            Answer::Response(response) => {
                warn!(
                    "Probe failed: no answer from the upstream cluster={cluster} authority={authority} status={}",
                    response.status
                );
            }
            Answer::NoCluster => warn!("Probe failed: Envoy has no such cluster cluster={cluster}"),
            Answer::NoHost | Answer::NoResponse => {
                warn!("Probe failed: the listener for probes does not answer cluster={cluster} authority={authority}");
            }
        }
        true
    }
}
