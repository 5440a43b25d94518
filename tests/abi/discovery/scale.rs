//! Rounds of discovery over as much as one Envoy may hold: no callback holds the main thread up, and memory stays flat.

use serde_json::json;

use super::{Scene, holding, watched};
use crate::scene::{Envoy, Forged, bundle_of, by_files, seconds};

const PUBLIC: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The authorities of a public bundle.
fn authorities(from: u32, count: u32) -> Vec<Forged> {
    (from..from + count)
        .map(|number| Forged::authority(&format!("CA {number}"), &format!("CA {number}"), number))
        .collect()
}

/// Adds the bundle of the operating system as a file, and another one by SDS.
fn add_public_bundles(envoy: &mut Envoy) {
    let (file, sds) = (authorities(4_000_000_000, 140), authorities(4_100_000_000, 140));
    envoy.cluster("public", &by_files("/etc/client.pem", PUBLIC));
    let loaded: Vec<_> = file.iter().map(|authority| authority.loaded(PUBLIC)).collect();
    envoy.load(&[Forged::leaf("client", "CA 4000000007", 4_200_000_000).loaded("/etc/client.pem")], &loaded);
    envoy.dynamic_secret("public", &bundle_of(&sds.iter().map(Forged::certificate).collect::<Vec<_>>()));
    envoy.cluster("sds", &json!({ "validation_context_sds_secret_config": { "name": "public" } }));
    envoy.load(&[], &sds.iter().map(|authority| authority.loaded("<inline>")).collect::<Vec<_>>());
}

/// A first round, one that finds the same, and one behind which all is gone, beside 20,000 clients.
fn three_rounds(secrets: u32) {
    let mut envoy = holding(secrets, 0);
    add_public_bundles(&mut envoy);
    let mut scene = Scene::behind(envoy, 20_000);
    let count = u64::from(3 * secrets);
    scene.round(&format!("the first round over {secrets} secrets"));
    let found = ["server", "ca", "upstream", "client"].map(|role| watched(&scene.host, role));
    assert_eq!(found, [count, 0, 1, 20_000]);
    let line = format!("Discovered {0} certificates in use, {0} of them new", count + 1);
    assert!(scene.host.logged(&line), "{:#?}", scene.host.log());
    scene.round(&format!("a second round over {secrets} secrets"));
    assert_eq!(watched(&scene.host, "server"), count);
    *scene.envoy.borrow_mut() = Envoy::new();
    scene.round(&format!("the round behind which {secrets} secrets are gone"));
    assert_eq!((watched(&scene.host, "server"), watched(&scene.host, "client")), (0, 20_000));
    scene.bill.settle();
}

#[test]
fn rounds_over_a_thousand_secrets_beside_twenty_thousand_clients_never_hold_the_main_thread_up() {
    three_rounds(1_000);
}

#[test]
#[ignore = "an interpreter parses 15,000 certificates for minutes: `make flood`, which CI runs"]
fn rounds_over_five_thousand_secrets_beside_twenty_thousand_clients_never_hold_the_main_thread_up() {
    three_rounds(5_000);
}

#[test]
fn ten_rounds_over_the_same_answers_leave_memory_flat() {
    let mut envoy = holding(400, 0);
    add_public_bundles(&mut envoy);
    let mut scene = Scene::new(envoy);
    let memory: Vec<_> = (0..18).map(|number| scene.round(&format!("round {number} over 400 secrets"))).collect();
    // Where answers and what they say lie in memory is settled after some.
    assert_eq!(memory[8], memory[17], "{memory:?}");
    scene.bill.settle();
}

#[test]
fn rounds_that_find_everything_renewed_leave_memory_flat() {
    let mut scene = Scene::new(holding(300, 0));
    let mut memory = Vec::new();
    for generation in 1..12 {
        memory.push(scene.round(&format!("generation {generation} of 300 secrets")));
        assert_eq!(watched(&scene.host, "server"), 900);
        *scene.envoy.borrow_mut() = holding(300, generation);
        // When their check cooldown is over, those that are gone are forgotten.
        scene.host.advance(seconds(86_400));
    }
    // What is remembered of those that are gone is settled after some.
    assert!(memory[10] - memory[7] <= 65_536, "{memory:?}");
    scene.bill.settle();
}
