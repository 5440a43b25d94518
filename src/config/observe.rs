//! `observe`: what observers read from connections.

use std::time::Duration;

use super::reader::{Node, Object};
use super::webhook::is_token;
use crate::domain::Role;
use crate::domain::text::harmless;

/// What observers do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observe {
    /// Whether certificates of downstream clients are read.
    pub client: bool,
    /// Whether certificates of upstreams are read.
    pub upstream: bool,
    /// Where the certificate of a client is read from.
    pub client_certificate: ClientCertificate,
    /// Where the certificate of an upstream is read from.
    pub upstream_certificate: UpstreamCertificate,
    /// Where the API of a request is read from.
    pub api_id: ApiId,
    /// How long observations are gathered before they are checked together.
    pub flush: Duration,
}

impl Observe {
    /// Whether certificates of `role` are read from connections.
    pub const fn reads(&self, role: Role) -> bool {
        match role {
            Role::Client => self.client,
            Role::Upstream => self.upstream,
            Role::Server | Role::Ca => false,
        }
    }
}

/// Where the API of a request is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiId {
    /// The first of these properties that is not empty, as paths whose parts are joined by NUL, the form in which the
    /// host takes them.
    Properties(Vec<String>),
    /// Always this.
    Fixed(String),
}

/// Where the certificate of a client is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificate {
    /// The attribute where there is one (Envoy 1.38), else the filter state of [`FILTER_STATE`].
    Auto,
    /// `connection.peer_certificate`.
    Attribute,
    /// A filter state, as the path of a property whose parts are joined by NUL.
    FilterState(String),
    /// The request header `x-forwarded-client-cert`. Clients can write it where Envoy does not sanitise it, so nothing
    /// but the document chooses it.
    Xfcc,
}

/// Where the certificate of an upstream is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamCertificate {
    /// The attribute where there is one (Envoy 1.38), else the response header [`RESPONSE_HEADER`].
    Auto,
    /// `upstream.peer_certificate`.
    Attribute,
    /// A response header, which is taken away from every response.
    ResponseHeader(String),
}

/// The filter state in which [`ClientCertificate::Auto`] looks, as the path of a property.
pub const FILTER_STATE: &str = "filter_state\0cert_expiry_monitor.client_certificate";

/// The response header in which [`UpstreamCertificate::Auto`] looks.
pub const RESPONSE_HEADER: &str = "x-cert-expiry-upstream-certificate";

const DEFAULT: &str = "xds.route_name";
/// Asked in this order where the configured property is absent or empty.
const FALLBACKS: [&str; 2] = ["xds.virtual_host_name", "xds.cluster_name"];

const KEYS: [&str; 6] = ["client", "upstream", "client_certificate", "upstream_certificate", "api_id", "flush_seconds"];

pub(super) fn read(root: &Object<'_>) -> Observe {
    let section = root.get("observe").and_then(|node| node.object(&KEYS));
    let get = |key| section.as_ref().and_then(|section| section.get(key));
    Observe {
        client: get("client").and_then(|node| node.boolean()).unwrap_or(true),
        upstream: get("upstream").and_then(|node| node.boolean()).unwrap_or(true),
        client_certificate: get("client_certificate")
            .and_then(|node| client_certificate(&node))
            .unwrap_or(ClientCertificate::Auto),
        upstream_certificate: get("upstream_certificate")
            .and_then(|node| upstream_certificate(&node))
            .unwrap_or(UpstreamCertificate::Auto),
        api_id: get("api_id").and_then(|node| api_id(&node)).unwrap_or_else(|| properties(DEFAULT)),
        flush: Duration::from_secs(get("flush_seconds").and_then(|node| node.integer(1..=3_600)).unwrap_or(5).into()),
    }
}

fn client_certificate(node: &Node<'_>) -> Option<ClientCertificate> {
    match node.text()? {
        "auto" => Some(ClientCertificate::Auto),
        "attribute" => Some(ClientCertificate::Attribute),
        "xfcc" => Some(ClientCertificate::Xfcc),
        text => {
            let key =
                text.strip_prefix("filter_state:").filter(|key| !key.is_empty() && !key.contains(char::is_control));
            if key.is_none() {
                node.refuse_value("auto, attribute, xfcc, or a filter state such as \"filter_state:client.cert\"");
            }
            // A key may hold dots: it is one part of the path, whatever it is.
            key.map(|key| ClientCertificate::FilterState(format!("filter_state\0{key}")))
        }
    }
}

fn upstream_certificate(node: &Node<'_>) -> Option<UpstreamCertificate> {
    match node.text()? {
        "auto" => Some(UpstreamCertificate::Auto),
        "attribute" => Some(UpstreamCertificate::Attribute),
        text => {
            let is_name =
                |name: &&str| !name.is_empty() && name.chars().all(|c| is_token(c) && !c.is_ascii_uppercase());
            let name = text.strip_prefix("response_header:").filter(is_name);
            if name.is_none() {
                node.refuse_value(
                    "auto, attribute, or a header in lower case such as \"response_header:x-upstream-certificate\"",
                );
            }
            name.map(|name| UpstreamCertificate::ResponseHeader(name.to_owned()))
        }
    }
}

fn api_id(node: &Node<'_>) -> Option<ApiId> {
    if !node.is_text() {
        let value = node.object(&["value"])?.require("value")?;
        return value.non_empty_text().map(|text| ApiId::Fixed(harmless(text)));
    }
    let path = node.text()?;
    if path.split('.').any(|part| part.trim().is_empty()) || path.contains(char::is_control) {
        node.refuse_value("a property such as \"xds.route_name\", or { \"value\": \"my-api\" }");
        return None;
    }
    Some(properties(path))
}

fn properties(first: &str) -> ApiId {
    let fallbacks = FALLBACKS.iter().copied().filter(|path| *path != first);
    ApiId::Properties(std::iter::once(first).chain(fallbacks).map(|path| path.replace('.', "\0")).collect())
}
