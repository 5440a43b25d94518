//! Peers that rotate certificates of a day: a proxy knows who uses them by nothing but who presents them.

use serde_json::json;

use super::lifetimes::{days, monitor};
use super::scenario::{event, scenario, telling, with};
use super::{Certificate, DAY, Deed, EXPIRED, HOUR, Peer, RENEWED, RESOLVED, SOON, Scenario};

const POD: &str = "orders.mesh";

pub fn rows() -> Vec<Scenario> {
    vec![rotated_at_half_life(), one_of_three_is_not_rotated(), rotated_late()]
}

/// A certificate of a day.
fn day(begin: i64) -> Certificate {
    Certificate::leaf(POD, begin * HOUR, (begin + 24) * HOUR)
}

/// A client presents the certificate that begins then, at these hours.
fn calls(begin: i64, hours: &[i64]) -> Vec<(i64, Deed)> {
    hours.iter().map(|hour| (hour * HOUR, Deed::Present(Peer::client("orders", &day(begin))))).collect()
}

fn sorted(mut deeds: Vec<(i64, Deed)>) -> Vec<(i64, Deed)> {
    deeds.sort_by_key(|(at, _)| *at);
    deeds
}

fn rotated_at_half_life() -> Scenario {
    // A pod calls every ten minutes with what it has.
    let rotations = days(15);
    let calls = (0..7 * 24 * 6).map(|tenth| tenth * HOUR / 6);
    let present = |at: i64| {
        let (_, own) = rotations.iter().rfind(|(begin, _)| *begin <= at).unwrap();
        (at, Deed::Present(Peer::client("orders", own)))
    };
    Scenario {
        deeds: calls.map(present).collect(),
        ends: 7 * DAY,
        grain: 600,
        ..scenario(
            "24-hour certificates that a client rotates at half life are nobody's business for a week",
            telling(&[SOON, EXPIRED]),
        )
    }
}

fn one_of_three_is_not_rotated() -> Scenario {
    let others = [(2, [2, 8]), (4, [4, 10]), (14, [14, 20]), (16, [16, 22]), (26, [26, 30]), (28, [28, 30])];
    let others = others.iter().flat_map(|(begin, hours)| calls(*begin, hours));
    let end = 24 * HOUR;
    let its = |at: i64, kind: &'static str| event(at, kind, POD).within(20).saying(json!({ "cert_id": day(0).id() }));
    Scenario {
        deeds: sorted(others.chain(calls(0, &[0, 10, 20])).collect()),
        // A fifth of its life is left before its client calls again, and the others have come in between.
        expected: vec![its(20 * HOUR, SOON), its(end, EXPIRED)],
        ends: 31 * HOUR,
        grain: HOUR / 2,
        ..scenario(
            "of three clients with a name in common the one that stops to rotate is told of when it calls again",
            with(telling(&[SOON, EXPIRED, RESOLVED]), monitor(&json!({ "check_cooldown_seconds": 6 * HOUR }))),
        )
    }
}

fn rotated_late() -> Scenario {
    let rotations = [(0, vec![1]), (20, vec![21]), (32, vec![33]), (44, vec![45])];
    let rotations = rotations.iter().flat_map(|(begin, hours)| calls(*begin, hours));
    let its = |at: i64, kind: &'static str| event(at, kind, POD).saying(json!({ "cert_id": day(0).id() }));
    Scenario {
        deeds: sorted(rotations.chain([(22 * HOUR, Deed::Restart)]).collect()),
        // Nobody has presented it for twice the check cooldown.
        expected: vec![its(24 * HOUR - DAY / 5, SOON), its(49 * HOUR, RENEWED).within(HOUR + 60)],
        ends: 52 * HOUR,
        grain: HOUR / 2,
        ..scenario(
            "one that was told of and then rotated is not told to have ended, whoever is the monitor by then",
            telling(&[SOON, EXPIRED, RENEWED]),
        )
    }
}
