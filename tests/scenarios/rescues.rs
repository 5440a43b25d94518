//! What becomes of an event for which there is no room, or no receiver any more: others get it, or it comes later.

use cert_expiry_monitor::application::effect::Answer;
use cert_expiry_monitor::domain::Role;
use serde_json::{Value, json};

use crate::deliveries::{document, document_with, many, to};
use crate::world::{DAY, HOUR, MINUTE, World, log_lines, webhook};

/// The same with a webhook that gets what the first one does not take.
fn document_with_rescue() -> Value {
    let mut document = document_with(HOUR, &json!({ "on_failure": "rescue" }));
    let mut rescue = webhook("rescue");
    rescue["events"] = json!([]);
    document["webhooks"].as_array_mut().unwrap().push(rescue);
    document
}

#[test]
fn a_receiver_that_is_gone_is_told_nothing_until_there_is_another_configuration() {
    let start = -2 * DAY;
    let mut world = World::starting(start, document(HOUR));
    world.answers.insert("dead".into(), Some(Answer::status(410)));
    log_lines();
    world.run_until(start + MINUTE);
    world.answers.clear();
    world.run_until(start + 5 * HOUR);
    world.restart();
    world.run_until(start + 10 * HOUR);
    assert_eq!(to("dead", &world.received()).len(), 1, "also under a successor");
    let gone: Vec<_> = log_lines().into_iter().filter(|(_, line)| line.starts_with("Webhook is gone (410)")).collect();
    assert_eq!(gone.len(), 1, "{gone:?}");
    world.replace(document(HOUR + 1));
    world.run_until(start + 12 * HOUR);
    let received = world.received();
    assert_eq!((to("dead", &received).len(), to("alive", &received).len()), (1, 0), "what it was owed");
}

#[test]
fn what_nobody_takes_goes_to_the_webhook_that_is_there_for_it_once() {
    let start = -3 * DAY;
    let mut world = World::starting(start, document_with_rescue());
    world.answers.insert("dead".into(), Some(Answer::status(404)));
    world.run_until(start + 10 * HOUR);
    let received = world.received();
    let (dead, rescued) = (to("dead", &received), to("rescue", &received));
    assert!(dead.len() >= 9, "with every round: {}", dead.len());
    assert_eq!(rescued.len(), 1, "and the other one once");
    assert_eq!(rescued[0].id, dead[0].id);
    world.restart();
    world.run_until(start + 20 * HOUR);
    assert_eq!(to("rescue", &world.received()).len(), 0, "a successor knows that");
    world.run_until(start + 30 * HOUR);
    assert_eq!(to("rescue", &world.received()).len(), 1, "the next day's event");
}

#[test]
fn what_was_on_its_way_when_the_receiver_went_does_not_wait_for_it() {
    let start = -DAY;
    let mut document = document(20 * HOUR);
    document["certificates"] = json!([{ "role": "ca", "pem": many().concat() }]);
    let mut world = World::starting(start, document);
    world.set_answer_once("dead", Answer::status(410));
    world.answers.insert("dead".into(), Some(Answer::status(500)));
    world.run_until(start + MINUTE);
    assert!(to("dead", &world.received()).len() > 1, "others were under way");
    assert_eq!(world.metric("outbox_entries;.;webhook=.=dead"), 0);
}

#[test]
fn what_comes_after_a_receiver_has_gone_is_passed_on_as_well() {
    let start = -3 * DAY;
    let mut world = World::starting(start, document_with_rescue());
    world.answers.insert("dead".into(), Some(Answer::status(410)));
    world.run_until(start + MINUTE);
    world.received();
    world.observe(Role::Client, Some("orders"), "client");
    world.run_until(start + 5 * HOUR);
    let received = world.received();
    assert_eq!((to("dead", &received).len(), to("rescue", &received).len()), (0, 1));
}

#[test]
fn what_is_passed_on_survives_the_monitor_too() {
    let start = -3 * DAY;
    let mut world = World::starting(start, document_with_rescue());
    world.answers.insert("dead".into(), Some(Answer::status(404)));
    world.answers.insert("rescue".into(), None);
    world.run_until(start + MINUTE);
    world.received();
    world.answers.remove("rescue");
    world.restart();
    world.run_until(start + 2 * MINUTE);
    assert_eq!(to("rescue", &world.received()).len(), 1);
}

#[test]
fn when_too_many_wait_the_least_severe_make_room_the_oldest_first_and_come_later() {
    let start = -DAY;
    let more = json!({ "max_pending": 4, "circuit_breaker": { "failures": 1, "open": "30m" } });
    let mut document = document_with(HOUR, &more);
    document["certificates"] = json!([{ "role": "ca", "pem": many().concat() }]);
    let mut world = World::starting(start, document);
    world.answers.insert("dead".into(), Some(Answer::status(500)));
    log_lines();
    world.run_until(start + 10);
    assert_eq!(world.metric("outbox_entries;.;webhook=.=dead"), 4);
    assert_eq!(world.metric("dropped_total;.;reason=.=outbox_full"), many().len() as u64 - 4);
    let lines: Vec<_> = log_lines().into_iter().filter(|(_, line)| line.starts_with("Too many events wait")).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    world.answers.clear();
    world.received();
    world.run_until(start + 3 * HOUR);
    let received = world.received();
    let mut names: Vec<_> = to("dead", &received).iter().map(|received| received.name.clone()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), many().len(), "none is lost");
}

#[test]
fn what_found_no_room_does_not_push_out_what_is_being_tried() {
    let start = -2 * DAY;
    let more = json!({ "max_pending": 4, "circuit_breaker": { "failures": 0 } });
    let mut document = document_with(HOUR, &more);
    document["certificates"] = json!([{ "role": "ca", "pem": many().concat() }]);
    let mut world = World::starting(start, document);
    world.answers.insert("dead".into(), Some(Answer::status(500)));
    world.run_until(start + 23 * HOUR);
    assert!(world.metric("dropped_total;.;reason=.=delivery_failed") >= 4, "tries add up in spite of the rounds");
}

#[test]
fn a_test_goes_to_the_webhook_that_is_tested_and_to_no_other_one() {
    let start = -DAY;
    let mut document = document_with_rescue();
    document["webhooks"][0]["test_on_start"] = json!(true);
    document["certificates"] = json!([]);
    let mut world = World::starting(start, document);
    world.answers.insert("dead".into(), Some(Answer::status(404)));
    world.run_until(start + HOUR);
    let received = world.received();
    assert_eq!((to("dead", &received).len(), received.len()), (1, 1));
}

#[test]
fn a_chain_goes_on_behind_one_that_is_gone() {
    let start = -DAY;
    let mut document = document_with_rescue();
    document["webhooks"][2]["on_failure"] = json!("last");
    let mut last = webhook("last");
    last["events"] = json!([]);
    document["webhooks"].as_array_mut().unwrap().push(last);
    let mut world = World::starting(start, document);
    world.answers.insert("dead".into(), Some(Answer::status(404)));
    world.answers.insert("rescue".into(), Some(Answer::status(410)));
    world.run_until(start + MINUTE);
    world.received();
    world.observe(Role::Client, Some("orders"), "client");
    world.run_until(start + HOUR);
    let received = world.received();
    assert_eq!((to("rescue", &received).len(), to("last", &received).len()), (0, 1));
}

#[test]
fn an_event_for_a_webhook_that_is_gone_goes_to_whoever_wants_it_now() {
    let start = -DAY;
    let mut world = World::starting(start, document(HOUR));
    world.answers.insert("dead".into(), Some(Answer::status(500)));
    world.run_until(start + MINUTE);
    let id = world.received()[0].id.clone();
    let mut document = document(HOUR);
    document["webhooks"] = json!([webhook("new")]);
    world.replace(document);
    world.run_until(start + 2 * MINUTE);
    let received: Vec<_> = world.received().into_iter().map(|r| (r.cluster, r.id)).collect();
    assert_eq!(received, [("new".to_owned(), id)]);
}
