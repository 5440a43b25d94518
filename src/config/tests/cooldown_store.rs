//! `cooldown_store` and what becomes of it.

use super::{load, problems};
use crate::config::Config;

#[test]
fn without_the_section_there_is_no_store() {
    assert!(load("{}").cooldown_store.is_none());
    assert!(load(r#"{"cooldown_store": null}"#).cooldown_store.is_none());
}

#[test]
fn a_store_has_a_cluster_and_may_have_a_prefix() {
    let store = load(r#"{"cooldown_store": {"type": "redis", "cluster": "webdis"}}"#).cooldown_store.unwrap();
    assert_eq!((store.cluster.as_str(), store.prefix.as_str(), store.is_switched_off), ("webdis", "", false));
    assert!(store.authorization.is_none());
    let document =
        r#"{"cooldown_store": {"type": "redis", "cluster": "w", "prefix": "eu:", "authorization": {"basic": "${W}"}}}"#;
    let store = load(document).cooldown_store.unwrap();
    assert_eq!(store.prefix, "eu:");
    assert!(store.authorization.is_some());
}

#[test]
fn what_cannot_be_a_store_is_refused() {
    let cases = [
        ("{}", "cooldown_store.type: missing; this key is required"),
        (r#"{"type": "redis"}"#, "cooldown_store.cluster: missing; this key is required"),
        (r#"{"type": "etcd", "cluster": "e"}"#, "cooldown_store.type: \"etcd\" is not allowed; expected one of redis"),
        (r#"{"type": "redis", "cluster": "w", "url": "x"}"#, "cooldown_store.url: unknown key"),
        (r#"{"type": "redis", "cluster": "w", "prefix": "a b"}"#, "cooldown_store.prefix: \"a b\" is not allowed"),
        (
            r#"{"type": "redis", "cluster": "w", "authorization": {}}"#,
            "cooldown_store.authorization: holds both or neither",
        ),
    ];
    for (section, expected) in cases {
        let found = problems(&format!(r#"{{"cooldown_store": {section}}}"#));
        assert!(found.iter().any(|problem| problem.starts_with(expected)), "{section}: {found:?}");
    }
}

#[test]
fn a_missing_variable_switches_it_off() {
    let store = r#""cooldown_store": {"type": "redis", "cluster": "w", "authorization": {"bearer": "${W}"}}"#;
    let mut config = load(&format!("{{{store}}}"));
    let lines = config.resolve(&|_| None).unwrap();
    assert!(lines.len() == 1 && lines[0].contains("variable W is not set"), "{lines:?}");
    assert!(config.cooldown_store.unwrap().is_switched_off);
    let mut strict = Config::load(format!("{{{store}, \"strict_env\": true}}").as_bytes()).unwrap();
    assert!(strict.resolve(&|_| None).is_err());
    let mut config = load(&format!("{{{store}}}"));
    assert!(config.resolve(&|name| (name == "W").then(|| "secret".to_owned())).unwrap().is_empty());
    assert!(!config.cooldown_store.unwrap().is_switched_off);
}
