//! What four releases of Envoy answered, recorded by `make record`.

use std::fs;

use serde_json::Value;

use super::admin::{Memory, round};
use crate::application::discovery::{Answer, Survey};
use crate::config::CaBundles;
use crate::domain::certificate::IdSource;

pub(super) const VERSIONS: [&str; 4] = ["1.36.2", "1.37.0", "1.39.3", "1.40.0"];

const REFUSED: &str = "-refused";

pub(super) fn recorded(version: &str, name: &str) -> Vec<u8> {
    let path = format!("{}/tests/data/admin/{version}/{name}.json", env!("CARGO_MANIFEST_DIR"));
    fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The recorded answer to a path. Where an update was refused, `suffix` says it, and only some answers are others.
fn answer(version: &str, suffix: &str, path: &str) -> Answer {
    let name = if path == "/certs" {
        "certs".to_owned()
    } else {
        let (resource, mask) = path.strip_prefix("/config_dump?resource=").unwrap().split_once("&mask=").unwrap();
        let kind = resource.replace("_active", "").replace('_', "-");
        if mask.contains(',') { kind } else { format!("{kind}-names") }
    };
    let is_other = matches!(name.as_str(), "certs" | "dynamic-secrets");
    let suffix = if is_other { suffix } else { "" };
    Answer::Reply(200, recorded(version, &format!("{name}{suffix}")))
}

fn survey(version: &str, suffix: &str, memory: &Memory) -> Survey {
    round(CaBundles::Used, memory, &|path| answer(version, suffix, path)).0.unwrap()
}

/// What is true of the certificates, as OpenSSL's library told it.
fn facts(version: &str) -> Vec<Value> {
    serde_json::from_slice(&recorded(version, "facts")).unwrap()
}

fn is(fact: &Value, key: &str) -> bool {
    fact[key].as_bool().unwrap()
}

#[test]
fn every_certificate_that_can_be_seen_is_found_in_its_role_and_places() {
    for version in VERSIONS {
        let survey = survey(version, "", &Memory::default());
        let facts = facts(version);
        let visible: Vec<_> =
            facts.iter().filter(|fact| is(fact, "served") && (is(fact, "in_certs") || is(fact, "in_dump"))).collect();
        assert!(visible.len() > 15, "{version}");
        let mut number = 0;
        for fact in visible {
            let serial = fact["serial"].as_str().unwrap().trim_start_matches('0').to_uppercase();
            let found: Vec<_> = survey
                .found
                .iter()
                .filter(|found| found.certificate.serial_number.trim_start_matches('0') == serial)
                .collect();
            assert!(!found.is_empty(), "{version} {fact}");
            let mut places = Vec::new();
            for found in &found {
                let certificate = &found.certificate;
                assert_eq!(found.usage.role().as_str(), fact["role"], "{version} {fact}");
                assert_eq!(certificate.not_before.secs(), fact["not_before"], "{version} {fact}");
                assert_eq!(certificate.not_after.secs(), fact["not_after"], "{version} {fact}");
                if is(fact, "in_dump") {
                    assert_eq!(certificate.id.to_string(), fact["sha256"], "{version} {fact}");
                    assert_eq!(certificate.position.as_str().unwrap(), fact["position"], "{version} {fact}");
                    assert_eq!(certificate.name, fact["name"], "{version} {fact}");
                } else {
                    assert_eq!(certificate.source, IdSource::Provisional, "{version} {fact}");
                }
                places.extend(found.places.iter().filter(|place| !place.starts_with("file/")).cloned());
                number += 1;
            }
            let mut expected: Vec<_> =
                fact["places"].as_array().unwrap().iter().map(|place| place.as_str().unwrap().to_owned()).collect();
            expected.sort();
            places.sort();
            places.dedup();
            assert_eq!(places, expected, "{version} {fact}");
        }
        assert_eq!(survey.found.len(), number, "{version}: nothing else");
        assert!(survey.stale.is_empty(), "{version}");
        assert_eq!(survey.unreadable, 0);
        // Where a file holds one authority, all releases tell one.
        assert!(survey.partly_visible.is_some(), "{version}");
    }
}

#[test]
fn an_update_that_envoy_refused_is_seen() {
    for version in VERSIONS {
        let first = survey(version, "", &Memory::default());
        let name = "sds-chain.example.org";
        let old = first.found.iter().find(|found| found.certificate.name == name).unwrap().clone();
        let refused = facts(version).into_iter().find(|fact| fact["name"] == name && !is(fact, "served")).unwrap();
        for memory in [Memory::default(), Memory { found: first.found }] {
            let survey = survey(version, REFUSED, &memory);
            let served: Vec<_> = survey.found.iter().filter(|found| found.certificate.name == name).collect();
            assert_eq!(served.len(), 1, "{version}");
            assert_eq!(served[0].certificate.not_after, old.certificate.not_after, "{version}");
            assert_eq!(served[0].places, old.places, "{version}");
            let [stale] = &survey.stale[..] else { panic!("{version}: {:?}", survey.stale) };
            assert_eq!(
                (stale.place.as_str(), stale.held.id.to_string().as_str()),
                ("secret/sds-chain", refused["sha256"].as_str().unwrap())
            );
            assert_eq!(stale.served.id, served[0].certificate.id);
        }
    }
}

#[test]
fn any_part_of_an_answer_is_an_answer_or_a_failure() {
    let whole = |path: &str| answer("1.40.0", "", path);
    let (_, bill) = round(CaBundles::Used, &Memory::default(), &whole);
    let memory = Memory { found: survey("1.40.0", "", &Memory::default()).found };
    for path in &bill.paths {
        let Answer::Reply(_, body) = whole(path) else { panic!("{path}") };
        for length in (0..body.trim_ascii_end().len()).step_by(61) {
            let cut =
                |asked: &str| if asked == path { Answer::Reply(200, body[..length].to_vec()) } else { whole(asked) };
            let (result, _) = round(CaBundles::Used, &memory, &cut);
            assert!(result.is_err(), "{length} bytes of {path}");
        }
    }
}

/// Everything in a JSON that is of one kind, made another.
fn twist(value: &mut Value, number: usize, at: &mut usize) {
    *at += 1;
    if *at == number {
        *value = match value {
            Value::Object(_) => Value::Array(vec![Value::Null, value.take()]),
            Value::Array(list) => list.first().cloned().unwrap_or(Value::Bool(true)),
            Value::String(_) => serde_json::json!({ "inline_string": [7, value.take()] }),
            _ => Value::String("x".to_owned()),
        };
        return;
    }
    match value {
        Value::Object(map) => map.values_mut().for_each(|value| twist(value, number, at)),
        Value::Array(list) => list.iter_mut().for_each(|value| twist(value, number, at)),
        _ => {}
    }
}

#[test]
fn wrong_types_anywhere_do_no_harm() {
    let whole = |path: &str| answer("1.40.0", "", path);
    let (_, bill) = round(CaBundles::Used, &Memory::default(), &whole);
    let memory = Memory { found: survey("1.40.0", "", &Memory::default()).found };
    for path in &bill.paths {
        let Answer::Reply(_, body) = whole(path) else { panic!("{path}") };
        for number in (1..).step_by(7) {
            let mut value: Value = serde_json::from_slice(&body).unwrap();
            let mut count = 0;
            twist(&mut value, number, &mut count);
            if count < number {
                break;
            }
            let twisted = Answer::Reply(200, value.to_string().into_bytes());
            let answer = |asked: &str| if asked == path { twisted.clone() } else { whole(asked) };
            let (result, _) = round(CaBundles::Used, &memory, &answer);
            assert!(result.is_err_and(|failure| failure.path == *path) || number > 1, "{path}");
        }
    }
}
