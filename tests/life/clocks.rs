//! Clocks that are wrong for a while, and monitors that come and go.

use serde_json::json;

use super::crowds::crowd;
use super::lifetimes::monitor;
use super::scenario::{event, listed, scenario, telling, with};
use super::{Certificate, DAY, Deed, EXPIRED, HOUR, MINUTE, RESOLVED, SOON, Scenario};

const YEARS: i64 = 730 * DAY;

const HEARTBEAT: &str = "MonitorHeartbeat";
const SKEW: &str = "ClockSkewSuspected";

pub fn rows() -> Vec<Scenario> {
    vec![
        two_years_ahead_for_an_hour(),
        two_years_ahead_of_what_would_be_long_dead(),
        handed_on_day_by_day(),
        listed_and_struck_off(),
        heartbeats(),
        crowd_and_clock(),
    ]
}

/// The hour for which the clock is wrong.
const WRONG: i64 = 10 * DAY;
const RIGHT: i64 = WRONG + HOUR;

/// It is set two years ahead, and back.
fn jump() -> Vec<(i64, Deed)> {
    vec![(WRONG, Deed::SetClock(WRONG + YEARS)), (RIGHT + YEARS, Deed::SetClock(RIGHT))]
}

fn two_years_ahead_for_an_hour() -> Scenario {
    let end = WRONG + YEARS - 5 * DAY;
    Scenario {
        listed: vec![listed("server", &[Certificate::leaf("edge", 0, end)])],
        deeds: jump(),
        expected: vec![
            event(WRONG + YEARS, EXPIRED, "edge").within(HOUR / 2),
            event(RIGHT, RESOLVED, "edge").within(HOUR),
            event(end - 30 * DAY, SOON, "edge"),
        ],
        ends: end - 29 * DAY - HOUR,
        ..scenario(
            "a clock that is two years ahead for an hour makes one alert that is over then, and the true one comes in time",
            telling(&[SOON, EXPIRED]),
        )
    }
}

fn two_years_ahead_of_what_would_be_long_dead() -> Scenario {
    let expiring = Certificate::leaf("edge", -60 * DAY, 35 * DAY);
    let told = (5..12).filter(|day| *day != 10).map(|day| event(day * DAY, SOON, "edge").within(HOUR + 1));
    Scenario {
        listed: vec![listed("server", &[expiring, Certificate::leaf("shop", 0, 365 * DAY)])],
        deeds: jump(),
        expected: told.chain([event(WRONG, SOON, "edge").within(2 * HOUR + 1)]).collect(),
        ends: 12 * DAY - HOUR,
        ..scenario(
            "what would be dead for a year then is nobody's business, and what was told before goes on when it is over",
            telling(&[SOON, EXPIRED]),
        )
    }
}

fn handed_on_day_by_day() -> Scenario {
    let edge = Certificate::leaf("edge", 0, 90 * DAY);
    let told = (60..66).map(|day| event(day * DAY, SOON, "edge").within(HOUR + 1));
    Scenario {
        listed: vec![listed("server", &[edge])],
        deeds: (58 * 4..66 * 4).map(|quarter| (quarter * DAY / 4 + 2 * HOUR, Deed::Restart)).collect(),
        expected: told.collect(),
        ends: 66 * DAY - HOUR,
        ..scenario("instances that follow one another four times a day tell nothing twice", telling(&[SOON, EXPIRED]))
    }
}

fn listed_and_struck_off() -> Scenario {
    let [edge, shop] = ["edge", "shop"].map(|name| listed("server", &[Certificate::leaf(name, -80 * DAY, 20 * DAY)]));
    Scenario {
        listed: vec![edge.clone()],
        deeds: vec![
            (2 * HOUR, Deed::List(vec![edge.clone(), shop.clone()])),
            (4 * HOUR, Deed::List(vec![shop])),
            (6 * HOUR, Deed::List(vec![edge])),
        ],
        expected: vec![
            event(1, SOON, "edge").saying(json!({ "rule": "30d" })),
            event(2 * HOUR, SOON, "shop").within(40),
            event(4 * HOUR, RESOLVED, "edge").within(40),
            event(6 * HOUR, RESOLVED, "shop").within(40),
            event(6 * HOUR, SOON, "edge").within(40),
        ],
        ends: 20 * HOUR,
        ..scenario(
            "what a document lists is told of, what it lists no more is over, and what comes back is new",
            telling(&[SOON, EXPIRED]),
        )
    }
}

fn heartbeats() -> Scenario {
    let section = json!({ "heartbeat_seconds": 6 * HOUR });
    Scenario {
        listed: vec![listed("server", &crowd(3, 90 * DAY))],
        deeds: vec![(9 * HOUR, Deed::Restart), (20 * HOUR, Deed::Restart)],
        expected: (0..8).map(|beat| event(beat * 6 * HOUR + 1, HEARTBEAT, "").within(2 * HOUR)).collect(),
        ends: 47 * HOUR,
        ..scenario(
            "a sign of life comes every six hours, whoever is the monitor",
            with(telling(&[HEARTBEAT]), monitor(&section)),
        )
    }
}

fn crowd_and_clock() -> Scenario {
    let end = WRONG + YEARS - 5 * DAY;
    Scenario {
        listed: vec![listed("server", &crowd(20, end))],
        deeds: jump(),
        expected: vec![
            event(WRONG + YEARS, EXPIRED, "tenant-000").within(MINUTE),
            event(WRONG + YEARS, SKEW, "").within(2 * MINUTE),
            event(RIGHT, RESOLVED, "tenant-000").within(HOUR),
            event(RIGHT, RESOLVED, "").within(HOUR),
        ],
        ends: 20 * DAY,
        ..scenario(
            "of twenty that a clock two years ahead makes expired one is told of, and that the clock may be wrong",
            telling(&[SOON, EXPIRED, SKEW]),
        )
    }
}
