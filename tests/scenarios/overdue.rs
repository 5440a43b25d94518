//! Renewals that are late, by what is written or by what was learned.

use cert_expiry_monitor::application::observation::Site;
use cert_expiry_monitor::domain::Role;
use serde_json::{Value, json};

use crate::forged::Certificate;
use crate::secrets::serve;
use crate::world::{DAY, HOUR, MINUTE, World, webhook};

const OVERDUE: &str = "CertificateRenewalOverdue";
const RENEWED: &str = "CertificateRenewed";
const RESOLVED: &str = "CertificateResolved";
const EDGE: &str = "edge.example.com";

fn leaf(begins: i64, days: i64) -> Certificate {
    Certificate::leaf(EDGE, begins * DAY, (begins + days) * DAY)
}

fn document(expiry: &Value, more: &Value) -> Value {
    let mut hooks = webhook("hooks");
    hooks["events"] = json!([OVERDUE, RENEWED]);
    hooks["send_resolved"] = json!(true);
    hooks["headers"]["x-rule"] = json!("{{ rule }}");
    let mut expiry = expiry.clone();
    expiry["warning_threshold_days"] = json!(0);
    expiry["check_interval_seconds"] = json!(6 * HOUR);
    // Time passes in few steps.
    let observe = json!({ "client": true, "flush_seconds": 600 });
    let mut document = json!({ "certificate_expiry_monitor": expiry, "observe": observe, "webhooks": [hooks] });
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    document
}

fn discovering(expiry: &Value) -> Value {
    document(expiry, &json!({ "discovery": { "admin_cluster": "envoy_admin", "interval_seconds": 6 * HOUR } }))
}

fn listing(expiry: &Value, certificate: &Certificate) -> Value {
    document(expiry, &json!({ "certificates": [{ "role": "server", "name": "edge", "pem": certificate.pem() }] }))
}

/// When which event was received since the last call, and its message.
fn told(world: &mut World) -> Vec<(i64, String, String)> {
    let times: Vec<_> = world.received().into_iter().map(|received| received.at).collect();
    let calls = world.calls().into_iter().filter(|call| call.cluster == "hooks");
    let bodies = calls.map(|call| serde_json::from_slice::<Value>(&call.body.unwrap()).unwrap());
    let text = |body: &Value, key: &str| body[key].as_str().unwrap().to_owned();
    times.into_iter().zip(bodies).map(|(at, body)| (at, text(&body, "event"), text(&body, "message"))).collect()
}

fn events(world: &mut World) -> Vec<(i64, String)> {
    told(world).into_iter().map(|(at, event, _)| (at, event)).collect()
}

#[test]
fn a_written_share_is_late_to_the_second_when_a_quarter_of_the_rest_has_passed() {
    // Expected after 50 of 100 days, late after a quarter of the other 50.
    let expiry = json!({ "renewal_expected_at": "50%", "event_cooldown_seconds": 365 * DAY });
    let late = 62 * DAY + 12 * HOUR;
    for (starts, first) in [(0, late), (late - 2, late), (late - 1, late), (late, late + 1), (70 * DAY, 70 * DAY + 1)] {
        let mut world = World::starting(starts, listing(&expiry, &leaf(0, 100)));
        world.run_until(90 * DAY);
        let told = told(&mut world);
        let [(at, event, message)] = told.as_slice() else { panic!("{starts}: {told:?}") };
        assert_eq!((*at, event.as_str()), (first, OVERDUE), "{starts}");
        if starts == 0 {
            let says = "Certificate edge.example.com was to be renewed 12 days ago, and ends in 37 days and 11 hours";
            assert_eq!(message, says);
        }
        world.replace(listing(&expiry, &leaf(89, 100)));
        world.run_until(90 * DAY + HOUR);
        assert_eq!(events(&mut world).iter().map(|(_, event)| event.as_str()).collect::<Vec<_>>(), [RENEWED]);
    }
}

#[test]
fn an_alert_that_nobody_followed_ends_with_the_certificate() {
    let expiry = json!({ "renewal_expected_at": "50%", "event_cooldown_seconds": 365 * DAY });
    let mut world = World::starting(0, listing(&expiry, &leaf(0, 100)));
    world.run_until(99 * DAY);
    assert_eq!(events(&mut world).len(), 1);
    world.run_until(100 * DAY + HOUR);
    let told = told(&mut world);
    let [(at, event, message)] = told.as_slice() else { panic!("{told:?}") };
    assert!(*event == RESOLVED && (100 * DAY..=100 * DAY + HOUR).contains(at), "{told:?}");
    assert_eq!(message, "Certificate edge.example.com has ended, and nobody waits for its renewal any more");
}

#[test]
fn a_slot_that_was_renewed_twice_is_waited_for_like_that() {
    // Renewed on day 60 of 90, and late by a quarter of the last 30 days.
    let begins = [0, 60, 120];
    let expiry = json!({ "event_cooldown_seconds": 365 * DAY });
    for is_restarted in [false, true] {
        let mut world = World::starting(0, discovering(&expiry));
        for begin in begins {
            world.run_until(begin * DAY);
            serve(&mut world, &[("edge", &leaf(begin, 90))]);
            world.run_for(DAY);
            if is_restarted {
                world.restart();
            }
        }
        assert_eq!(events(&mut world), [], "each came in time");
        world.run_until(200 * DAY);
        let told = told(&mut world);
        let [(at, event, message)] = told.as_slice() else { panic!("{told:?}") };
        let late = 120 * DAY + 60 * DAY + 30 * DAY / 4;
        assert!(event == OVERDUE && (late - 2 * HOUR..late + HOUR).contains(at), "{told:?}");
        assert!(message.starts_with("Certificate edge.example.com was to be renewed 7 days ago"), "{message}");
        serve(&mut world, &[("edge", &leaf(199, 90))]);
        world.run_for(DAY);
        assert_eq!(events(&mut world).iter().map(|(_, event)| event.as_str()).collect::<Vec<_>>(), [RENEWED]);
    }
}

#[test]
fn one_renewal_is_no_habit_and_no_habit_is_waited_for() {
    let mut world = World::starting(0, discovering(&json!({})));
    for begin in [0, 60] {
        world.run_until(begin * DAY);
        serve(&mut world, &[("edge", &leaf(begin, 90))]);
    }
    world.run_until(149 * DAY);
    assert_eq!(events(&mut world), []);
}

#[test]
fn a_successor_that_is_there_already_makes_nobody_late() {
    let expiry = json!({ "renewal_expected_at": "50%" });
    let mut listed = listing(&expiry, &leaf(0, 100));
    let successor = json!({ "role": "server", "name": "edge", "pem": leaf(60, 100).pem() });
    listed["certificates"].as_array_mut().unwrap().push(successor);
    let mut world = World::starting(0, listed);
    world.run_until(99 * DAY);
    assert_eq!(events(&mut world), []);
}

#[test]
fn a_successor_is_found_among_clients_that_bear_its_name() {
    for number in 1..=4 {
        let mut listed = listing(&json!({ "renewal_expected_at": "50%" }), &leaf(0, 100));
        let successor = json!({ "role": "server", "name": "edge", "pem": leaf(60, 100).numbered(number).pem() });
        listed["certificates"].as_array_mut().unwrap().push(successor);
        let mut world = World::starting(70 * DAY, listed);
        for client in 0..200 {
            let pem = leaf(69, 400).numbered(client).pem();
            world.observe_text(Site::default(), Role::Client, Some("orders"), &pem);
        }
        world.run_for(DAY);
        assert_eq!(events(&mut world), [], "{number}");
    }
}

#[test]
fn a_successor_that_is_handed_over_with_it_makes_nobody_late_whoever_comes_first() {
    let expiry = json!({ "renewal_expected_at": "50%" });
    let mut peers = [leaf(0, 100).pem(), leaf(65, 100).pem()];
    for _ in 0..peers.len() {
        peers.rotate_left(1);
        let mut world = World::starting(70 * DAY, document(&expiry, &json!({})));
        for pem in &peers {
            world.observe_text(Site::default(), Role::Client, Some("orders"), pem);
        }
        world.run_for(HOUR);
        assert_eq!(events(&mut world), []);
    }
    let mut world = World::starting(70 * DAY, document(&expiry, &json!({})));
    world.observe_text(Site::default(), Role::Client, Some("orders"), &leaf(0, 100).pem());
    world.run_for(MINUTE);
    assert_eq!(events(&mut world), [(70 * DAY, OVERDUE.to_owned())], "alone it is late, and is told at once");
}

/// Peers that are presented every hour, from a day to a day, each within its own life; each lives for ten days.
fn present(world: &mut World, begins: &[i64], from: i64, until: i64) {
    for hour in from * 24..until * 24 {
        world.run_until(hour * HOUR);
        for begin in begins.iter().filter(|begin| (**begin * 24..(**begin + 6) * 24).contains(&hour)) {
            let pem = leaf(*begin, 10).pem();
            world.observe_text(Site::default(), Role::Client, Some("orders"), &pem);
        }
        world.run_for(MINUTE);
    }
}

fn among_peers() -> Value {
    document(&json!({ "check_cooldown_seconds": HOUR, "event_cooldown_seconds": 365 * DAY }), &json!({}))
}

#[test]
fn a_lone_peer_has_habits_and_a_set_of_them_has_none() {
    // One client that is renewed on the sixth of ten days, and stays with its third certificate.
    let mut world = World::starting(0, among_peers());
    present(&mut world, &[0, 6, 12], 0, 18);
    let third = leaf(12, 10).pem();
    for hour in 18 * 24..22 * 24 {
        world.run_until(hour * HOUR);
        world.observe_text(Site::default(), Role::Client, Some("orders"), &third);
        world.run_for(MINUTE);
    }
    let late = 12 * DAY + 7 * DAY;
    let told: Vec<_> = events(&mut world).into_iter().filter(|(_, event)| event == OVERDUE).collect();
    assert!(matches!(told.as_slice(), [(at, _)] if (late..late + HOUR).contains(at)), "{told:?}");
    // Three that are renewed in turn.
    let mut world = World::starting(0, among_peers());
    present(&mut world, &[0, 2, 4, 6, 8, 10, 12, 14, 16], 0, 22);
    assert_eq!(events(&mut world), []);
}

#[test]
fn strangers_that_bear_its_name_for_a_day_do_not_unlearn_the_habit_of_a_lone_peer() {
    let mut world = World::starting(0, among_peers());
    present(&mut world, &[0, 6, 12], 0, 14);
    for hour in 14 * 24..22 * 24 {
        world.run_until(hour * HOUR);
        // They end before it does: they are no successors.
        let strangers = (1..=3).map(|number| leaf(11, 10).numbered(number)).filter(|_| hour < 15 * 24);
        for shown in strangers.chain([leaf(12, 10)]) {
            world.observe_text(Site::default(), Role::Client, Some("orders"), &shown.pem());
        }
        world.run_for(MINUTE);
    }
    let late = 12 * DAY + 7 * DAY;
    let told: Vec<_> = events(&mut world).into_iter().filter(|(_, event)| event == OVERDUE).collect();
    assert!(matches!(told.as_slice(), [(at, _)] if (late..late + HOUR).contains(at)), "{told:?}");
}

#[test]
fn nothing_is_remembered_where_nobody_wants_to_know() {
    let mut deaf = discovering(&json!({}));
    deaf["webhooks"][0]["events"] = json!(["CertificateExpired", RENEWED]);
    let stored = |document: Value| {
        let mut world = World::starting(0, document);
        serve(&mut world, &[("edge", &leaf(0, 90))]);
        world.run_until(DAY);
        world.shared_data.values().filter(|contents| contents.len() > 20).count()
    };
    assert!(stored(deaf) < stored(discovering(&json!({}))));
}
