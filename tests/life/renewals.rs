//! Certificates that are renewed, and those that are not.

use serde_json::{Value, json};

use super::lifetimes::monitor;
use super::scenario::{daily, discovering, event, listed, scenario, telling, with};
use super::{Certificate, DAY, Deed, EXPIRED, HOUR, RENEWED, RESOLVED, SOON, Scenario, Slot};

const OVERDUE: &str = "CertificateRenewalOverdue";
const EDGE: &str = "edge.example.com";
/// Between two rounds of discovery, and what may pass until one has seen something.
pub const ROUND: i64 = 6 * HOUR;
pub const SEEN: i64 = ROUND + ROUND / 5;

pub fn rows() -> Vec<Scenario> {
    vec![
        renewed_in_time(),
        renewed_late_for_those_who_hear_of_ends(),
        never_renewed(),
        replaced_by_one_that_ends_earlier(),
        rolled_out_among_peers(),
        renewed_late_and_told(),
        every_renewal(),
        flipping_in_a_secret(),
        rolled_out_and_told(),
        habit_broken(),
    ]
}

fn is_about(certificate: &Certificate) -> Value {
    json!({ "cert_id": certificate.id() })
}

/// A certificate of 90 days in a secret, and the next one each time so many hours have passed: when one is put there.
pub fn cycles(count: i64, length: i64) -> Vec<(i64, Certificate)> {
    let begins = (0..count).map(|cycle| cycle * length);
    begins.map(|begin| (begin, Certificate::leaf(EDGE, begin, begin + 90 * DAY))).collect()
}

/// They are served one after another.
pub fn served(cycles: &[(i64, Certificate)]) -> Vec<(i64, Deed)> {
    let serve =
        |(at, certificate): &(i64, Certificate)| (*at, Deed::Serve(vec![Slot::of("edge", certificate.clone())]));
    cycles.iter().map(serve).collect()
}

fn renewed_in_time() -> Scenario {
    let length = 60 * DAY - 12 * HOUR;
    let document = discovering(telling(&[SOON, EXPIRED, RENEWED, OVERDUE]), ROUND);
    Scenario {
        deeds: served(&cycles(13, length)),
        ends: 730 * DAY,
        ..scenario("a 90-day certificate that is renewed on day 60 is nobody's business for two years", document)
    }
}

fn renewed_late_for_those_who_hear_of_ends() -> Scenario {
    renewed_late(
        "one that is renewed six hours after the threshold each time is one warning and its end each time",
        &[SOON, EXPIRED],
        RESOLVED,
    )
}

/// For those who hear of these events, what closes the warning is this.
pub fn renewed_late(sentence: &'static str, events: &[&str], closing: &'static str) -> Scenario {
    let length = 60 * DAY + 6 * HOUR;
    let cycles = cycles(13, length);
    let told = cycles.iter().take(12).flat_map(|(begin, certificate)| {
        let rule = json!({ "rule": "30d", "severity": "warning", "cert_id": certificate.id() });
        [
            event(begin + 60 * DAY, SOON, EDGE).saying(rule),
            event(begin + length, closing, EDGE).within(2 * SEEN).saying(json!({ "cert_id": certificate.id() })),
        ]
    });
    Scenario {
        expected: told.collect(),
        deeds: served(&cycles),
        ends: 13 * length - 2 * DAY,
        ..scenario(sentence, discovering(telling(events), ROUND))
    }
}

fn never_renewed() -> Scenario {
    let warnings = daily(60..90, SOON, EDGE).into_iter().map(|told| told.saying(json!({ "severity": "warning" })));
    let ends = daily(90..95, EXPIRED, EDGE).into_iter().map(|told| told.saying(json!({ "severity": "critical" })));
    Scenario {
        listed: vec![listed("server", &[Certificate::leaf(EDGE, 0, 90 * DAY)])],
        expected: warnings.chain(ends).collect(),
        ends: 95 * DAY - HOUR,
        ..scenario(
            "a 90-day certificate that is not renewed is told of once a day from day 60 on, and as expired from day 90 on",
            telling(&[SOON, EXPIRED]),
        )
    }
}

fn replaced_by_one_that_ends_earlier() -> Scenario {
    let [long, short] = [20, 10].map(|days| Certificate::leaf(EDGE, -80 * DAY, days * DAY));
    Scenario {
        expected: vec![
            event(0, SOON, EDGE).within(HOUR).saying(is_about(&long)),
            event(5 * HOUR, RESOLVED, EDGE).within(2 * HOUR).saying(is_about(&long)),
            event(5 * HOUR, SOON, EDGE).within(2 * HOUR).saying(is_about(&short)),
        ],
        deeds: served(&[(0, long), (5 * HOUR, short)]),
        ends: 23 * HOUR,
        ..scenario(
            "one that is replaced by one that ends earlier is over and not renewed, and the other one is told of",
            discovering(telling(&[SOON, EXPIRED, RENEWED]), HOUR),
        )
    }
}

fn rolled_out_among_peers() -> Scenario {
    rolled_out(
        "an upstream that shows the old and the new one in turn for hours is one warning, and its end when it is over",
        &[SOON, EXPIRED],
        RESOLVED,
    )
}

/// For those who hear of these events, what closes the warning is this.
pub fn rolled_out(sentence: &'static str, events: &[&str], closing: &'static str) -> Scenario {
    let old = Certificate::leaf("orders", -80 * DAY, 10 * DAY);
    let new = Certificate::leaf("orders", -DAY, 100 * DAY);
    let section = json!({ "certificate_expiry_monitor": { "check_cooldown_seconds": HOUR } });
    let present = |certificate: &Certificate| Deed::Present(super::Peer::upstream("orders", certificate).at("orders"));
    let alternating = (1..120).map(|tenth| (tenth * HOUR / 6, present(if tenth % 2 == 0 { &new } else { &old })));
    let renewed = (20..23).map(|hour| (hour * HOUR, present(&new)));
    Scenario {
        deeds: alternating.chain(renewed).collect(),
        expected: vec![
            event(HOUR / 6, SOON, "orders").within(10).saying(json!({ "api_id": "orders", "cert_id": old.id() })),
            event(21 * HOUR, closing, "orders").within(2 * HOUR).saying(json!({ "cert_id": old.id() })),
        ],
        ends: 24 * HOUR,
        grain: 600,
        ..scenario(sentence, with(telling(events), section))
    }
}

fn renewed_late_and_told() -> Scenario {
    renewed_late(
        "one that is renewed six hours after the threshold each time is one warning and one renewal each time",
        &[SOON, EXPIRED, RENEWED],
        RENEWED,
    )
}

fn every_renewal() -> Scenario {
    let length = 60 * DAY - 12 * HOUR;
    let cycles = cycles(5, length);
    let told = cycles.windows(2).map(|pair| {
        let [(_, old), (begin, _)] = pair else { panic!("two") };
        event(*begin, RENEWED, EDGE).within(2 * SEEN).saying(is_about(old))
    });
    let document = with(telling(&[SOON, EXPIRED, RENEWED]), monitor(&json!({ "notify_renewals": "all" })));
    Scenario {
        expected: told.collect(),
        deeds: served(&cycles),
        ends: 5 * length,
        ..scenario("each renewal is told once where all are wanted", discovering(document, ROUND))
    }
}

fn flipping_in_a_secret() -> Scenario {
    let [old, new] = [10, 100].map(|days| Certificate::leaf(EDGE, -80 * DAY, days * DAY));
    // The new one is there for half an hour every two hours: no two rounds in a row find it.
    let flips = (1..8).flat_map(|turn| {
        let begin = turn * 2 * HOUR;
        [(begin, new.clone()), (begin + HOUR / 2, old.clone())]
    });
    let rounds: Vec<_> = [(0, old.clone())].into_iter().chain(flips).chain([(16 * HOUR, new.clone())]).collect();
    Scenario {
        expected: vec![
            event(0, SOON, EDGE).within(HOUR).saying(is_about(&old)),
            event(16 * HOUR, RENEWED, EDGE).within(3 * HOUR).saying(is_about(&old)),
        ],
        deeds: served(&rounds),
        ends: 23 * HOUR,
        ..scenario(
            "a secret that flips between the old and the new one for hours is one warning, and one renewal when it is over",
            discovering(telling(&[SOON, EXPIRED, RENEWED]), HOUR),
        )
    }
}

fn rolled_out_and_told() -> Scenario {
    rolled_out(
        "an upstream that shows the old and the new one in turn for hours is one warning, and one renewal when it is over",
        &[SOON, EXPIRED, RENEWED],
        RENEWED,
    )
}

fn habit_broken() -> Scenario {
    let length = 60 * DAY;
    let cycles = cycles(4, length);
    let section = json!({ "thresholds": ["5d"], "event_cooldown_seconds": 365 * DAY });
    // It was to be renewed when 30 days were left, give or take the thousandth of its life that is remembered; a quarter
    // of these is for clients that jitter.
    let late = 3 * length + 60 * DAY + 30 * DAY / 4 - 3 * HOUR;
    Scenario {
        expected: vec![
            event(late, OVERDUE, EDGE).within(DAY + HOUR).saying(json!({ "rule": "renewal", "severity": "warning" })),
            event(3 * length + 85 * DAY, SOON, EDGE),
        ],
        deeds: served(&cycles),
        ends: 3 * length + 86 * DAY,
        ..scenario(
            "one that was renewed on day 60 three times is told of as overdue when that does not happen",
            with(discovering(telling(&[SOON, EXPIRED, OVERDUE]), ROUND), monitor(&section)),
        )
    }
}
