//! The monitor dies before or after each single call that changes something outside of it: nothing is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use crate::host::{Answer, Host};
use crate::scene::{Certificate, Crew, Document, Instance, RECEIVER, Request, SUSPECT, Told, seconds};

/// The calls that change something outside of the monitor.
const CALLS: [&str; 3] = ["proxy_set_shared_data", "proxy_http_call", "proxy_dequeue_shared_queue"];

/// The time in which the monitor is killed.
const LIFE: Duration = seconds(12);

/// Whether it dies before the call does its work or after.
#[derive(Clone, Copy, Debug)]
enum Moment {
    Before,
    After,
}

/// A monitor with a standby beside it, a worker, a receiver that works and one that does not.
struct Scenario {
    crew: Crew,
    clients: Vec<Certificate>,
    expected: BTreeSet<String>,
    /// The certificate that was being parsed when the monitor died.
    suspect: Option<Certificate>,
}

impl Scenario {
    fn new() -> Self {
        let host = Host::new();
        host.receiver(RECEIVER, |_| Some(Answer::status(200).after(Duration::from_millis(30))));
        host.receiver("broken", |_| Some(Answer::status(503).after(Duration::from_millis(30))));
        let listed: Vec<_> = (0..3).map(|number| Certificate::stored("localhost").numbered(number)).collect();
        let clients: Vec<_> = (0..8).map(|number| Certificate::stored("client").numbered(number)).collect();
        let document = listed.iter().fold(Document::identifying(), Document::server);
        let document = document.webhook(json!({ "name": "broken", "cluster": "broken" })).seconds(0, 86_400, 3_600);
        let crew = Crew::new(
            &host,
            [
                Instance::monitor(&host, &document),
                Instance::standby(&host, &document),
                Instance::observer(&host, "worker", &document),
            ],
        );
        let expected = listed.iter().chain(&clients).map(Certificate::id).collect();
        Self { crew, clients, expected, suspect: None }
    }

    /// Each client makes a request.
    fn requests(&mut self) {
        for client in self.clients.clone() {
            self.crew.member("worker").request(&Request::of_client(&client).on_route("orders"));
        }
    }

    /// The time in which the monitor may die: clients come, first one after the other and then all at once.
    fn live(&mut self) {
        self.crew.run_for(seconds(3));
        self.requests();
        let is_dead = |host: &Host| !host.traps().is_empty();
        if self.crew.run_until(LIFE.saturating_sub(seconds(3)), is_dead) {
            let note = self.crew.host.shared_data(SUSPECT).unwrap_or_default();
            self.suspect = self.clients.iter().find(|client| note.ends_with(&client.fingerprint())).cloned();
        }
    }

    /// The standby takes over, the same clients come again, and everybody has been told of.
    fn survive(&mut self, what: &str) {
        let host = self.crew.host.clone();
        let holds = |host: &Host| host.log_lines("Holding the lease").iter().any(|line| line.vm == "standby");
        assert!(self.crew.run_until(seconds(10), holds), "{what}: no successor: {:#?}", host.log());
        self.crew.run_for(seconds(2));
        self.requests();
        self.crew.run_for(seconds(10));
        let told = Told::all(&host);
        let certificates: BTreeSet<_> = told.iter().map(|told| told.cert_id.clone()).collect();
        // It may have been what killed the monitor: the one certificate that is not touched again.
        let suspects = self.suspect.iter().map(Certificate::id).collect();
        assert_eq!(certificates, &self.expected - &suspects, "{what}");
        let quarantined = host.log_lines("A certificate is quarantined").len();
        assert_eq!(quarantined, suspects.len(), "{what}");
        let mut ids: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for told in told {
            ids.entry(told.cert_id).or_default().insert(told.id);
        }
        assert!(ids.values().all(|ids| ids.len() == 1), "{what}: doubles have the same id: {ids:#?}");
        let dead: Vec<_> = host.traps().into_iter().map(|trap| trap.vm).collect();
        assert_eq!(dead, ["monitor"], "{what}");
    }
}

/// How often an undisturbed monitor makes each call.
fn undisturbed() -> BTreeMap<String, u64> {
    let mut scenario = Scenario::new();
    scenario.live();
    let told: BTreeSet<_> = Told::all(&scenario.crew.host).into_iter().map(|told| told.cert_id).collect();
    assert_eq!(told, scenario.expected, "all of it happens while the monitor may die");
    scenario.crew.member("monitor").vm.call_counts()
}

/// Kills the monitor at every occurrence of a call.
fn kill_at_every(call: &str, moment: Moment) {
    let count = undisturbed()[call];
    let mut suspects = 0;
    for number in 1..=count {
        let mut scenario = Scenario::new();
        let fault = scenario.crew.member("monitor").vm.fault(call).on_call(number);
        match moment {
            Moment::Before => fault.trap_before(),
            Moment::After => fault.trap_after(),
        }
        let what = format!("{moment:?} call {number} of {call}");
        scenario.live();
        scenario.survive(&what);
        suspects += u32::from(scenario.suspect.is_some());
    }
    println!("{moment:?} {call}: {count} kill points, {suspects} of them while a certificate is parsed");
    assert!(count > 0, "{call}");
}

#[test]
fn nothing_is_lost_when_the_monitor_dies_before_any_write_into_shared_data() {
    kill_at_every(CALLS[0], Moment::Before);
}

#[test]
fn nothing_is_lost_when_the_monitor_dies_after_any_write_into_shared_data() {
    kill_at_every(CALLS[0], Moment::After);
}

#[test]
fn nothing_is_lost_when_the_monitor_dies_before_any_request() {
    kill_at_every(CALLS[1], Moment::Before);
}

#[test]
fn nothing_is_lost_when_the_monitor_dies_after_any_request() {
    kill_at_every(CALLS[1], Moment::After);
}

#[test]
fn nothing_is_lost_when_the_monitor_dies_before_any_item_of_the_queue() {
    kill_at_every(CALLS[2], Moment::Before);
}

#[test]
fn nothing_is_lost_when_the_monitor_dies_after_any_item_of_the_queue() {
    kill_at_every(CALLS[2], Moment::After);
}
