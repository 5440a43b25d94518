//! `discovery`: where Envoy's own certificates are asked for, and which idle upstreams are called.

use std::time::Duration;

use super::reader::{Node, Object};
use crate::domain::text::harmless;

/// Whom to ask for certificates, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// The cluster whose endpoint is Envoy's admin interface; without one, nothing is discovered.
    pub admin_cluster: Option<String>,
    /// The time between rounds.
    pub interval: Duration,
    /// Which certificates of large CA bundles are reported.
    pub ca_bundles: CaBundles,
    /// Upstreams that are called so that their certificates are seen.
    pub probes: Vec<Probe>,
}

/// Which certificates of a CA bundle with more than ten are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaBundles {
    /// Those that a chain in use ends in.
    Used,
    /// All.
    All,
    /// None.
    None,
}

/// A call through a listener of Envoy's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The cluster whose endpoint is that listener.
    pub cluster: String,
    /// The `:authority` of the request.
    pub authority: String,
    /// Its path.
    pub path: String,
    /// The API whose upstream is called.
    pub api_id: Option<String>,
}

const KEYS: [&str; 4] = ["admin_cluster", "interval_seconds", "ca_bundles", "probes"];
const PROBE_KEYS: [&str; 4] = ["cluster", "authority", "path", "api_id"];
const CA_BUNDLES: [(&str, CaBundles); 3] =
    [("used", CaBundles::Used), ("all", CaBundles::All), ("none", CaBundles::None)];

/// The section, if it is there.
pub(super) fn read(root: &Object<'_>) -> Option<Discovery> {
    let section = root.get("discovery")?.object(&KEYS)?;
    let probes = section.get("probes").and_then(|node| node.list()).unwrap_or_default();
    if section.get("admin_cluster").is_none() && probes.is_empty() {
        section.missing("admin_cluster");
    }
    let interval = section.get("interval_seconds").and_then(|node| node.integer(5..=86_400)).unwrap_or(900);
    Some(Discovery {
        admin_cluster: section.get("admin_cluster").and_then(|node| node.non_empty_text()).map(str::to_owned),
        interval: Duration::from_secs(interval.into()),
        ca_bundles: section.get("ca_bundles").and_then(|node| node.word(&CA_BUNDLES)).unwrap_or(CaBundles::Used),
        probes: probes.iter().filter_map(probe).collect(),
    })
}

fn probe(node: &Node<'_>) -> Option<Probe> {
    let object = node.object(&PROBE_KEYS)?;
    let cluster = object.require("cluster").and_then(|node| node.non_empty_text());
    let authority = object.require("authority").and_then(|node| node.visible_text());
    let path = object.get("path").map_or(Some("/"), |node| {
        let path = node.visible_text()?;
        if path.starts_with('/') {
            return Some(path);
        }
        node.refuse_value("a path that begins with /");
        None
    });
    let api_id = object.get("api_id").and_then(|node| node.non_empty_text()).map(harmless);
    Some(Probe { cluster: cluster?.to_owned(), authority: authority?.to_owned(), path: path?.to_owned(), api_id })
}
