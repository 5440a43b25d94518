//! What is served, of what is held and loaded.

use std::rc::Rc;

use serde_json::{Value, json};

use super::admin::{Admin, Memory, entry, lines, listener, round, secret, survey};
use super::certificate::{authority, leaf, leaf_of, parsed, pem};
use crate::application::discovery::Survey;
use crate::config::CaBundles;
use crate::domain::certificate::{IdSource, Position};

const INLINE: &str = "<inline>";

fn inline(ders: &[&[u8]]) -> Value {
    json!({ "inline_string": pem(ders) })
}

fn bytes(ders: &[&[u8]]) -> Value {
    use base64::Engine;
    json!({ "inline_bytes": base64::engine::general_purpose::STANDARD.encode(pem(ders)) })
}

fn uses_chain(secret: &str) -> Value {
    json!({ "tls_certificate_sds_secret_configs": [{ "name": secret, "sds_config": { "name": "other" } }] })
}

fn holds_chain(source: Value) -> Value {
    json!({ "tls_certificates": [{ "certificate_chain": source, "private_key": { "inline_string": "[redacted]" } }] })
}

fn holds_bundle(source: Value) -> Value {
    json!({ "validation_context": { "trusted_ca": source } })
}

fn served(der: &[u8], path: &str) -> Value {
    entry(path, &parsed(der))
}

/// The next round, of a monitor that remembers this one.
fn next(admin: &Admin, survey: Survey) -> Survey {
    super::admin::survey(admin, &Memory { found: survey.found })
}

#[test]
fn every_certificate_of_a_chain_has_the_role_of_its_context() {
    let (edge, middle, root) =
        (leaf("edge", "middle", 1), authority("middle", "root", 2), authority("root", "root", 3));
    let (own, ca) = (leaf("own", "root", 4), authority("ca", "ca", 5));
    let mut admin = Admin::new();
    admin.secret("edge", json!({ "chain": bytes(&[&edge, &middle, &root]) }));
    admin.secret("roots", json!({ "bundle": inline(&[&ca]) }));
    admin.listener("ingress", uses_chain("edge"));
    admin
        .dynamic_listeners
        .push(json!({ "name": "late", "active_state": { "listener": listener("late", uses_chain("edge")) },
        "error_state": { "failed_configuration": listener("late", holds_chain(inline(&[&ca]))) } }));
    admin.cluster(
        "orders",
        json!({
        "tls_certificates": [{ "certificate_chain": inline(&[&own]) }],
        "combined_validation_context": { "validation_context_sds_secret_config": { "name": "roots" },
            "default_validation_context": { "trusted_ca": inline(&[&root]) } } }),
    );
    admin.load(&[served(&edge, INLINE), served(&own, INLINE)], &[served(&ca, INLINE), served(&root, INLINE)]);

    let (result, bill) = round(CaBundles::Used, &Memory::default(), &|path| admin.answer(path));
    let found = result.unwrap();
    assert_eq!(
        lines(&found),
        [
            "ca ca - secret/roots cluster/orders",
            "edge server - secret/edge listener/ingress listener/late",
            "middle server - secret/edge listener/ingress listener/late",
            "own upstream orders cluster/orders",
            "root ca - cluster/orders",
            "root server - secret/edge listener/ingress listener/late",
        ]
    );
    assert!(found.stale.is_empty() && found.partly_visible.is_none() && found.unreadable == 0);
    assert_eq!(bill.parsed, 5, "each once");
    // What is known is not parsed again.
    let (_, bill) = round(CaBundles::Used, &Memory { found: found.found }, &|path| admin.answer(path));
    assert_eq!(bill.parsed, 0);
}

#[test]
fn the_side_is_what_the_type_around_a_context_says_else_that_of_the_element() {
    let certificates: Vec<_> = (1..=4).map(|number| leaf(&format!("cert-{number}"), "root", number)).collect();
    let context = |number: usize| json!({ "common_tls_context": holds_chain(inline(&[&certificates[number]])) });
    let typed = |kind: &str, mut value: Value| {
        value["@type"] = format!("type.googleapis.com/envoy.{kind}").into();
        value
    };
    let mut admin = Admin::new();
    let quic = typed("quic.v3.QuicDownstreamTransport", json!({ "downstream_tls_context": context(0) }));
    let tap = typed(
        "tap.v3.Tap",
        json!({ "transport_socket": {
        "typed_config": typed("tls.v3.UpstreamTlsContext", context(1)) } }),
    );
    let sockets = json!([{ "name": "a", "transport_socket": { "typed_config":
        typed("proxy_protocol.v3.ProxyProtocolUpstreamTransport", json!({ "transport_socket": {
            "typed_config": typed("tls.v3.UpstreamTlsContext", context(2)) } })) } }]);
    let start = typed("starttls.v3.UpstreamStartTlsConfig", json!({ "tls_socket_config": context(3) }));
    admin
        .static_listeners
        .push(json!({ "listener": { "filter_chains": [{ "typed_config": quic }, { "typed_config": tap }],
        "name": "main" } }));
    admin.static_clusters.push(json!({ "cluster": { "transport_socket_matches": sockets, "name": "up",
        "transport_socket": { "typed_config": start } } }));
    admin.load(&certificates.iter().map(|der| served(der, INLINE)).collect::<Vec<_>>(), &[]);
    assert_eq!(
        lines(&survey(&admin, &Memory::default())),
        [
            "cert-1 server - listener/main",
            "cert-2 upstream - listener/main",
            "cert-3 upstream up cluster/up",
            "cert-4 upstream up cluster/up",
        ]
    );
}

#[test]
fn a_file_is_known_by_what_certs_tells_until_its_pem_turns_up() {
    let (edge, ca) = (leaf("edge.example.com", "root", 1), authority("ca", "ca", 2));
    let nameless = leaf_of("n", "n", 3, &[]);
    let mut admin = Admin::new();
    let mut context = holds_chain(json!({ "filename": "certs/edge.pem" }));
    context["validation_context"] = json!({ "trusted_ca": { "filename": "certs/ca.pem" } });
    admin.listener("ingress", context.clone());
    admin.listener("other", context);
    admin.static_secrets.push(secret("kept", json!({ "chain": { "filename": "certs/kept.pem" } })));
    admin.static_secrets.push(secret("unused", json!({ "chain": { "filename": "certs/unused.pem" } })));
    admin.cluster("up", uses_chain("kept"));
    let loaded = [served(&edge, "certs/edge.pem"), served(&nameless, "certs/kept.pem")];
    admin.load(&loaded, &[served(&ca, "certs/ca.pem")]);

    let first = survey(&admin, &Memory::default());
    assert_eq!(
        lines(&first),
        [
            "ca.pem ca - file/certs/ca.pem listener/ingress listener/other",
            "edge.example.com server - file/certs/edge.pem listener/ingress listener/other",
            "kept.pem upstream up secret/kept file/certs/kept.pem cluster/up",
        ]
    );
    assert_eq!(first.partly_visible.as_deref(), Some("certs/ca.pem"));
    let of = |survey: &Survey, name: &str| {
        let found = survey.found.iter().find(|found| found.certificate.name == name);
        Rc::clone(&found.unwrap_or_else(|| panic!("{name}")).certificate)
    };
    let provisional = of(&first, "edge.example.com");
    assert_eq!((provisional.source, provisional.position), (IdSource::Provisional, Position::Leaf));
    assert_eq!(provisional.sans, ["edge.example.com"]);
    assert_eq!(provisional.not_after, parsed(&edge).not_after);
    assert_eq!(of(&first, "ca.pem").position, Position::Unknown);
    assert_eq!(of(&next(&admin, first.clone()), "edge.example.com").id, provisional.id, "the same in every round");

    // Somebody else has shown it.
    let mut memory = Memory { found: first.found.clone() };
    memory.found.insert(
        0,
        crate::application::discovery::Found {
            certificate: Rc::new(parsed(&edge)),
            usage: first.found[0].usage.clone(),
            places: Vec::new(),
        },
    );
    assert_eq!(of(&survey(&admin, &memory), "edge.example.com").id, parsed(&edge).id);
    // Or it stands in the dump, in another place.
    admin.secret("twin", json!({ "chain": inline(&[&edge]) }));
    let found = next(&admin, first);
    assert_eq!(of(&found, "edge.example.com").id, parsed(&edge).id);
}

#[test]
fn what_nothing_explains_is_where_it_was_or_where_its_path_says() {
    let (edge, ca, inner) = (leaf("edge", "root", 1), authority("ca", "ca", 2), leaf("inner", "root", 3));
    let mut admin = Admin::new();
    admin.secret("edge", json!({ "chain": inline(&[&inner]) }));
    admin.cluster("up", uses_chain("edge"));
    admin.load(&[served(&edge, "a/edge.pem"), served(&inner, INLINE)], &[served(&ca, "a/ca.pem")]);
    let first = survey(&admin, &Memory::default());
    assert_eq!(
        lines(&first),
        ["ca.pem ca - file/a/ca.pem", "edge server - file/a/edge.pem", "inner upstream up secret/edge cluster/up",]
    );
    // A listener that is drained still serves what no dump shows any more.
    admin.static_clusters.pop();
    admin.dynamic_active_secrets.clear();
    let second = next(&admin, first.clone());
    assert_eq!(lines(&second), lines(&first));
    // Without having been met before, a leaf in the configuration has no place.
    admin.contexts.clear();
    admin.load(&[served(&inner, INLINE)], &[]);
    assert_eq!(lines(&survey(&admin, &Memory::default())), ["inner server - "]);
}

#[test]
fn a_secret_that_nobody_names_counts_if_it_is_loaded() {
    let (edge, idle) = (leaf("edge", "root", 1), leaf("idle", "root", 2));
    let mut admin = Admin::new();
    admin.secret("edge", json!({ "chain": inline(&[&edge]) }));
    admin.secret("idle", json!({ "chain": inline(&[&idle]) }));
    admin.static_secrets.push(secret("static", json!({ "chain": inline(&[&idle]) })));
    admin.load(&[served(&edge, INLINE)], &[]);
    let found = survey(&admin, &Memory::default());
    assert_eq!(lines(&found), ["edge server - secret/edge"]);
    assert!(found.stale.is_empty());
}

#[test]
fn an_update_that_envoy_refused_leaves_the_old_one_and_a_stale_place() {
    let (old, middle) = (leaf("edge", "middle", 1), authority("middle", "root", 2));
    let new = leaf("edge", "middle", 3);
    let mut admin = Admin::new();
    admin.secret("edge", json!({ "chain": inline(&[&old, &middle]) }));
    admin.listener("ingress", uses_chain("edge"));
    admin.cluster("up", uses_chain("edge"));
    admin.load(&[served(&old, INLINE)], &[]);
    let first = survey(&admin, &Memory::default());

    admin.dynamic_active_secrets.clear();
    admin.secret("edge", json!({ "chain": inline(&[&new, &middle]) }));
    let second = next(&admin, first.clone());
    assert_eq!(
        lines(&second),
        ["edge server - secret/edge listener/ingress", "edge upstream up secret/edge cluster/up",]
    );
    assert!(second.found.iter().all(|found| found.certificate.id == parsed(&old).id));
    let stale: Vec<_> = second.stale.iter().map(|stale| (stale.place.as_str(), stale.usage.role().as_str())).collect();
    assert_eq!(stale, [("secret/edge", "server"), ("secret/edge", "upstream")]);
    assert!(second.stale.iter().all(|stale| stale.served.id == parsed(&old).id && stale.held.id == parsed(&new).id));
    // So it stays, round after round.
    assert_eq!(next(&admin, second.clone()), second);

    // Then the key follows: the new one replaces the old one.
    admin.contexts.clear();
    admin.load(&[served(&new, INLINE)], &[]);
    let third = next(&admin, second);
    assert!(third.stale.is_empty());
    assert_eq!(third.found.len(), 4);
    assert!(third.found.iter().all(|found| found.certificate.id != parsed(&old).id));
}

#[test]
fn what_a_refused_update_left_is_known_by_its_names_or_because_nothing_else_is_left() {
    let names = ["a.example.com", "b.example.com"];
    let certificate = |serial, sans: &[&str]| leaf_of("x", "root", serial, sans);
    let (old_a, old_b) = (certificate(1, &names), certificate(2, &["c.example.com"]));
    let (new_a, new_b) = (certificate(3, &[names[1], names[0]]), certificate(4, &["other.example.com"]));
    let mut admin = Admin::new();
    admin.secret("b", json!({ "chain": inline(&[&new_b]) }));
    admin.secret("a", json!({ "chain": inline(&[&new_a]) }));
    admin.listener("a", uses_chain("a"));
    admin.listener("b", uses_chain("b"));
    admin.load(&[served(&old_b, INLINE), served(&old_a, INLINE)], &[]);
    let found = survey(&admin, &Memory::default());
    assert_eq!(
        lines(&found),
        ["a.example.com server - secret/a listener/a", "c.example.com server - secret/b listener/b",]
    );
    let stale: Vec<_> =
        found.stale.iter().map(|stale| (stale.place.as_str(), stale.served.name.as_str(), stale.held.id)).collect();
    assert_eq!(
        stale,
        [("secret/a", "a.example.com", parsed(&new_a).id), ("secret/b", "c.example.com", parsed(&new_b).id),]
    );
    // Nothing is served in the place of either: there is nothing to tell.
    admin.contexts.clear();
    admin.load(&[], &[]);
    let found = survey(&admin, &Memory::default());
    assert!(found.found.is_empty() && found.stale.is_empty());
}

#[test]
fn a_refused_update_that_is_no_certificate_leaves_the_old_one_where_it_was() {
    let old = leaf("edge", "root", 1);
    let mut admin = Admin::new();
    admin.secret("edge", json!({ "chain": inline(&[&old]) }));
    admin.listener("ingress", uses_chain("edge"));
    admin.load(&[served(&old, INLINE)], &[]);
    let first = survey(&admin, &Memory::default());
    for garbage in ["garbage", "", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        admin.dynamic_active_secrets.clear();
        admin.secret("edge", json!({ "chain": { "inline_string": garbage } }));
        assert_eq!(lines(&next(&admin, first.clone())), lines(&first), "{garbage}");
    }
}

#[test]
fn a_secret_that_was_never_loaded_is_none() {
    let (edge, loose) = (leaf("edge", "root", 1), leaf("loose", "root", 2));
    let mut admin = Admin::new();
    admin.secret("edge", json!({ "chain": inline(&[&edge]) }));
    admin.dynamic_active_secrets[0]["version_info"] = "uninitialized".into();
    admin.listener("ingress", uses_chain("edge"));
    admin.load(&[served(&loose, INLINE)], &[]);
    assert!(survey(&admin, &Memory::default()).stale.is_empty());
}

/// A bundle like those of operating systems: twelve authorities, of which one signed another.
fn large_bundle() -> Vec<Vec<u8>> {
    let mut bundle: Vec<_> =
        (1..=10).map(|number| authority(&format!("ca-{number}"), &format!("ca-{number}"), number)).collect();
    bundle.push(authority("middle", "ca-3", 11));
    bundle.push(authority("ca-12", "ca-12", 12));
    bundle
}

#[test]
fn of_a_large_bundle_those_count_in_which_chains_end() {
    let bundle = large_bundle();
    let bundle: Vec<&[u8]> = bundle.iter().map(Vec::as_slice).collect();
    let edge = leaf("edge", "middle", 20);
    let client = leaf("client", "ca-7", 21);
    let mut admin = Admin::new();
    admin.cluster("up", holds_bundle(inline(&bundle)));
    admin.listener("main", holds_chain(inline(&[&edge])));
    // Only the first of a bundle is told before 1.40.
    admin.load(&[served(&edge, INLINE)], &[served(bundle[0], INLINE)]);
    let of = |bundles, memory: &Memory| lines(&round(bundles, memory, &|path| admin.answer(path)).0.unwrap());
    let nobody = Memory::default();
    let own = "edge server - listener/main";
    assert_eq!(of(CaBundles::None, &nobody), [own]);
    assert_eq!(of(CaBundles::All, &nobody).len(), 13);
    assert_eq!(of(CaBundles::Used, &nobody), ["ca-3 ca - cluster/up", own, "middle ca - cluster/up"]);
    // A peer's certificate counts as well.
    let peer = crate::application::discovery::Found {
        certificate: Rc::new(parsed(&client)),
        usage: crate::domain::Usage::new(crate::domain::Role::Client, None),
        places: Vec::new(),
    };
    let used = of(CaBundles::Used, &Memory { found: vec![peer] });
    assert_eq!(used, ["ca-3 ca - cluster/up", "ca-7 ca - cluster/up", own, "middle ca - cluster/up"]);
}

#[test]
fn a_large_bundle_in_a_file_is_left_out_where_nothing_says_what_of_it_is_used() {
    let bundle = large_bundle();
    let edge = leaf("edge", "ca-3", 20);
    let mut admin = Admin::new();
    admin.cluster("up", holds_bundle(json!({ "filename": "ca-certificates.crt" })));
    admin.listener("main", holds_chain(inline(&[&edge])));
    let told: Vec<_> = bundle.iter().map(|der| served(der, "ca-certificates.crt")).collect();
    admin.load(&[served(&edge, INLINE)], &told);
    let first = survey(&admin, &Memory::default());
    assert_eq!(lines(&first), ["edge server - listener/main"]);
    assert_eq!(first.partly_visible, None);
    // One of its certificates is known from elsewhere.
    admin.cluster("other", holds_bundle(inline(&[&bundle[2], &bundle[3]])));
    admin.load(&[], &[served(&bundle[2], INLINE)]);
    assert_eq!(
        lines(&survey(&admin, &Memory::default())),
        [
            "ca-3 ca - file/ca-certificates.crt cluster/up cluster/other",
            "ca-4 ca - cluster/other",
            "edge server - listener/main",
        ]
    );
    // Not in use by anybody that the dump names.
    admin.static_clusters.truncate(1);
    assert_eq!(lines(&survey(&admin, &Memory::default())).len(), 2, "{:?}", lines(&survey(&admin, &Memory::default())));
}

#[test]
fn a_bundle_that_is_not_loaded_is_not_in_use() {
    let (one, two) = (authority("one", "one", 1), authority("two", "two", 2));
    let mut admin = Admin::new();
    admin.listener("main", holds_bundle(inline(&[&one, &two])));
    admin.load(&[], &[]);
    assert!(survey(&admin, &Memory::default()).found.is_empty());
    admin.contexts.clear();
    admin.load(&[], &[served(&two, INLINE)]);
    assert_eq!(lines(&survey(&admin, &Memory::default())), ["one ca - listener/main", "two ca - listener/main"]);
}

#[test]
fn names_from_outside_are_made_harmless_and_places_are_few() {
    let edge = leaf("edge", "root", 1);
    let mut admin = Admin::new();
    for number in 0..2 * crate::application::inventory::MOST_PLACES {
        admin.listener(&format!("evil\u{202e}\n{number:02}"), holds_chain(json!({ "filename": "a\u{0}b.pem" })));
    }
    admin.load(&[served(&edge, "a\u{0}b.pem")], &[]);
    let found = survey(&admin, &Memory::default());
    assert_eq!(found.found.len(), 1);
    let places = &found.found[0].places;
    assert_eq!(places.len(), crate::application::inventory::MOST_PLACES);
    assert!(
        places[0] == "file/ab.pem" && places.iter().skip(1).all(|place| place.starts_with("listener/evil")),
        "{places:?}"
    );
}
