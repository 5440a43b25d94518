//! What is told later, together, or apart.

use serde_json::json;

use super::certificate::rfc3339;
use super::crowds::{calls, crowd};
use super::lifetimes::monitor;
use super::scenario::{discovering, event, listed, scenario, telling, with};
use super::{Certificate, DAY, Deed, EXPIRED, HOUR, MINUTE, SOON, Scenario, Slot};

pub fn rows() -> Vec<Scenario> {
    vec![at_night(), silenced(), apis_together(), places_apart(), gathered()]
}

fn at_night() -> Scenario {
    let night = json!({ "quiet_hours": { "from": "22:00", "to": "06:00" } });
    let warned = Certificate::leaf("edge", -60 * DAY, 31 * DAY + 23 * HOUR);
    let dead = Certificate::leaf("shop", -90 * DAY, DAY + 23 * HOUR);
    Scenario {
        listed: vec![listed("server", &[warned, dead])],
        starts: 8 * HOUR,
        expected: vec![
            event(8 * HOUR + 1, SOON, "shop"),
            event(DAY + 8 * HOUR, SOON, "shop").within(HOUR + 1),
            event(DAY + 23 * HOUR, EXPIRED, "shop").saying(json!({ "severity": "critical" })),
            event(2 * DAY + 6 * HOUR, SOON, "edge").saying(json!({ "rule": "30d" })),
        ],
        ends: 2 * DAY + 22 * HOUR,
        ..scenario(
            "a warning at night is told in the morning, and an end at once",
            with(telling(&[SOON, EXPIRED]), monitor(&night)),
        )
    }
}

fn silenced() -> Scenario {
    let silence = json!({ "match": { "name": "edge" }, "until": rfc3339(5 * DAY), "reason": "being replaced" });
    let [edge, shop] = ["edge", "shop"].map(|name| listed("server", &[Certificate::leaf(name, -60 * DAY, 20 * DAY)]));
    let daily = |days: std::ops::Range<i64>, name: &str| {
        days.map(|day| event(day * DAY, SOON, name).within(HOUR + 1)).collect::<Vec<_>>()
    };
    Scenario {
        listed: vec![edge, shop],
        expected: [daily(0..7, "shop"), daily(5..7, "edge")].concat(),
        ends: 7 * DAY - HOUR,
        ..scenario(
            "what is silenced is told when the silence is over, and the rest as ever",
            with(telling(&[SOON, EXPIRED]), monitor(&json!({ "silences": [silence] }))),
        )
    }
}

fn apis_together() -> Scenario {
    Scenario {
        deeds: calls(),
        expected: vec![event(0, SOON, "orders").within(MINUTE)],
        ends: 20 * HOUR,
        grain: MINUTE,
        ..scenario(
            "a client that calls three APIs is one event where certificates are what is told of",
            with(telling(&[SOON, EXPIRED]), monitor(&json!({ "group_by": "certificate" }))),
        )
    }
}

fn places_apart() -> Scenario {
    let wildcard = Certificate::leaf("*.example.com", -60 * DAY, 10 * DAY);
    let slot =
        Slot { secret: "wildcard".to_owned(), listeners: vec!["a".to_owned(), "b".to_owned()], chain: vec![wildcard] };
    let places = ["secret/wildcard", "listener/a", "listener/b"];
    let told = |place: &str| event(0, SOON, "*.example.com").within(HOUR).saying(json!({ "places": [place] }));
    Scenario {
        deeds: vec![(0, Deed::Serve(vec![slot]))],
        expected: places.map(told).into(),
        ends: 20 * HOUR,
        ..scenario(
            "a wildcard is one event for each place where places are told apart",
            discovering(with(telling(&[SOON, EXPIRED]), monitor(&json!({ "group_by": "place" }))), HOUR),
        )
    }
}

fn gathered() -> Scenario {
    // They cross the threshold within forty minutes.
    let crowd = crowd(20, 90 * DAY);
    let mut document = telling(&[SOON, EXPIRED]);
    // What is stored are the events, whose ids are not that of all of them.
    document["webhooks"][0]["headers"] = json!({});
    let section = monitor(&json!({ "digest": { "interval_seconds": HOUR } }));
    Scenario {
        listed: vec![listed("server", &crowd)],
        starts: 59 * DAY,
        expected: vec![
            event(60 * DAY, SOON, "tenant-000").within(10),
            event(60 * DAY + HOUR, SOON, "*").within(MINUTE).saying(json!({ "certificates_count": 19 })),
        ],
        ends: 61 * DAY - HOUR,
        grain: MINUTE,
        ..scenario(
            "of twenty that cross a threshold within an hour the first is told at once, and the others as one event",
            with(document, section),
        )
    }
}
