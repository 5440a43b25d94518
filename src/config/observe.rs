//! `observe`: what observers read from connections.

use std::time::Duration;

use super::reader::{Node, Object};
use crate::domain::Role;
use crate::domain::text::harmless;

/// What observers do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observe {
    /// Whether certificates of downstream clients are read.
    pub client: bool,
    /// Whether certificates of upstreams are read.
    pub upstream: bool,
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

const DEFAULT: &str = "xds.route_name";
/// Asked in this order where the configured property is absent or empty.
const FALLBACKS: [&str; 2] = ["xds.virtual_host_name", "xds.cluster_name"];

const KEYS: [&str; 4] = ["client", "upstream", "api_id", "flush_seconds"];

pub(super) fn read(root: &Object<'_>) -> Observe {
    let section = root.get("observe").and_then(|node| node.object(&KEYS));
    let get = |key| section.as_ref().and_then(|section| section.get(key));
    Observe {
        client: get("client").and_then(|node| node.boolean()).unwrap_or(true),
        upstream: get("upstream").and_then(|node| node.boolean()).unwrap_or(true),
        api_id: get("api_id").and_then(|node| api_id(&node)).unwrap_or_else(|| properties(DEFAULT)),
        flush: Duration::from_secs(get("flush_seconds").and_then(|node| node.integer(1..=3_600)).unwrap_or(5).into()),
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
