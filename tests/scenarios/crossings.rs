//! When a certificate is first reported.

use serde_json::json;

use crate::world::{DAY, HOUR, MINUTE, World, pem};

fn soon(at: i64) -> (i64, String) {
    (at, "CertificateExpiringSoon".to_owned())
}

fn expired(at: i64) -> (i64, String) {
    (at, "CertificateExpired".to_owned())
}

#[test]
fn with_the_defaults_forty_days_bring_one_event_a_day_from_the_threshold_on_and_crossings_to_the_second() {
    let document = json!({ "certificates": [{ "role": "server", "pem": pem("localhost") }] });
    let mut world = World::starting(-35 * DAY, document);
    world.run_until(5 * DAY - HOUR);
    // Rounds come one second after the full hours: that is when repetitions go out.
    let mut expected = vec![soon(-30 * DAY)];
    expected.extend((1..30).map(|day| soon((day - 30) * DAY + 1)));
    expected.push(expired(0));
    expected.extend((1..5).map(|day| expired(day * DAY + 1)));
    assert_eq!(world.events(), expected);
}

#[test]
fn whatever_the_cooldowns_are_a_crossing_is_told_at_once() {
    for cooldown in [0, 1, DAY, 365 * DAY] {
        let document = json!({
            "certificates": [{ "role": "server", "pem": pem("localhost") }],
            "certificate_expiry_monitor": {
                "check_cooldown_seconds": cooldown, "event_cooldown_seconds": 365 * DAY, "check_interval_seconds": 0,
            },
        });
        let mut world = World::starting(-5, document);
        world.run_until(HOUR);
        assert_eq!(world.events(), [soon(-4), expired(0)], "check cooldown {cooldown}");
    }
}

#[test]
fn the_first_check_comes_one_second_after_the_start() {
    for (start, event) in [(-31 * DAY, None), (-30 * DAY, Some(soon(-30 * DAY + 1))), (DAY, Some(expired(DAY + 1)))] {
        let mut world = World::starting(start, json!({ "certificates": [{ "role": "ca", "pem": pem("ca") }] }));
        world.run_until(start + 2);
        assert_eq!(world.events(), event.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn without_rounds_a_crossing_is_still_met() {
    let document = json!({
        "certificates": [{ "role": "server", "pem": pem("localhost") }],
        "certificate_expiry_monitor": { "check_interval_seconds": 0 },
    });
    let mut world = World::starting(-40 * DAY, document);
    world.run_until(DAY);
    assert_eq!(world.events(), [soon(-30 * DAY), expired(0)]);
}

#[test]
fn a_threshold_of_zero_days_leaves_the_expiry() {
    let document = json!({
        "certificates": [{ "role": "server", "pem": pem("localhost") }],
        "certificate_expiry_monitor": { "warning_threshold_days": 0 },
    });
    let mut world = World::starting(-DAY, document);
    world.run_until(MINUTE);
    assert_eq!(world.events(), [expired(0)]);
}

#[test]
fn a_certificate_without_an_end_is_never_reported() {
    let document = json!({
        "certificates": [{ "role": "ca", "pem": pem("no-end") }],
        "certificate_expiry_monitor": { "warning_threshold_days": 36525 },
    });
    let mut world = World::starting(0, document);
    world.run_until(2 * DAY);
    assert_eq!(world.events(), []);
}

#[test]
fn every_certificate_of_a_bundle_is_reported() {
    let bundle = [pem("ca"), pem("localhost"), pem("client")].concat();
    let mut world = World::starting(-DAY, json!({ "certificates": [{ "role": "ca", "pem": bundle }] }));
    world.run_until(-DAY + MINUTE);
    let mut names: Vec<_> = world.received().into_iter().map(|received| received.name).collect();
    names.sort();
    assert_eq!(names, ["Test CA", "Test Client", "localhost"]);
}

#[test]
fn what_time_it_is_where_a_receiver_is_moves_no_crossing() {
    let document = json!({ "certificates": [{ "role": "server", "pem": pem("localhost") }] });
    for offset in [-2 * HOUR, 0, 365 * DAY] {
        let mut world = World::starting(-MINUTE, document.clone());
        world.receiver_clock_offset("hooks", offset);
        world.run_until(MINUTE);
        assert_eq!(world.events(), [soon(1 - MINUTE), expired(0)], "a clock that is {offset} s ahead");
    }
}
