//! What becomes of an event that a webhook does not take.

use std::time::Duration;

use cert_expiry_monitor::application::effect::{Answer, Response};
use serde_json::{Value, json};

use crate::world::{DAY, HOUR, MINUTE, Received, World, log_lines, pem, webhook};

pub fn document(interval: i64) -> Value {
    json!({
        "certificates": [{ "role": "server", "pem": pem("localhost") }],
        "certificate_expiry_monitor": { "check_interval_seconds": interval },
        "webhooks": [webhook("dead"), webhook("alive")],
    })
}

/// The same with more said about the first webhook.
pub fn document_with(interval: i64, more: &Value) -> Value {
    let mut document = document(interval);
    for (key, value) in more.as_object().unwrap() {
        document["webhooks"][0][key] = value.clone();
    }
    document
}

/// Many certificates of one role.
pub fn many() -> Vec<String> {
    ["localhost", "client", "upstream", "ca", "quotes", "long", "san-only", "nameless"].map(pem).to_vec()
}

pub fn to<'a>(cluster: &str, received: &'a [Received]) -> Vec<&'a Received> {
    received.iter().filter(|received| received.cluster == cluster).collect()
}

/// What a receiver answers that asks for a pause.
fn busy(retry_after: &str) -> Answer {
    Answer::Response(Response { status: 429, retry_after: Some(retry_after.into()), ..Response::default() })
}

/// Whether `actual` is `expected` give or take a fifth of the pause before, and what the ticks add.
fn is_about(actual: &[i64], pauses: &[i64]) -> bool {
    let steps: Vec<_> = actual.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let is_near = |(step, pause): (&i64, &i64)| (pause * 8 / 10 - 1..=pause * 12 / 10 + 1).contains(step);
    steps.len() == pauses.len() && steps.iter().zip(pauses).all(is_near)
}

#[test]
fn a_failed_delivery_is_tried_again_with_a_growing_pause_at_that_webhook_alone_with_the_same_id() {
    for answer in [Answer::status(500), Answer::status(429), Answer::NoResponse, Answer::NoCluster, Answer::NoHost] {
        let start = -DAY;
        let mut world = World::starting(start, document(HOUR));
        world.answers.insert("dead".into(), Some(answer.clone()));
        world.run_until(start + 9 * MINUTE);
        world.answers.clear();
        world.run_until(start + 20 * HOUR);
        let received = world.received();
        let (dead, alive) = (to("dead", &received), to("alive", &received));
        let times = |received: &[&Received]| -> Vec<i64> { received.iter().map(|r| r.at - start - 1).collect() };
        assert_eq!(times(&alive), [0], "{answer:?}");
        let dead_times = times(&dead);
        if matches!(answer, Answer::Response(_)) {
            assert!(is_about(&dead_times, &[5, 30, 120, 600]), "{answer:?}: {dead_times:?}");
        } else {
            // What Envoy does not take reaches nobody.
            assert_eq!(dead_times.len(), 1, "{answer:?}");
        }
        assert!(dead.iter().all(|r| r.id == alive[0].id), "{answer:?}");
    }
}

#[test]
fn a_schedule_is_kept_and_its_last_pause_repeated_until_the_tries_are_spent() {
    let start = -DAY;
    let more = json!({ "retry_schedule": ["10s", "1m30s"], "retry_attempts": 4, "circuit_breaker": { "failures": 0 } });
    let mut world = World::starting(start, document_with(20 * HOUR, &more));
    world.answers.insert("dead".into(), Some(Answer::status(500)));
    world.run_until(start + HOUR);
    let times: Vec<_> = to("dead", &world.received()).iter().map(|received| received.at).collect();
    assert!(is_about(&times, &[10, 90, 90, 90]), "{times:?}");
    assert_eq!(world.metric("dropped_total;.;reason=.=delivery_failed"), 1);
}

#[test]
fn what_was_tried_in_vain_gives_its_cooldown_back_and_starts_anew_with_a_round() {
    let start = -30 * DAY;
    let mut document = document(HOUR);
    document["certificate_expiry_monitor"]["event_cooldown_seconds"] = json!(20 * DAY);
    let mut world = World::starting(start, document);
    world.answers.insert("dead".into(), Some(Answer::status(500)));
    log_lines();
    world.run_until(start + 22 * HOUR);
    let lines = log_lines();
    let failures: Vec<_> =
        lines.iter().filter(|(_, line)| line.starts_with("Request to webhook failed webhook=dead")).collect();
    let attempts: Vec<_> = failures.iter().map(|(_, line)| line.split(' ').nth(6).unwrap()).collect();
    let expected: Vec<_> = (1..=8).map(|attempt| format!("attempt={attempt}")).collect();
    assert_eq!(attempts[..8], expected);
    assert_eq!(attempts[8], "attempt=1", "with the next round");
    let failed: Vec<_> = lines.iter().filter(|(_, line)| line.starts_with("DeliveryFailed")).collect();
    let [(level, line)] = failed.as_slice() else { panic!("{failed:?}") };
    assert_eq!(*level, log::Level::Error);
    assert!(line.starts_with("DeliveryFailed webhook=dead attempts=8 outcome=status cert_id="), "{line}");
    world.answers.clear();
    world.received();
    world.run_until(start + 36 * HOUR);
    assert_eq!(world.received().len(), 1);
    assert_eq!(world.metric("outbox_entries;.;webhook=.=dead"), 0);
}

#[test]
fn what_is_refused_for_good_is_not_tried_again_before_a_round() {
    for status in [301, 302, 308, 400, 401, 403, 404, 405, 413, 415, 422] {
        let start = -DAY;
        let mut world = World::starting(start, document(HOUR));
        world.answers.insert("dead".into(), Some(Answer::status(status)));
        world.run_until(start + HOUR - MINUTE);
        assert_eq!(to("dead", &world.received()).len(), 1, "{status}");
        assert_eq!(world.metric("deliveries_total;.;webhook=.=dead;.;outcome=.=refused"), 1, "{status}");
        world.answers.clear();
        world.run_until(start + 2 * HOUR);
        assert_eq!(to("dead", &world.received()).len(), 1, "{status}: the cooldown was given back");
    }
}

#[test]
fn a_receiver_that_asks_for_a_pause_gets_it_for_all_of_its_events() {
    // Exactly as asked, without chance; an hour at most.
    for (asked, pause) in [("2", 2), ("90", 90), ("0", 1), ("86400", 3_600)] {
        let start = -DAY;
        let mut document = document_with(20 * HOUR, &json!({ "max_in_flight": 1 }));
        document["certificates"] = json!([{ "role": "ca", "pem": many().concat() }]);
        let mut world = World::starting(start, document);
        // The first check comes after a second.
        let first = start + 1;
        world.set_answer_once("dead", busy(asked));
        world.run_until(first + pause);
        assert_eq!(to("dead", &world.received()).len(), 1, "{asked}");
        world.run_until(first + pause + 2);
        assert_eq!(to("dead", &world.received()).len(), many().len(), "{asked}");
    }
}

#[test]
fn a_receiver_that_hopes_to_be_back_soon_is_tried_by_the_schedule_all_the_same() {
    let start = -DAY;
    let overloaded =
        |wish: &str| Answer::Response(Response { status: 503, retry_after: Some(wish.into()), ..Response::default() });
    for (wish, least, most) in [("1", 4, 7), ("20", 20, 21)] {
        let mut world = World::starting(start, document(20 * HOUR));
        world.set_answer_once("dead", overloaded(wish));
        world.run_until(start + MINUTE);
        let times: Vec<_> = to("dead", &world.received()).iter().map(|received| received.at).collect();
        let pause = times[1] - times[0];
        assert!((least..=most).contains(&pause), "{wish}: {pause}");
    }
}

#[test]
fn a_receiver_that_takes_one_event_a_second_gets_all_of_them_within_their_tries() {
    let start = -DAY;
    let mut document = document_with(20 * HOUR, &json!({}));
    let bundle: String = many().concat();
    document["certificates"] = json!(["server", "ca"].map(|role| json!({ "role": role, "pem": bundle })).to_vec());
    let mut world = World::starting(start, document);
    world.limit("dead", Duration::from_secs(1), busy("1"));
    world.run_until(start + MINUTE);
    assert_eq!(world.metric("deliveries_total;.;webhook=.=dead;.;outcome=.=delivered"), 2 * many().len() as u64);
    assert_eq!(world.metric("dropped_total;.;reason=.=delivery_failed"), 0);
    let requests = to("dead", &world.received()).len();
    assert!(requests <= 3 * 2 * many().len(), "{requests} requests for {} events", 2 * many().len());
}

#[test]
fn what_envoy_answers_itself_has_words_of_its_own() {
    for (status, outcome) in [(502, "no_response"), (503, "unreachable"), (504, "timeout")] {
        let by_envoy = Answer::Response(Response { status, by_envoy: true, ..Response::default() });
        let mut world = World::starting(-DAY, document(HOUR));
        world.answers.insert("dead".into(), Some(by_envoy));
        world.answers.insert("alive".into(), Some(Answer::status(status)));
        world.run_until(-DAY + 2);
        assert_eq!(world.metric(&format!("deliveries_total;.;webhook=.=dead;.;outcome=.={outcome}")), 1);
        assert_eq!(
            world.metric("deliveries_total;.;webhook=.=alive;.;outcome=.=status"),
            1,
            "a receiver may say {status}"
        );
    }
}

#[test]
fn the_log_names_the_webhook_and_what_happened() {
    let start = -DAY;
    for (answer, words, end) in [
        (Answer::status(503), "status=503 attempt=1 next_in_seconds=", "outcome=status cluster=dead"),
        (Answer::NoCluster, "status=none attempt=1 next_in_seconds=", "outcome=no_cluster cluster=dead"),
        (busy("7"), "status=429 attempt=1 next_in_seconds=7 ", "outcome=status cluster=dead"),
    ] {
        let mut world = World::starting(start, document(3_601));
        world.answers.insert("dead".into(), Some(answer));
        log_lines();
        world.run_until(start + 2);
        let lines = log_lines();
        let begin = format!("Request to webhook failed webhook=dead {words}");
        let is_it = |(level, text): &&(log::Level, String)| {
            *level == log::Level::Warn && text.starts_with(&begin) && text.ends_with(end)
        };
        assert!(lines.iter().any(|line| is_it(&line)), "{lines:#?}");
        assert_eq!(world.metric("deliveries_total;.;webhook=.=alive;.;outcome=.=delivered"), 1);
    }
}

#[test]
fn a_webhook_that_fails_again_and_again_is_left_alone_and_then_asked_with_one_request() {
    let start = -DAY;
    let more =
        json!({ "retry_schedule": ["1s"], "retry_attempts": 10, "circuit_breaker": { "failures": 3, "open": "1m" } });
    let mut document = document_with(20 * HOUR, &more);
    document["certificates"] = json!([{ "role": "ca", "pem": many().concat() }]);
    let mut world = World::starting(start, document);
    world.answers.insert("dead".into(), Some(Answer::status(500)));
    log_lines();
    world.run_until(start + 50);
    let received = world.received();
    let dead = to("dead", &received).len();
    assert!((3..=6).contains(&dead), "those in flight come on top: {dead}");
    assert_eq!(to("alive", &received).len(), many().len());
    world.run_until(start + 3 * MINUTE + 2);
    assert_eq!(to("dead", &world.received()).len(), 3, "one a minute");
    world.answers.clear();
    world.run_until(start + 5 * MINUTE);
    assert_eq!(to("dead", &world.received()).len(), many().len());
    let lines: Vec<_> = log_lines().into_iter().map(|(_, line)| line).filter(|line| line.contains("ircuit")).collect();
    assert_eq!(
        lines,
        ["Circuit breaker opened webhook=dead failures=3 open_seconds=60", "Circuit breaker closed webhook=dead"]
    );
}

#[test]
fn a_try_is_counted_before_it_is_made() {
    let start = -DAY;
    let mut world = World::starting(start, document_with(20 * HOUR, &json!({ "retry_attempts": 3 })));
    world.answers.insert("dead".into(), None);
    log_lines();
    // Each monitor ends while it waits for the answer.
    for life in 1..=4 {
        world.run_until(start + life * MINUTE);
        assert_eq!(to("dead", &world.received()).len(), 1, "life {life}");
        assert!(!log_lines().iter().any(|(_, line)| line.starts_with("DeliveryFailed")), "life {life}");
        world.restart();
    }
    assert!(log_lines().iter().any(|(_, line)| line.starts_with("DeliveryFailed webhook=dead attempts=4")));
}

#[test]
fn a_handover_in_good_order_costs_no_try() {
    let start = -DAY;
    let mut world = World::starting(start, document_with(20 * HOUR, &json!({ "retry_attempts": 2 })));
    world.answers.insert("dead".into(), Some(Answer::status(500)));
    world.run_until(start + 2);
    for _ in 0..10 {
        world.hand_over();
    }
    world.answers.clear();
    world.received();
    world.run_until(start + MINUTE);
    assert_eq!(to("dead", &world.received()).len(), 1);
}

#[test]
fn what_is_on_its_way_survives_the_monitor() {
    let start = -DAY;
    let mut world = World::starting(start, document(HOUR));
    world.answers.insert("dead".into(), Some(Answer::status(500)));
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
    world.answers.insert("dead".into(), Some(Answer::status(500)));
    world.run_until(HOUR);
    world.received();
    world.answers.clear();
    world.run_until(3 * HOUR);
    let told: Vec<_> = world.received().into_iter().map(|r| (r.cluster, r.event)).collect();
    assert_eq!(told, [("dead".to_owned(), "CertificateExpired".to_owned())], "the newest, once");
}

#[test]
fn a_webhook_that_never_answers_holds_nobody_else_up() {
    let mut document = document_with(HOUR, &json!({ "max_in_flight": 3 }));
    document["certificates"] = json!([{ "role": "ca", "pem": many().concat() }]);
    let mut world = World::starting(-DAY, document);
    world.answers.insert("dead".into(), None);
    world.run_until(-DAY + MINUTE);
    let received = world.received();
    assert_eq!(to("alive", &received).len(), many().len());
    assert_eq!(to("dead", &received).len(), 3, "as many as may be in flight");
    assert_eq!(world.metric("outbox_entries;.;webhook=.=dead"), many().len() as u64);
    assert_eq!(world.metric("outbox_entries;.;webhook=.=alive"), 0);
}

#[test]
fn a_dead_webhook_changes_nothing_in_what_another_one_gets_and_when() {
    let order = |webhooks: Vec<Value>| -> Vec<(i64, String)> {
        let mut document = document(HOUR);
        document["certificates"] = json!([{ "role": "ca", "pem": many().concat() }]);
        document["webhooks"] = json!(webhooks);
        let mut world = World::starting(-DAY, document);
        world.answers.insert("dead".into(), Some(Answer::NoResponse));
        world.run_until(3 * DAY);
        to("alive", &world.received()).iter().map(|received| (received.at, received.id.clone())).collect()
    };
    let alone = order(vec![webhook("alive")]);
    assert_eq!(order(vec![webhook("dead"), webhook("alive")]), alone);
    assert_eq!(order(vec![webhook("alive"), webhook("dead")]), alone);
}

#[test]
fn a_webhook_with_another_url_gets_what_waits_at_once() {
    let start = -DAY;
    let mut world = World::starting(start, document(HOUR));
    world.answers.insert("dead".into(), Some(Answer::status(500)));
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
        world.answers.insert("slow".into(), Some(Answer::status(500)));
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
    world.answers.insert("soon".into(), Some(Answer::status(500)));
    world.run_until(10 * MINUTE);
    world.received();
    world.answers.clear();
    world.run_until(3 * DAY);
    assert_eq!(world.received().len(), 1);
}

#[test]
fn a_clock_that_is_set_back_does_not_keep_anything_waiting() {
    let start = -DAY;
    let mut world = World::starting(start, document(HOUR));
    world.answers.insert("dead".into(), Some(busy("3600")));
    world.run_until(start + 10);
    world.received();
    world.answers.clear();
    world.set_clock(start - 30 * DAY);
    world.run_until(start - 30 * DAY + 1);
    world.run_until(start - 30 * DAY + HOUR + MINUTE);
    assert_eq!(to("dead", &world.received()).len(), 1);
}
