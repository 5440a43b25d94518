//! How much of a certificate's life is left when somebody is told, and how long one that is dead is talked of.

use serde_json::{Value, json};

use super::renewals::served;
use super::scenario::{daily, discovering, event, listed, scenario, telling, with};
use super::{Certificate, DAY, EXPIRED, HOUR, RENEWED, SOON, Scenario};

const POD: &str = "orders.mesh";

pub fn rows() -> Vec<Scenario> {
    vec![
        rotated_at_half_life(),
        not_rotated_any_more(),
        shorter_than_a_written_threshold(),
        by_every_threshold(),
        ignored(),
        dead_for_a_month(),
        one_of_a_bundle(),
        repeated_by_the_week(),
    ]
}

/// The section of everything about certificates.
pub fn monitor(section: &Value) -> Value {
    json!({ "certificate_expiry_monitor": section })
}

/// Certificates of a day, a new one every twelve hours.
pub fn days(count: i64) -> Vec<(i64, Certificate)> {
    let begins = (0..count).map(|number| number * 12 * HOUR);
    begins.map(|begin| (begin, Certificate::leaf(POD, begin, begin + DAY))).collect()
}

fn rotated_at_half_life() -> Scenario {
    let document = discovering(telling(&[SOON, EXPIRED, RENEWED, "CertificateRenewalOverdue"]), HOUR);
    Scenario {
        deeds: served(&days(61)),
        ends: 30 * DAY,
        ..scenario("24-hour certificates that are rotated at half life are nobody's business for a month", document)
    }
}

fn not_rotated_any_more() -> Scenario {
    let rotations = days(6);
    let end = 5 * 12 * HOUR + DAY;
    let rule = |rule: &str, severity: &str| json!({ "rule": rule, "severity": severity });
    Scenario {
        deeds: served(&rotations),
        expected: vec![
            event(end - DAY / 5, SOON, POD).saying(rule("20%", "warning")),
            event(end, EXPIRED, POD).saying(rule("expired", "critical")),
        ],
        ends: end + 23 * HOUR,
        grain: HOUR / 2,
        ..scenario(
            "one of them that is not rotated any more is told of when a fifth of its life is left, and when it ends",
            discovering(telling(&[SOON, EXPIRED]), HOUR),
        )
    }
}

fn shorter_than_a_written_threshold() -> Scenario {
    let short = Certificate::leaf("edge", -HOUR, 3 * DAY - HOUR);
    Scenario {
        listed: vec![listed("server", &[short])],
        expected: vec![event(1, SOON, "edge").saying(json!({ "rule": "30d", "days_remaining": 2 }))],
        ends: 20 * HOUR,
        ..scenario(
            "a 3-day certificate under a written threshold of 30 days is told of at once",
            with(telling(&[SOON, EXPIRED]), monitor(&json!({ "warning_threshold_days": 30 }))),
        )
    }
}

fn by_every_threshold() -> Scenario {
    let section = json!({
        "thresholds": ["30d", { "remaining": "7d", "severity": "critical" }, { "remaining": "50%", "severity": "info" }],
        "event_cooldown_seconds": 365 * DAY,
    });
    let told = |day: i64, kind: &'static str, rule: &str, severity: &str| {
        event(day * DAY, kind, "edge").saying(json!({ "rule": rule, "severity": severity }))
    };
    Scenario {
        listed: vec![listed("server", &[Certificate::leaf("edge", 0, 90 * DAY)])],
        expected: vec![
            told(45, SOON, "50%", "info"),
            told(60, SOON, "30d", "warning"),
            told(83, SOON, "7d", "critical"),
            told(90, EXPIRED, "expired", "critical"),
        ],
        ends: 100 * DAY,
        ..scenario(
            "each threshold is told once where the cooldown is long, by its name and with its severity",
            with(telling(&[SOON, EXPIRED]), monitor(&section)),
        )
    }
}

fn ignored() -> Scenario {
    let entry = |name: &str| listed("server", &[Certificate::leaf(name, -80 * DAY, 20 * DAY)]);
    let section = json!({ "overrides": [
        { "match": { "name": "legacy-*" }, "ignore": true },
        { "match": { "name": "calm-*", "role": "server" }, "thresholds": ["5d"] },
    ] });
    Scenario {
        listed: ["edge", "legacy-vpn", "calm-shop"].map(entry).into(),
        expected: vec![event(1, SOON, "edge"), event(15 * DAY, SOON, "calm-shop").saying(json!({ "rule": "5d" }))]
            .into_iter()
            .chain((1..16).map(|day| event(day * DAY, SOON, "edge").within(HOUR + 1)))
            .collect(),
        ends: 16 * DAY - HOUR,
        ..scenario(
            "of what an override ignores nothing is told, and what has thresholds of its own is told by them",
            with(telling(&[SOON, EXPIRED]), monitor(&section)),
        )
    }
}

fn dead_for_a_month() -> Scenario {
    Scenario {
        listed: vec![listed("server", &[Certificate::leaf("edge", 0, 90 * DAY)])],
        starts: 89 * DAY,
        expected: [vec![event(89 * DAY + 1, SOON, "edge")], daily(90..120, EXPIRED, "edge")].concat(),
        ends: 150 * DAY,
        ..scenario("one that has ended is told of once a day for thirty days", telling(&[SOON, EXPIRED]))
    }
}

fn one_of_a_bundle() -> Scenario {
    let [dead, gone, alive] = [("Dead CA", -400 * DAY), ("Old CA", -DAY), ("New CA", 300 * DAY)]
        .map(|(name, ends)| Certificate::authority(name, name, -3_000 * DAY, ends));
    let facts = json!({ "severity": "critical", "rule": "expired", "position": "root", "days_since_expiry": 1 });
    Scenario {
        listed: vec![listed("ca", &[dead, gone, alive])],
        expected: vec![event(1, EXPIRED, "Old CA").saying(facts)],
        ends: 23 * HOUR,
        ..scenario(
            "of the CAs in a bundle the one that ended yesterday is told of, and not the one that is long dead",
            telling(&[SOON, EXPIRED]),
        )
    }
}

fn repeated_by_the_week() -> Scenario {
    let section = json!({ "expired_repeat": "7d", "event_cooldown_seconds": DAY });
    let ends = [90, 97, 104].map(|day| event(day * DAY, EXPIRED, "edge").within(DAY + 1));
    Scenario {
        listed: vec![listed("server", &[Certificate::leaf("edge", 0, 90 * DAY)])],
        starts: 87 * DAY,
        expected: daily(87..90, SOON, "edge").into_iter().chain(ends).collect(),
        ends: 110 * DAY,
        ..scenario("what has ended is repeated by its own cadence", with(telling(&[SOON, EXPIRED]), monitor(&section)))
    }
}
