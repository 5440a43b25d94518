//! Renewals that nobody was alerted to before, for those who want to hear of all.

use cert_expiry_monitor::application::observation::Site;
use cert_expiry_monitor::domain::Role;
use serde_json::{Value, json};

use crate::forged::Certificate;
use crate::secrets::serve;
use crate::world::{DAY, HOUR, World, webhook};

const RENEWED: &str = "CertificateRenewed";
const EDGE: &str = "edge.example.com";

fn edge(begins: i64) -> Certificate {
    Certificate::leaf(EDGE, begins * DAY, (begins + 90) * DAY)
}

/// Rounds of discovery, of checks and of peers come every hour.
fn document(notify: &str, more: &Value) -> Value {
    let mut hooks = webhook("hooks");
    hooks["events"] = json!(["CertificateExpiringSoon", RENEWED]);
    let mut document = json!({
        "certificate_expiry_monitor": { "notify_renewals": notify, "check_cooldown_seconds": HOUR },
        "webhooks": [hooks],
    });
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    document
}

fn discovering(notify: &str) -> Value {
    document(notify, &json!({ "discovery": { "admin_cluster": "envoy_admin", "interval_seconds": HOUR } }))
}

fn listing(certificate: &Certificate) -> Value {
    document("all", &json!({ "certificates": [{ "role": "server", "name": "edge", "pem": certificate.pem() }] }))
}

/// The renewals that were told since the last call: of which certificate, and by which id.
fn renewals(world: &mut World) -> Vec<(String, String)> {
    let calls = world.calls().into_iter().filter(|call| call.cluster == "hooks");
    let renewal = |body: Value, id: String| (body["event"] == RENEWED).then(|| (text(&body, "cert_id"), id));
    calls
        .filter_map(|call| {
            let id = crate::world::header(&call, "x-id").unwrap().to_owned();
            renewal(serde_json::from_slice(&call.body.unwrap()).unwrap(), id)
        })
        .collect()
}

fn text(body: &Value, key: &str) -> String {
    body[key].as_str().unwrap().to_owned()
}

#[test]
fn every_renewal_of_a_secret_is_told_once_and_by_everybody_alike() {
    let mut ids = Vec::new();
    // Another proxy of the fleet sees it an hour later.
    for late in [0, HOUR + 7] {
        let mut world = World::starting(10 * DAY + late, discovering("all"));
        serve(&mut world, &[("edge", &edge(0))]);
        world.run_for(3 * HOUR);
        serve(&mut world, &[("edge", &edge(9))]);
        world.run_for(3 * HOUR);
        let told = renewals(&mut world);
        let [(cert_id, id)] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(*cert_id, edge(0).id());
        ids.push(id.clone());
        // A roll-out that goes back and forth once more is the same renewal.
        for certificate in [edge(0), edge(9)] {
            serve(&mut world, &[("edge", &certificate)]);
            world.run_for(4 * HOUR);
        }
        world.restart();
        world.run_for(4 * HOUR);
        assert_eq!(renewals(&mut world), []);
    }
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn those_who_did_not_ask_for_all_hear_of_none_without_an_alert() {
    let mut world = World::starting(10 * DAY, discovering("alerted"));
    for certificate in [edge(0), edge(9)] {
        serve(&mut world, &[("edge", &certificate)]);
        world.run_for(4 * HOUR);
    }
    assert_eq!(renewals(&mut world), []);
}

#[test]
fn one_that_somebody_was_alerted_to_is_told_by_the_end_of_the_alert_alone() {
    let mut world = World::starting(61 * DAY, discovering("all"));
    for certificate in [edge(0), edge(60)] {
        serve(&mut world, &[("edge", &certificate)]);
        world.run_for(4 * HOUR);
    }
    assert_eq!(renewals(&mut world).len(), 1);
    let mut world = World::starting(61 * DAY, listing(&edge(0)));
    world.run_for(HOUR);
    world.replace(listing(&edge(60)));
    world.run_for(DAY);
    assert_eq!(renewals(&mut world).len(), 1);
}

#[test]
fn the_next_document_renews_what_the_slot_has_held_before() {
    let mut world = World::starting(10 * DAY, listing(&edge(0)));
    world.run_for(HOUR);
    world.restart();
    world.run_for(HOUR);
    assert_eq!(renewals(&mut world), []);
    world.replace(listing(&edge(9)));
    world.run_for(HOUR);
    let told = renewals(&mut world);
    assert_eq!(told.iter().map(|(cert_id, _)| cert_id.clone()).collect::<Vec<_>>(), [edge(0).id()]);
    world.restart();
    world.run_for(DAY);
    // A document that goes back renews nothing.
    world.replace(listing(&edge(0)));
    world.run_for(DAY);
    assert_eq!(renewals(&mut world), []);
}

#[test]
fn a_dead_receiver_hears_of_it_when_it_is_back() {
    let mut world = World::starting(10 * DAY, discovering("all"));
    serve(&mut world, &[("edge", &edge(0))]);
    world.run_for(3 * HOUR);
    world.answers.insert("hooks".into(), Some(cert_expiry_monitor::application::effect::Answer::status(400)));
    serve(&mut world, &[("edge", &edge(9))]);
    world.run_for(3 * HOUR);
    let refused = renewals(&mut world);
    assert!(!refused.is_empty());
    world.answers.clear();
    world.run_for(2 * HOUR);
    let told = renewals(&mut world);
    assert_eq!(told, refused[..1], "once, by the same id");
}

#[test]
fn peers_that_are_replaced_are_renewed_when_the_old_one_is_gone() {
    let mut world = World::starting(10 * DAY, document("all", &json!({})));
    let present = |world: &mut World, certificate: &Certificate| {
        world.observe_text(Site::default(), Role::Upstream, Some("orders"), &certificate.pem());
    };
    present(&mut world, &edge(0));
    world.run_for(HOUR);
    for _ in 0..5 {
        present(&mut world, &edge(9));
        world.run_for(HOUR);
    }
    assert_eq!(renewals(&mut world).len(), 1);
}
