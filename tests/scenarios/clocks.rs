//! Clocks that are wrong: the proxy's, and those of receivers.

use cert_expiry_monitor::application::effect::{Answer, Response};
use cert_expiry_monitor::domain::Role;
use log::Level;
use serde_json::{Value, json};

use crate::certificate::Certificate;
use crate::world::{DAY, END, HOUR, MINUTE, World, log_lines, webhook};

const YEARS: i64 = 2 * 365 * DAY;

/// A certificate that nobody else has, with an end of its own.
fn ending(number: u32, secs: i64) -> Value {
    let certificate = Certificate::stored("client").numbered(number).ending_at(END.secs() + secs);
    json!({ "role": "server", "pem": certificate.pem() })
}

/// Twenty that end within the hour before `secs`.
fn crowd(secs: i64) -> Vec<Value> {
    (0..20).map(|number| ending(number, secs - HOUR + i64::from(number) * MINUTE)).collect()
}

/// A webhook that hears of ends, of doubts and of what is over.
fn hooks(name: &str) -> Value {
    let mut hooks = webhook(name);
    hooks["events"] = json!(["CertificateExpiringSoon", "CertificateExpired", "ClockSkewSuspected"]);
    hooks["send_resolved"] = json!(true);
    hooks
}

fn world(secs: i64, certificates: &[Value], webhooks: &[&str]) -> World {
    let webhooks: Vec<_> = webhooks.iter().map(|name| hooks(name)).collect();
    World::starting(secs, json!({ "certificates": certificates, "webhooks": webhooks }))
}

/// How often each event was received by a webhook since the last call.
fn received(world: &mut World, cluster: &str) -> Vec<(String, usize)> {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for call in world.calls().into_iter().filter(|call| call.cluster == cluster) {
        let body: Value = serde_json::from_slice(&call.body.unwrap()).unwrap();
        let event = body["event"].as_str().unwrap();
        match counts.iter_mut().find(|(known, _)| known == event) {
            Some((_, count)) => *count += 1,
            None => counts.push((event.to_owned(), 1)),
        }
    }
    counts.sort();
    counts
}

fn counts(expected: &[(&str, usize)]) -> Vec<(String, usize)> {
    expected.iter().map(|(event, count)| ((*event).to_owned(), *count)).collect()
}

/// What a receiver answers that does not say what time it is.
fn without_date() -> Answer {
    Answer::Response(Response { status: 200, date: Some("yesterday".into()), ..Response::default() })
}

/// The log lines about what is held back.
fn lines_about_held() -> Vec<String> {
    let lines = log_lines().into_iter().filter(|(level, _)| *level == Level::Warn);
    lines
        .map(|(_, line)| line)
        .filter(|line| line.contains("at once by a clock") || line.contains("held back"))
        .collect()
}

/// The clock of the proxy is set to `to`, and those of receivers are not. The next tick comes within a second.
fn set_clock(world: &mut World, to: i64, receivers: &[(&str, i64)]) {
    world.set_clock(to);
    for (cluster, ahead) in receivers {
        world.receiver_clock_offset(cluster, *ahead);
    }
    world.run_for(1);
}

/// Before the jump.
const REAL: i64 = -33 * DAY;
/// After it.
const WRONG: i64 = REAL + YEARS;

/// A proxy that watches twenty certificates which end in 33 days, and whose clock is right.
fn before_jump() -> World {
    let document = json!({
        "certificates": crowd(0),
        "webhooks": [hooks("hooks")],
        "certificate_expiry_monitor": { "expired_max_age": "3650d" },
    });
    let mut world = World::starting(REAL - HOUR, document);
    world.run_until(REAL);
    assert_eq!(received(&mut world, "hooks"), []);
    log_lines();
    world
}

/// The same after its clock has jumped by two years.
fn after_jump() -> World {
    let mut world = before_jump();
    set_clock(&mut world, WRONG, &[("hooks", -YEARS)]);
    world
}

#[test]
fn a_clock_that_jumps_by_two_years_and_back_tells_one_lie() {
    let mut world = after_jump();
    world.run_for(HOUR);
    let told = received(&mut world, "hooks");
    assert_eq!(told, counts(&[("CertificateExpired", 1), ("ClockSkewSuspected", 1)]));
    assert_eq!(
        lines_about_held(),
        [
            "19 certificates have expired at once by a clock that may be wrong: it has jumped by 730 days. Nobody is told of \
          them before receivers' answers say what time it is, or for 1 minute"
        ]
    );
    set_clock(&mut world, REAL + HOUR, &[("hooks", 0)]);
    world.run_for(MINUTE);
    assert_eq!(received(&mut world, "hooks"), counts(&[("CertificateResolved", 2)]));
    assert_eq!(lines_about_held(), ["Certificates that have expired are held back no longer: the clock was set back"]);
    world.run_until(-30 * DAY - 2 * HOUR);
    assert_eq!(received(&mut world, "hooks"), [], "as before");
    world.run_until(-29 * DAY - 12 * HOUR);
    assert_eq!(received(&mut world, "hooks"), counts(&[("CertificateExpiringSoon", 20)]));
}

#[test]
fn what_is_held_back_is_not_let_out_by_telling_older_alerts_again() {
    let mut keeper =
        json!({ "name": "am", "cluster": "am", "url": "https://am/api/v2/alerts", "format": "alertmanager" });
    keeper["events"] = json!(["CertificateExpiringSoon", "CertificateExpired"]);
    let mut world = World::starting(-10 * DAY, json!({ "certificates": crowd(0), "webhooks": [keeper] }));
    world.run_for(HOUR);
    assert_eq!(world.calls().len(), 20, "all are about to end");
    set_clock(&mut world, -10 * DAY + HOUR + YEARS, &[("am", -YEARS)]);
    world.run_for(3 * HOUR);
    let mut expired: Vec<_> = world
        .calls()
        .into_iter()
        .filter_map(|call| {
            let alert = serde_json::from_slice::<Value>(&call.body.unwrap()).unwrap()[0]["labels"].take();
            (alert["alertname"] == "CertificateExpired").then(|| alert["cert_id"].to_string())
        })
        .collect();
    expired.sort();
    expired.dedup();
    assert_eq!(expired.len(), 1, "the one that asks what time it is");
}

#[test]
fn nobody_is_told_twice_of_a_doubt_and_what_is_held_back_is_told_after_a_day() {
    let mut world = after_jump();
    world.run_for(DAY - MINUTE);
    assert_eq!(received(&mut world, "hooks"), counts(&[("CertificateExpired", 1), ("ClockSkewSuspected", 1)]));
    lines_about_held();
    world.run_for(2 * MINUTE);
    let told = received(&mut world, "hooks");
    assert_eq!(told, counts(&[("CertificateExpired", 20)]), "the first one again");
    assert_eq!(
        lines_about_held(),
        ["Certificates that have expired are held back no longer: they were held back for a day"]
    );
    world.run_for(HOUR);
    received(&mut world, "hooks");
    world.restart();
    world.run_for(HOUR);
    assert_eq!(received(&mut world, "hooks"), [], "a successor tells nothing again");
    set_clock(&mut world, REAL + 2 * DAY, &[("hooks", 0)]);
    world.run_for(2 * HOUR);
    let closed = received(&mut world, "hooks");
    assert_eq!(closed, counts(&[("CertificateResolved", 21)]), "all twenty, and the doubt");
}

#[test]
fn whoever_takes_over_in_a_dispute_goes_on_with_it() {
    let mut world = before_jump();
    world.set_clock(WRONG);
    world.receiver_clock_offset("hooks", -YEARS);
    world.run_for(0);
    for _ in 0..5 {
        world.restart();
        world.run_for(10 * MINUTE);
    }
    let told = received(&mut world, "hooks");
    assert_eq!(told, counts(&[("CertificateExpired", 1), ("ClockSkewSuspected", 1)]));
    world.run_for(DAY - 50 * MINUTE - 1);
    assert_eq!(received(&mut world, "hooks"), [], "the day is that of the first");
    world.run_for(MINUTE);
    assert_eq!(received(&mut world, "hooks"), counts(&[("CertificateExpired", 20)]));
}

#[test]
fn whoever_takes_over_when_the_clock_is_right_again_disputes_nothing() {
    let mut world = after_jump();
    world.run_for(2 * MINUTE);
    assert_eq!(received(&mut world, "hooks"), counts(&[("CertificateExpired", 1), ("ClockSkewSuspected", 1)]));
    world.set_clock(REAL + HOUR);
    world.answers.insert("hooks".into(), Some(without_date()));
    world.restart();
    world.run_for(MINUTE);
    let told = received(&mut world, "hooks");
    assert_eq!(told, counts(&[("CertificateResolved", 1)]), "nobody has said that the clock is right");
    world.run_until(-DAY);
    received(&mut world, "hooks");
    world.run_until(2);
    let told = received(&mut world, "hooks");
    assert!(told.contains(&("CertificateExpired".to_owned(), 20)), "nothing is held back: {told:?}");
}

#[test]
fn without_a_date_it_is_told_after_a_minute() {
    let mut world = before_jump();
    world.answers.insert("hooks".into(), Some(without_date()));
    set_clock(&mut world, WRONG, &[]);
    world.run_for(MINUTE - 3);
    assert_eq!(received(&mut world, "hooks"), counts(&[("CertificateExpired", 1)]));
    world.run_for(4);
    assert_eq!(received(&mut world, "hooks"), counts(&[("CertificateExpired", 19)]));
    let [_, end] = lines_about_held().try_into().unwrap();
    assert_eq!(end, "Certificates that have expired are held back no longer: no receiver has said what time it is");
}

#[test]
fn a_proxy_that_has_slept_tells_all_as_soon_as_somebody_has_said_that_it_is_late() {
    let mut world = before_jump();
    set_clock(&mut world, WRONG, &[]);
    world.run_for(3);
    assert_eq!(received(&mut world, "hooks"), counts(&[("CertificateExpired", 20)]));
    let [_, end] = lines_about_held().try_into().unwrap();
    assert!(end.ends_with("receivers say that the clock is not ahead"), "{end}");
}

#[test]
fn two_are_no_crowd() {
    let mut world = world(-33 * DAY, &crowd(0)[..2], &["hooks"]);
    world.run_for(HOUR);
    set_clock(&mut world, HOUR, &[("hooks", -33 * DAY)]);
    world.run_for(3);
    assert_eq!(received(&mut world, "hooks"), counts(&[("CertificateExpired", 2)]));
}

#[test]
fn one_receiver_with_a_clock_of_its_own_raises_no_doubt() {
    let webhooks = ["odd", "right", "too"];
    let mut world = world(-2 * DAY, &crowd(0), &webhooks);
    world.receiver_clock_offset("odd", -YEARS);
    log_lines();
    world.run_until(12 * HOUR);
    let told = received(&mut world, "odd");
    assert!(told.iter().all(|(event, _)| event != "ClockSkewSuspected"), "{told:?}");
    assert!(told.contains(&("CertificateExpired".to_owned(), 20)), "{told:?}");
    assert!(lines_about_held().is_empty());
}

#[test]
fn peers_that_seem_to_be_gone_by_a_clock_that_is_wrong_are_kept() {
    let mut world = world(-20 * DAY, &[], &["hooks"]);
    world.observe(Role::Client, Some("orders"), "client");
    world.run_for(MINUTE);
    assert_eq!(received(&mut world, "hooks"), counts(&[("CertificateExpiringSoon", 1)]));
    set_clock(&mut world, 2 * DAY, &[("hooks", -22 * DAY)]);
    world.run_for(MINUTE / 2);
    set_clock(&mut world, -20 * DAY + 2 * MINUTE, &[("hooks", 0)]);
    world.run_for(HOUR);
    assert_eq!(received(&mut world, "hooks"), [], "nobody has heard of anything");
    assert_eq!(world.metric("certificates;.;role=.=client"), 1);
    // It has slept for so long indeed.
    set_clock(&mut world, 2 * DAY, &[]);
    world.run_for(2 * MINUTE);
    assert_eq!(received(&mut world, "hooks"), counts(&[("CertificateResolved", 1)]));
}

#[test]
fn many_that_end_at_once_by_a_clock_that_is_right_are_told_at_once() {
    let same: Vec<_> = (0..20).map(|number| ending(number, 0)).collect();
    for offset in [0, -4 * MINUTE, 4 * MINUTE] {
        let mut world = world(-HOUR, &same, &["hooks"]);
        world.receiver_clock_offset("hooks", offset);
        log_lines();
        world.run_until(-MINUTE);
        received(&mut world, "hooks");
        world.run_until(1);
        assert_eq!(received(&mut world, "hooks"), counts(&[("CertificateExpired", 20)]));
        assert!(lines_about_held().is_empty());
    }
}
