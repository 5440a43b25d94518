//! Finding certificates in Envoy's admin interface: what it costs, and what no answer does to the monitor.

mod answers;
mod extremes;
mod scale;
mod succession;

use std::time::Duration;

use serde_json::{Value, json};

use crate::host::Host;
use crate::scene::{
    Bill, Document, Envoy, Forged, Heritage, Instance, SharedEnvoy, by_secret, chain_of, metric, patient_host, seconds,
};

/// Two rounds are never further apart.
const INTERVAL: Duration = seconds(1_000);

fn complete(host: &Host) -> u64 {
    metric(host, "discoveries_total;.;outcome=.=complete")
}

fn watched(host: &Host, role: &str) -> u64 {
    metric(host, &format!("certificates;.;role=.={role}"))
}

/// A monitor whose Envoy answers.
struct Scene {
    host: Host,
    envoy: SharedEnvoy,
    monitor: Instance,
    bill: Bill,
}

impl Scene {
    fn new(envoy: Envoy) -> Self {
        let host = patient_host();
        let envoy = envoy.answer_on(&host);
        let monitor = Instance::monitor(&host, &document());
        Self { host, envoy, monitor, bill: Bill::default() }
    }

    /// The same behind a predecessor that watched so many clients.
    fn behind(envoy: Envoy, clients: u32) -> Self {
        let host = patient_host();
        let mut first = Instance::monitor(&host, &document());
        host.run_for(&mut [&mut first.vm], seconds(2));
        Heritage::of_clients(clients, host.now()).leave(&host);
        first.vm.fault("proxy_get_current_time_nanoseconds").trap_before();
        assert!(first.vm.tick(first.root).is_err());
        let envoy = envoy.answer_on(&host);
        let monitor = Instance::monitor(&host, &document());
        Self { host, envoy, monitor, bill: Bill::default() }
    }

    /// Lets the next round pass, and what it leads to. Returns the size of the monitor's memory.
    fn round(&mut self, what: &str) -> usize {
        let before = complete(&self.host);
        self.envoy.borrow_mut().asked.clear();
        let vms = &mut [&mut self.monitor.vm];
        let is_over = self.host.run_until(vms, INTERVAL, |host| complete(host) > before);
        assert!(is_over, "{what}: {:#?}", self.host.log());
        self.host.run_for(vms, seconds(20));
        self.bill.note(what, &mut self.monitor);
        let Envoy { asked, largest, .. } = &*self.envoy.borrow();
        let (requests, memory) = (asked.len(), self.monitor.vm.memory());
        println!("{what}: {requests} requests, {largest} bytes at most, {memory} bytes of memory");
        assert!(requests <= 30, "{what}: {requests} requests");
        memory
    }
}

/// Room for everything, and no events about what expires in a year.
fn document() -> Document {
    let most = json!({ "max_certificates": 100_000 });
    Document::telling().discovering().with("certificate_expiry_monitor", most)
}

/// Three certificates, the leaf first; those of another generation are other ones.
fn chain(number: u32, generation: u32) -> [Forged; 3] {
    let number = generation * 100_000_000 + number * 10;
    let [leaf, middle, root] = ["", "i", "r"].map(|kind| format!("{kind}{:08}.example.com", number % 100_000_000));
    [
        Forged::leaf(&leaf, &middle, number),
        Forged::authority(&middle, &root, number + 1),
        Forged::authority(&root, &root, number + 2),
    ]
}

fn secret(chain: &[Forged]) -> Value {
    chain_of(&chain.iter().map(Forged::certificate).collect::<Vec<_>>())
}

fn name(number: u32) -> String {
    format!("secret-{number:05}")
}

/// An Envoy with so many secrets, in ten listeners and as many TLS contexts, that has loaded them all.
fn holding(secrets: u32, generation: u32) -> Envoy {
    let mut envoy = Envoy::new();
    for number in 0..secrets {
        let chain = chain(number, generation);
        envoy.static_secret(&name(number), &secret(&chain));
        envoy.load(&[chain[0].loaded("<inline>")], &[]);
    }
    for listener in 0..10 {
        let own = (listener * secrets / 10)..((listener + 1) * secrets / 10);
        envoy.listener(&format!("listener-{listener}"), own.map(|number| by_secret(&name(number))));
    }
    envoy
}
