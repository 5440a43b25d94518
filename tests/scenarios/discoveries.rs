//! Certificates that Envoy holds, found through its admin interface.

use std::collections::{BTreeMap, BTreeSet};

use cert_expiry_monitor::application::effect::Answer;
use cert_expiry_monitor::domain::{Certificate, Role};
use serde_json::{Value, json};

use crate::admin::{self, Admin};
use crate::world::{DAY, HOUR, MINUTE, World, header, log_lines, pem, webhook};

const VERSIONS: [&str; 4] = ["1.36.2", "1.37.0", "1.39.3", "1.40.0"];
/// The first of Envoy's own certificates ends three days after those of the other tests.
const FIRST: i64 = 3 * DAY;

/// Rounds of discovery once a day, where a test lasts for months.
fn daily() -> Value {
    json!({
        "discovery": { "admin_cluster": "envoy_admin", "interval_seconds": 86_400 },
        "certificate_expiry_monitor": { "check_interval_seconds": 86_400 },
    })
}

/// A receiver that hears of all that discovery brings about, and of the ends of alerts. The certificates that were recorded
/// have not begun yet where these tests begin, and some are weak.
fn all_ears() -> Value {
    let mut hooks = webhook("hooks");
    let events = ["ExpiringSoon", "Expired", "Resolved", "Stale", "Rejected"].map(|kind| format!("Certificate{kind}"));
    (hooks["events"], hooks["send_resolved"]) = (json!(events), json!(true));
    json!({ "webhooks": [hooks] })
}

fn document(more: &Value) -> Value {
    let mut document = json!({ "discovery": { "admin_cluster": "envoy_admin" } });
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    document
}

/// A proxy that has started when nothing expires soon, and whose first round is over.
fn discovering(version: &'static str, more: &Value) -> World {
    let mut world = World::starting(-60 * DAY, document(more));
    world.admin = Some(Admin::of(version));
    world.run_until(-60 * DAY + 30);
    world
}

fn admin(world: &mut World) -> &mut Admin {
    world.admin.as_mut().unwrap()
}

fn facts(version: &str) -> Vec<Value> {
    let file = format!("{}/tests/data/admin/{version}/facts.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// The bodies of the events that were received since the last call.
fn bodies(world: &mut World) -> Vec<Value> {
    let calls = world.calls().into_iter().filter(|call| call.cluster != "envoy_admin");
    calls.map(|call| serde_json::from_slice(&call.body.unwrap()).unwrap()).collect()
}

#[test]
fn every_certificate_that_envoy_serves_is_told_with_its_role_and_places() {
    for version in VERSIONS {
        let mut world = discovering(version, &daily());
        assert_eq!(bodies(&mut world), [] as [Value; 0], "nothing expires yet");
        world.run_until(10 * DAY);
        let mut told: BTreeMap<(String, String), Value> = BTreeMap::new();
        for body in bodies(&mut world).into_iter().filter(|body| body["event"] == "CertificateExpiringSoon") {
            let role = body["cert_role"].as_str().unwrap().to_owned();
            told.insert((role, body["expires_at"].to_string()), body);
        }
        let mut expected = 0;
        for fact in facts(version).iter().filter(|fact| fact["served"] == true) {
            // Before 1.40 /certs shows the first certificate of a bundle alone, and nobody shows those in files.
            if fact["in_certs"] == false && fact["in_dump"] == false {
                continue;
            }
            expected += 1;
            let ends = rfc3339(fact["not_after"].as_i64().unwrap());
            let role = fact["role"].as_str().unwrap().to_owned();
            let body = told.get(&(role, format!("\"{ends}\""))).unwrap_or_else(|| panic!("{version} {fact} {told:#?}"));
            let places = body["places"].as_array().unwrap();
            for place in fact["places"].as_array().unwrap() {
                assert!(places.contains(place), "{version} {fact} {body}");
            }
            if fact["in_dump"] == true {
                assert_eq!(body["cert_id"], fact["sha256"], "{version} {fact}");
                assert_eq!(body["cert_name"], fact["name"]);
                assert_eq!(body["position"], fact["position"]);
                assert_eq!(body.get("cert_id_source"), None);
            } else {
                assert_eq!(body["cert_id_source"], "serial_number", "{version} {fact}");
            }
        }
        assert_eq!(told.len(), expected, "{version}: nothing but these: {told:#?}");
    }
}

fn rfc3339(seconds: i64) -> String {
    cert_expiry_monitor::render::timestamp::rfc3339(cert_expiry_monitor::domain::UnixTime::from_secs(seconds))
}

#[test]
fn a_round_comes_soon_after_the_start_again_after_a_minute_and_then_every_quarter_of_an_hour() {
    let mut world = discovering("1.40.0", &json!({}));
    let rounds = |world: &mut World| {
        let asked = std::mem::take(&mut admin(world).asked);
        asked.iter().filter(|path| *path == "/certs").count()
    };
    assert_eq!(rounds(&mut world), 1);
    world.run_until(-60 * DAY + 2 * MINUTE);
    assert_eq!(rounds(&mut world), 1);
    world.run_until(-60 * DAY + DAY);
    let in_a_day = rounds(&mut world);
    assert!((87..=106).contains(&in_a_day), "{in_a_day}");
    assert_eq!(world.metric("discoveries_total;.;outcome=.=failed"), 0);
    assert!(world.metric("last_discovery_seconds") > 0);
}

#[test]
fn a_round_asks_for_what_it_needs_and_no_more() {
    let mut world = discovering("1.40.0", &json!({}));
    let asked = admin(&mut world).asked.clone();
    assert!(asked.len() <= 30, "{asked:#?}");
    assert_eq!(asked.last().map(String::as_str), Some("/certs"), "what is served is asked for last");
    assert!(asked.iter().all(|path| path == "/certs" || path.starts_with("/config_dump?resource=")), "{asked:#?}");
}

#[test]
fn an_admin_that_fails_changes_nothing_and_is_told_once() {
    let half = b"{\"certificates\": [{\"ca_cert\": [".to_vec();
    for (what, says) in [
        (admin::status(403), "allow_paths"),
        (admin::status(404), "404"),
        (admin::status(500), "500"),
        (admin::status(302), "302"),
        (admin::body("{}"), "lacks"),
        (admin::body(half), "JSON"),
        (admin::body("<html>"), "JSON"),
        (admin::unreachable(), "nobody answers"),
        (Answer::NoResponse, "broke off"),
        (Answer::NoCluster, "no such cluster"),
        (Answer::NoHost, "no host"),
    ] {
        log_lines();
        let mut world = discovering("1.40.0", &json!({}));
        let watched = world.metric("certificates;.;role=.=server");
        assert!(watched > 5);
        log_lines();
        admin(&mut world).instead = Some(what.clone());
        world.run_until(-60 * DAY + 40 * MINUTE);
        assert_eq!(world.metric("certificates;.;role=.=server"), watched, "{what:?}");
        let lines: Vec<_> = log_lines().into_iter().map(|(_, line)| line).collect();
        let failures: Vec<_> = lines.iter().filter(|line| line.starts_with("Discovery failed")).collect();
        assert_eq!(failures.len(), 1, "{what:?} {failures:#?}");
        assert!(failures[0].contains(says), "{what:?} {failures:#?}");
        assert!(world.metric("discoveries_total;.;outcome=.=failed") >= 1);
        admin(&mut world).instead = None;
        world.run_until(-60 * DAY + 60 * MINUTE);
        let lines: Vec<_> = log_lines().into_iter().map(|(_, line)| line).collect();
        assert_eq!(
            lines.iter().filter(|line| line.starts_with("Discovery works again")).count(),
            1,
            "{what:?} {lines:#?}"
        );
        assert!(bodies(&mut world).is_empty());
    }
}

#[test]
fn what_was_found_is_known_to_a_successor_before_it_has_asked() {
    let mut more = all_ears();
    more["discovery"] = daily()["discovery"].clone();
    let mut world = discovering("1.40.0", &more);
    let watched = world.metric("certificates;.;role=.=ca");
    world.run_until(FIRST - 10 * DAY + 6 * HOUR);
    let before: Vec<_> = bodies(&mut world);
    assert!(!before.is_empty());
    admin(&mut world).instead = Some(admin::unreachable());
    world.restart();
    world.run_until(FIRST - 10 * DAY + 7 * HOUR);
    assert_eq!(world.metric("certificates;.;role=.=ca"), watched);
    assert_eq!(bodies(&mut world), [] as [Value; 0], "nothing is over, and nothing is told twice");
    // A document that discovers nothing watches nothing of it, and the alerts are over.
    world.replace(all_ears());
    world.run_until(FIRST - 10 * DAY + 8 * HOUR);
    assert_eq!(world.metric("certificates;.;role=.=ca"), 0);
    let ends = bodies(&mut world);
    let names = |bodies: &[Value]| bodies.iter().map(|body| body["cert_id"].to_string()).collect::<BTreeSet<_>>();
    assert_eq!(names(&ends), names(&before));
    assert!(ends.iter().all(|body| body["event"] == "CertificateResolved"), "{ends:#?}");
}

#[test]
fn a_renewal_that_envoy_does_not_take_is_told_after_two_rounds_and_closed_when_it_is_taken() {
    for version in VERSIONS {
        let mut world = discovering(version, &all_ears());
        admin(&mut world).has_refused = true;
        world.run_until(-60 * DAY + 2 * MINUTE);
        assert_eq!(bodies(&mut world), [] as [Value; 0], "{version}: an update may be under way");
        world.run_until(-60 * DAY + 30 * MINUTE);
        let stale = bodies(&mut world);
        let [stale] = stale.as_slice() else { panic!("{version} {stale:#?}") };
        let facts = facts(version);
        let fact = |served: bool| {
            let is_it = |fact: &&Value| fact["name"] == "sds-chain.example.org" && fact["served"] == served;
            facts.iter().find(is_it).unwrap()
        };
        assert_eq!(stale["event"], "CertificateStale");
        assert_eq!(stale["cert_id"], fact(true)["sha256"], "{version}: the old one is what is served");
        assert_eq!(stale["held"]["cert_id"], fact(false)["sha256"]);
        assert_eq!(stale["places"][0], "secret/sds-chain");
        world.run_until(-59 * DAY);
        assert_eq!(bodies(&mut world), [] as [Value; 0], "{version}: once a cooldown");
        world.run_until(-59 * DAY + HOUR);
        assert_eq!(bodies(&mut world).len(), 1, "{version}: and again while it lasts");
        if version == "1.36.2" {
            // Where nothing is discovered any more, that alert is over as well.
            world.replace(all_ears());
        }
        admin(&mut world).has_refused = false;
        world.run_until(-59 * DAY + 2 * HOUR);
        let end = bodies(&mut world);
        assert_eq!(end.iter().map(|body| &body["event"]).collect::<Vec<_>>(), ["CertificateResolved"], "{version}");
        assert_eq!(end[0]["cert_id"], stale["cert_id"]);
    }
}

#[test]
fn what_is_not_served_any_more_is_forgotten_within_a_round_and_its_alert_is_over() {
    let mut world = World::starting(FIRST - 10 * DAY, document(&all_ears()));
    world.admin = Some(Admin::of("1.40.0"));
    world.run_until(FIRST - 10 * DAY + 20 * MINUTE);
    let before = bodies(&mut world).len();
    assert!(before > 5 && world.metric("certificates;.;role=.=server") > 0);
    // A proxy that serves nothing any more.
    let cluster = json!({ "configs": [{ "cluster": { "name": "envoy_admin" } }] });
    admin(&mut world).bodies = Some(BTreeMap::from([
        ("certs", json!({ "certificates": [] }).to_string()),
        ("static_clusters", cluster.to_string()),
    ]));
    world.run_until(FIRST - 10 * DAY + 40 * MINUTE);
    assert_eq!(world.metric("certificates;.;role=.=server"), 0);
    let ends = bodies(&mut world);
    assert_eq!(ends.len(), before);
    assert!(ends.iter().all(|body| body["event"] == "CertificateResolved"));
}

/// A proxy that presents the certificate in tests/data/upstream.pem from a file, of which `/certs` alone tells.
fn presenting_a_file() -> (World, Certificate) {
    let mut world = World::starting(-10 * DAY, document(&all_ears()));
    let served = cert_expiry_monitor::decode::observed::certificate(pem("upstream").as_bytes()).unwrap();
    let certs = json!({ "certificates": [{ "ca_cert": [], "cert_chain": [{
        "path": "certs/upstream-client.pem",
        "serial_number": served.serial_number.to_lowercase(),
        "subject_alt_names": [],
        "days_until_expiration": "10",
        "valid_from": rfc3339(served.not_before.secs()),
        "expiration_time": rfc3339(served.not_after.secs()),
    }] }] });
    let cluster = json!({ "configs": [{ "cluster": { "name": "orders", "transport_socket": { "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": { "tls_certificates": [{ "certificate_chain": {
            "filename": "certs/upstream-client.pem" } }] } } } } }] });
    let mut admin = Admin::of("1.40.0");
    admin.bodies = Some(BTreeMap::from([("certs", certs.to_string()), ("static_clusters", cluster.to_string())]));
    world.admin = Some(admin);
    world.run_until(-10 * DAY + 20);
    (world, served)
}

#[test]
fn a_certificate_that_turns_up_elsewhere_takes_the_place_of_what_stood_for_it() {
    let (mut world, served) = presenting_a_file();
    let first = bodies(&mut world);
    let [first] = first.as_slice() else { panic!("{first:#?}") };
    assert_eq!(
        (&first["cert_name"], &first["cert_id_source"]),
        (&json!("upstream-client.pem"), &json!("serial_number"))
    );
    // The very same certificate is shown on a connection, for the same API.
    world.observe(Role::Upstream, Some("orders"), "upstream");
    world.run_until(-10 * DAY + HOUR);
    assert_eq!(bodies(&mut world), [] as [Value; 0], "it was told of already");
    assert_eq!(world.metric("certificates;.;role=.=upstream"), 1);
    world.run_until(-9 * DAY + HOUR);
    let again = bodies(&mut world);
    assert_eq!(
        again.iter().map(|body| (&body["event"], &body["cert_id"])).collect::<Vec<_>>(),
        [
            (&json!("CertificateResolved"), &first["cert_id"]),
            (&json!("CertificateExpiringSoon"), &json!(served.id.to_string())),
        ],
        "receivers know the alert by its first id"
    );
    assert_eq!(again[1].get("cert_id_source"), None);
}

#[test]
fn an_idle_upstream_is_called_once_a_check_interval() {
    let probes = json!({ "discovery": { "probes": [
        { "cluster": "probe_listener", "authority": "orders.internal", "path": "/health", "api_id": "orders" },
        { "cluster": "probe_listener", "authority": "billing.internal" },
    ] } });
    let mut world = World::starting(-60 * DAY, probes);
    world.run_until(-60 * DAY + 3 * HOUR - MINUTE);
    let calls = world.calls();
    assert_eq!(calls.len(), 6, "{calls:#?}");
    let asked: Vec<_> =
        calls.iter().map(|call| (header(call, ":method"), header(call, ":authority"), header(call, ":path"))).collect();
    assert_eq!(asked[0], (Some("HEAD"), Some("orders.internal"), Some("/health")));
    assert_eq!(asked[1], (Some("HEAD"), Some("billing.internal"), Some("/")));
    assert!(calls.iter().all(|call| call.cluster == "probe_listener" && call.body.is_none()));
    log_lines();
    world.answers.insert("probe_listener".into(), Some(admin::unreachable()));
    world.run_until(-60 * DAY + 4 * HOUR - MINUTE);
    let failed = log_lines().into_iter().filter(|(_, line)| line.starts_with("Probe failed")).count();
    assert_eq!(failed, 2);
}

#[test]
fn a_renewal_that_envoy_does_not_take_stays_active_where_alerts_end_by_themselves() {
    let alertmanager = json!({ "name": "am", "cluster": "am", "url": "https://am/api/v2/alerts", "format": "alertmanager",
        "events": ["CertificateStale"], "headers": { "x-id": "{{ id }}" } });
    let mut world = discovering("1.40.0", &json!({ "webhooks": [alertmanager] }));
    admin(&mut world).has_refused = true;
    world.run_until(-60 * DAY + 6 * HOUR);
    let alerts: Vec<Value> = bodies(&mut world).into_iter().map(|body| body[0].clone()).collect();
    assert!(alerts.len() >= 10, "{alerts:#?}");
    assert!(alerts.iter().all(|alert| alert["labels"] == alerts[0]["labels"]), "one alert");
    assert!(alerts.iter().all(|alert| alert["startsAt"] == alerts[0]["startsAt"]));
    assert_eq!(alerts[0]["labels"]["place"], "secret/sds-chain");
    let (ends, now) = (&alerts[alerts.len() - 1]["endsAt"], rfc3339(world.now.secs()));
    assert!(ends.as_str().unwrap() > now.as_str(), "{ends}");
    admin(&mut world).has_refused = false;
    world.run_until(-60 * DAY + 7 * HOUR);
    let ended: Vec<Value> = bodies(&mut world).into_iter().map(|body| body[0].clone()).collect();
    let last = ended.last().unwrap();
    assert_eq!(last["labels"], alerts[0]["labels"], "its end has the labels that it had");
    assert!(last["endsAt"].as_str().unwrap() < rfc3339(world.now.secs()).as_str());
}

#[test]
fn the_end_of_an_alert_is_told_by_the_id_that_it_was_told_by() {
    let (mut world, _) = presenting_a_file();
    let first = bodies(&mut world).remove(0);
    world.observe(Role::Upstream, Some("orders"), "upstream");
    world.run_for(60);
    // Envoy presents it no more, and so does nobody else.
    admin(&mut world).bodies = Some(BTreeMap::from([
        ("certs", json!({ "certificates": [] }).to_string()),
        ("static_clusters", json!({ "configs": [{ "cluster": { "name": "envoy_admin" } }] }).to_string()),
    ]));
    world.replace(json!({
        "webhooks": all_ears()["webhooks"], "discovery": { "admin_cluster": "envoy_admin" },
        "certificate_expiry_monitor": { "check_cooldown_seconds": 0 },
    }));
    world.run_for(3 * HOUR);
    let end: Vec<Value> = bodies(&mut world);
    assert_eq!(
        end.iter().map(|body| (&body["event"], &body["cert_id"])).collect::<Vec<_>>(),
        [(&json!("CertificateResolved"), &first["cert_id"])]
    );
}

#[test]
fn a_certificate_that_is_shown_while_a_round_goes_on_is_no_second_one() {
    let (mut world, _) = presenting_a_file();
    bodies(&mut world);
    for second in 0..40 {
        world.observe(Role::Upstream, Some("orders"), "upstream");
        world.run_until(-10 * DAY + 20 + second);
    }
    world.run_until(-10 * DAY + HOUR);
    assert_eq!(bodies(&mut world), [] as [Value; 0]);
    assert_eq!(world.metric("certificates;.;role=.=upstream"), 1);
}
