//! More clients than anybody can watch, each with a certificate of its own: memory, shared data and keys stay bounded.
//!
//! A hundred thousand take two minutes to interpret, so they are a command of their own: `make flood`, which CI runs.

use serde_json::json;

use crate::host::Host;
use crate::scene::{
    Bill, Certificate, Crew, Document, Heritage, Instance, LEASE, QUARANTINE, QUEUE, ROSTER, Request, SHARD, SHARDS,
    SUSPECT, metric, patient_host, seconds,
};

/// What a worker's VM may take.
const WORKER_MEMORY: usize = 2 * 1_024 * 1_024;

/// The unit in which linear memory grows.
const PAGE: usize = 64 * 1_024;

/// What a worker remembers of its clients.
const SEEN: u32 = 2 * 1_024;

const WORKERS: [&str; 2] = ["worker_0", "worker_1"];

/// Clients that come through two workers until there are more than are watched, and on and on.
struct Flood {
    host: Host,
    crew: Crew,
    most: u32,
    came: u32,
}

impl Flood {
    /// A monitor that watches as many certificates as it may, and remembers as many others.
    fn new(most: u32) -> Self {
        let host = patient_host();
        let document = Document::telling().with("certificate_expiry_monitor", json!({ "max_certificates": most }));
        let mut crew = Crew::new(&host, [Instance::monitor(&host, &document)]);
        crew.until_holds("monitor");
        crew.run_for(seconds(1));
        let forgotten = (most / u32::from(SHARDS) + 4) * u32::from(SHARDS);
        Heritage::of_clients(most, host.now()).and_of_forgotten(forgotten, host.now()).leave(&host);
        crew.kill("monitor");
        crew.members = vec![Instance::monitor(&host, &document)];
        crew.until_holds("monitor");
        assert!(crew.run_until(seconds(30), |host| metric(host, WATCHED) == u64::from(most)));
        crew.members.extend(WORKERS.map(|name| Instance::observer(&host, name, &document)));
        crew.run_for(seconds(2));
        Self { host, crew, most, came: 0 }
    }

    /// That many new clients come, so many of them each second.
    fn come(&mut self, count: u32, each_second: u32) {
        let year = i64::try_from(self.host.now().as_secs()).unwrap() + 365 * 86_400;
        let certificate = Certificate::stored("client").ending_at(year);
        for number in 0..count {
            let worker = WORKERS[number as usize % WORKERS.len()];
            let client = certificate.numbered(self.came);
            self.crew.member(worker).request(&Request::of_client(&client).on_route("orders"));
            self.came += 1;
            if (number + 1) % each_second == 0 {
                self.crew.run_for(seconds(1));
            }
        }
        let is_empty = |host: &Host| host.queue_items(QUEUE).is_empty();
        assert!(self.crew.run_until(seconds(3_600), is_empty));
        self.crew.run_for(seconds(10));
    }

    fn memory(&mut self) -> [usize; 3] {
        ["monitor", WORKERS[0], WORKERS[1]].map(|name| self.crew.member(name).vm.memory())
    }

    /// Everything that came is counted, and nothing has grown out of bounds.
    fn settle(&mut self, what: &str) {
        let host = &self.host;
        let dropped = |reason: &str| metric(host, &format!("dropped_total;.;reason=.={reason}"));
        let handed_over = metric(host, "observations_total;.;role=.=client");
        let (backlog, no_monitor) = (dropped("backlog"), dropped("no_monitor"));
        println!("{what}: {} came, {handed_over} handed over, backlog {backlog}, no_monitor {no_monitor}", self.came);
        assert_eq!(handed_over + backlog + no_monitor, u64::from(self.came), "{what}");
        assert_eq!(metric(host, WATCHED), u64::from(self.most), "{what}");
        assert_eq!(dropped("inventory_full"), handed_over, "{what}: for each one another went");
        assert_eq!(host.log_lines("As many certificates are watched as max_certificates allows").len(), 1, "{what}");
        let keys = host.shared_keys();
        let size: usize = keys.iter().map(|key| host.shared_data(key).unwrap().len()).sum();
        println!("{what}: {} keys, {size} bytes in shared data", keys.len());
        for key in keys {
            let is_known = [LEASE, ROSTER, SUSPECT, QUARANTINE].contains(&key.as_str()) || key.starts_with(SHARD);
            assert!(is_known, "{key}");
        }
        assert_eq!(host.traps().len(), 1, "{what}: only who left all this behind: {:?}", host.traps());
        let [monitor, workers @ ..] = self.memory();
        println!("{what}: {monitor} bytes of memory in the monitor, {workers:?} in the workers");
        assert!(workers.iter().all(|memory| *memory <= WORKER_MEMORY), "{what}: {workers:?}");
    }
}

const WATCHED: &str = "certificates;.;role=.=client";
const NO_MONITOR: &str = "dropped_total;.;reason=.=no_monitor";

/// Lets as many clients come as it takes to reach every bound, and then more, while nothing grows.
fn flood(what: &str, most: u32, first: u32, then: u32, each_second: u32) {
    let mut flood = Flood::new(most);
    let mut steps = vec![(0, flood.memory())];
    flood.come(first, each_second);
    let memory = flood.memory();
    steps.push((flood.came, memory));
    for _ in 0..3 {
        flood.come(then / 3, each_second);
        steps.push((flood.came, flood.memory()));
    }
    println!("{what}: memory of the monitor and the workers after so many clients: {steps:?}");
    let at_last = flood.memory();
    let grown = |vm: usize| at_last[vm].saturating_sub(memory[vm]);
    assert_eq!(grown(0), 0, "{what}");
    if first > 2 * SEEN {
        // Names and certificates of other lengths in other places: a page more can be needed once.
        assert!(grown(1) <= PAGE && grown(2) <= PAGE, "{what}");
    }
    assert!(flood.host.shared_keys().len() <= usize::from(SHARDS) + 4, "{what}");
    flood.settle(what);
    let mut bill = Bill::default();
    bill.note(what, flood.crew.member("monitor"));
    bill.settle();
}

#[test]
fn six_thousand_clients_leave_a_monitor_of_five_hundred_bounded() {
    flood("500 of 6,000", 500, 4_500, 1_500, 100);
}

#[test]
fn clients_that_come_faster_than_they_can_be_handed_over_wait_or_are_counted() {
    flood("as fast as they can", 500, 2_000, 3_000, 3_000);
}

#[test]
fn clients_that_come_while_there_is_no_monitor_wait_or_are_counted() {
    let mut flood = Flood::new(500);
    flood.crew.kill("monitor");
    // For some seconds the workers do not know that yet.
    flood.crew.run_for(seconds(5));
    let document = Document::telling().with("certificate_expiry_monitor", json!({ "max_certificates": 500 }));
    let monitor = Instance::monitor(&flood.host, &document);
    flood.come(2_000, 500);
    assert!(metric(&flood.host, NO_MONITOR) > 1_000, "{}", metric(&flood.host, NO_MONITOR));
    let warnings = flood.host.log_lines("Certificates of peers are not handed over: no monitor is alive");
    assert_eq!(warnings.len(), WORKERS.len(), "one line from each: {warnings:#?}");
    flood.crew.members.retain(|member| !member.vm.is_dead());
    flood.crew.members.push(monitor);
    flood.crew.until_holds("monitor");
    flood.come(100, 100);
    let dropped = metric(&flood.host, NO_MONITOR);
    let taken_in = metric(&flood.host, "dropped_total;.;reason=.=inventory_full");
    assert_eq!(taken_in, 2_100 - dropped, "what waited was handed over, in place of what was there");
}

#[test]
fn a_monitor_that_is_full_stays_as_large_as_it_is() {
    flood("20,000 and 1,200 more", 20_000, 600, 600, 100);
}

#[test]
#[ignore = "an interpreter parses 100,000 certificates for two minutes: `make flood`, which CI runs"]
fn a_hundred_thousand_clients_leave_a_monitor_of_two_thousand_bounded() {
    flood("2,000 of 100,000", 2_000, 40_000, 60_000, 200);
}

#[test]
#[ignore = "an interpreter parses 100,000 certificates for two minutes: `make flood`, which CI runs"]
fn a_hundred_thousand_clients_leave_a_monitor_of_twenty_thousand_bounded() {
    flood("20,000 of 100,000", 20_000, 40_000, 60_000, 200);
}
