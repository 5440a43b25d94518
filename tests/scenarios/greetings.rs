//! What happens once under a configuration: a test of the webhook, and the question whether its receiver wants events.

use cert_expiry_monitor::application::effect::{Answer, Response};
use serde_json::{Value, json};

use crate::world::{DAY, HOUR, MINUTE, World, header, log_lines, pem, webhook};

fn document(more: &Value) -> Value {
    let mut hooks = webhook("hooks");
    for (key, value) in more.as_object().unwrap() {
        hooks[key] = value.clone();
    }
    json!({
        "certificates": [{ "role": "ca", "pem": format!("{}{}{}", pem("localhost"), pem("client"), pem("ca")) }],
        "certificate_expiry_monitor": { "check_interval_seconds": HOUR },
        "webhooks": [hooks],
    })
}

fn consent(origin: &str, rate: Option<&str>) -> Answer {
    Answer::Response(Response {
        status: 405,
        allowed_origin: Some(origin.into()),
        allowed_rate: rate.map(str::to_owned),
        ..Response::default()
    })
}

fn methods(world: &mut World) -> Vec<String> {
    world.calls().iter().map(|call| header(call, ":method").unwrap().to_owned()).collect()
}

#[test]
fn a_webhook_is_tested_once_for_a_configuration() {
    let start = -DAY;
    let test = |world: &mut World| world.received().iter().filter(|received| received.event == "WebhookTest").count();
    let mut world = World::starting(start, document(&json!({ "test_on_start": true, "min_severity": "critical" })));
    world.run_until(start + MINUTE);
    assert_eq!(test(&mut world), 1);
    for _ in 0..3 {
        world.restart();
        world.run_until(start + 2 * HOUR);
    }
    assert_eq!(test(&mut world), 0, "a successor knows");
    world.replace(document(&json!({ "test_on_start": true })));
    world.run_until(start + 3 * HOUR);
    assert_eq!(test(&mut world), 1, "another configuration");
}

#[test]
fn a_test_that_fails_is_tried_again_like_everything_else() {
    let start = -DAY;
    let mut world =
        World::starting(start, document(&json!({ "test_on_start": true, "events": ["CertificateExpired"] })));
    world.answers.insert("hooks".into(), Some(Answer::status(500)));
    world.run_until(start + 3);
    world.answers.clear();
    world.restart();
    world.run_until(start + MINUTE);
    let ids: Vec<_> = world.received().into_iter().map(|received| (received.event, received.id)).collect();
    assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");
}

#[test]
fn a_receiver_is_asked_before_the_first_delivery_and_not_again_by_a_successor() {
    let start = -DAY;
    let keys = json!({ "handshake": true, "headers": { "x-api-key": "letmein", "x-id": "{{ id }}" } });
    let mut world = World::starting(start, document(&keys));
    world.set_answer_once("hooks", consent("cert-expiry-monitor", None));
    world.run_until(start + MINUTE);
    let calls = world.calls();
    let methods_of =
        |calls: &[_]| -> Vec<String> { calls.iter().map(|call| header(call, ":method").unwrap().to_owned()).collect() };
    assert_eq!(methods_of(&calls), ["OPTIONS", "POST", "POST", "POST"]);
    assert!(calls.iter().all(|call| header(call, "webhook-request-origin") == Some("cert-expiry-monitor")));
    assert!(calls.iter().all(|call| header(call, "x-api-key") == Some("letmein")));
    assert!(calls[0].body.is_none());
    world.restart();
    world.run_until(start + 25 * HOUR);
    let later = methods(&mut world);
    assert!(!later.is_empty() && later.iter().all(|method| method == "POST"), "{later:?}");
}

#[test]
fn a_receiver_that_does_not_consent_gets_nothing_and_is_asked_again() {
    for answer in [Answer::status(200), Answer::status(404), Answer::NoResponse, consent("elsewhere.example.com", None)]
    {
        let start = -DAY;
        let mut world = World::starting(start, document(&json!({ "handshake": true })));
        world.answers.insert("hooks".into(), Some(answer.clone()));
        log_lines();
        world.run_until(start + 3 * MINUTE + 10);
        let is_heard = matches!(answer, Answer::Response(_));
        assert_eq!(methods(&mut world), vec!["OPTIONS"; if is_heard { 4 } else { 0 }], "{answer:?}");
        let lines: Vec<_> = log_lines().into_iter().filter(|(_, line)| line.contains("does not consent")).collect();
        assert_eq!(lines.len(), 4, "{answer:?}");
        assert_eq!(world.metric("outbox_entries;.;webhook=.=hooks"), 3, "all of it waits");
        world.answers.insert("hooks".into(), Some(consent("*", Some("*"))));
        world.run_until(start + 5 * MINUTE);
        assert_eq!(methods(&mut world), ["OPTIONS", "POST", "POST", "POST"], "{answer:?}");
    }
}

#[test]
fn a_receiver_gets_no_more_requests_a_minute_than_it_allows() {
    let start = -DAY;
    let mut world = World::starting(start, document(&json!({ "handshake": true })));
    world.set_answer_once("hooks", consent("*", Some("6")));
    world.run_until(start + HOUR / 2);
    let times: Vec<_> = world.received().iter().map(|received| received.at).collect();
    assert_eq!(times.len(), 3);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 10), "{times:?}");
}
