//! What a successor knows without having been told.

use cert_expiry_monitor::application::effect::Answer;
use cert_expiry_monitor::domain::Role;
use serde_json::{Value, json};

use crate::world::{DAY, HOUR, MINUTE, World, at, log_lines, pem, webhook};

#[test]
fn a_successor_watches_the_peers_of_its_predecessor() {
    let mut world = World::starting(-31 * DAY, json!({}));
    world.observe(Role::Client, Some("orders"), "client");
    world.run_until(-30 * DAY - MINUTE);
    assert_eq!(world.received(), []);
    world.restart();
    world.run_until(-30 * DAY);
    let [event] = world.received().try_into().unwrap();
    assert_eq!((event.at, event.name.as_str(), event.api_id.as_deref()), (-30 * DAY, "Test Client", Some("orders")));
}

#[test]
fn a_new_document_applies_to_known_peers_at_once_whatever_the_check_cooldown_says() {
    let mut world = World::starting(-50 * DAY, json!({}));
    world.observe(Role::Client, Some("orders"), "client");
    world.run_until(-50 * DAY + MINUTE);
    assert_eq!(world.received(), []);
    world.replace(json!({
        "certificate_expiry_monitor": { "warning_threshold_days": 60 },
        "webhooks": [webhook("hooks")],
    }));
    world.run_until(-50 * DAY + 2 * MINUTE);
    assert_eq!(world.received().len(), 1);
}

#[test]
fn a_peer_that_the_new_document_ignores_is_told_of_no_more_and_its_alert_ends() {
    let document = |section: Value| {
        let mut hooks = webhook("hooks");
        hooks["send_resolved"] = json!(true);
        json!({ "certificate_expiry_monitor": section, "webhooks": [hooks] })
    };
    let ignored =
        document(json!({ "thresholds": ["50d"], "overrides": [{ "match": { "role": "client" }, "ignore": true }] }));
    // It was told of before, or would be by the new document.
    for (start, told) in [(-10 * DAY, vec!["CertificateResolved"]), (-40 * DAY, vec![])] {
        let mut world = World::starting(start, document(json!({})));
        world.observe(Role::Client, Some("orders"), "client");
        world.run_for(MINUTE);
        assert_eq!(world.received().len(), told.len());
        world.replace(ignored.clone());
        world.run_for(2 * DAY);
        assert_eq!(world.events().into_iter().map(|(_, event)| event).collect::<Vec<_>>(), told);
        assert_eq!(world.metric("certificates;.;role=.=client"), 0);
    }
}

#[test]
fn a_certificate_that_is_listed_no_more_is_watched_no_more() {
    let listed = json!({ "certificates": [{ "role": "server", "pem": pem("localhost") }] });
    let mut world = World::starting(-31 * DAY, listed);
    world.run_until(-31 * DAY + MINUTE);
    assert_eq!(world.metric("certificates;.;role=.=server"), 1);
    world.replace(json!({}));
    world.run_until(-29 * DAY);
    assert_eq!(world.metric("certificates;.;role=.=server"), 0);
    assert_eq!(world.received(), []);
}

#[test]
fn a_webhook_that_wants_an_event_no_more_does_not_get_it() {
    let document = |events: &str| {
        let mut webhook = webhook("hooks");
        webhook["events"] = json!([events]);
        json!({ "certificates": [{ "role": "server", "pem": pem("localhost") }], "webhooks": [webhook] })
    };
    let mut world = World::starting(-DAY, document("CertificateExpiringSoon"));
    world.answers.insert("hooks".into(), Some(Answer::status(500)));
    world.run_until(-DAY + MINUTE);
    world.received();
    world.answers.clear();
    world.replace(document("CertificateExpired"));
    world.run_until(-MINUTE);
    assert_eq!(world.received(), []);
    world.run_until(MINUTE);
    assert_eq!(world.events(), [(0, "CertificateExpired".to_owned())]);
}

#[test]
fn what_is_not_of_this_release_is_set_aside_with_one_line() {
    let listed = json!({ "certificates": [{ "role": "server", "pem": pem("localhost") }] });
    let mut world = World::starting(-DAY, listed);
    world.run_until(-DAY + MINUTE);
    assert_eq!(world.received().len(), 1);
    for (number, contents) in world.shared_data.values_mut().enumerate() {
        *contents = vec![0xff; number];
    }
    let values = world.shared_data.len() as u64;
    log_lines();
    world.restart();
    world.run_until(-DAY + 2 * MINUTE);
    let lines = log_lines().into_iter().filter(|(_, line)| line.contains("is set aside")).count();
    assert_eq!(lines, 1);
    assert_eq!(world.metric("dropped_total;.;reason=.=unknown_blob"), values);
    assert_eq!(world.received().len(), 1, "nothing is known of before, so it is told again");
}

#[test]
fn a_successor_that_has_stood_by_for_days_repeats_nothing_inside_its_cooldown() {
    for section in [
        json!({ "check_interval_seconds": 0 }),
        json!({ "event_cooldown_seconds": 900 }),
        json!({ "check_interval_seconds": 7 * DAY }),
    ] {
        let start = -20 * DAY;
        let mut world = World::starting(start, json!({ "certificate_expiry_monitor": section }));
        world.run_until(start + 3 * DAY + 40 * MINUTE);
        world.observe(Role::Client, None, "client");
        world.run_until(start + 3 * DAY + 50 * MINUTE);
        assert_eq!(world.received().len(), 1, "{section}");
        world.restart_configured(at(start));
        world.run_until(start + 3 * DAY + 52 * MINUTE);
        assert_eq!(world.received(), [], "{section}");
    }
}

#[test]
fn a_successor_that_was_configured_before_the_clock_was_set_back_meets_every_crossing() {
    let document = json!({
        "certificates": [{ "role": "server", "pem": pem("localhost") }],
        "certificate_expiry_monitor": { "check_interval_seconds": 7 * DAY },
    });
    let mut world = World::starting(-31 * DAY, document);
    world.run_until(-31 * DAY + HOUR);
    world.restart_configured(at(-28 * DAY));
    world.run_until(-30 * DAY);
    assert_eq!(world.events(), [(-30 * DAY, "CertificateExpiringSoon".to_owned())]);
}

fn of_webhooks(webhooks: &[&str], section: &Value) -> Value {
    json!({
        "certificates": [{ "role": "server", "pem": pem("localhost") }],
        "certificate_expiry_monitor": section,
        "webhooks": webhooks.iter().map(|name| webhook(name)).collect::<Vec<_>>(),
    })
}

#[test]
fn what_is_owed_to_a_webhook_that_is_gone_goes_to_its_heirs() {
    let section = json!({ "event_cooldown_seconds": 20 * DAY, "check_interval_seconds": DAY });
    let start = -20 * DAY;
    let mut world = World::starting(start, of_webhooks(&["old"], &section));
    world.answers.insert("old".into(), Some(Answer::status(500)));
    world.run_until(start + 20 * HOUR);
    let id = world.received()[0].id.clone();
    world.replace(of_webhooks(&["new"], &section));
    world.run_until(start + 21 * HOUR);
    let received: Vec<_> = world.received().into_iter().map(|r| (r.cluster, r.id)).collect();
    assert_eq!(received, [("new".to_owned(), id)]);
}

#[test]
fn an_heir_makes_no_new_event_of_it() {
    let start = -20 * DAY;
    let mut world = World::starting(start, of_webhooks(&["alive", "old"], &json!({})));
    world.answers.insert("old".into(), Some(Answer::status(500)));
    world.run_until(start + 10 * HOUR);
    let id = world.received()[0].id.clone();
    world.replace(of_webhooks(&["alive", "new"], &json!({})));
    world.run_until(start + 11 * HOUR);
    let received = world.received();
    assert_eq!(received.iter().filter(|r| r.cluster == "new").count(), 1);
    assert!(received.iter().all(|r| r.id == id), "{received:?}");
    assert_eq!(world.metric("events_total;.;event=.=CertificateExpiringSoon"), 1);
}

#[test]
fn an_instance_that_lacks_a_variable_keeps_what_is_owed_for_one_that_has_it() {
    let with = |authorization: &str| {
        let mut webhook = webhook("ops");
        webhook["headers"]["authorization"] = json!(authorization);
        json!({ "certificates": [{ "role": "server", "pem": pem("localhost") }], "webhooks": [webhook] })
    };
    let start = -20 * DAY;
    let mut world = World::starting(start, with("Bearer token"));
    world.answers.insert("ops".into(), Some(Answer::status(500)));
    world.run_until(start + MINUTE);
    world.received();
    world.answers.clear();
    world.replace(with("Bearer ${NOT_SET_HERE}"));
    world.observe(Role::Client, None, "client");
    world.run_until(start + 2 * HOUR);
    assert_eq!(world.received(), []);
    world.replace(with("Bearer token"));
    world.run_until(start + 3 * HOUR);
    assert_eq!(world.received().len(), 2);
}

#[test]
fn what_is_owed_is_told_by_whatever_rule_is_crossed_now() {
    let of_days = |days: i64| {
        let section = json!({ "warning_threshold_days": days, "event_cooldown_seconds": 10 * DAY });
        of_webhooks(&["ops"], &section)
    };
    let start = -20 * DAY;
    let mut world = World::starting(start, of_days(25));
    world.answers.insert("ops".into(), Some(Answer::status(500)));
    world.run_until(start + 20 * HOUR);
    world.received();
    world.answers.clear();
    world.replace(of_days(40));
    world.run_until(start + 21 * HOUR);
    assert_eq!(world.received().len(), 1);
}
