//! Many certificates that end on one day.

use cert_expiry_monitor::application::effect::Answer;
use serde_json::{Value, json};

use crate::certificate::Certificate;
use crate::forged;
use crate::world::{DAY, END, HOUR, MINUTE, World, webhook};

fn ending(number: u32, secs: i64) -> Value {
    let certificate = Certificate::stored("client").numbered(number).ending_at(END.secs() + secs);
    json!({ "role": "server", "pem": certificate.pem() })
}

/// So many that end one after the other, so many seconds apart.
fn ending_every(secs: i64, count: u32) -> Vec<Value> {
    (0..count).map(|number| ending(number, i64::from(number) * secs)).collect()
}

fn document(certificates: &[Value], more: &Value) -> Value {
    let mut hooks = webhook("hooks");
    hooks["events"] = json!(["ExpiryStorm"]);
    let mut document = json!({
        "certificates": certificates,
        "webhooks": [hooks],
        "certificate_expiry_monitor": { "event_cooldown_seconds": HOUR },
    });
    document["certificate_expiry_monitor"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    document
}

fn world(secs: i64, certificates: &[Value]) -> World {
    World::starting(secs, document(certificates, &json!({})))
}

/// The ids and bodies of what was received since the last call.
fn told(world: &mut World) -> Vec<(String, Value)> {
    let id = |call: &cert_expiry_monitor::application::effect::Call| {
        call.headers.iter().find(|(name, _)| name == "x-id").unwrap().1.clone()
    };
    world.calls().iter().map(|call| (id(call), serde_json::from_slice(call.body.as_ref().unwrap()).unwrap())).collect()
}

fn ids(world: &mut World) -> Vec<String> {
    told(world).into_iter().map(|(id, _)| id).collect()
}

#[test]
fn five_hundred_that_end_on_one_day_are_one_event() {
    let mut world = world(-40 * DAY, &ending_every(MINUTE, 500));
    world.run_for(3 * HOUR);
    let [(_, body)] = told(&mut world).try_into().unwrap();
    assert_eq!(body["event"], "ExpiryStorm");
    assert!(body["message"].as_str().unwrap().starts_with("500 certificates end within 24 hours"), "{body}");
    world.restart();
    world.run_for(3 * HOUR);
    assert_eq!(told(&mut world), [], "a successor knows of it");
    world.hand_over();
    world.run_for(3 * HOUR);
    assert_eq!(told(&mut world), []);
}

#[test]
fn it_is_told_once_however_it_dwindles() {
    // They end over nearly a day, and the first of those that are left ends on another day soon.
    let mut world = world(-2 * DAY, &ending_every(HOUR, 23));
    world.run_until(2 * DAY);
    assert_eq!(ids(&mut world).len(), 1);
}

#[test]
fn fewer_than_ten_or_ten_that_need_a_day_are_none() {
    for (certificates, events) in [
        (ending_every(HOUR, 9), 0),
        (ending_every(HOUR, 10), 1),
        (ending_every(DAY / 9, 10), 0),
        (ending_every(DAY / 9 - 1, 10), 1),
        (ending_every(0, 1), 0),
    ] {
        let mut world = world(-40 * DAY, &certificates);
        world.run_for(2 * HOUR);
        assert_eq!(ids(&mut world).len(), events);
    }
}

#[test]
fn those_that_live_for_a_day_are_none_unless_the_document_means_what_it_says() {
    let daily: Vec<_> = (0..12)
        .map(|number| json!({ "role": "server", "pem": forged::Certificate::leaf(&format!("{number}"), 0, DAY).pem() }))
        .collect();
    for (monitor, count) in [(json!({}), 0), (json!({ "short_lived": "off" }), 1)] {
        let mut world = World::as_written(HOUR, document(&daily, &monitor));
        world.run_for(12 * HOUR);
        assert_eq!(told(&mut world).len(), count, "{monitor}");
    }
}

#[test]
fn the_document_says_how_many_are_one() {
    for (more, events) in [(json!({ "expiry_storm": 0 }), 0), (json!({ "expiry_storm": 3 }), 1), (json!({}), 0)] {
        let mut world = World::starting(-40 * DAY, document(&ending_every(HOUR, 4), &more));
        world.run_for(2 * HOUR);
        assert_eq!(ids(&mut world).len(), events, "{more}");
    }
}

#[test]
fn certificates_in_several_roles_count_once_and_those_that_have_ended_not_at_all() {
    let mut twice = ending_every(HOUR, 9);
    for index in 0..twice.len() {
        let mut other = twice[index].clone();
        other["role"] = json!("ca");
        twice.push(other);
    }
    let mut world = world(-40 * DAY, &twice);
    world.run_for(2 * HOUR);
    assert_eq!(ids(&mut world).len(), 0);
    let mut world = self::world(HOUR, &ending_every(HOUR, 11));
    world.run_for(2 * HOUR);
    assert_eq!(ids(&mut world).len(), 0);
}

#[test]
fn it_is_told_again_when_it_has_doubled_and_by_the_same_id_by_every_proxy() {
    let mut world = world(-40 * DAY, &ending_every(HOUR, 10));
    world.run_for(2 * HOUR);
    let first = ids(&mut world);
    assert_eq!(first.len(), 1);
    world.replace(document(&ending_every(HOUR, 19), &json!({})));
    world.run_for(2 * HOUR);
    assert_eq!(ids(&mut world).len(), 0, "not doubled");
    world.replace(document(&ending_every(HOUR, 20), &json!({})));
    world.run_for(2 * HOUR);
    let second = ids(&mut world);
    assert_eq!(second.len(), 1);
    assert_ne!(first, second);
    world.replace(document(&ending_every(HOUR, 10), &json!({})));
    world.run_for(2 * HOUR);
    assert_eq!(ids(&mut world).len(), 0, "less than before");
    let mut other = self::world(-35 * DAY - 7 * HOUR, &ending_every(HOUR, 10));
    other.run_for(2 * HOUR);
    assert_eq!(ids(&mut other), first);
}

#[test]
fn what_a_dead_receiver_did_not_get_is_told_with_the_same_id() {
    let mut document = document(&ending_every(HOUR, 10), &json!({}));
    document["webhooks"][0]["retry_attempts"] = json!(0);
    let mut world = World::starting(-40 * DAY, document);
    world.answers.insert("hooks".into(), Some(Answer::status(500)));
    world.run_for(MINUTE);
    let first = ids(&mut world);
    assert_eq!(first.len(), 1);
    world.answers.clear();
    world.run_for(2 * HOUR);
    assert_eq!(ids(&mut world), first);
}

#[test]
fn those_that_nobody_wants_to_hear_of_any_more_are_forgotten() {
    let certificates = ending_every(HOUR, 10);
    let mut world = world(-40 * DAY, &certificates);
    world.run_for(2 * HOUR);
    assert_eq!(ids(&mut world).len(), 1);
    world.replace(document(&certificates, &json!({ "expiry_storm": 0 })));
    world.run_for(2 * HOUR);
    world.replace(document(&certificates, &json!({})));
    world.run_for(2 * HOUR);
    assert_eq!(ids(&mut world).len(), 1);
}
