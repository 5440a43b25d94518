//! What callbacks take, in instructions, and what they may.

use std::time::Duration;

use super::{Instance, RECEIVER};
use crate::host::{Answer, Host, Level};

/// Instructions that one callback may take.
const BUDGET: u64 = 10_000_000;

/// What the callbacks of a monitor took.
#[derive(Debug, Default)]
pub struct Bill {
    exceeded: Vec<String>,
}

impl Bill {
    /// Notes the dearest callbacks since the last time.
    pub fn note(&mut self, phase: &str, monitor: &mut Instance) {
        for (callback, fuel) in monitor.vm.take_most_fuel() {
            if ["proxy_on_tick", "proxy_on_http_call_response", "proxy_on_delete"].contains(&callback.as_str()) {
                println!("{phase}: {callback} took at most {fuel} instructions");
                if fuel > BUDGET {
                    self.exceeded.push(format!("{phase}: {callback} took {fuel} instructions"));
                }
            }
        }
        assert!(monitor.vm.trap().is_none(), "{phase}: {:?}", monitor.vm.trap());
    }

    /// Says what was too much.
    pub fn settle(self) {
        assert!(self.exceeded.is_empty(), "more than {BUDGET} instructions: {:#?}", self.exceeded);
    }
}

/// A host that keeps the log lines that Envoy keeps by default, gives an instance all the time it wants, and counts what
/// it does with it.
pub fn patient_host() -> Host {
    let host = Host::metered();
    host.set_log_level(Level::Info);
    host.set_fuel_limit(u64::MAX / 2);
    host.receiver(RECEIVER, |_| Some(Answer::status(200).after(Duration::from_millis(10))));
    host
}
