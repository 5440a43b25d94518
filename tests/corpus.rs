//! What fuzzing has found, and what it began with, again and without libFuzzer: `make fuzz` looks for more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use fuzz::TARGETS;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The names in a folder, without what stands behind a dot.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_target_has_a_corpus_and_is_known_to_libfuzzer() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(targets, names(&root().join("fuzz_targets")));
    assert_eq!(targets, names(&root().join("corpus")));
    assert!(names(&root().join("dictionaries")).is_subset(&targets));
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("[[bin]]\nname = \"{name}\"\n")), "{name}");
        let shim = fs::read_to_string(root().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(shim.contains(&format!("::{name}::run(")), "{name}");
    }
}

#[test]
fn every_input_of_the_corpus_still_passes() {
    let mut bytes = 0;
    for (name, run) in TARGETS {
        let folder = root().join("corpus").join(name);
        let mut inputs: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        inputs.sort();
        assert!(inputs.len() >= 10, "{name} has only {} inputs", inputs.len());
        for input in inputs {
            let data = fs::read(&input).unwrap();
            bytes += data.len();
            assert!(catch_unwind(|| run(&data)).is_ok(), "{} does not pass", input.display());
        }
    }
    assert!(bytes < 1 << 20, "the corpus has {bytes} bytes");
}

/// The packages of a lock file with their versions.
fn locked(file: &Path) -> BTreeSet<(String, String)> {
    let text = fs::read_to_string(file).unwrap();
    let of = |package: &str, key: &str| {
        let value = package.split(&format!("{key} = \"")).nth(1)?.split('"').next()?;
        Some(value.to_owned())
    };
    text.split("[[package]]").filter_map(|package| Some((of(package, "name")?, of(package, "version")?))).collect()
}

#[test]
fn what_is_fuzzed_is_what_is_built() {
    let (own, plugin) = (locked(&root().join("Cargo.lock")), locked(&root().join("../Cargo.lock")));
    let names: BTreeSet<_> = plugin.iter().map(|(name, _)| name).collect();
    let shared: Vec<_> = own.iter().filter(|(name, _)| names.contains(name)).collect();
    assert!(shared.len() > 50, "{shared:?}");
    for package in shared {
        assert!(plugin.contains(package), "fuzz/Cargo.lock has {package:?}");
    }
}
