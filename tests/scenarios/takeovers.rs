//! What a successor knows without having been told.

use cert_expiry_monitor::application::effect::Answer;
use cert_expiry_monitor::domain::Role;
use serde_json::json;

use crate::world::{DAY, MINUTE, World, log_lines, pem, webhook};

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
    world.answers.insert("hooks".into(), Some(Answer::Status(500)));
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
