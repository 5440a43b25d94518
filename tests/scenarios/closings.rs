//! Alerts that stay open at their receivers: closed when they end, told again while they last.

use std::time::Duration;

use cert_expiry_monitor::application::effect::Answer;
use cert_expiry_monitor::domain::Role;
use serde_json::{Value, json};

use crate::world::{DAY, END, HOUR, MINUTE, World, pem, webhook};

fn document(names: &[&str], webhooks: &[Value]) -> Value {
    let certificates: Vec<_> = names.iter().map(|name| json!({ "role": "server", "pem": pem(name) })).collect();
    json!({
        "certificates": certificates,
        "certificate_expiry_monitor": { "check_interval_seconds": HOUR, "check_cooldown_seconds": HOUR },
        "webhooks": webhooks,
    })
}

fn resolving() -> Value {
    let mut hooks = webhook("hooks");
    hooks["send_resolved"] = json!(true);
    hooks
}

fn told(world: &mut World) -> Vec<(String, String)> {
    world.received().into_iter().map(|received| (received.event, received.name)).collect()
}

#[test]
fn what_is_not_in_the_next_document_is_over() {
    let start = -DAY;
    let webhooks = [resolving(), webhook("plain")];
    let mut world = World::starting(start, document(&["localhost", "client"], &webhooks));
    world.run_until(start + MINUTE);
    world.received();
    world.replace(document(&["client"], &webhooks));
    world.run_until(start + 2 * MINUTE);
    let received = world.received();
    let told: Vec<_> = received.iter().map(|r| (r.cluster.as_str(), r.event.as_str(), r.name.as_str())).collect();
    assert_eq!(told, [("hooks", "CertificateResolved", "localhost")], "and nobody else is told");
    world.restart();
    world.run_until(start + HOUR);
    assert_eq!(world.received().len(), 0, "once");
}

#[test]
fn a_peer_that_is_gone_is_over_and_one_that_comes_back_is_told_again() {
    let start = -10 * DAY;
    let mut world = World::starting(start, document(&[], &[resolving()]));
    world.observe(Role::Client, Some("orders"), "client");
    world.run_until(start + 10);
    assert_eq!(told(&mut world), [("CertificateExpiringSoon".to_owned(), "Test Client".to_owned())]);
    world.run_until(start + 5 * HOUR);
    assert_eq!(told(&mut world), [("CertificateResolved".to_owned(), "Test Client".to_owned())]);
    world.observe(Role::Client, Some("orders"), "client");
    world.run_until(start + 6 * HOUR);
    assert_eq!(told(&mut world), [("CertificateExpiringSoon".to_owned(), "Test Client".to_owned())]);
}

#[test]
fn what_nobody_was_told_of_is_not_closed() {
    let start = -60 * DAY;
    let mut world = World::starting(start, document(&["localhost"], &[resolving()]));
    world.run_until(start + MINUTE);
    world.replace(document(&[], &[resolving()]));
    world.run_until(start + DAY);
    assert_eq!(world.received().len(), 0);
}

fn alertmanager() -> Value {
    json!({ "name": "am", "cluster": "am", "url": "https://am/api/v2/alerts", "format": "alertmanager" })
}

/// Whether each alert that was posted lasts, and until when, in seconds from the end of the certificates.
fn posted(world: &mut World) -> Vec<(String, String, i64)> {
    let alerts = world.calls().into_iter().flat_map(|call| {
        let body = call.body.unwrap();
        serde_json::from_slice::<Vec<Value>>(&body).unwrap()
    });
    let seconds = |text: &Value| {
        let format = &time::format_description::well_known::Rfc3339;
        time::OffsetDateTime::parse(text.as_str().unwrap(), format).unwrap().unix_timestamp() - END.secs()
    };
    alerts
        .map(|alert| {
            let label = |name: &str| alert["labels"][name].as_str().unwrap().to_owned();
            (label("alertname"), label("severity"), seconds(&alert["endsAt"]))
        })
        .collect()
}

#[test]
fn an_alert_is_posted_again_at_every_check_and_ends_when_it_is_over() {
    let start = -DAY;
    let mut world = World::starting(start, document(&["localhost"], &[alertmanager()]));
    for hour in 0..5 {
        world.run_until(start + hour * HOUR + MINUTE);
        let posted = posted(&mut world);
        let [(name, severity, ends)] = posted.as_slice() else { panic!("hour {hour}: {posted:?}") };
        assert_eq!((name.as_str(), severity.as_str()), ("CertificateExpiringSoon", "warning"));
        let lasts = ends - (start + hour * HOUR);
        assert!((3 * HOUR..3 * HOUR + MINUTE).contains(&lasts), "hour {hour}: {lasts}");
    }
    assert_eq!(world.metric("events_total;.;event=.=CertificateExpiringSoon"), 1, "one event, posted again and again");
    world.replace(document(&[], &[alertmanager()]));
    world.run_until(start + 4 * HOUR + 10 * MINUTE);
    let closed = posted(&mut world);
    let [(name, severity, ends)] = closed.as_slice() else { panic!("{closed:?}") };
    assert_eq!((name.as_str(), severity.as_str()), ("CertificateExpiringSoon", "warning"), "the labels it had");
    assert!(*ends <= start + 4 * HOUR + 10 * MINUTE, "{ends}");
    world.run_until(start + 8 * HOUR);
    assert_eq!(posted(&mut world), []);
}

#[test]
fn an_alert_about_what_ended_long_ago_is_posted_no_more() {
    let mut document = document(&["localhost"], &[alertmanager()]);
    document["certificate_expiry_monitor"] = json!({ "expired_max_age": "2h" });
    let mut world = World::starting(-HOUR, document);
    world.run_until(2 * HOUR + MINUTE);
    assert!(!posted(&mut world).is_empty());
    world.run_until(6 * HOUR);
    assert_eq!(posted(&mut world), []);
}

#[test]
fn an_alert_that_is_posted_again_says_what_was_told_and_not_what_waits_for_the_morning() {
    let mut document = document(&["localhost"], &[alertmanager()]);
    // The certificates end at 13:51: six hours are left at 07:51.
    document["certificate_expiry_monitor"] = json!({
        "thresholds": ["12h", "6h"], "short_lived": "off", "quiet_hours": { "from": "06:00", "to": "12:00" },
    });
    let mut world = World::starting(-10 * HOUR, document);
    let rules = |world: &mut World| -> Vec<Value> {
        let alerts = world.calls().into_iter().flat_map(|call| {
            let body = call.body.unwrap();
            serde_json::from_slice::<Vec<Value>>(&body).unwrap()
        });
        alerts.map(|alert| alert["annotations"]["rule"].clone()).collect()
    };
    world.run_until(-2 * HOUR + MINUTE);
    assert_eq!(rules(&mut world), vec!["12h"; 9]);
    world.run_until(-HOUR - 30 * MINUTE);
    assert_eq!(rules(&mut world), ["6h"]);
}

#[test]
fn an_alert_that_is_tried_again_is_not_begun_anew_by_every_check() {
    let start = -2 * DAY;
    let mut world = World::starting(start, document(&["localhost"], &[alertmanager()]));
    world.answers.insert("am".into(), Some(Answer::status(500)));
    world.run_until(start + 23 * HOUR);
    assert_eq!(world.metric("dropped_total;.;reason=.=delivery_failed"), 1, "in the end somebody is told");
    world.answers.clear();
    world.calls();
    world.run_until(start + 25 * HOUR);
    assert!(!posted(&mut world).is_empty());
}

#[test]
fn whoever_was_told_in_place_of_another_one_hears_of_the_end_too() {
    let start = -2 * DAY;
    let (mut dead, mut rescue) = (webhook("dead"), webhook("rescue"));
    dead["on_failure"] = json!("rescue");
    rescue["events"] = json!(["CertificateExpired"]);
    rescue["send_resolved"] = json!(true);
    let webhooks = [dead, rescue];
    let mut world = World::starting(start, document(&["localhost"], &webhooks));
    world.answers.insert("dead".into(), Some(Answer::status(404)));
    world.run_until(start + MINUTE);
    let to_rescue = |world: &mut World| -> Vec<String> {
        let received = world.received().into_iter();
        received.filter(|received| received.cluster == "rescue").map(|received| received.event).collect()
    };
    assert_eq!(to_rescue(&mut world), ["CertificateExpiringSoon"]);
    world.replace(document(&[], &webhooks));
    world.run_until(start + HOUR / 2);
    assert_eq!(to_rescue(&mut world), ["CertificateResolved"]);
}

#[test]
fn a_webhooks_cooldown_ends_with_the_alert() {
    let start = -10 * DAY;
    let mut slow = resolving();
    slow["cooldown_seconds"] = json!(9 * DAY);
    let mut world = World::starting(start, document(&[], &[slow]));
    world.observe(Role::Client, Some("orders"), "client");
    world.run_until(start + 5 * HOUR);
    world.observe(Role::Client, Some("orders"), "client");
    world.run_until(start + 6 * HOUR);
    let events: Vec<_> = told(&mut world).into_iter().map(|(event, _)| event).collect();
    assert_eq!(events, ["CertificateExpiringSoon", "CertificateResolved", "CertificateExpiringSoon"]);
}

/// The ids of the ends of an alert that two proxies tell one after the other, the second `later` ms behind the first.
fn ids_of_ends(later: u64) -> Vec<String> {
    let start = -10 * DAY;
    let without = document(&[], &[resolving()]);
    let mut world = World::starting(start, document(&["localhost"], &[resolving()]));
    world.now = world.now.after(Duration::from_millis(later));
    let mut ids = Vec::new();
    for _ in 0..2 {
        world.run_for(MINUTE);
        world.replace(without.clone());
        world.run_for(MINUTE);
        let ends = world.received().into_iter().filter(|received| received.event == "CertificateResolved");
        ids.extend(ends.map(|received| received.id));
        world.run_for(DAY);
        world.replace(document(&["localhost"], &[resolving()]));
    }
    ids
}

#[test]
fn every_proxy_closes_the_same_alert_under_the_same_id_and_another_one_under_another() {
    let [first, second] = ids_of_ends(0).try_into().unwrap();
    assert_ne!(first, second, "told and closed again on another day");
    for later in [1, 1_234, 40 * 60 * 1_000] {
        assert_eq!(ids_of_ends(later), [first.clone(), second.clone()], "{later} ms later");
    }
}
