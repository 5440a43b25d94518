//! What becomes of an event that a webhook does not take.

use cert_expiry_monitor::application::effect::Answer;
use serde_json::{Value, json};

use crate::world::{DAY, HOUR, MINUTE, World, log_lines, pem, webhook};

fn document(interval: i64) -> Value {
    json!({
        "certificates": [{ "role": "server", "pem": pem("localhost") }],
        "certificate_expiry_monitor": { "check_interval_seconds": interval },
        "webhooks": [webhook("dead"), webhook("alive")],
    })
}

#[test]
fn a_failed_delivery_is_tried_again_with_a_growing_pause_at_that_webhook_alone_with_the_same_id() {
    for answer in [Answer::Status(500), Answer::Status(302), Answer::NoResponse, Answer::NoCluster, Answer::NoHost] {
        let start = -DAY;
        let mut world = World::starting(start, document(HOUR));
        world.answers.insert("dead".into(), Some(answer));
        world.run_until(start + 10 * MINUTE);
        world.answers.clear();
        world.run_until(start + 20 * HOUR);
        let received = world.received();
        let (dead, alive): (Vec<_>, Vec<_>) = received.iter().partition(|r| r.cluster == "dead");
        let times =
            |received: &[&crate::world::Received]| -> Vec<i64> { received.iter().map(|r| r.at - start - 1).collect() };
        assert_eq!(times(&alive), [0], "{answer:?}");
        // After 5 s, 30 s, 2 min and 10 min. What Envoy does not take reaches nobody.
        let expected: &[i64] = if matches!(answer, Answer::Status(_)) { &[0, 5, 35, 155, 755] } else { &[755] };
        assert_eq!(times(&dead), expected, "{answer:?}");
        assert!(dead.iter().all(|r| r.id == alive[0].id), "{answer:?}");
    }
}

#[test]
fn what_was_tried_in_vain_gives_its_cooldown_back_and_starts_anew_with_a_round() {
    let start = -30 * DAY;
    let mut document = document(HOUR);
    document["certificate_expiry_monitor"]["event_cooldown_seconds"] = json!(20 * DAY);
    let mut world = World::starting(start, document);
    world.answers.insert("dead".into(), Some(Answer::Status(500)));
    log_lines();
    world.run_until(start + 18 * HOUR + 4);
    let failures = |lines: &[(log::Level, String)]| -> Vec<String> {
        let failures = lines.iter().filter(|(_, line)| line.starts_with("Request to webhook failed"));
        failures.map(|(_, line)| line.split(' ').skip(6).take(2).collect::<Vec<_>>().join(" ")).collect()
    };
    let lines = failures(&log_lines());
    assert_eq!(lines.len(), 9, "{lines:#?}");
    assert_eq!(lines[0], "attempt=1 next_in_seconds=5");
    assert_eq!(lines[6], "attempt=7 next_in_seconds=43200");
    assert!(lines[7].starts_with("attempt=8 next_in_seconds=") && !lines[7].ends_with("=5"), "until the next round");
    assert_eq!(lines[8], "attempt=1 next_in_seconds=5", "with that round");
    world.answers.clear();
    world.received();
    world.run_until(start + 19 * HOUR);
    assert_eq!(world.received().len(), 1);
    assert_eq!(world.metric("outbox_entries;.;webhook=.=dead"), 0);
}

#[test]
fn the_log_names_the_webhook_and_what_happened() {
    let start = -DAY;
    for (answer, words) in [
        (Answer::Status(503), "status=503 attempt=1 next_in_seconds=5 outcome=status cluster=dead"),
        (Answer::NoCluster, "status=none attempt=1 next_in_seconds=5 outcome=no_cluster cluster=dead"),
    ] {
        let mut world = World::starting(start, document(3_601));
        world.answers.insert("dead".into(), Some(answer));
        log_lines();
        world.run_until(start + 2);
        let lines = log_lines();
        let line = format!("Request to webhook failed webhook=dead {words}");
        assert!(lines.iter().any(|(level, text)| *level == log::Level::Warn && *text == line), "{lines:#?}");
        assert_eq!(world.metric("deliveries_total;.;webhook=.=alive;.;outcome=.=delivered"), 1);
    }
}

#[test]
fn what_is_on_its_way_survives_the_monitor() {
    let start = -DAY;
    let mut world = World::starting(start, document(HOUR));
    world.answers.insert("dead".into(), Some(Answer::Status(500)));
    world.run_until(start + MINUTE);
    world.received();
    world.answers.clear();
    world.restart();
    world.run_until(start + 2 * MINUTE);
    let clusters: Vec<_> = world.received().into_iter().map(|received| received.cluster).collect();
    assert_eq!(clusters, ["dead"]);
}

#[test]
fn a_dead_receiver_never_costs_an_alert() {
    let mut world = World::starting(-DAY, document(HOUR));
    world.answers.insert("dead".into(), Some(Answer::Status(500)));
    world.run_until(HOUR);
    world.received();
    world.answers.clear();
    world.run_until(3 * HOUR);
    let told: Vec<_> = world.received().into_iter().map(|r| (r.cluster, r.event)).collect();
    assert_eq!(told, [("dead".to_owned(), "CertificateExpired".to_owned())], "the newest, once");
}

#[test]
fn a_webhook_that_never_answers_holds_nobody_else_up() {
    let many: Vec<_> =
        ["localhost", "client", "upstream", "ca", "quotes", "long", "san-only", "nameless"].map(pem).to_vec();
    let mut document = document(HOUR);
    document["certificates"] = json!([{ "role": "ca", "pem": many.concat() }]);
    let mut world = World::starting(-DAY, document);
    world.answers.insert("dead".into(), None);
    world.run_until(-DAY + MINUTE);
    let received = world.received();
    assert_eq!(received.iter().filter(|r| r.cluster == "alive").count(), many.len());
    assert_eq!(received.iter().filter(|r| r.cluster == "dead").count(), 4, "as many as may be in flight");
    assert_eq!(world.metric("outbox_entries;.;webhook=.=dead"), many.len() as u64);
    assert_eq!(world.metric("outbox_entries;.;webhook=.=alive"), 0);
}

#[test]
fn an_event_for_a_webhook_that_is_gone_goes_to_whoever_wants_it_now() {
    let start = -DAY;
    let mut world = World::starting(start, document(HOUR));
    world.answers.insert("dead".into(), Some(Answer::Status(500)));
    world.run_until(start + MINUTE);
    let id = world.received()[0].id.clone();
    let mut document = document(HOUR);
    document["webhooks"] = json!([webhook("new")]);
    world.replace(document);
    world.run_until(start + 2 * MINUTE);
    let received: Vec<_> = world.received().into_iter().map(|r| (r.cluster, r.id)).collect();
    assert_eq!(received, [("new".to_owned(), id)]);
}

#[test]
fn a_webhook_with_another_url_gets_what_waits_at_once() {
    let start = -DAY;
    let mut world = World::starting(start, document(HOUR));
    world.answers.insert("dead".into(), Some(Answer::Status(500)));
    world.run_until(start + 5 * MINUTE);
    world.received();
    world.answers.clear();
    world.replace(document(HOUR));
    world.run_until(start + 5 * MINUTE + 2);
    let clusters: Vec<_> = world.received().into_iter().map(|received| received.cluster).collect();
    assert_eq!(clusters, ["dead"], "and the other one got it already");
}

#[test]
fn a_webhooks_own_cooldown_does_not_swallow_what_was_never_delivered() {
    for outage in [2 * HOUR, 26 * HOUR] {
        let mut slow = webhook("slow");
        slow["cooldown_seconds"] = json!(7 * DAY);
        let start = -20 * DAY;
        let document = json!({
            "certificates": [{ "role": "server", "pem": pem("localhost") }],
            "certificate_expiry_monitor": { "event_cooldown_seconds": HOUR, "check_cooldown_seconds": 0 },
            "webhooks": [slow],
        });
        let mut world = World::starting(start, document);
        world.answers.insert("slow".into(), Some(Answer::Status(500)));
        world.run_until(start + outage);
        world.received();
        world.answers.clear();
        world.run_until(start + 6 * DAY);
        assert_eq!(world.received().len(), 1, "after {outage} s");
    }
}

#[test]
fn whoever_wants_only_the_first_of_two_events_gets_it_late_rather_than_never() {
    let mut soon = webhook("soon");
    soon["events"] = json!(["CertificateExpiringSoon"]);
    let document = json!({ "certificates": [{ "role": "server", "pem": pem("localhost") }], "webhooks": [soon] });
    let mut world = World::starting(-HOUR, document);
    world.answers.insert("soon".into(), Some(Answer::Status(500)));
    world.run_until(10 * MINUTE);
    world.received();
    world.answers.clear();
    world.run_until(3 * DAY);
    assert_eq!(world.received().len(), 1);
}
