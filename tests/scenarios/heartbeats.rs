//! Signs of life.

use cert_expiry_monitor::application::effect::Answer;
use cert_expiry_monitor::domain::Role;
use serde_json::{Value, json};

use crate::world::{DAY, HOUR, MINUTE, World, pem, webhook};

fn document(interval: i64) -> Value {
    let mut hooks = webhook("hooks");
    (hooks["events"], hooks["retry_attempts"]) = (json!(["MonitorHeartbeat"]), json!(0));
    json!({
        "certificates": [{ "role": "server", "pem": pem("localhost") }, { "role": "ca", "pem": pem("ca") }],
        "webhooks": [hooks],
        "certificate_expiry_monitor": { "heartbeat_seconds": interval },
    })
}

/// When they were received since the last call, in seconds after `start`, and by which ids.
fn beats(world: &mut World, start: i64) -> Vec<(i64, String)> {
    let bodies = world.calls().into_iter().map(|call| {
        let body: Value = serde_json::from_slice(call.body.as_deref().unwrap()).unwrap();
        assert_eq!(body["event"], "MonitorHeartbeat");
        let id = call.headers.iter().find(|(name, _)| name == "x-id").unwrap().1.clone();
        let at = chrono(body["timestamp"].as_str().unwrap());
        (at - crate::world::END.secs() - start, id)
    });
    bodies.collect()
}

/// Unix time of a timestamp.
fn chrono(text: &str) -> i64 {
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;
    OffsetDateTime::parse(text, &Rfc3339).unwrap().unix_timestamp()
}

fn times(world: &mut World, start: i64) -> Vec<i64> {
    beats(world, start).into_iter().map(|(at, _)| at).collect()
}

#[test]
fn the_first_comes_with_the_first_round_and_then_one_every_interval() {
    let start = -40 * DAY;
    let mut world = World::starting(start, document(HOUR));
    world.run_for(5 * HOUR);
    let beats = beats(&mut world, start);
    assert_eq!(beats.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1, 3_601, 7_201, 10_801, 14_401]);
    let mut ids: Vec<_> = beats.into_iter().map(|(_, id)| id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5, "none is another one's double");
}

#[test]
fn the_rounds_of_checks_have_nothing_to_do_with_it() {
    for check_interval in [0, 600, DAY] {
        let mut document = document(1_000);
        document["certificate_expiry_monitor"]["check_interval_seconds"] = json!(check_interval);
        let mut world = World::starting(-40 * DAY, document);
        world.run_for(HOUR);
        assert_eq!(times(&mut world, -40 * DAY), [1, 1_001, 2_001, 3_001], "{check_interval}");
    }
}

#[test]
fn no_night_and_no_silence_puts_it_off() {
    let silence = json!([{ "match": { "role": "server" }, "until": "2040-01-01T00:00:00Z" }]);
    for (key, value) in [("quiet_hours", json!({ "from": "12:00", "to": "11:59" })), ("silences", silence)] {
        let mut document = document(HOUR);
        document["certificate_expiry_monitor"][key] = value;
        let mut world = World::starting(-40 * DAY, document);
        world.run_for(3 * HOUR);
        assert_eq!(times(&mut world, -40 * DAY), [1, 3_601, 7_201], "{key}");
    }
}

#[test]
fn it_is_off_unless_it_is_asked_for_and_wanted() {
    let mut unwanted = document(HOUR);
    unwanted["webhooks"][0]["events"] = json!(["CertificateExpired"]);
    for document in [document(0), unwanted] {
        let mut world = World::starting(-40 * DAY, document);
        world.run_for(3 * HOUR);
        assert_eq!(world.calls().len(), 0);
        assert_eq!(world.metric("events_total;.;event=.=MonitorHeartbeat"), 0);
    }
}

#[test]
fn a_successor_goes_on_with_the_rhythm() {
    let start = -40 * DAY;
    let mut world = World::starting(start, document(HOUR));
    world.run_for(HOUR / 2);
    world.hand_over();
    world.run_for(HOUR / 4);
    assert_eq!(times(&mut world, start), [1]);
    world.restart();
    world.run_until(start + HOUR + MINUTE);
    assert_eq!(times(&mut world, start), [3_601]);
    // Nobody was the monitor for a while.
    world.set_clock(start + 10 * HOUR);
    world.restart();
    world.run_for(MINUTE);
    assert_eq!(times(&mut world, start), [10 * HOUR + 1]);
    world.set_clock(start);
    world.run_for(MINUTE);
    assert_eq!(times(&mut world, start).len(), 1, "the clock was set back");
    world.run_for(HOUR);
    assert_eq!(times(&mut world, start).len(), 1);
}

#[test]
fn one_that_was_not_delivered_is_old_news() {
    let start = -40 * DAY;
    let mut world = World::starting(start, document(2 * HOUR));
    world.answers.insert("hooks".into(), Some(Answer::status(500)));
    world.run_for(MINUTE);
    assert_eq!(times(&mut world, start), [1]);
    world.answers.clear();
    world.run_for(2 * HOUR - 2 * MINUTE);
    assert_eq!(times(&mut world, start).len(), 0, "no round makes up for it");
    world.run_for(2 * MINUTE);
    assert_eq!(times(&mut world, start), [7_201]);
}

#[test]
fn it_says_how_many_are_watched_and_which_ends_next() {
    let mut world = World::starting(-40 * DAY, document(DAY));
    world.observe(Role::Client, Some("orders"), "client");
    world.run_for(MINUTE);
    let said = |world: &mut World| {
        let body: Value = serde_json::from_slice(world.calls().pop().unwrap().body.as_deref().unwrap()).unwrap();
        body["message"].as_str().unwrap().to_owned()
    };
    let message = said(&mut world);
    assert!(message.starts_with("The certificate monitor is alive: 3 certificates, next expiry"), "{message}");
    world.run_until(DAY);
    let message = said(&mut world);
    assert!(message.ends_with("no next expiry"), "{message}");
}
