//! Certificates that take one another's place, and who hears of it.

use cert_expiry_monitor::application::observation::Site;
use cert_expiry_monitor::domain::Role;
use serde_json::{Value, json};

use crate::forged::Certificate;
use crate::secrets::serve;
use crate::world::{DAY, HOUR, MINUTE, World, webhook};

const SOON: &str = "CertificateExpiringSoon";
const RENEWED: &str = "CertificateRenewed";
const RESOLVED: &str = "CertificateResolved";
const EDGE: &str = "edge.example.com";
/// Between two rounds of discovery, and what may pass until two of them have seen something.
const ROUND: i64 = HOUR;
const TWO_ROUNDS: i64 = 3 * HOUR;

/// One that hears of renewals, one that hears of ends, and one that hears of neither.
fn webhooks() -> Value {
    let (mut renewals, mut ends) = (webhook("renewals"), webhook("ends"));
    renewals["events"] = json!([SOON, "CertificateExpired", RENEWED]);
    for hook in [&mut renewals, &mut ends] {
        hook["send_resolved"] = json!(true);
    }
    json!([renewals, ends, webhook("plain")])
}

fn discovering(expiry: &Value) -> Value {
    json!({
        "discovery": { "admin_cluster": "envoy_admin", "interval_seconds": ROUND },
        "certificate_expiry_monitor": expiry,
        "webhooks": webhooks(),
    })
}

/// Whom a certificate of 90 days belongs to that begins on a day.
fn edge(begins: i64) -> Certificate {
    Certificate::leaf(EDGE, begins * DAY, (begins + 90) * DAY)
}

/// Who received what since the last call.
fn told(world: &mut World) -> Vec<(String, String)> {
    let mut told: Vec<_> = world.received().into_iter().map(|received| (received.cluster, received.event)).collect();
    told.sort();
    told
}

/// Until another round of discovery is over.
fn run_for_a_round(world: &mut World) {
    let rounds = |world: &World| world.metric("discoveries_total;.;outcome=.=complete");
    let before = rounds(world);
    while rounds(world) == before {
        world.run_for(MINUTE);
    }
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(cluster, event)| ((*cluster).to_owned(), (*event).to_owned())).collect()
}

fn alerted() -> Vec<(String, String)> {
    pairs(&[("ends", SOON), ("plain", SOON), ("renewals", SOON)])
}

#[test]
fn a_slot_that_is_renewed_closes_its_alert_and_each_hears_of_it_once() {
    let (old, new) = (edge(0), edge(61));
    let mut world = World::starting(60 * DAY + HOUR, discovering(&json!({})));
    serve(&mut world, &[("edge", &old)]);
    world.run_for(TWO_ROUNDS);
    let first = world.received();
    assert_eq!(first.len(), 3, "{first:#?}");
    serve(&mut world, &[("edge", &new)]);
    world.calls();
    world.run_for(TWO_ROUNDS);
    assert_eq!(told(&mut world), pairs(&[("ends", RESOLVED), ("renewals", RENEWED)]));
    for call in world.calls().into_iter().filter(|call| call.cluster != "envoy_admin") {
        let body: Value = serde_json::from_slice(&call.body.unwrap()).unwrap();
        assert_eq!((&body["cert_id"], &body["cert_name"]), (&json!(old.id()), &json!(EDGE)), "{body}");
    }
    assert_eq!(world.metric("events_total;.;event=.=CertificateRenewed"), 1);
    world.restart();
    world.run_for(DAY);
    assert_eq!(told(&mut world), []);
}

#[test]
fn a_roll_out_that_flips_between_old_and_new_tells_nothing_before_it_is_over() {
    let (old, new) = (edge(0), edge(61));
    let mut world = World::starting(60 * DAY + HOUR, discovering(&json!({})));
    serve(&mut world, &[("edge", &old)]);
    world.run_for(TWO_ROUNDS);
    assert_eq!(told(&mut world), alerted());
    for _ in 0..10 {
        for certificate in [&new, &old] {
            serve(&mut world, &[("edge", certificate)]);
            run_for_a_round(&mut world);
        }
    }
    assert_eq!(told(&mut world), [], "nothing was reset, and nothing is over");
    serve(&mut world, &[("edge", &new)]);
    world.run_for(TWO_ROUNDS);
    assert_eq!(told(&mut world), pairs(&[("ends", RESOLVED), ("renewals", RENEWED)]));
}

#[test]
fn what_goes_without_a_successor_is_over_at_once_and_is_not_renewed() {
    let old = edge(0);
    for (what, others) in [
        ("nothing", vec![]),
        ("another name", vec![("edge", Certificate::leaf("other.example.com", 0, 400 * DAY))]),
        ("another place", vec![("other", edge(61))]),
        ("an earlier end", vec![("edge", Certificate::leaf(EDGE, 60 * DAY, 89 * DAY))]),
        ("an authority", vec![("edge", Certificate { is_ca: true, ..edge(61) })]),
    ] {
        let mut world = World::starting(60 * DAY + HOUR, discovering(&json!({})));
        serve(&mut world, &[("edge", &old)]);
        world.run_for(TWO_ROUNDS);
        world.received();
        let others: Vec<_> = others.iter().map(|(secret, certificate)| (*secret, certificate)).collect();
        serve(&mut world, &others);
        run_for_a_round(&mut world);
        let told: Vec<_> = told(&mut world).into_iter().filter(|(_, event)| event != SOON).collect();
        assert_eq!(told, pairs(&[("ends", RESOLVED), ("renewals", RESOLVED)]), "{what}");
    }
}

#[test]
fn an_alert_about_the_successor_stays_open() {
    // It is so late, and so short-lived, that it ends soon itself.
    let (old, new) = (edge(0), Certificate::leaf(EDGE, 61 * DAY, 100 * DAY));
    let expiry = json!({ "warning_threshold_days": 60 });
    let mut world = World::starting(60 * DAY + HOUR, discovering(&expiry));
    serve(&mut world, &[("edge", &old)]);
    world.run_for(TWO_ROUNDS);
    world.received();
    serve(&mut world, &[("edge", &new)]);
    world.run_for(TWO_ROUNDS);
    let about = |world: &mut World| -> Vec<(String, Value)> {
        let calls = world.calls().into_iter().filter(|call| call.cluster == "renewals");
        let bodies = calls.map(|call| serde_json::from_slice::<Value>(&call.body.unwrap()).unwrap());
        bodies.map(|body| (body["event"].as_str().unwrap().to_owned(), body["cert_id"].clone())).collect()
    };
    let expected = [(SOON, &old), (SOON, &new), (RENEWED, &old)];
    assert_eq!(about(&mut world), expected.map(|(event, it)| (event.to_owned(), json!(it.id()))));
    world.run_for(12 * HOUR);
    assert_eq!(about(&mut world), [], "and is not closed");
}

/// Peers are gone when nobody has handed them over for two hours.
fn among_peers(expiry: &Value) -> Value {
    let mut expiry = expiry.clone();
    expiry["check_cooldown_seconds"] = json!(HOUR);
    json!({ "certificate_expiry_monitor": expiry, "webhooks": webhooks() })
}

fn present(world: &mut World, certificate: &Certificate) {
    world.observe_text(Site::default(), Role::Client, Some("orders"), &certificate.pem());
}

#[test]
fn a_member_of_a_set_of_peers_is_renewed_when_it_is_gone_and_a_later_one_is_there() {
    let (old, other) = (edge(0), Certificate::leaf(EDGE, -10 * DAY, 85 * DAY));
    for (successor, ends) in [(edge(55), RENEWED), (other, RESOLVED)] {
        let mut world = World::starting(61 * DAY, among_peers(&json!({})));
        present(&mut world, &old);
        world.run_for(MINUTE);
        assert_eq!(told(&mut world), alerted());
        for _ in 0..5 {
            present(&mut world, &successor);
            world.run_for(HOUR);
        }
        let told: Vec<_> = told(&mut world).into_iter().filter(|(_, event)| event != SOON).collect();
        assert_eq!(told, pairs(&[("ends", RESOLVED), ("renewals", ends)]));
    }
}

fn listing(name: Option<&str>, certificate: &Certificate, expiry: &Value) -> Value {
    let mut entry = json!({ "role": "server", "pem": certificate.pem() });
    if let Some(name) = name {
        entry["name"] = json!(name);
    }
    json!({ "certificates": [entry], "certificate_expiry_monitor": expiry, "webhooks": webhooks() })
}

#[test]
fn the_next_document_renews_what_stood_at_the_same_place() {
    let (old, new) = (edge(0), edge(61));
    for (before, after, ends) in [
        (Some("edge"), Some("edge"), RENEWED),
        (None, None, RENEWED),
        (Some("edge"), Some("other"), RESOLVED),
        (Some("edge"), None, RESOLVED),
    ] {
        let mut world = World::starting(61 * DAY, listing(before, &old, &json!({})));
        world.run_for(HOUR);
        assert_eq!(told(&mut world), alerted());
        world.replace(listing(after, &new, &json!({})));
        world.run_for(HOUR);
        assert_eq!(told(&mut world), pairs(&[("ends", RESOLVED), ("renewals", ends)]), "{before:?} {after:?}");
    }
}

#[test]
fn clients_that_bear_the_name_of_a_server_take_no_renewal_from_it() {
    for number in 1..=4 {
        let (old, new) = (edge(0), edge(61).numbered(number));
        let mut world = World::starting(61 * DAY, listing(Some("edge"), &old, &json!({})));
        for client in 0..200 {
            present(&mut world, &Certificate::leaf(EDGE, 0, 400 * DAY).numbered(client));
        }
        world.run_for(HOUR);
        assert_eq!(told(&mut world), alerted());
        world.replace(listing(Some("edge"), &new, &json!({})));
        world.run_for(HOUR);
        assert_eq!(told(&mut world), pairs(&[("ends", RESOLVED), ("renewals", RENEWED)]), "{number}");
    }
}

#[test]
fn several_alerts_about_one_certificate_are_one_renewal() {
    let weak = |begins| Certificate { rsa_bits: Some(1_024), ..edge(begins) };
    let mut document = discovering(&json!({}));
    document["webhooks"][0]["events"] = json!([SOON, RENEWED, "CertificateWeak"]);
    let mut world = World::starting(60 * DAY + HOUR, document);
    serve(&mut world, &[("edge", &weak(0))]);
    world.run_for(TWO_ROUNDS);
    let mine = |world: &mut World| -> Vec<String> {
        let own = world.received().into_iter().filter(|received| received.cluster == "renewals");
        own.map(|received| received.event).collect()
    };
    assert_eq!(mine(&mut world).len(), 2);
    serve(&mut world, &[("edge", &edge(61))]);
    world.run_for(TWO_ROUNDS);
    assert_eq!(mine(&mut world), [RENEWED, RESOLVED], "both alerts are over");
}
