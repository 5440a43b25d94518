//! An Envoy whose listeners serve what came by SDS.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::admin::Admin;
use crate::forged::Certificate;
use crate::world::World;

const API: &str = "type.googleapis.com/envoy";
const TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";

/// Each secret is served by a listener of its name. The rounds of discovery find what is there when they begin.
pub fn serve(world: &mut World, secrets: &[(&str, &Certificate)]) {
    let cluster = json!({ "@type": format!("{API}.admin.v3.ClustersConfigDump.StaticCluster"),
        "cluster": { "name": "envoy_admin" } });
    let certs: Vec<_> =
        secrets.iter().map(|(_, certificate)| json!({ "ca_cert": [], "cert_chain": [certificate.loaded()] })).collect();
    let configs = |of: &dyn Fn(&str, &Certificate) -> Value| {
        let configs: Vec<_> = secrets.iter().map(|(name, certificate)| of(name, certificate)).collect();
        json!({ "configs": configs }).to_string()
    };
    let admin = world.admin.get_or_insert_with(|| Admin::of("1.40.0"));
    admin.bodies = Some(BTreeMap::from([
        ("certs", json!({ "certificates": certs }).to_string()),
        ("static_clusters", json!({ "configs": [cluster] }).to_string()),
        ("static_listeners", configs(&|name, _| listener(name))),
        ("dynamic_active_secrets", configs(&secret)),
    ]));
}

fn secret(name: &str, certificate: &Certificate) -> Value {
    json!({
        "@type": format!("{API}.admin.v3.SecretsConfigDump.DynamicSecret"),
        "name": name,
        "secret": {
            "@type": format!("{TLS}.Secret"),
            "name": name,
            "tls_certificate": { "certificate_chain": { "inline_string": certificate.pem() } },
        },
    })
}

fn listener(secret: &str) -> Value {
    let context = json!({
        "@type": format!("{TLS}.DownstreamTlsContext"),
        "common_tls_context": { "tls_certificate_sds_secret_configs": [{ "name": secret }] },
    });
    let socket = json!({ "name": "envoy.transport_sockets.tls", "typed_config": context });
    json!({
        "@type": format!("{API}.admin.v3.ListenersConfigDump.StaticListener"),
        "listener": { "name": secret, "filter_chains": [{ "transport_socket": socket }] },
    })
}
