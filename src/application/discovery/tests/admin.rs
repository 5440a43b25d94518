//! An Envoy that answers from memory, and a monitor that remembers.

use std::rc::Rc;

use serde_json::{Value, json};

use super::slicing::matches;
use crate::application::discovery::{Answer, Discovery, Failure, Found, Known, Next, Survey};
use crate::config::CaBundles;
use crate::domain::{CertId, Certificate, UnixTime, Usage};

/// What Envoy holds and has loaded.
#[derive(Clone, Default)]
pub(super) struct Admin {
    pub(super) static_listeners: Vec<Value>,
    pub(super) dynamic_listeners: Vec<Value>,
    pub(super) static_clusters: Vec<Value>,
    pub(super) dynamic_active_clusters: Vec<Value>,
    pub(super) static_secrets: Vec<Value>,
    pub(super) dynamic_active_secrets: Vec<Value>,
    pub(super) contexts: Vec<Value>,
}

const TYPE: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";

impl Admin {
    /// An Envoy with nothing but the cluster that leads to its own admin interface.
    pub(super) fn new() -> Self {
        let mut admin = Self::default();
        admin.cluster("admin", json!({}));
        admin
    }

    pub(super) fn listener(&mut self, name: &str, context: Value) {
        self.static_listeners.push(json!({ "@type": "StaticListener", "listener": listener(name, context) }));
    }

    pub(super) fn cluster(&mut self, name: &str, context: Value) {
        let socket = json!({ "name": "tls", "typed_config": {
            "@type": format!("{TYPE}.UpstreamTlsContext"), "common_tls_context": context } });
        self.static_clusters.push(json!({ "cluster": { "name": name, "transport_socket": socket } }));
    }

    pub(super) fn secret(&mut self, name: &str, contents: Value) {
        self.dynamic_active_secrets.push(secret(name, contents));
    }

    /// Notes what a TLS context has loaded.
    pub(super) fn load(&mut self, chain: &[Value], bundle: &[Value]) {
        self.contexts.push(json!({ "cert_chain": chain, "ca_cert": bundle }));
    }

    pub(super) fn answer(&self, path: &str) -> Answer {
        let body = match path {
            "/certs" => json!({ "certificates": self.contexts }),
            _ => self.dump(path),
        };
        Answer::Reply(200, serde_json::to_vec_pretty(&body).unwrap())
    }

    fn dump(&self, path: &str) -> Value {
        let query = path.strip_prefix("/config_dump?resource=").unwrap();
        let (resource, rest) = query.split_once("&mask=").unwrap();
        let elements = match resource {
            "static_listeners" => &self.static_listeners,
            "dynamic_listeners" => &self.dynamic_listeners,
            "static_clusters" => &self.static_clusters,
            "dynamic_active_clusters" => &self.dynamic_active_clusters,
            "static_secrets" => &self.static_secrets,
            "dynamic_active_secrets" => &self.dynamic_active_secrets,
            other => panic!("{other}"),
        };
        let regex = rest
            .split_once("&name_regex=")
            .map(|(_, regex)| percent_encoding::percent_decode_str(regex).decode_utf8().unwrap().into_owned());
        let name = |element: &Value| {
            let own = ["listener", "cluster"].into_iter().find_map(|key| element.get(key)).unwrap_or(element);
            own["name"].as_str().unwrap_or_default().to_owned()
        };
        let is_asked = |element: &&Value| regex.as_ref().is_none_or(|regex| matches(regex, &name(element)));
        let found: Vec<_> = elements.iter().filter(is_asked).collect();
        if found.is_empty() { json!({}) } else { json!({ "configs": found }) }
    }
}

pub(super) fn listener(name: &str, context: Value) -> Value {
    let socket = json!({ "name": "tls", "typed_config": {
        "@type": format!("{TYPE}.DownstreamTlsContext"), "common_tls_context": context } });
    json!({ "name": name, "filter_chains": [{ "transport_socket": socket }] })
}

pub(super) fn secret(name: &str, contents: Value) -> Value {
    json!({ "name": name, "version_info": "1", "secret": { "@type": format!("{TYPE}.Secret"), "name": name,
        "tls_certificate": contents.get("chain").map(|chain| json!({ "certificate_chain": chain })),
        "validation_context": contents.get("bundle").map(|bundle| json!({ "trusted_ca": bundle })) } })
}

/// An entry of `/certs`.
pub(super) fn entry(path: &str, certificate: &Certificate) -> Value {
    let time = |time: UnixTime| {
        let time = time::OffsetDateTime::from_unix_timestamp(time.secs()).unwrap();
        time.format(&time::format_description::well_known::Rfc3339).unwrap()
    };
    let sans: Vec<_> = certificate.sans.iter().map(|name| json!({ "dns": name })).collect();
    json!({ "path": path, "serial_number": certificate.serial_number.to_lowercase(), "subject_alt_names": sans,
        "days_until_expiration": "89", "valid_from": time(certificate.not_before),
        "expiration_time": time(certificate.not_after), "ocsp_details": { "valid_from": "x" } })
}

/// What the monitor knows after a round.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) found: Vec<Found>,
}

impl Known for Memory {
    fn certificate(&self, id: &CertId) -> Option<Rc<Certificate>> {
        self.found.iter().find(|found| found.certificate.id == *id).map(|found| Rc::clone(&found.certificate))
    }

    fn twin(&self, serial_number: &str, not_before: UnixTime, not_after: UnixTime) -> Option<Rc<Certificate>> {
        let is_twin = |known: &Certificate| {
            known.serial_number.trim_start_matches('0') == serial_number
                && (known.not_before, known.not_after) == (not_before, not_after)
        };
        self.found.iter().find(|found| is_twin(&found.certificate)).map(|found| Rc::clone(&found.certificate))
    }

    fn found_before(&self, id: &CertId) -> Vec<(Usage, Vec<String>)> {
        let found = self.found.iter().filter(|found| found.certificate.id == *id);
        found.map(|found| (found.usage.clone(), found.places.clone())).collect()
    }

    fn has_issued(&self, subject: &str) -> bool {
        self.found.iter().any(|found| found.certificate.issuer == subject && found.certificate.subject != subject)
    }
}

/// What a round took.
#[derive(Debug, Default)]
pub(super) struct Bill {
    pub(super) paths: Vec<String>,
    pub(super) ticks: u32,
    pub(super) parsed: u32,
}

/// A whole round.
pub(super) fn round(
    bundles: CaBundles,
    known: &dyn Known,
    answer: &dyn Fn(&str) -> Answer,
) -> (Result<Survey, Failure>, Bill) {
    let mut discovery = Discovery::new(bundles);
    let mut bill = Bill::default();
    discovery.begin();
    let mut work = 270;
    loop {
        match discovery.step(known, &mut work) {
            Next::Ask(path) => {
                discovery.answer(answer(&path));
                bill.paths.push(path);
            }
            Next::Parse { id, der } => {
                assert_eq!(id, CertId::of_der(&der));
                bill.parsed += 1;
                discovery.parse(&der);
            }
            Next::GoOn => {
                assert_eq!(work, 0, "nothing is put off");
                work = 270;
                bill.ticks += 1;
                assert!(bill.ticks < 100_000, "no end");
            }
            Next::Done(result) => {
                assert!(!discovery.is_running());
                return (result, bill);
            }
            Next::Idle => panic!("nothing to do in the middle of a round"),
        }
    }
}

/// A round that comes to something.
pub(super) fn survey(admin: &Admin, known: &Memory) -> Survey {
    round(CaBundles::Used, known, &|path| admin.answer(path)).0.unwrap()
}

/// What was found, as lines in order.
pub(super) fn lines(survey: &Survey) -> Vec<String> {
    let line = |found: &Found| {
        let Found { certificate, usage, places } = found;
        format!("{} {} {} {}", certificate.name, usage.role(), usage.api_id().unwrap_or("-"), places.join(" "))
    };
    let mut lines: Vec<_> = survey.found.iter().map(line).collect();
    lines.sort();
    lines
}
