//! Rows that are true of nothing that is built yet: each moves into the table with what it tells of.

use super::lifetimes::days;
use super::scenario::{scenario, telling};
use super::{DAY, Deed, EXPIRED, HOUR, Peer, SOON, Scenario};

pub fn rows() -> Vec<Scenario> {
    vec![rotated_by_peers()]
}

fn rotated_by_peers() -> Scenario {
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
