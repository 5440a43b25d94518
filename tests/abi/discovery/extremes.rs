//! What Envoys hold in odd numbers and sizes.

use serde_json::json;

use super::{Scene, chain, holding, name, secret, watched};
use crate::host::Host;
use crate::scene::{Envoy, Forged, bundle_of, by_files, by_secret, chain_of, metric};

fn told(host: &Host, event: &str) -> u64 {
    metric(host, &format!("events_total;.;event=.={event}"))
}

/// TLS contexts with files of their own, whose leaves end in the same second.
fn filing(count: u32) -> Envoy {
    let mut envoy = Envoy::new();
    let path = |number: u32| format!("/etc/certs/{number:05}.pem");
    let context = |number| by_files(&path(number), "/etc/certs/ca.pem");
    envoy.listener("files", (0..count).map(context));
    let ca = Forged::authority("ca", "ca", 4_000_000_000).loaded("/etc/certs/ca.pem");
    for number in 0..count {
        let leaf = Forged::leaf(&format!("{number}.example.com"), "ca", number).loaded(&path(number));
        envoy.load(&[leaf], std::slice::from_ref(&ca));
    }
    envoy
}

#[test]
fn files_whose_certificates_end_in_the_same_second() {
    let mut scene = Scene::new(filing(3_000));
    scene.round("3,000 files that end together");
    assert_eq!((watched(&scene.host, "server"), watched(&scene.host, "ca")), (3_000, 1));
    scene.round("3,000 files that end together, again");
    // Their PEM turns up.
    let mut envoy = filing(3_000);
    for number in 0..1_000 {
        let leaf = Forged::leaf(&format!("{number}.example.com"), "ca", number);
        envoy.dynamic_secret(&name(number), &chain_of(&[leaf.certificate()]));
    }
    *scene.envoy.borrow_mut() = envoy;
    scene.round("1,000 of them by SDS as well");
    assert_eq!(watched(&scene.host, "server"), 3_000);
    scene.bill.settle();
}

#[test]
fn secrets_that_were_all_renewed_in_vain() {
    let mut scene = Scene::new(holding(600, 0));
    scene.round("600 secrets");
    let served = scene.envoy.borrow().loaded();
    *scene.envoy.borrow_mut() = holding(600, 1).serving(served);
    scene.round("600 secrets that Envoy does not serve");
    assert_eq!(told(&scene.host, "CertificateStale"), 0);
    scene.round("600 secrets that Envoy still does not serve");
    assert_eq!(told(&scene.host, "CertificateStale"), 600);
    *scene.envoy.borrow_mut() = holding(600, 1);
    scene.round("600 secrets that Envoy serves at last");
    scene.bill.settle();
}

#[test]
fn one_client_certificate_for_a_thousand_clusters() {
    let mut envoy = Envoy::new();
    let own = chain(0, 0);
    envoy.static_secret("own", &secret(&own));
    for number in 0..1_000 {
        envoy.cluster(&format!("cluster-{number:04}"), &by_secret("own"));
        envoy.load(&[own[0].loaded("<inline>")], &[]);
    }
    let mut scene = Scene::new(envoy);
    for number in 0..3 {
        scene.round(&format!("round {number} over 1,000 clusters with one client certificate"));
    }
    assert_eq!(watched(&scene.host, "upstream"), 3);
    scene.bill.settle();
}

#[test]
fn a_chain_that_expires_in_every_secret() {
    let mut envoy = Envoy::new();
    let number = |number: u32| Forged::leaf(&format!("{number}.example.com"), "ca", number).ending_in(86_400);
    envoy.listener("all", (0..1_000).map(|number| by_secret(&name(number))));
    for secret in 0..1_000 {
        envoy.static_secret(&name(secret), &chain_of(&[number(secret).certificate()]));
        envoy.load(&[number(secret).loaded("<inline>")], &[]);
    }
    let mut scene = Scene::new(envoy);
    scene.round("1,000 secrets that expire");
    assert_eq!(told(&scene.host, "CertificateExpiringSoon"), 1_000);
    scene.bill.settle();
}

#[test]
fn texts_that_are_nearly_too_long() {
    let authorities =
        |count| (0..count).map(|number| Forged::authority(&format!("{number}"), "ca", number).certificate());
    // 400 KB of text, in the two forms that secrets have.
    for (what, count, form) in [("bytes", 210, "inline_bytes"), ("text", 300, "inline_string")] {
        let bundle: Vec<_> = authorities(count).collect();
        let mut contents = bundle_of(&bundle);
        if form == "inline_bytes" {
            use base64::Engine;
            let text = base64::engine::general_purpose::STANDARD.encode(crate::scene::pem(&bundle));
            contents = json!({ "validation_context": { "trusted_ca": { "inline_bytes": text } } });
        }
        println!("{} bytes of {what}", contents.to_string().len());
        let mut envoy = Envoy::new();
        for number in 0..4 {
            envoy.dynamic_secret(&name(number), &contents);
        }
        let loaded: Vec<_> =
            (0..count).map(|number| Forged::authority(&format!("{number}"), "ca", number).loaded("<inline>")).collect();
        envoy.load(&[], &loaded);
        let mut scene = Scene::new(envoy);
        scene.round(&format!("a bundle of {count} authorities in {what}"));
        scene.round(&format!("a bundle of {count} authorities in {what}, again"));
        scene.bill.settle();
    }
}

#[test]
fn names_as_long_as_a_bundle() {
    // Texts in which every letter is escaped are ten times as dear; Envoy has no names of either kind.
    let long = |letter: &str, bytes: usize| letter.repeat(bytes / letter.len());
    for (what, text) in [
        ("190 kB of letters", long("x", 190_000)),
        ("190 kB of signs", long("\u{202e}", 190_000)),
        ("25 kB of quotes", long("\"", 25_000)),
    ] {
        let mut envoy = Envoy::new();
        let leaf = chain(1, 0)[0].clone();
        envoy.listener(&text, [by_secret(&text), by_files(&text, &text)]);
        envoy.cluster(&text, &by_secret(&text));
        envoy.static_secret(&text, &secret(&chain(1, 0)));
        envoy.dynamic_secret(&text, &secret(&chain(2, 0)));
        let mut loaded = leaf.loaded(&text);
        loaded["subject_alt_names"] = json!([{ "dns": text }, { "dns": text }]);
        envoy.load(&[loaded, leaf.loaded("<inline>")], &[leaf.loaded(&text)]);
        let mut scene = Scene::new(envoy);
        scene.round(&format!("names of {what}"));
        scene.bill.settle();
    }
}

#[test]
fn a_text_of_empty_blocks() {
    let blocks = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n".repeat(7_000);
    let beginnings = "-----BEGIN ".repeat(36_000);
    let small = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".repeat(6_500);
    for (what, text) in [("empty blocks", blocks), ("beginnings", beginnings), ("blocks of nothing", small)] {
        let mut envoy = holding(20, 0);
        envoy.static_secret("odd", &json!({ "tls_certificate": { "certificate_chain": { "inline_string": text } } }));
        envoy.listener("odd", [by_secret("odd")]);
        let mut scene = Scene::new(envoy);
        scene.round(&format!("a secret of {what}"));
        assert_eq!(watched(&scene.host, "server"), 60);
        scene.bill.settle();
    }
}
