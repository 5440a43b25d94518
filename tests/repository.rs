//! What the repository says of itself holds: where dependencies point, and what documents name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

use cert_expiry_monitor::config::Config;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` that ends in `extension`, with its path from the root and its text.
fn files(folder: &str, extension: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|own| own == extension) {
                found.push((name(&path), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/")
}

/// The documents for people, wherever they stand.
fn documents() -> Vec<(String, String)> {
    let mut documents = [files("docs", "md"), files("examples", "md"), files("fuzz", "md")].concat();
    for entry in fs::read_dir(root()).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            documents.push((name(&path), fs::read_to_string(&path).unwrap()));
        }
    }
    documents
}

#[test]
fn dependencies_point_one_way() {
    const LAYERS: [(&str, &[&str]); 6] = [
        ("domain", &[]),
        ("decode", &["domain"]),
        ("render", &["domain"]),
        ("config", &["decode", "render", "domain"]),
        ("application", &["config", "decode", "render", "domain"]),
        ("host", &["application", "config", "decode", "render", "domain"]),
    ];
    for (layer, below) in LAYERS {
        for (file, text) in files(&format!("src/{layer}"), "rs") {
            for used in text.split("crate::").skip(1) {
                let used = used.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap();
                assert!(used == layer || below.contains(&used), "{file} uses crate::{used}");
            }
        }
    }
}

#[test]
fn each_foreign_thing_has_one_place() {
    // word | where it may stand
    const PLACES: [(&str, &str); 6] = [
        ("x509_parser", "src/decode/x509.rs"),
        ("minijinja", "src/render/"),
        ("prost", "src/config/document.rs"),
        ("proxy_wasm::", "src/host/"),
        ("unsafe", "src/host/calls.rs"),
        ("postcard", "src/application/"),
    ];
    let names =
        |text: &str, word: &str| text.lines().any(|line| line.contains(word) && !line.trim_start().starts_with("//"));
    for (file, text) in files("src", "rs") {
        for (word, place) in PLACES {
            assert!(!names(&text, word) || file.starts_with(place), "{file} names {word}");
        }
    }
    for (file, text) in files("src/domain", "rs") {
        for word in ["serde", "log::"] {
            assert!(!names(&text, word), "{file} names {word}");
        }
    }
}

#[test]
fn every_file_that_a_document_names_is_there() {
    for (document, text) in documents() {
        for quoted in text.split('`').skip(1).step_by(2) {
            let is_path = quoted.contains('/')
                && !quoted.contains([' ', '<', '*', '$', ':', '=', '{', '\n'])
                && ["src/", "tests/", "docs/", "envoy/", "examples/", "fuzz/", "templates/", ".cargo/", ".ci/"]
                    .iter()
                    .any(|folder| quoted.starts_with(folder));
            assert!(!is_path || root().join(quoted).exists(), "{document} names {quoted}, which is not there");
        }
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap();
            let is_local = !target.is_empty() && !target.contains("://");
            let folder = root().join(&document);
            assert!(
                !is_local || folder.parent().unwrap().join(target).exists(),
                "{document} links to {target}, which is not there"
            );
        }
    }
}

#[test]
fn every_test_that_shows_what_a_document_says_is_there() {
    for (document, least) in [("docs/alerts.md", 16), ("docs/fleet.md", 9), ("SECURITY.md", 16)] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let mut named = 0;
        for line in text.lines() {
            let mut file = None;
            // What stands in backticks: every other part.
            for word in line.split('`').skip(1).step_by(2) {
                let is_test =
                    word.len() > 8 && word.contains('_') && word.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
                if word.starts_with("tests/") || word.starts_with("src/") {
                    file = fs::read_to_string(root().join(word)).ok().map(|text| (word, text));
                } else if let Some((path, text)) = file.as_ref().filter(|_| is_test && word != word.to_uppercase()) {
                    let is_there = ["fn ", "def "].iter().any(|kind| text.contains(&format!("{kind}{word}(")));
                    assert!(is_there, "{document} names {word}, which {path} does not have");
                    named += 1;
                }
            }
        }
        assert!(named >= least, "{document}: {named}");
    }
}

#[test]
fn every_document_that_a_document_prints_is_valid() {
    let mut checked = 0;
    for (document, text) in documents() {
        for block in text.split("```json\n").skip(1).filter_map(|rest| rest.split("\n```").next()) {
            let value: serde_json::Value =
                serde_json::from_str(block).unwrap_or_else(|error| panic!("{document}: {error}\n{block}"));
            // Bodies are JSON too.
            if value.get("event").is_some() {
                continue;
            }
            if let Err(problems) = Config::load(block.as_bytes()) {
                panic!("{document}: {problems:#?}\n{block}");
            }
            checked += 1;
        }
    }
    assert!(checked >= 3, "only {checked} documents were found");
}

/// What the loader says of a document that holds only this key, with nothing as its value.
fn problems_with_key(path: &str) -> String {
    let document = path.split('.').rev().fold(serde_json::Value::Null, |value, part| match part.strip_suffix("[]") {
        Some(list) => serde_json::json!({ list: [value] }),
        None => serde_json::json!({ part: value }),
    });
    let problems = Config::load(document.to_string().as_bytes()).err().unwrap_or_default();
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The configuration keys in the first column of tables that begin with `key`.
fn documented_keys(document: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(document)).unwrap();
    let mut keys = Vec::new();
    let mut in_table = false;
    for line in text.lines() {
        in_table = line.starts_with("| key ") || (in_table && line.starts_with('|'));
        let cell = line.split('|').nth(1).filter(|_| in_table).unwrap_or_default();
        keys.extend(cell.split('`').skip(1).step_by(2).map(str::to_owned));
    }
    keys
}

#[test]
fn every_key_that_a_document_names_exists_and_every_key_that_exists_is_documented() {
    for document in ["README.md", "docs/configuration.md"] {
        let keys = documented_keys(document);
        assert!(keys.len() > 10, "{document}: {keys:?}");
        for key in keys {
            let problems = problems_with_key(&key);
            assert!(!problems.contains("unknown key"), "{document} names {key}: {problems}");
        }
    }
    let documented = documented_keys("docs/configuration.md");
    for section in [
        "certificate_expiry_monitor.",
        "certificate_expiry_monitor.thresholds[].",
        "certificate_expiry_monitor.overrides[].",
        "certificate_expiry_monitor.overrides[].match.",
        "certificate_expiry_monitor.silences[].",
        "certificate_expiry_monitor.quiet_hours.",
        "certificate_expiry_monitor.digest.",
        "certificate_expiry_monitor.renewal_info[].",
        "certificate_expiry_monitor.policies.",
        "certificates[].",
        "discovery.",
        "discovery.probes[].",
        "observe.",
        "webhooks[].",
    ] {
        let problems = problems_with_key(&format!("{section}zzzzzzzz"));
        let keys = problems.split("the keys here are ").nth(1).unwrap().lines().next().unwrap();
        for key in keys.split(", ") {
            assert!(documented.contains(&format!("{section}{key}")), "docs/configuration.md lacks {section}{key}");
        }
    }
}
