//! What Envoy's admin interface answers about secrets that came by SDS and the listeners that use them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Certificate, Slot};

/// The cluster whose endpoint is the admin interface.
pub const ADMIN: &str = "envoy_admin";

const API: &str = "type.googleapis.com/envoy";
const TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";

/// The bodies of the resources that there are, and of `/certs` as `certs`.
pub fn bodies(slots: &[Slot]) -> BTreeMap<&'static str, String> {
    let cluster =
        json!({ "@type": format!("{API}.admin.v3.ClustersConfigDump.StaticCluster"), "cluster": { "name": ADMIN } });
    let listeners: Vec<_> =
        slots.iter().flat_map(|slot| slot.listeners.iter().map(|name| listener(name, slot))).collect();
    let loaded = |slot: &Slot| {
        let chain: Vec<_> = slot.chain.iter().map(Certificate::loaded).collect();
        vec![json!({ "ca_cert": [], "cert_chain": chain }); slot.listeners.len()]
    };
    BTreeMap::from([
        ("certs", json!({ "certificates": slots.iter().flat_map(loaded).collect::<Vec<_>>() }).to_string()),
        ("static_clusters", json!({ "configs": [cluster] }).to_string()),
        ("static_listeners", json!({ "configs": listeners }).to_string()),
        ("dynamic_active_secrets", json!({ "configs": slots.iter().map(secret).collect::<Vec<_>>() }).to_string()),
    ])
}

/// What it answers to this path.
pub fn answer(bodies: &BTreeMap<&'static str, String>, path: &str) -> String {
    let resource = path.split("resource=").nth(1).and_then(|rest| rest.split('&').next());
    bodies.get(resource.unwrap_or("certs")).cloned().unwrap_or_else(|| "{}".to_owned())
}

fn secret(slot: &Slot) -> Value {
    let chain: String = slot.chain.iter().map(Certificate::pem).collect();
    json!({
        "@type": format!("{API}.admin.v3.SecretsConfigDump.DynamicSecret"),
        "name": slot.secret,
        "secret": {
            "@type": format!("{TLS}.Secret"),
            "name": slot.secret,
            "tls_certificate": { "certificate_chain": { "inline_string": chain } },
        },
    })
}

fn listener(name: &str, slot: &Slot) -> Value {
    let context = json!({
        "@type": format!("{TLS}.DownstreamTlsContext"),
        "common_tls_context": { "tls_certificate_sds_secret_configs": [{ "name": slot.secret }] },
    });
    let socket = json!({ "name": "envoy.transport_sockets.tls", "typed_config": context });
    json!({
        "@type": format!("{API}.admin.v3.ListenersConfigDump.StaticListener"),
        "listener": { "name": name, "filter_chains": [{ "transport_socket": socket }] },
    })
}
