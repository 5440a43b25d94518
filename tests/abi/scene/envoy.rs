//! The admin interface of an Envoy, which answers in the form of those in `tests/data/admin`.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::ser::PrettyFormatter;
use serde_json::{Serializer, Value, json};

use super::Certificate;
use crate::host::{Answer, Host};

/// The cluster whose endpoint is the admin interface.
pub const ADMIN: &str = "envoy_admin";

const API: &str = "type.googleapis.com/envoy";
const TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";

/// What an Envoy holds and has loaded.
#[derive(Clone, Debug)]
pub struct Envoy {
    static_listeners: Vec<Element>,
    static_clusters: Vec<Element>,
    static_secrets: Vec<Element>,
    dynamic_secrets: Vec<Element>,
    /// TLS contexts, as `/certs` lists them.
    loaded: Vec<Value>,
    /// The paths that it was asked for.
    pub asked: Vec<String>,
    /// How many bytes the largest answer had.
    pub largest: usize,
}

/// An element of a list by its name.
type Element = (String, Value);

/// An Envoy that a test can change while it answers.
pub type SharedEnvoy = Rc<RefCell<Envoy>>;

impl Envoy {
    /// One with nothing but the cluster that leads to its own admin interface.
    pub fn new() -> Self {
        let nothing = Vec::new;
        let (loaded, asked) = (Vec::new(), Vec::new());
        let (static_listeners, static_secrets, dynamic_secrets) = (nothing(), nothing(), nothing());
        let static_clusters = vec![(ADMIN.to_owned(), json!({ "name": ADMIN }))];
        Self { static_listeners, static_clusters, static_secrets, dynamic_secrets, loaded, asked, largest: 0 }
    }

    /// Adds a listener with a filter chain for each of these TLS contexts.
    pub fn listener(&mut self, name: &str, contexts: impl IntoIterator<Item = Value>) {
        let chain =
            |context: Value| json!({ "transport_socket": socket("Downstream", &context), "filters": filters() });
        let chains: Vec<_> = contexts.into_iter().map(chain).collect();
        let listener = json!({ "name": name, "filter_chains": chains });
        self.static_listeners.push((name.to_owned(), listener));
    }

    /// Adds a cluster with this TLS context.
    pub fn cluster(&mut self, name: &str, context: &Value) {
        let cluster = json!({ "name": name, "transport_socket": socket("Upstream", context) });
        self.static_clusters.push((name.to_owned(), cluster));
    }

    /// Adds a secret that stands in Envoy's own configuration.
    pub fn static_secret(&mut self, name: &str, contents: &Value) {
        self.static_secrets.push((name.to_owned(), secret(contents)));
    }

    /// Adds a secret that came by SDS.
    pub fn dynamic_secret(&mut self, name: &str, contents: &Value) {
        self.dynamic_secrets.push((name.to_owned(), secret(contents)));
    }

    /// Notes what a TLS context has loaded.
    pub fn load(&mut self, chain: &[Value], bundle: &[Value]) {
        self.loaded.push(json!({ "ca_cert": bundle, "cert_chain": chain }));
    }

    /// What is loaded, to be given to another Envoy.
    pub fn loaded(&self) -> Vec<Value> {
        self.loaded.clone()
    }

    /// The same Envoy, which has loaded this.
    #[must_use]
    pub fn serving(self, loaded: Vec<Value>) -> Self {
        Self { loaded, ..self }
    }

    /// Has it answer on a host.
    pub fn answer_on(self, host: &Host) -> SharedEnvoy {
        let envoy = Rc::new(RefCell::new(self));
        let answering = Rc::clone(&envoy);
        host.receiver(ADMIN, move |callout| {
            let mut envoy = answering.borrow_mut();
            let path = callout.header(":path").expect("a path").to_owned();
            let body = envoy.answer(&path);
            envoy.largest = envoy.largest.max(body.len());
            envoy.asked.push(path);
            Some(Answer::status(200).body(body).after(Duration::from_millis(10)))
        });
        envoy
    }

    /// What it answers to this path.
    pub fn answer(&self, path: &str) -> Vec<u8> {
        if path == "/certs" {
            return pretty(&json!({ "certificates": self.loaded }));
        }
        let query = path.strip_prefix("/config_dump?resource=").unwrap_or_else(|| panic!("{path}"));
        let (resource, rest) = query.split_once("&mask=").unwrap();
        let (mask, regex) = rest.split_once("&name_regex=").unwrap_or((rest, ""));
        let regex = percent_decode_str(regex).decode_utf8().unwrap();
        let (list, kind, inner) = match resource {
            "static_listeners" => (&self.static_listeners, "ListenersConfigDump.StaticListener", Some("listener")),
            "static_clusters" => (&self.static_clusters, "ClustersConfigDump.StaticCluster", Some("cluster")),
            "static_secrets" => (&self.static_secrets, "SecretsConfigDump.StaticSecret", None),
            "dynamic_active_secrets" => (&self.dynamic_secrets, "SecretsConfigDump.DynamicSecret", None),
            _ => return b"{}\n".to_vec(),
        };
        let element = |(name, element): &Element| {
            let own = if mask.contains(',') { element.clone() } else { json!({ "name": name }) };
            let kind = format!("{API}.admin.v3.{kind}");
            match inner {
                Some(inner) => json!({ "@type": kind, inner: own }),
                None if mask.contains(',') => json!({ "@type": kind, "name": name, "secret": own }),
                None => json!({ "@type": kind, "name": name }),
            }
        };
        let asked = list.iter().filter(|(name, _)| regex.is_empty() || matches(regex.as_bytes(), name.as_bytes()));
        let configs: Vec<_> = asked.map(element).collect();
        if configs.is_empty() { b"{}\n".to_vec() } else { pretty(&json!({ "configs": configs })) }
    }
}

/// A TLS context whose chain is the secret of this name.
pub fn by_secret(name: &str) -> Value {
    json!({ "tls_certificate_sds_secret_configs": [{ "name": name }] })
}

/// A TLS context whose chain and bundle are in files.
pub fn by_files(chain: &str, bundle: &str) -> Value {
    json!({
        "tls_certificates": [{
            "certificate_chain": { "filename": chain },
            "private_key": { "filename": "[redacted]" },
        }],
        "validation_context": { "trusted_ca": { "filename": bundle } },
    })
}

/// A secret that is a chain.
pub fn chain_of(certificates: &[Certificate]) -> Value {
    json!({ "tls_certificate": { "certificate_chain": { "inline_string": pem(certificates) } } })
}

/// A secret that is a bundle.
pub fn bundle_of(certificates: &[Certificate]) -> Value {
    json!({ "validation_context": { "trusted_ca": { "inline_string": pem(certificates) } } })
}

/// Their PEM, one after another.
pub fn pem(certificates: &[Certificate]) -> String {
    certificates.iter().map(Certificate::pem).collect()
}

fn secret(contents: &Value) -> Value {
    let mut secret = json!({ "@type": format!("{TLS}.Secret") });
    secret.as_object_mut().unwrap().extend(contents.as_object().unwrap().clone());
    secret
}

fn socket(side: &str, context: &Value) -> Value {
    let context = json!({ "@type": format!("{TLS}.{side}TlsContext"), "common_tls_context": context });
    json!({ "name": "envoy.transport_sockets.tls", "typed_config": context })
}

/// What stands beside a TLS context.
fn filters() -> Value {
    let proxy = format!("{API}.extensions.filters.network.tcp_proxy.v3.TcpProxy");
    json!([{
        "name": "envoy.filters.network.tcp_proxy",
        "typed_config": { "@type": proxy, "stat_prefix": "holder", "cluster": "plain" },
    }])
}

/// JSON as Envoy writes it.
fn pretty(value: &Value) -> Vec<u8> {
    let mut body = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut body, PrettyFormatter::with_indent(b" "))).unwrap();
    body.push(b'\n');
    // Protobuf's JSON has these escaped.
    String::from_utf8(body).unwrap().replace('<', "\\u003c").replace('>', "\\u003e").into_bytes()
}

/// Whether a name matches one of the expressions that slices are asked for with.
fn matches(regex: &[u8], name: &[u8]) -> bool {
    if regex.is_empty() {
        return name.is_empty();
    }
    if let Some(rest) = regex.strip_prefix(br"\C*") {
        return (0..=name.len()).any(|from| matches(rest, &name[from..]));
    }
    if let Some(rest) = regex.strip_prefix(b"(?:") {
        return name.is_empty() || matches(rest.strip_suffix(b")?").unwrap(), name);
    }
    let Some((first, others)) = name.split_first() else { return false };
    if let Some(class) = regex.strip_prefix(b"[") {
        let (class, is_negated) = class.strip_prefix(b"^").map_or((class, false), |class| (class, true));
        let (from, rest) = letter(class);
        let (to, rest) = letter(rest.strip_prefix(b"-").unwrap());
        return (from..=to).contains(first) != is_negated && matches(rest.strip_prefix(b"]").unwrap(), others);
    }
    let (wanted, rest) = letter(regex);
    wanted == *first && matches(rest, others)
}

/// The first letter of an expression, and what follows it.
fn letter(regex: &[u8]) -> (u8, &[u8]) {
    match regex.strip_prefix(br"\x") {
        Some(rest) => (u8::from_str_radix(std::str::from_utf8(&rest[..2]).unwrap(), 16).unwrap(), &rest[2..]),
        None => (regex[0], &regex[1..]),
    }
}
