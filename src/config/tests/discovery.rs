//! `discovery` and what becomes of it.

use std::time::Duration;

use super::{load, only_problem, problems};
use crate::config::{CaBundles, Discovery, Probe};

#[test]
fn without_the_section_nothing_is_discovered() {
    assert_eq!(load("{}").discovery, None);
    assert_eq!(load(r#"{"discovery": null}"#).discovery, None);
}

#[test]
fn a_cluster_is_enough_and_every_key_is_read() {
    let expected = Discovery {
        admin_cluster: Some("admin".to_owned()),
        interval: Duration::from_secs(900),
        ca_bundles: CaBundles::Used,
        probes: Vec::new(),
    };
    assert_eq!(load(r#"{"discovery": {"admin_cluster": "admin"}}"#).discovery, Some(expected));
    let document = r#"{"discovery": {"interval_seconds": 60, "ca_bundles": "none", "probes": [
        {"cluster": "probe", "authority": "orders.internal"},
        {"cluster": "probe", "authority": "orders.internal:8443", "path": "/x?y", "api_id": "a\u202eb"}]}}"#;
    let discovery = load(document).discovery.unwrap();
    assert_eq!((discovery.admin_cluster, discovery.interval.as_secs()), (None, 60));
    assert_eq!(discovery.ca_bundles, CaBundles::None);
    let probe = |authority: &str, path: &str, api_id: Option<&str>| Probe {
        cluster: "probe".to_owned(),
        authority: authority.to_owned(),
        path: path.to_owned(),
        api_id: api_id.map(str::to_owned),
    };
    assert_eq!(
        discovery.probes,
        [probe("orders.internal", "/", None), probe("orders.internal:8443", "/x?y", Some("ab"))]
    );
}

#[test]
fn a_wrong_value_is_named_with_its_path_and_what_is_allowed() {
    for (section, problem) in [
        ("{}", "discovery.admin_cluster: missing; this key is required"),
        (
            r#"{"admin_cluster": " "}"#,
            "discovery.admin_cluster: \" \" is not allowed; expected a string that is not empty",
        ),
        (
            r#"{"admin_cluster": "a", "interval_seconds": 4}"#,
            "discovery.interval_seconds: 4 is not allowed; expected an integer from 5 to 86400",
        ),
        (
            r#"{"admin_cluster": "a", "ca_bundles": "some"}"#,
            "discovery.ca_bundles: \"some\" is not allowed; expected one of used, all, none",
        ),
        (
            r#"{"probes": [{"cluster": "c", "authority": "a b"}]}"#,
            "discovery.probes[0].authority: \"a b\" is not allowed; expected visible ASCII characters without spaces",
        ),
        (
            r#"{"probes": [{"cluster": "c", "authority": "a", "path": "x"}]}"#,
            "discovery.probes[0].path: \"x\" is not allowed; expected a path that begins with /",
        ),
        (
            r#"{"probes": [{"cluster": "c", "authority": "a", "paths": "/"}]}"#,
            "discovery.probes[0].paths: unknown key; did you mean \"path\"?",
        ),
    ] {
        assert_eq!(only_problem(&format!(r#"{{"discovery": {section}}}"#)), problem);
    }
    let missing =
        ["cluster", "authority"].map(|key| format!("discovery.probes[0].{key}: missing; this key is required"));
    assert_eq!(problems(r#"{"discovery": {"probes": [{}]}}"#), missing);
}
