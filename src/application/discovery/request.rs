//! What is asked for, and how.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::slices::{Slice, cut};

/// The most requests of a round: the names of everything, listeners, clusters and secrets in slices, and `/certs`.
pub const MOST_REQUESTS: u32 = 30;

/// Lists that share a number of requests, and what is never cut. One listener may hold a thousand TLS contexts, and
/// Envoy's main thread takes 80 ms for a megabyte of them (40 ms for one of secrets, tried), so each is asked for alone
/// where that is possible.
struct Share {
    resources: &'static [Resource],
    most: usize,
    smallest: usize,
}

const LISTENERS: Share =
    Share { resources: &[Resource::StaticListeners, Resource::DynamicListeners], most: 12, smallest: 1 };
const CLUSTERS: Share =
    Share { resources: &[Resource::StaticClusters, Resource::DynamicClusters], most: 4, smallest: 100 };
const SECRETS: Share = Share { resources: &Resource::SECRETS, most: 7, smallest: 100 };

/// A list of Envoy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    StaticListeners,
    DynamicListeners,
    StaticClusters,
    DynamicClusters,
    StaticSecrets,
    DynamicSecrets,
}

impl Resource {
    /// Those who use certificates.
    pub(super) const USERS: [Self; 4] =
        [Self::StaticListeners, Self::DynamicListeners, Self::StaticClusters, Self::DynamicClusters];
    pub(super) const SECRETS: [Self; 2] = [Self::StaticSecrets, Self::DynamicSecrets];

    /// Its name, the mask that leaves names alone, and the one that leaves what says where certificates are. What masks
    /// can do was tried on Envoy 1.36 to 1.40.
    const fn form(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::StaticListeners => (
                "static_listeners",
                "listener.name",
                "listener.name,listener.filter_chains,listener.default_filter_chain",
            ),
            Self::DynamicListeners => ("dynamic_listeners", "name", "name,active_state.listener"),
            Self::StaticClusters => ("static_clusters", "cluster.name", SOCKETS),
            Self::DynamicClusters => ("dynamic_active_clusters", "cluster.name", SOCKETS),
            Self::StaticSecrets => (
                "static_secrets",
                "name",
                "name,secret.tls_certificate.certificate_chain,secret.validation_context.trusted_ca",
            ),
            Self::DynamicSecrets => (
                "dynamic_active_secrets",
                "name",
                "name,version_info,secret.tls_certificate.certificate_chain,secret.validation_context.trusted_ca",
            ),
        }
    }
}

const SOCKETS: &str = "cluster.name,cluster.transport_socket,cluster.transport_socket_matches";

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// The names in a list.
    Names(Resource),
    /// A slice of a list.
    Slice(Resource, Option<String>),
    /// What is loaded.
    Certs,
}

impl Request {
    /// The path and query to ask for.
    pub(super) fn path(&self) -> String {
        match self {
            Self::Names(resource) => {
                let (name, mask, _) = resource.form();
                format!("/config_dump?resource={name}&mask={mask}")
            }
            Self::Slice(resource, regex) => {
                let (name, _, mask) = resource.form();
                let mut path = format!("/config_dump?resource={name}&mask={mask}");
                if let Some(regex) = regex {
                    path.push_str("&name_regex=");
                    path.extend(utf8_percent_encode(regex, NON_ALPHANUMERIC));
                }
                path
            }
            Self::Certs => "/certs".to_owned(),
        }
    }
}

/// The slices of listeners and clusters, whose sorted names these are.
pub(super) fn users(names: &[(Resource, Vec<String>)]) -> Vec<Request> {
    [slices(names, &LISTENERS, &[]), slices(names, &CLUSTERS, &[])].concat()
}

/// The slices of secrets in which there are some of `wanted`, sorted as well, or dynamic ones: those may be used
/// without being named anywhere.
pub(super) fn secrets(names: &[(Resource, Vec<String>)], wanted: &[String]) -> Vec<Request> {
    slices(names, &SECRETS, wanted)
}

fn slices(names: &[(Resource, Vec<String>)], share: &Share, wanted: &[String]) -> Vec<Request> {
    let lists = || names.iter().filter(|(resource, _)| share.resources.contains(resource));
    let total: usize = lists().map(|(_, names)| names.len()).sum();
    let mut size = share.smallest.max(total.div_ceil(share.most));
    loop {
        let mut requests = Vec::new();
        for (resource, names) in lists() {
            for slice in cut(names, size) {
                if *resource != Resource::StaticSecrets || has_any(names, &slice, wanted) {
                    requests.push(Request::Slice(*resource, slice.regex));
                }
            }
        }
        if requests.len() <= share.most || size > total {
            return requests;
        }
        size = size.saturating_add(size.div_ceil(4));
    }
}

/// Whether one of `wanted` may be in a slice.
fn has_any(names: &[String], slice: &Slice, wanted: &[String]) -> bool {
    let (from, to) = slice.range;
    let range = names.get(from..to).unwrap_or_default();
    let Some((first, last)) = range.first().zip(range.last()) else { return false };
    wanted.get(wanted.partition_point(|name| name < first)).is_some_and(|name| name <= last)
}
