//! Handshakes that fail because of a certificate.

use cert_expiry_monitor::application::effect::Answer;
use cert_expiry_monitor::application::observation::Item;
use cert_expiry_monitor::decode::observed;
use cert_expiry_monitor::domain::{CertId, Role, Usage};
use serde_json::{Value, json};

use crate::world::{DAY, HOUR, MINUTE, World, pem, webhook};

const EXPIRED: &str = "TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify cert failed: \
                       X509_verify_cert: certificate verification error at depth 0: certificate has expired:TLS_error_end";
const UNKNOWN_CA: &str = "TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:unable to get local issuer certificate";
/// All that Envoy 1.36 says.
const FAILED: &str = "TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:TLS_error_end";
const REFUSED: &str =
    "TLS_error:|268436501:SSL routines:OPENSSL_internal:SSLV3_ALERT_CERTIFICATE_EXPIRED:TLS_error_end";

fn listening(secs: i64) -> World {
    let mut hooks = webhook("hooks");
    hooks["events"] = json!(["CertificateRejected"]);
    World::starting(secs, json!({ "webhooks": [hooks] }))
}

/// A client is turned away at a listener.
fn turn_away(world: &mut World, place: &str, text: &str, certificate: Option<&str>) {
    let pem = certificate.map(pem).unwrap_or_default();
    let digest = observed::certificate(pem.as_bytes()).map(|known| known.id.to_string()).unwrap_or_default();
    let usage = Usage::new(Role::Client, None);
    let failure = (Some("10.0.0.9:4711"), text);
    world.enqueue(Item::rejected(&usage, Some(place), failure, digest.as_bytes(), pem.as_bytes()).unwrap());
}

/// An upstream is turned away.
fn lose_upstream(world: &mut World, api_id: &str, text: &str) {
    let usage = Usage::new(Role::Upstream, Some(api_id.to_owned()));
    let failure = (Some("10.0.0.1:8443"), text);
    world.enqueue(Item::rejected(&usage, Some("cluster/orders"), failure, b"", b"").unwrap());
}

fn bodies(world: &mut World) -> Vec<Value> {
    world.calls().into_iter().map(|call| serde_json::from_slice(&call.body.unwrap()).unwrap()).collect()
}

/// Lets the next batch be taken in.
fn soon(world: &mut World) -> Vec<Value> {
    world.run_for(10);
    bodies(world)
}

#[test]
fn a_client_that_is_turned_away_is_told_of_with_the_certificate_that_it_has_shown() {
    let mut world = listening(HOUR);
    turn_away(&mut world, "listener/ingress", EXPIRED, Some("client"));
    let told = soon(&mut world);
    let [told] = told.as_slice() else { panic!("{told:#?}") };
    let client = observed::certificate(pem("client").as_bytes()).unwrap();
    let mut expected = json!({
        "event": "CertificateRejected",
        "message": "Certificate Test Client of a client at listener/ingress was rejected: expired",
        "cert_id": client.id.to_string(),
        "cert_name": "Test Client",
        "expired_at": "2026-01-17T13:51:52Z",
        "days_since_expiry": 0,
        "cert_role": "client",
        "severity": "critical",
        "rule": "expired",
        "seconds_remaining": -3_601,
        "serial_number": "2B49C0F9718A0EB28F0092B83FE7BB82C952394A",
        "issuer": "CN=Test CA",
        "subject": "CN=Test Client",
        "not_before": "2026-01-16T13:51:52Z",
        "fingerprint_sha256": client.id.to_string(),
        "key": "EC-P256",
        "position": "leaf",
        "source": "peer",
        "places": ["listener/ingress"],
        "reason": "expired",
        "detail": EXPIRED,
        "address": "10.0.0.9:4711",
    });
    for name in ["timestamp", "id"] {
        expected[name] = told[name].clone();
    }
    assert_eq!(told, &expected);
    assert_eq!(world.metric("certificates;.;role=.=client"), 0, "it is not watched");
    assert_eq!(world.metric("events_total;.;event=.=CertificateRejected"), 1);
}

#[test]
fn nothing_is_invented_about_a_certificate_that_nobody_has_shown() {
    let mut world = listening(-HOUR);
    turn_away(&mut world, "listener/a", "SSL routines:PEER_DID_NOT_RETURN_A_CERTIFICATE", None);
    let told = soon(&mut world);
    assert_eq!(told[0]["message"], "Certificate of a client at listener/a was rejected: missing");
    for key in ["cert_id", "cert_name", "expires_at", "expired_at", "days_remaining", "position", "source", "key"] {
        assert_eq!(told[0].get(key), None, "{key}");
    }
    // Envoy 1.36 shows its fingerprint and nothing else.
    let id = CertId::of_der(b"der").to_string();
    let usage = Usage::new(Role::Client, None);
    world.enqueue(Item::rejected(&usage, Some("listener/b"), (None, FAILED), id.as_bytes(), b"").unwrap());
    let told = soon(&mut world);
    assert_eq!((&told[0]["cert_id"], &told[0]["reason"]), (&json!(id), &json!("invalid")));
    assert_eq!((told[0].get("cert_name"), told[0].get("expires_at")), (None, None));
}

#[test]
fn an_upstream_is_told_of_with_the_certificate_that_was_seen_there_last() {
    let mut world = listening(-DAY);
    world.observe_at("cluster/orders", Role::Upstream, Some("orders"), "upstream");
    world.observe_at("cluster/billing", Role::Upstream, Some("billing"), "client");
    world.run_until(-MINUTE);
    bodies(&mut world);
    world.run_until(HOUR);
    // 1.36 does not say why: the certificate does.
    lose_upstream(&mut world, "orders", FAILED);
    let told = soon(&mut world);
    let [told] = told.as_slice() else { panic!("{told:#?}") };
    let upstream = observed::certificate(pem("upstream").as_bytes()).unwrap();
    assert_eq!(told["cert_id"], json!(upstream.id.to_string()));
    assert_eq!((&told["reason"], &told["api_id"]), (&json!("expired"), &json!("orders")));
    assert_eq!(told["address"], "10.0.0.1:8443");
    assert_eq!(told["message"], "Certificate Upstream Service of the upstream at cluster/orders was rejected: expired");
    lose_upstream(&mut world, "orders", REFUSED);
    let told = soon(&mut world);
    assert_eq!(told[0]["reason"], "refused");
    assert_eq!(told[0]["message"], "The upstream at cluster/orders refuses our certificate");
    assert_eq!(told[0].get("cert_id"), None, "ours is not known, and theirs is not to blame");
}

#[test]
fn each_place_and_reason_has_a_cooldown_of_its_own() {
    let mut world = listening(HOUR);
    for round in 0..3 {
        for place in ["listener/a", "listener/b"] {
            turn_away(&mut world, place, EXPIRED, Some("client"));
            turn_away(&mut world, place, UNKNOWN_CA, Some("localhost"));
        }
        let told = soon(&mut world).len();
        assert_eq!(told, if round == 0 { 4 } else { 0 });
    }
    // Whichever API is concerned.
    lose_upstream(&mut world, "orders", UNKNOWN_CA);
    lose_upstream(&mut world, "billing", UNKNOWN_CA);
    assert_eq!(soon(&mut world).len(), 1);
    world.run_for(DAY);
    turn_away(&mut world, "listener/a", EXPIRED, Some("localhost"));
    let told = soon(&mut world);
    assert_eq!(told.iter().map(|body| &body["cert_name"]).collect::<Vec<_>>(), ["localhost"], "it happens again");
}

#[test]
fn the_id_is_the_same_for_every_proxy_and_another_in_the_next_period() {
    let id = |secs: i64| {
        let mut world = listening(secs);
        turn_away(&mut world, "listener/a", EXPIRED, Some("client"));
        world.run_for(10);
        world.received().remove(0).id
    };
    assert_eq!(id(10 * DAY + 11 * HOUR), id(10 * DAY + 12 * HOUR));
    assert_ne!(id(10 * DAY + 11 * HOUR), id(11 * DAY + 11 * HOUR));
}

#[test]
fn what_a_dead_receiver_did_not_get_is_told_when_it_happens_again_and_a_successor_tells_nothing_twice() {
    let mut hooks = webhook("hooks");
    (hooks["events"], hooks["retry_attempts"]) = (json!(["CertificateRejected"]), json!(0));
    let mut world = World::starting(HOUR, json!({ "webhooks": [hooks] }));
    world.answers.insert("hooks".into(), Some(Answer::NoHost));
    turn_away(&mut world, "listener/a", EXPIRED, Some("client"));
    assert_eq!(soon(&mut world).len(), 0);
    world.answers.clear();
    turn_away(&mut world, "listener/a", EXPIRED, Some("client"));
    assert_eq!(soon(&mut world).len(), 1, "the cooldown was given back");
    world.answers.insert("hooks".into(), Some(Answer::NoHost));
    turn_away(&mut world, "listener/b", EXPIRED, Some("client"));
    assert_eq!(soon(&mut world).len(), 0);
    world.answers.clear();
    world.run_for(HOUR);
    let told = bodies(&mut world);
    assert_eq!(told.len(), 1, "it need not happen again for that");
    assert_eq!((&told[0]["reason"], &told[0]["places"]), (&json!("expired"), &json!(["listener/b"])));
    world.restart();
    turn_away(&mut world, "listener/a", EXPIRED, Some("client"));
    assert_eq!(soon(&mut world).len(), 0, "a successor knows of it");
    world.run_for(4 * DAY);
    assert_eq!(bodies(&mut world).len(), 0, "nothing is repeated by itself, and nothing is closed");
}

#[test]
fn a_failure_that_no_certificate_is_to_blame_for_is_nothing() {
    let mut world = listening(HOUR);
    for text in ["TLS_error:|268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER", "", "Connection refused"] {
        turn_away(&mut world, "listener/a", text, Some("client"));
        lose_upstream(&mut world, "orders", text);
    }
    turn_away(&mut world, "listener/a", REFUSED, Some("client"));
    assert_eq!(soon(&mut world).len(), 0, "nor that a client refuses ours");
}
