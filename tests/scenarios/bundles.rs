//! Bundles of authorities such as operating systems bring along: of these only those are watched that something depends on.

use std::collections::BTreeMap;

use cert_expiry_monitor::application::observation::Site;
use cert_expiry_monitor::domain::Role;
use serde_json::json;

use crate::admin::Admin;
use crate::forged::Certificate;
use crate::world::{DAY, HOUR, World};

#[test]
fn the_authority_of_a_large_bundle_that_a_peers_chain_ends_in_is_watched_from_the_next_round_on() {
    let names = (0..12).map(|number| format!("Root {number}"));
    let roots: Vec<_> = names.map(|name| Certificate::authority(&name, &name, -DAY, 90 * DAY)).collect();
    let bundle: String = roots.iter().map(Certificate::pem).collect();
    let loaded: Vec<_> = roots.iter().map(Certificate::loaded).collect();
    let cluster = json!({ "configs": [{ "cluster": { "name": "orders", "transport_socket": { "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": { "validation_context": { "trusted_ca": { "inline_string": bundle } } } } } } }] });
    let mut admin = Admin::of("1.40.0");
    admin.bodies = Some(BTreeMap::from([
        ("certs", json!({ "certificates": [{ "ca_cert": loaded, "cert_chain": [] }] }).to_string()),
        ("static_clusters", cluster.to_string()),
    ]));
    let mut world = World::starting(0, json!({ "discovery": { "admin_cluster": "envoy_admin" } }));
    world.admin = Some(admin);
    world.run_for(30);
    assert_eq!(world.metric("certificates;.;role=.=ca"), 0, "nobody's chain ends there");
    let shown = Certificate::leaf("orders.internal", -DAY, 90 * DAY).issued_by(&roots[5]);
    world.observe_text(Site::default(), Role::Upstream, Some("orders"), &shown.pem());
    world.run_for(HOUR);
    assert_eq!(world.metric("certificates;.;role=.=ca"), 1);
}
