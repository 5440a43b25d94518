//! Whatever comes in place of an answer: nothing traps, and the next good one counts.

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::json;

use super::{complete, document, holding, watched};
use crate::host::{Answer, Dispatch, Host};
use crate::scene::{ADMIN, Document, Instance, metric, noise, seconds};

/// What is asked for, and the file that holds what an Envoy answered.
const RECORDED: [(&str, &str, &str); 6] = [
    ("static_listeners", "static-listeners-names", "static-listeners"),
    ("dynamic_listeners", "dynamic-listeners-names", "dynamic-listeners"),
    ("static_clusters", "static-clusters-names", "static-clusters"),
    ("dynamic_active_clusters", "dynamic-clusters-names", "dynamic-clusters"),
    ("static_secrets", "static-secrets-names", "static-secrets"),
    ("dynamic_active_secrets", "dynamic-secrets-names", "dynamic-secrets"),
];

/// What an Envoy of this version answered to a path, and the name of the file.
fn recorded(version: &str, path: &str) -> (&'static str, Vec<u8>) {
    let file = RECORDED.into_iter().find(|(resource, ..)| path.contains(&format!("resource={resource}&")));
    let file = file.map_or("certs", |(_, names, all)| if path.contains(',') { all } else { names });
    let full = format!("{}/tests/data/admin/{version}/{file}.json", env!("CARGO_MANIFEST_DIR"));
    (file, std::fs::read(&full).unwrap_or_else(|error| panic!("{full}: {error}")))
}

/// What comes in place of the recorded answer to a path.
type Instead = Box<dyn Fn(&str, Vec<u8>) -> Option<Answer>>;

/// A monitor that asks every five seconds.
struct Hasty {
    host: Host,
    monitor: Instance,
    instead: Rc<RefCell<Instead>>,
}

fn failed(host: &Host) -> u64 {
    metric(host, "discoveries_total;.;outcome=.=failed")
}

impl Hasty {
    fn new(version: &'static str) -> Self {
        let host = Host::new();
        let instead: Rc<RefCell<Instead>> = Rc::new(RefCell::new(Box::new(|_, _| None)));
        let answering = Rc::clone(&instead);
        host.receiver(ADMIN, move |callout| {
            let (file, body) = recorded(version, callout.header(":path").expect("a path"));
            (answering.borrow())(file, body.clone()).or_else(|| Some(Answer::status(200).body(body)))
        });
        let discovery = json!({ "admin_cluster": ADMIN, "interval_seconds": 5 });
        let monitor = Instance::monitor(&host, &Document::empty().with("discovery", discovery));
        let mut hasty = Self { host, monitor, instead };
        hasty.recovers("at first");
        hasty
    }

    /// From now on.
    fn suffers(&self, instead: impl Fn(&str, Vec<u8>) -> Option<Answer> + 'static) {
        *self.instead.borrow_mut() = Box::new(instead);
    }

    /// Lets a round pass that began after now; whether it came to something.
    fn round(&mut self, what: &str) -> bool {
        let before = (complete(&self.host), failed(&self.host));
        let is_over = |host: &Host| (complete(host), failed(host)) != before;
        let is_over = self.host.run_until(&mut [&mut self.monitor.vm], seconds(20), is_over);
        assert_eq!(self.host.traps(), [], "{what}");
        assert!(
            is_over,
            "{what}: no round ends: {:#?}",
            self.host.log().split_off(self.host.log().len().saturating_sub(20))
        );
        self.host.take_log();
        complete(&self.host) > before.0
    }

    /// When answers are good, all is well.
    fn recovers(&mut self, what: &str) {
        self.suffers(|_, _| None);
        assert!(self.round(what) || self.round(what), "{what}");
        let found = ["server", "ca", "upstream"].map(|role| watched(&self.host, role));
        assert!(found.into_iter().all(|count| count > 1), "{what}: {found:?}");
    }
}

#[test]
fn every_status_but_200_leaves_what_is_known() {
    let mut hasty = Hasty::new("1.40.0");
    let known = watched(&hasty.host, "server");
    for status in (100..600).filter(|status| *status != 200) {
        hasty.suffers(move |_, body| Some(Answer::status(status).header("location", "/").body(body)));
        assert!(!hasty.round(&status.to_string()), "{status}");
    }
    for status in ["", "0", "-200", "200 ", "2e2", "٢٠٠", "99999999999999999999", "\u{0}"] {
        hasty.suffers(move |_, body| Some(Answer::reset().header(":status", status).body(body)));
        assert!(!hasty.round(status), "{status}");
    }
    hasty.suffers(|_, _| Some(Answer::reset()));
    assert!(!hasty.round("a reset"));
    hasty.suffers(|_, _| Some(Answer::by_envoy(503)));
    assert!(!hasty.round("nobody"));
    hasty.suffers(|_, body| Some(Answer::status(200).body(body).after(seconds(60))));
    assert!(!hasty.round("silence"));
    assert_eq!(watched(&hasty.host, "server"), known);
    hasty.recovers("afterwards");
}

#[test]
fn bodies_that_are_no_answers_leave_what_is_known() {
    let mut hasty = Hasty::new("1.40.0");
    let deep = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    let texts = [
        "",
        " ",
        "null",
        "true",
        "0",
        "\"configs\"",
        "[]",
        "[{}]",
        "{",
        "}",
        "{\"configs\":",
        "{\"configs\":null}",
        "{\"configs\":[]}",
        "{\"configs\":{}}",
        "{\"configs\":[null,1,\"x\",[]]}",
        "{\"configs\":[{\"name\":null}]}",
        "{\"configs\":[{\"name\":{\"name\":[\"x\"]}}]}",
        "{\"certificates\":[{\"cert_chain\":[{}],\"ca_cert\":[null]}]}",
        "{\"certificates\":[{\"cert_chain\":{\"path\":1}}]}",
        "{\"certificates\":1}",
        "\u{feff}{}",
        "{}{}",
        "<html></html>",
        "{\"configs\":[{\"name\":\"\\ud800\"}]}",
        "{\"configs\":[{\"name\":\"\\u0000\"}]}",
        "{\"configs\":[{\"\":\"\"}]}",
    ];
    let mut bodies: Vec<Vec<u8>> = texts.map(|text| text.as_bytes().to_vec()).to_vec();
    bodies.extend((1..30).map(|seed| noise(seed, usize::try_from(seed * seed * 7).unwrap())));
    bodies.extend([deep(100), deep(1_000), deep(100_000), vec![0; 1_000], vec![0xff; 1_000], vec![b'"'; 1_000]]);
    bodies.push([&b"{\"configs\":["[..], &b"{\"name\":\"x\"},".repeat(10_000)].concat());
    bodies.push(format!("{{\"configs\":[{}]}}", "{\"a\":".repeat(300) + &"}".repeat(300)).into_bytes());
    for (number, body) in bodies.into_iter().enumerate() {
        let what = format!("body {number}: {:?}", String::from_utf8_lossy(&body[..body.len().min(40)]));
        for file in ["certs", "static-listeners-names", "dynamic-secrets", "static-clusters"] {
            let body = body.clone();
            hasty.suffers(move |asked, _| (asked == file).then(|| Answer::status(200).body(&body)));
            hasty.round(&format!("{what} for {file}"));
        }
        let body = body.clone();
        hasty.suffers(move |_, _| Some(Answer::status(200).body(&body)));
        assert!(!hasty.round(&format!("{what} for all")), "{what}");
    }
    hasty.recovers("afterwards");
}

/// Every file that is asked for.
fn files() -> impl Iterator<Item = &'static str> {
    RECORDED.into_iter().flat_map(|(_, names, all)| [names, all]).chain(["certs"])
}

#[test]
fn answers_that_are_cut_anywhere_leave_what_is_known() {
    let mut hasty = Hasty::new("1.36.2");
    let known = watched(&hasty.host, "server");
    for file in files() {
        for permille in (0..1_000).step_by(23).chain([997, 998, 999]) {
            hasty.suffers(move |asked, body| {
                let length = body.len() * permille / 1_000;
                (asked == file).then(|| Answer::status(200).body(&body[..length.min(body.len() - 3)]))
            });
            assert!(!hasty.round(&format!("{file} cut at {permille} per mille")), "{file} {permille}");
        }
    }
    assert_eq!(watched(&hasty.host, "server"), known);
    hasty.recovers("afterwards");
}

#[test]
fn answers_with_wrong_bytes_anywhere_trap_nobody() {
    let mut hasty = Hasty::new("1.40.0");
    for file in files() {
        for seed in 1..40_u64 {
            hasty.suffers(move |asked, mut body| {
                let places = noise(seed, 8);
                for (number, byte) in noise(seed + 1_000, 3).into_iter().enumerate() {
                    let place = u16::from_le_bytes([places[2 * number], places[2 * number + 1]]);
                    let length = body.len();
                    body[usize::from(place) % length] = byte;
                }
                (asked == file).then(|| Answer::status(200).body(body))
            });
            hasty.round(&format!("{file} with seed {seed}"));
        }
    }
    hasty.recovers("afterwards");
}

#[test]
fn an_answer_that_is_too_large_is_not_even_read() {
    let mut hasty = Hasty::new("1.40.0");
    let memory = hasty.monitor.vm.memory();
    hasty.host.reset_calls();
    hasty.suffers(|_, _| Some(Answer::status(200).body(vec![b' '; (16 << 20) + 1])));
    assert!(!hasty.round("16 MB and a byte"));
    assert_eq!((hasty.monitor.vm.calls("proxy_get_buffer_bytes"), hasty.monitor.vm.memory()), (0, memory));
    hasty.monitor.vm.take_most_fuel();
    hasty.suffers(|_, _| Some(Answer::status(200).body(vec![b' '; 16 << 20])));
    assert!(!hasty.round("16 MB of spaces"));
    hasty.suffers(|_, _| Some(Answer::status(200).body([&b"{\"configs\":[\""[..], &vec![b'x'; 15 << 20]].concat())));
    assert!(!hasty.round("a text of 15 MB"));
    println!("16 MB: {} bytes of memory, {:?}", hasty.monitor.vm.memory(), hasty.monitor.vm.take_most_fuel());
    hasty.recovers("afterwards");
}

#[test]
fn faults_of_the_host_while_it_is_asked_trap_nobody() {
    let mut hasty = Hasty::new("1.40.0");
    for status in [2, 10] {
        hasty.host.fault("proxy_http_call").about(ADMIN).status(status);
        assert!(!hasty.round(&format!("proxy_http_call {status}")));
        hasty.host.clear_faults();
        hasty.recovers("after proxy_http_call");
    }
    for function in ["proxy_get_buffer_bytes", "proxy_get_header_map_value"] {
        for status in [1, 2, 3, 4, 7, 8, 10, 12, 99] {
            hasty.host.fault(function).status(status);
            assert!(!hasty.round(&format!("{function} {status}")), "{function} {status}");
            hasty.host.clear_faults();
        }
        hasty.host.fault(function).null();
        assert!(!hasty.round(&format!("{function} null")), "{function} null");
        hasty.host.clear_faults();
        hasty.host.fault(function).empty();
        assert!(!hasty.round(&format!("{function} empty")), "{function} empty");
        hasty.host.clear_faults();
        hasty.host.fault(function).bytes(b"\xff\xfe\x00garbage\x80");
        assert!(!hasty.round(&format!("{function} garbage")), "{function} garbage");
        hasty.host.clear_faults();
        hasty.recovers(&format!("after {function}"));
    }
}

#[test]
fn a_version_of_envoy_that_cannot_be_read_is_none() {
    for bytes in [&b""[..], b"\0", b"\xff\xff\xff\xff\xff\xff\xff\xff", b"123456789"] {
        let host = Host::new();
        host.fault("proxy_get_property").about("xds").bytes(bytes);
        holding(3, 0).answer_on(&host);
        let mut monitor = Instance::monitor(&host, &document());
        host.run_for(&mut [&mut monitor.vm], seconds(20));
        assert_eq!((host.traps(), watched(&host, "server")), (Vec::new(), 9));
    }
}

#[test]
fn requests_that_are_never_answered_stop_nothing() {
    let host = Host::new();
    host.cluster(ADMIN, Dispatch::Accepted);
    let discovery = json!({ "admin_cluster": ADMIN, "interval_seconds": 5 });
    let mut monitor = Instance::monitor(&host, &Document::empty().with("discovery", discovery));
    host.run_for(&mut [&mut monitor.vm], seconds(3_600));
    assert_eq!(host.traps(), []);
    let asked = host.callouts_to(ADMIN).len();
    assert!((50..=800).contains(&asked), "{asked} requests in an hour");
    assert!(metric(&host, "last_tick_seconds") + 2 >= u64::try_from(host.unix_time()).unwrap());
}
