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
fn a_failed_delivery_is_tried_again_at_the_next_interval_at_that_webhook_alone_with_the_same_id() {
    for answer in [Answer::Status(500), Answer::Status(302), Answer::NoResponse, Answer::NoCluster, Answer::NoHost] {
        let start = -DAY;
        let mut world = World::starting(start, document(HOUR));
        world.answers.insert("dead".into(), Some(answer));
        world.run_until(start + 2 * HOUR + MINUTE);
        world.answers.clear();
        world.run_until(start + 20 * HOUR);
        let received = world.received();
        let (dead, alive): (Vec<_>, Vec<_>) = received.iter().partition(|r| r.cluster == "dead");
        let times = |received: &[&crate::world::Received]| -> Vec<i64> {
            received.iter().map(|r| (r.at - start) / HOUR).collect()
        };
        assert_eq!(times(&alive), [0], "{answer:?}");
        let expected: &[i64] = if matches!(answer, Answer::Status(_)) { &[0, 1, 2, 3] } else { &[3] };
        assert_eq!(times(&dead), expected, "{answer:?}");
        assert!(dead.iter().all(|r| r.id == alive[0].id), "{answer:?}");
    }
}

#[test]
fn the_log_names_the_webhook_and_what_happened() {
    let start = -DAY;
    for (answer, words) in [
        (Answer::Status(503), "status=503 attempt=1 next_in_seconds=3600 outcome=status cluster=dead"),
        (Answer::NoCluster, "status=none attempt=1 next_in_seconds=3600 outcome=no_cluster cluster=dead"),
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
fn a_debt_survives_the_monitor() {
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
fn without_rounds_it_is_tried_again_within_the_hour() {
    let start = -DAY;
    let mut world = World::starting(start, document(0));
    world.answers.insert("dead".into(), Some(Answer::Status(500)));
    world.run_until(start + MINUTE);
    world.answers.clear();
    world.received();
    world.run_until(start + HOUR + MINUTE);
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
