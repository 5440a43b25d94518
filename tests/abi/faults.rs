//! Host functions that fail, or answer nonsense: nothing traps, requests go on, and afterwards the plugin works again.
//!
//! Two functions are called by the SDK and not by the plugin's own code, and the SDK panics on what no host answers
//! there. `proxy_http_call` gives 0, 2 (no such cluster) or 10 (no host of it takes a request), with a token that is
//! not in use; `proxy_set_effective_context` gives 0 for a context that is there. A clock that runs ahead has tests of
//! its own among the checks.

use serde_json::json;

use crate::host::{Host, Refusal};
use crate::scene::{Certificate, Document, Instance, Request, Told, receiving_host, seconds};

/// What goes wrong with a host function.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// It does nothing and answers this.
    Status(u32),
    /// It says "ok" and gives a null pointer, or zero.
    Null,
    /// It says "ok" and gives a pointer to nothing.
    Empty,
    /// It says "ok" and gives bytes without a meaning.
    Garbage,
    /// It says "ok" and gives this number.
    Number(u64),
}

impl Fault {
    fn strike(self, host: &Host, function: &str) {
        let fault = host.fault(function);
        match self {
            Self::Status(status) => fault.status(status),
            Self::Null => fault.null(),
            Self::Empty => fault.empty(),
            Self::Garbage => fault.bytes(b"\xff\xfe\x00garbage\x80"),
            Self::Number(number) => fault.number(number),
        }
    }
}

/// All statuses of the ABI but "ok", and one that nobody knows.
const STATUSES: [u32; 9] = [1, 2, 3, 4, 7, 8, 10, 12, 99];

const NO_DATA: &[Fault] = &[];
const BYTES: &[Fault] = &[Fault::Null, Fault::Empty, Fault::Garbage];
const NUMBER: &[Fault] = &[Fault::Null, Fault::Number(0xffff_ffff)];

/// The functions that the plugin's own code calls, and what they can give in place of the right thing.
const FUNCTIONS: [(&str, &[Fault]); 16] = [
    ("proxy_define_metric", NUMBER),
    ("proxy_dequeue_shared_queue", BYTES),
    ("proxy_enqueue_shared_queue", NO_DATA),
    ("proxy_get_buffer_bytes", BYTES),
    ("proxy_get_current_time_nanoseconds", &[Fault::Null, Fault::Number(1)]),
    ("proxy_get_header_map_value", BYTES),
    ("proxy_get_log_level", NUMBER),
    ("proxy_get_property", BYTES),
    ("proxy_get_shared_data", BYTES),
    ("proxy_increment_metric", NO_DATA),
    ("proxy_log", NO_DATA),
    ("proxy_record_metric", NO_DATA),
    ("proxy_register_shared_queue", NUMBER),
    ("proxy_resolve_shared_queue", NUMBER),
    ("proxy_set_shared_data", NO_DATA),
    ("proxy_set_tick_period_milliseconds", NO_DATA),
];

fn faults() -> impl Iterator<Item = (&'static str, Fault)> {
    let all = FUNCTIONS.into_iter().flat_map(|(function, data)| {
        let statuses = STATUSES.into_iter().map(Fault::Status);
        statuses.chain(data.iter().copied()).map(move |fault| (function, fault))
    });
    all.chain([2, 10].map(|status| ("proxy_http_call", Fault::Status(status))))
}

/// A host with a receiver, and instances that have something to do every second.
struct Plugin {
    host: Host,
    instances: Vec<Instance>,
    requests: u32,
}

const MONITOR: usize = 0;
const WORKER: usize = 1;

impl Plugin {
    fn document() -> Document {
        let server = Certificate::stored("localhost");
        let observe = json!({ "flush_seconds": 1 });
        // A fault in reading answers looks like a receiver that fails, and would have it left alone for a while.
        let patient = json!({ "circuit_breaker": { "failures": 0 } });
        Document::empty().webhook(patient).server(&server).seconds(0, 2, 1).with("observe", observe)
    }

    /// Configures the instances; an error says why one of them is not there.
    fn start(host: Host) -> Result<Self, Refusal> {
        let document = Self::document();
        let monitor = Instance::try_of(host.vm("monitor").configuration("monitor"), &document)?;
        let worker = Instance::try_of(host.vm("worker").configuration("observer"), &document)?;
        Ok(Self { host, instances: vec![monitor, worker], requests: 0 })
    }

    /// A client that was never seen before makes two requests.
    fn new_client(&mut self) -> Certificate {
        self.requests += 1;
        let client = Certificate::stored("client").numbered(self.requests);
        let upstream = Certificate::stored("upstream").numbered(self.requests);
        for _ in 0..2 {
            let request = Request::of_client(&client).on_route("orders").answered_by(&upstream);
            self.instances[WORKER].request(&request);
        }
        client
    }

    fn run_for(&mut self, length: u64) {
        let [monitor, worker] = &mut self.instances[..] else { panic!("two instances") };
        self.host.run_for(&mut [&mut monitor.vm, &mut worker.vm], seconds(length));
    }

    /// Lives through some seconds with a fault in place.
    fn suffer(&mut self) {
        for _ in 0..3 {
            self.new_client();
            self.run_for(1);
        }
        // The timers may be among what does not work.
        self.instances[MONITOR].tick();
        self.instances[WORKER].tick();
    }

    /// Whether within ten seconds a new client is told of, and the server once more.
    fn works(&mut self) -> bool {
        let before = Told::all(&self.host).len();
        let client = self.new_client().id();
        let is_told = |host: &Host| {
            let told = Told::all(host).split_off(before);
            told.iter().any(|told| told.cert_id == client) && told.iter().any(|told| told.role == "server")
        };
        let [monitor, worker] = &mut self.instances[..] else { panic!("two instances") };
        self.host.run_until(&mut [&mut monitor.vm, &mut worker.vm], seconds(10), is_told)
    }
}

#[test]
fn a_fault_of_the_host_while_the_plugin_runs_stops_no_request_and_leaves_nothing_behind() {
    let mut broken = Vec::new();
    for (function, fault) in faults() {
        let mut plugin = Plugin::start(receiving_host()).expect("instances");
        plugin.run_for(2);
        fault.strike(&plugin.host, function);
        plugin.suffer();
        assert_eq!(plugin.host.traps(), [], "{function} {fault:?}");
        plugin.host.clear_faults();
        if !plugin.works() {
            broken.push(format!("{function} {fault:?}"));
        }
        assert_eq!(plugin.host.traps(), [], "after {function} {fault:?}");
    }
    assert_eq!(broken, [""; 0]);
}

#[test]
fn a_fault_of_the_host_while_the_plugin_starts_traps_nothing_and_leaves_nothing_behind() {
    let mut broken = Vec::new();
    for (function, fault) in faults() {
        let host = receiving_host();
        fault.strike(&host, function);
        match Plugin::start(host.clone()) {
            Ok(mut plugin) => {
                plugin.suffer();
                assert_eq!(plugin.host.traps(), [], "{function} {fault:?}");
                plugin.host.clear_faults();
                // Their answers are needed only once: a document that was not read and a timer that was not set are not
                // missed later.
                let is_needed_once =
                    ["proxy_get_buffer_bytes", "proxy_set_tick_period_milliseconds"].contains(&function);
                if !is_needed_once && !plugin.works() {
                    broken.push(format!("{function} {fault:?}"));
                }
                assert_eq!(plugin.host.traps(), [], "after {function} {fault:?}");
            }
            Err(Refusal::Configuration) => assert_eq!(function, "proxy_get_buffer_bytes", "{fault:?}"),
            Err(refusal) => panic!("{function} {fault:?}: {refusal}"),
        }
    }
    assert_eq!(broken, [""; 0]);
}

#[test]
fn properties_of_any_size_and_shape_stop_no_request() {
    let mut plugin = Plugin::start(receiving_host()).expect("instances");
    plugin.run_for(2);
    let texts = [&b""[..], b"\0", b"\xff\xfe\xfd", b"%", b"-----BEGIN CERTIFICATE-----"].map(<[u8]>::to_vec);
    let texts = [&texts[..], &[vec![b'x'; 300_000], vec![0xff; 300_000]]].concat();
    for digest in &texts {
        for pem in &texts {
            for api in &texts {
                let request = Request::plain()
                    .with("connection", "sha256_peer_certificate_digest", digest.clone())
                    .with("connection", "peer_certificate", pem.clone())
                    .with("xds", "route_name", api.clone());
                plugin.instances[WORKER].request(&request);
            }
        }
    }
    plugin.run_for(3);
    assert!(plugin.works());
    assert_eq!(plugin.host.traps(), []);
}

#[test]
fn a_queue_that_the_host_has_dropped_is_registered_again() {
    let mut plugin = Plugin::start(receiving_host()).expect("instances");
    plugin.run_for(2);
    assert!(plugin.works());
    plugin.host.forget("cert-expiry-monitor");
    plugin.run_for(2);
    assert!(plugin.works());
}
