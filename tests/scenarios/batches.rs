//! Several events in one request.

use cert_expiry_monitor::application::effect::Answer;
use serde_json::{Value, json};

use crate::world::{DAY, HOUR, MINUTE, World, header, pem, webhook};

const NAMES: [&str; 8] = ["localhost", "client", "upstream", "ca", "quotes", "long", "san-only", "nameless"];

fn document(batch: &Value) -> Value {
    let mut hooks = webhook("hooks");
    hooks["batch"] = batch.clone();
    let bundle = NAMES.map(pem).concat();
    json!({
        "certificates": [{ "role": "ca", "pem": bundle }],
        "certificate_expiry_monitor": { "check_interval_seconds": 20 * HOUR },
        "webhooks": [hooks],
    })
}

/// How many events each request carries.
fn sizes(world: &mut World) -> Vec<usize> {
    let size = |body: &Vec<u8>| serde_json::from_slice::<Vec<Value>>(body).unwrap().len();
    world.calls().iter().map(|call| size(call.body.as_ref().unwrap())).collect()
}

#[test]
fn events_go_together_as_far_as_there_is_room_and_wait_for_each_other_no_longer_than_they_may() {
    let start = -DAY;
    for (batch, expected) in [
        (json!({ "max": 50, "wait_seconds": 5 }), vec![8]),
        (json!({ "max": 8, "wait_seconds": 300 }), vec![8]),
        (json!({ "max": 3, "wait_seconds": 5 }), vec![3, 3, 2]),
        (json!({ "max": 1, "wait_seconds": 0 }), vec![1; 8]),
    ] {
        let mut world = World::starting(start, document(&batch));
        world.run_until(start + 3);
        let at_once = sizes(&mut world);
        let is_full = batch["max"].as_u64().unwrap() == 8;
        assert!(at_once.iter().all(|size| *size as u64 == batch["max"]), "{batch}: who is full goes: {at_once:?}");
        assert!(!is_full || at_once == [8], "{batch}");
        world.run_until(start + 10);
        assert_eq!([at_once, sizes(&mut world)].concat(), expected, "{batch}");
        assert_eq!(world.metric("deliveries_total;.;webhook=.=hooks;.;outcome=.=delivered"), 8, "{batch}");
    }
}

#[test]
fn a_batch_that_is_refused_goes_one_by_one_so_that_one_event_costs_no_other() {
    let start = -DAY;
    let mut world = World::starting(start, document(&json!({ "max": 50, "wait_seconds": 0 })));
    world.set_answer_once("hooks", Answer::status(422));
    world.run_until(start + MINUTE);
    let calls = world.calls();
    let (first, alone) = calls.split_first().unwrap();
    assert_eq!(alone.len(), NAMES.len() - 1 + 1);
    let keys: Vec<_> = calls.iter().map(|call| header(call, "idempotency-key").unwrap()).collect();
    assert!(keys.iter().collect::<std::collections::BTreeSet<_>>().len() == keys.len(), "{keys:?}");
    assert_eq!(serde_json::from_slice::<Vec<Value>>(first.body.as_ref().unwrap()).unwrap().len(), NAMES.len());
    assert_eq!(world.metric("outbox_entries;.;webhook=.=hooks"), 0);
}

#[test]
fn a_batch_that_fails_is_tried_again_whole() {
    let start = -DAY;
    let mut world = World::starting(start, document(&json!({ "max": 50, "wait_seconds": 1 })));
    world.answers.insert("hooks".into(), Some(Answer::status(500)));
    world.run_until(start + 5);
    world.answers.clear();
    assert_eq!(sizes(&mut world), [8]);
    world.run_until(start + MINUTE);
    assert_eq!(sizes(&mut world), [8]);
}
