//! How often the same thing is said.

use std::collections::BTreeSet;

use cert_expiry_monitor::domain::Role;
use log::Level;
use serde_json::{Value, json};

use crate::world::{DAY, HOUR, MINUTE, World, log_lines, pem, webhook};

fn document(check_cooldown: i64, event_cooldown: i64, interval: i64) -> Value {
    json!({
        "certificates": [{ "role": "server", "pem": pem("localhost") }],
        "certificate_expiry_monitor": {
            "check_cooldown_seconds": check_cooldown,
            "event_cooldown_seconds": event_cooldown,
            "check_interval_seconds": interval,
        },
    })
}

/// The seconds after the start at which events arrived.
fn arrivals(world: &mut World, start: i64) -> Vec<i64> {
    world.events().into_iter().map(|(at, _)| at - start).collect()
}

#[test]
fn inside_the_check_cooldown_nothing_is_checked_and_inside_the_event_cooldown_nothing_is_said() {
    let start = -DAY;
    let mut world = World::starting(start, document(3, 6, 1));
    log_lines();
    let mut checked = Vec::new();
    for second in 1..=13 {
        world.run_until(start + second);
        let skipped = log_lines().iter().any(|(level, line)| {
            *level == Level::Debug && line.starts_with("Skipping certificate - cooldown active cert_id=")
        });
        checked.extend((!skipped).then_some(second));
    }
    assert_eq!(checked, [1, 4, 7, 10, 13]);
    assert_eq!(arrivals(&mut world, start), [1, 7, 13]);
}

#[test]
fn an_event_is_repeated_once_a_cooldown() {
    for (check_cooldown, event_cooldown, interval, expected) in [
        (0, 10, 4, vec![1, 13, 25, 37]),
        (0, 0, 10, vec![1, 11, 21, 31]),
        (15, 0, 10, vec![1, 21]),
        (20, 5, 10, vec![1, 21]),
    ] {
        let start = -DAY;
        let mut world = World::starting(start, document(check_cooldown, event_cooldown, interval));
        world.run_until(start + 40);
        assert_eq!(arrivals(&mut world, start), expected, "{check_cooldown} {event_cooldown} {interval}");
    }
}

#[test]
fn every_repetition_has_an_id_of_its_own_and_every_proxy_computes_the_same() {
    let ids = |start: i64| -> Vec<String> {
        let mut world = World::starting(start, document(0, 3_600, 600));
        world.run_until(start + DAY);
        world.received().into_iter().map(|received| received.id).collect()
    };
    let (one, other) = (ids(-10 * DAY), ids(-10 * DAY + 17 * MINUTE));
    assert!(one.len() >= 20);
    assert_eq!(one.iter().collect::<BTreeSet<_>>().len(), one.len(), "no id is used twice");
    let shared = one.iter().filter(|id| other.contains(id)).count();
    assert!(shared + 2 >= one.len(), "{shared} of {}", one.len());
}

#[test]
fn a_successor_knows_what_was_said() {
    let start = -2 * DAY;
    let mut world = World::starting(start, document(DAY, DAY, HOUR));
    world.run_until(start + MINUTE);
    assert_eq!(world.received().len(), 1);
    world.restart();
    world.run_until(start + 2 * MINUTE);
    assert_eq!(world.received(), []);
    world.run_until(0);
    let events: Vec<_> = world.events().into_iter().map(|(_, event)| event).collect();
    assert_eq!(events, ["CertificateExpiringSoon", "CertificateExpired"], "and goes on");
}

#[test]
fn shared_data_that_was_lost_or_garbled_costs_a_repetition_and_nothing_else() {
    let start = -2 * DAY;
    let mut world = World::starting(start, document(DAY, DAY, HOUR));
    world.run_until(start + MINUTE);
    let first = world.received().remove(0);
    for value in world.shared_data.values_mut() {
        value.truncate(value.len() / 2);
    }
    world.restart();
    assert_eq!(world.metric("dropped_total;.;reason=.=unknown_blob"), 1);
    world.run_until(start + 2 * MINUTE);
    let [again] = world.received().try_into().unwrap();
    assert_eq!(again.id, first.id, "a receiver can tell that it is the same");
}

#[test]
fn a_clock_that_jumps_ahead_and_back_does_not_silence_anything() {
    let mut world = World::starting(-20 * DAY, document(DAY, DAY, HOUR));
    world.run_until(-20 * DAY + MINUTE);
    world.set_clock(700 * DAY);
    world.run_until(700 * DAY + HOUR);
    world.set_clock(-20 * DAY + 2 * MINUTE);
    world.received();
    world.run_until(-20 * DAY + 3 * MINUTE);
    let events = world.events();
    assert_eq!(events.len(), 1, "the cooldowns from the future mean nothing: {events:?}");
    world.run_until(HOUR);
    let events = world.events();
    assert_eq!(events.len(), 20, "and everything goes on: {events:?}");
    assert_eq!(events[19], (0, "CertificateExpired".to_owned()));
}

#[test]
fn a_webhooks_own_cooldown_holds_back_the_same_event_there_and_never_another() {
    let mut document = document(0, 3_600, 3_600);
    let mut slow = webhook("slow");
    slow["cooldown_seconds"] = json!(5 * HOUR);
    document["webhooks"] = json!([webhook("hooks"), slow]);
    let start = -10 * HOUR;
    let mut world = World::starting(start, document);
    world.run_until(10 * HOUR);
    let received = world.received();
    let of = |cluster: &str, event: &str| -> Vec<i64> {
        received.iter().filter(|r| r.cluster == cluster && r.event == event).map(|r| (r.at - start) / HOUR).collect()
    };
    assert_eq!(of("slow", "CertificateExpiringSoon"), [0, 5]);
    assert_eq!(of("slow", "CertificateExpired"), [10, 15]);
    assert_eq!(of("hooks", "CertificateExpiringSoon"), (0..10).collect::<Vec<_>>());
}

#[test]
fn usages_have_cooldowns_of_their_own() {
    let mut world = World::starting(-DAY, json!({}));
    world.run_until(-DAY + 2);
    for (role, api_id) in [(Role::Client, "orders"), (Role::Client, "billing"), (Role::Upstream, "orders")] {
        world.observe(role, Some(api_id), "client");
        world.run_until(world.now.secs() - crate::world::END.secs() + 10);
    }
    let told: Vec<_> = world.received().into_iter().map(|r| (r.role, r.api_id.unwrap())).collect();
    let expected = [("client", "orders"), ("client", "billing"), ("upstream", "orders")];
    assert_eq!(told, expected.map(|(role, api_id)| (role.to_owned(), api_id.to_owned())));
}

#[test]
fn after_a_pause_nothing_is_told_twice_in_a_cooldown() {
    // the event cooldown, the interval | what passes between two events at least
    for (cooldown, interval, period) in
        [(0, HOUR, HOUR), (60, HOUR, 60), (HOUR, HOUR, HOUR), (DAY, HOUR, DAY), (0, DAY, DAY), (0, 10, 5)]
    {
        // Rounds are due a second after full hours. Whenever the machine wakes, one was missed, and another one is to come.
        for (slept, awake) in [(3 * DAY, 0), (3 * DAY, 30 * MINUTE), (50 * MINUTE, 0), (20 * DAY, 1), (21 * DAY, 0)] {
            let start = -40 * DAY;
            let mut document = document(0, cooldown, interval);
            document["certificates"] = json!([{ "role": "server", "pem": pem("rsa-1024") }]);
            let mut hooks = webhook("hooks");
            hooks["events"] = json!(["CertificateExpiringSoon", "CertificateWeak"]);
            document["webhooks"] = json!([hooks]);
            document["observe"] = json!({ "flush_seconds": HOUR });
            let mut world = World::starting(start, document);
            world.run_for(2 * interval + 2);
            world.set_clock(start + 2 * interval + slept + awake);
            world.run_for(0);
            world.run_for(2 * period.max(interval));
            let told = world.events();
            for kind in ["CertificateExpiringSoon", "CertificateWeak"] {
                let times: Vec<_> = told.iter().filter(|(_, event)| event == kind).map(|(at, _)| *at).collect();
                let shortest = times.windows(2).map(|pair| pair[1] - pair[0]).min();
                let what = format!("{kind} with {cooldown}/{interval} after {slept} and {awake}");
                assert!(shortest.is_none_or(|shortest| shortest >= period), "{what}: {shortest:?}");
                assert!(kind == "CertificateExpiringSoon" || times.len() > 1, "{what}: {times:?}");
            }
        }
    }
}
