//! What keeps people from being told too much: groups, digests, nights, and exceptions.

use cert_expiry_monitor::application::effect::{Answer, Call};
use cert_expiry_monitor::domain::Role;
use serde_json::{Value, json};

use crate::world::{DAY, HOUR, MINUTE, World, at, header, log_lines, pem, webhook};

/// A document with a monitor like this, which lists the four certificates that end at the same time.
fn document(monitor: &Value, webhooks: &[Value]) -> Value {
    let entry = |role: &str, name: &str| json!({ "role": role, "name": name, "pem": pem(name) });
    let certificates = [("server", "localhost"), ("ca", "ca"), ("client", "client"), ("upstream", "upstream")];
    let mut section = json!({ "warning_threshold_days": 30 });
    section.as_object_mut().unwrap().extend(monitor.as_object().unwrap().clone());
    json!({
        "certificate_expiry_monitor": section,
        "certificates": certificates.map(|(role, name)| entry(role, name)),
        "webhooks": webhooks,
    })
}

/// A webhook whose requests need not tell the id of one event.
fn plain(cluster: &str) -> Value {
    let mut hook = webhook(cluster);
    hook["headers"] = json!({});
    hook
}

fn bodies(world: &mut World) -> Vec<Value> {
    world.calls().into_iter().map(|call: Call| serde_json::from_slice(&call.body.unwrap()).unwrap()).collect()
}

fn names(world: &mut World) -> Vec<String> {
    let mut names: Vec<_> = world.received().into_iter().map(|received| received.name).collect();
    names.sort();
    names
}

/// The seconds from the end of the certificates to this time of the day that their end falls on, or so many days later.
fn clock(hour: i64, minute: i64, days: i64) -> i64 {
    let midnight = at(0).secs() / DAY * DAY;
    midnight - at(0).secs() + hour * HOUR + minute * MINUTE + days * DAY
}

#[test]
fn a_digest_is_one_request_about_all_and_there_is_one_in_each_interval() {
    let start = -10 * DAY;
    let digest = json!({ "digest": { "interval_seconds": HOUR } });
    let mut keeper = plain("pagerduty");
    keeper["format"] = json!("pagerduty");
    keeper["format_options"] = json!({ "routing_key": "0123456789abcdef0123456789abcdef" });
    let mut world = World::starting(start, document(&digest, &[plain("hooks"), keeper]));
    world.run_until(start + MINUTE);
    let calls = world.calls();
    let to = |cluster: &str| calls.iter().filter(|call| call.cluster == cluster).count();
    assert_eq!((to("hooks"), to("pagerduty")), (1, 4), "whoever keeps alerts open hears of each");
    let told: Value =
        serde_json::from_slice(calls.iter().find(|call| call.cluster == "hooks").unwrap().body.as_ref().unwrap())
            .unwrap();
    assert_eq!(told["certificates"].as_array().unwrap().len(), 4);
    assert_eq!(told["certificates_count"], 4);
    assert_eq!(told["event"], "CertificateExpiringSoon");
    // What comes within the hour waits for its end.
    world.observe(Role::Client, Some("orders"), "localhost");
    world.run_until(start + 50 * MINUTE);
    assert_eq!(bodies(&mut world).len(), 1, "PagerDuty alone");
    world.run_until(start + HOUR + MINUTE);
    let late = bodies(&mut world);
    assert_eq!(
        late.iter().map(|body| body["cert_name"].clone()).collect::<Vec<_>>(),
        ["localhost"],
        "one alone is what it is"
    );
}

#[test]
fn what_is_critical_waits_for_no_digest_and_takes_along_what_does() {
    let rules = json!({
        "digest": { "interval_seconds": DAY }, "warning_threshold_days": null, "short_lived": "off", "thresholds": ["30d"],
        "overrides": [{ "match": { "name": "localhost" }, "thresholds": [{ "remaining": "30d", "severity": "critical" }] }],
    });
    let start = -10 * DAY;
    let mut world = World::starting(start, document(&rules, &[plain("hooks")]));
    world.run_for(MINUTE);
    assert_eq!(bodies(&mut world).len(), 1);
    world.observe(Role::Client, Some("orders"), "upstream");
    world.run_for(HOUR);
    assert_eq!(bodies(&mut world).len(), 0);
    world.observe(Role::Client, Some("orders"), "localhost");
    world.run_for(MINUTE);
    let told = bodies(&mut world);
    let told: Vec<_> = told.iter().map(|body| (&body["cert_name"], &body["certificates_count"])).collect();
    assert_eq!(told, [(&json!("localhost"), &json!(2))]);
}

#[test]
fn a_digest_that_was_not_taken_is_tried_again_as_a_whole() {
    let start = -10 * DAY;
    let digest = json!({ "digest": { "interval_seconds": HOUR } });
    let mut world = World::starting(start, document(&digest, &[plain("hooks")]));
    world.set_answer_once("hooks", Answer::status(500));
    world.run_until(start + 10 * MINUTE);
    let counts: Vec<_> = bodies(&mut world).into_iter().map(|body| body["certificates_count"].clone()).collect();
    assert_eq!(counts, [4, 4]);
    assert_eq!(world.metric("deliveries_total;.;webhook=.=hooks;.;outcome=.=delivered"), 4);
}

#[test]
fn news_that_waits_for_its_digest_outlives_the_monitor_where_there_is_one_try_only() {
    let mut hooks = plain("hooks");
    (hooks["events"], hooks["retry_attempts"]) = (json!(["CertificateDiscovered"]), json!(0));
    let start = -10 * DAY;
    let mut world = World::starting(start, document(&json!({ "digest": { "interval_seconds": HOUR } }), &[hooks]));
    world.run_until(start + MINUTE);
    assert_eq!(world.events().len(), 1);
    world.observe(Role::Client, Some("orders"), "ec-p384");
    world.run_for(MINUTE);
    assert_eq!(world.events(), []);
    world.restart();
    world.run_for(2 * HOUR);
    assert_eq!(world.events().len(), 1);
}

#[test]
fn warnings_wait_for_the_morning_and_what_is_critical_does_not() {
    let quiet = json!({ "quiet_hours": { "from": "22:00", "to": "06:00" }, "check_interval_seconds": HOUR });
    let start = clock(23, 0, -5);
    let mut world = World::starting(start, document(&quiet, &[webhook("hooks")]));
    world.run_until(clock(5, 59, -4));
    assert_eq!(names(&mut world).len(), 0);
    world.run_until(clock(6, 1, -4));
    assert_eq!(names(&mut world).len(), 4);

    let mut critical = quiet;
    critical["warning_threshold_days"] = Value::Null;
    critical["short_lived"] = json!("off");
    critical["thresholds"] = json!([{ "remaining": "30d", "severity": "critical" }]);
    let mut world = World::starting(start, document(&critical, &[webhook("hooks")]));
    world.run_until(clock(23, 1, -5));
    assert_eq!(names(&mut world).len(), 4);
}

#[test]
fn a_digest_that_is_due_at_night_waits_for_the_morning_and_what_is_critical_in_it_does_not() {
    let rules = json!({
        "digest": { "interval_seconds": HOUR }, "quiet_hours": { "from": "22:00", "to": "06:00" },
        "warning_threshold_days": null, "short_lived": "off",
        "thresholds": ["30d"],
        "overrides": [{ "match": { "name": "localhost" }, "thresholds": [{ "remaining": "30d", "severity": "critical" }] }],
    });
    let start = clock(21, 30, -10);
    let mut hooks = plain("hooks");
    (hooks["retry_attempts"], hooks["retry_schedule"]) = (json!(1), json!(["5s"]));
    let mut world = World::starting(start, document(&rules, &[hooks]));
    world.run_until(start + MINUTE);
    assert_eq!(names(&mut world), ["localhost"], "the worst of four");
    // Their digest would be at half past ten.
    world.observe(Role::Client, Some("orders"), "upstream");
    world.observe(Role::Client, Some("orders"), "localhost");
    world.run_until(clock(23, 0, -10));
    assert_eq!(names(&mut world), ["localhost"]);
    // The clock is corrected by a second.
    world.set_clock(clock(23, 0, -10) - 1);
    world.run_for(0);
    world.run_until(clock(5, 59, -9));
    assert_eq!(names(&mut world).len(), 0);
    world.restart();
    world.run_until(clock(6, 1, -9));
    assert_eq!(names(&mut world), ["Upstream Service"]);
}

#[test]
fn alerts_that_are_kept_open_are_told_again_at_night() {
    let keeper = json!({
        "name": "am", "cluster": "am", "url": "https://am/api/v2/alerts", "format": "alertmanager",
        "batch": { "max": 10, "wait_seconds": 5 },
    });
    let quiet = json!({ "quiet_hours": { "from": "22:00", "to": "06:00" }, "digest": { "interval_seconds": HOUR } });
    let mut world = World::starting(clock(12, 30, -5), document(&quiet, &[keeper]));
    world.run_until(clock(22, 0, -5));
    world.calls();
    world.run_until(clock(6, 0, -4));
    assert_eq!(world.calls().len(), 8, "one in every round");
}

#[test]
fn a_silence_of_certificates_is_none_of_what_tells_of_many() {
    let silence = json!([{ "match": { "role": "server" }, "until": "2040-01-01T00:00:00Z" }]);
    let mut hooks = webhook("hooks");
    hooks["events"] = json!(["ExpiryStorm"]);
    let start = clock(12, 0, -5);
    let mut world = World::starting(start, document(&json!({ "silences": silence, "expiry_storm": 4 }), &[hooks]));
    world.run_until(start + MINUTE);
    assert_eq!(bodies(&mut world).len(), 1);
}

#[test]
fn the_end_of_a_warning_waits_for_the_morning_as_well() {
    let quiet = json!({ "quiet_hours": { "from": "22:00", "to": "06:00" } });
    let mut hooks = webhook("hooks");
    hooks["send_resolved"] = json!(true);
    let start = clock(12, 0, -5);
    let mut world = World::starting(start, document(&quiet, &[hooks.clone()]));
    world.run_until(clock(23, 0, -5));
    assert_eq!(names(&mut world).len(), 4);
    let mut rest = document(&quiet, &[hooks]);
    rest["certificates"].as_array_mut().unwrap().remove(0);
    world.replace(rest);
    world.run_until(clock(2, 0, -4));
    world.restart();
    world.run_until(clock(5, 59, -4));
    assert_eq!(world.received(), []);
    world.run_until(clock(6, 1, -4));
    assert_eq!(world.events().into_iter().map(|(_, event)| event).collect::<Vec<_>>(), ["CertificateResolved"]);
}

#[test]
fn a_silence_keeps_back_what_it_matches_until_it_is_over() {
    let until = (clock(12, 0, -3), "T12:00:00Z");
    let day = time::OffsetDateTime::from_unix_timestamp(at(until.0).secs()).unwrap().date();
    let silence =
        json!({ "match": { "role": "upstream" }, "until": format!("{day}{}", until.1), "reason": "moving house" });
    let start = clock(12, 0, -5);
    let mut world = World::starting(start, document(&json!({ "silences": [silence] }), &[webhook("hooks")]));
    world.run_until(start + MINUTE);
    assert_eq!(names(&mut world), ["Test CA", "Test Client", "localhost"].map(str::to_owned));
    let mut upstream = Vec::new();
    while upstream.is_empty() {
        world.run_for(10 * MINUTE);
        upstream = world.received().into_iter().filter(|received| received.role == "upstream").collect();
    }
    assert!((clock(12, 0, -3)..clock(12, 11, -3)).contains(&upstream[0].at), "{upstream:?}");
}

#[test]
fn what_is_ignored_is_not_watched_and_what_has_rules_of_its_own_keeps_to_them() {
    let monitor = json!({
        "short_lived": "off",
        "overrides": [
            { "match": { "role": "ca" }, "ignore": true },
            { "match": { "name": "test-client*", "role": "client" }, "thresholds": ["2d"] },
            { "match": { "place": "config/upstream" }, "thresholds": [{ "remaining": "3d", "severity": "critical" }] },
        ],
    });
    let mut document = document(&monitor, &[webhook("hooks")]);
    document["certificate_expiry_monitor"]["overrides"][1]["match"]["name"] = json!("test client");
    let mut world = World::starting(-5 * DAY, document);
    world.run_until(-5 * DAY + MINUTE);
    assert_eq!(names(&mut world), ["localhost"]);
    assert_eq!(world.metric("certificates;.;role=.=ca"), 0);
    world.run_until(-3 * DAY + MINUTE);
    let upstream: Vec<_> = bodies(&mut world).into_iter().filter(|body| body["cert_role"] == "upstream").collect();
    assert_eq!((&upstream[0]["rule"], &upstream[0]["severity"]), (&json!("3d"), &json!("critical")));
    world.run_until(-2 * DAY + MINUTE);
    assert!(names(&mut world).contains(&"Test Client".to_owned()));
}

#[test]
fn one_certificate_for_many_apis_is_one_event_where_that_is_wanted_and_one_for_each_place_where_that_is() {
    // grouped by | how many events | what they name
    for (group, count) in [("api", 3), ("certificate", 1), ("place", 4)] {
        let start = -10 * DAY;
        let mut document = document(&json!({ "group_by": group }), &[webhook("hooks")]);
        document["certificates"] = json!([]);
        let mut world = World::starting(start, document);
        for api in ["orders", "billing", "stock"] {
            world.observe_at("listener/a", Role::Client, Some(api), "client");
        }
        world.observe_at("listener/b", Role::Client, Some("stock"), "client");
        world.run_until(start + HOUR);
        let told = bodies(&mut world);
        assert_eq!(told.len(), count, "{group}: {told:#?}");
        let ids: std::collections::BTreeSet<_> = told.iter().map(|body| body["id"].to_string()).collect();
        assert_eq!(ids.len(), count, "{group}: no id twice");
        if group == "certificate" {
            assert_eq!(told[0]["api_ids"], json!(["orders", "billing", "stock"]));
            assert_eq!(told[0]["places"], json!(["listener/a", "listener/b"]));
            assert_eq!(told[0].get("api_id"), None);
        }
    }
}

/// A certificate that is met for the first API and an hour later for the second, where one event tells of both: when
/// it is told of which, in hours from the first.
fn told_of_both(exceptions: &Value) -> Vec<(i64, Value, Value)> {
    // Those of the tests live for a day only.
    let mut section = json!({ "warning_threshold_days": 3, "short_lived": "off", "group_by": "certificate" });
    section.as_object_mut().unwrap().extend(exceptions.as_object().unwrap().clone());
    let mut document = document(&section, &[webhook("hooks")]);
    document["certificates"] = json!([]);
    let start = -10 * DAY;
    let mut world = World::starting(start, document);
    for api in ["orders", "billing"] {
        world.observe(Role::Client, Some(api), "client");
        world.run_for(HOUR);
    }
    let calls = world.timed_calls().into_iter();
    let read = |body: Option<Vec<u8>>| serde_json::from_slice::<Value>(&body.unwrap()).unwrap();
    calls
        .map(|(when, call)| {
            let body = read(call.body);
            ((when.secs() - at(start).secs()) / HOUR, body["rule"].clone(), body["api_ids"].clone())
        })
        .collect()
}

#[test]
fn exceptions_for_an_api_hold_where_one_event_tells_of_several() {
    let both = json!(["orders", "billing"]);
    let meant = |api: &str| json!({ "api_id": api });
    let early = |api: &str| json!({ "match": meant(api), "thresholds": ["20d"] });
    let ignored = |api: &str| json!({ "match": meant(api), "ignore": true });
    let silence = |api: &str| json!({ "match": meant(api), "until": "2027-01-01T00:00:00Z" });
    for (what, exceptions, expected) in [
        ("three days before the end", json!({}), vec![]),
        ("the first wants to hear early", json!({ "overrides": [early("orders")] }), vec![(0, json!(["orders"]))]),
        ("so does the second", json!({ "overrides": [early("billing")] }), vec![(1, both.clone())]),
        (
            "what is ignored for one is told for the other",
            json!({ "overrides": [ignored("billing"), early("*")] }),
            vec![(0, json!(["orders"]))],
        ),
        (
            "and before that is not there",
            json!({ "overrides": [ignored("orders"), early("*")] }),
            vec![(1, json!(["billing"]))],
        ),
        ("all are ignored", json!({ "overrides": [ignored("*"), early("*")] }), vec![]),
        (
            "a silence of one ends when another one needs it",
            json!({ "overrides": [early("*")], "silences": [silence("orders")] }),
            vec![(1, both)],
        ),
        ("all are silent", json!({ "overrides": [early("*")], "silences": [silence("*")] }), vec![]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|(hour, api_ids)| (hour, json!("20d"), api_ids)).collect();
        assert_eq!(told_of_both(&exceptions), expected, "{what}");
    }
}

#[test]
fn what_has_expired_has_its_own_cadence_and_is_forgotten_one_day() {
    let monitor = json!({ "expired_repeat": "7d", "expired_max_age": "20d", "check_cooldown_seconds": HOUR });
    let mut document = document(&monitor, &[webhook("hooks")]);
    document["certificates"] = json!([document["certificates"][0]]);
    let mut world = World::starting(-2 * DAY, document);
    world.run_until(60 * DAY);
    let days: Vec<_> = world.events().into_iter().map(|(at, event)| (at.div_euclid(DAY), event)).collect();
    let expired = "CertificateExpired".to_owned();
    let expected = [
        (-2, "CertificateExpiringSoon".to_owned()),
        (-1, "CertificateExpiringSoon".to_owned()),
        (0, expired.clone()),
        (7, expired.clone()),
        (14, expired),
    ];
    assert_eq!(days, expected);
}

#[test]
fn a_threshold_that_makes_no_sense_for_some_is_taken_at_its_word_and_one_line_says_so() {
    log_lines();
    let mut world = World::starting(-10 * DAY, document(&json!({}), &[webhook("hooks")]));
    world.run_until(-10 * DAY + 3 * HOUR);
    assert_eq!(names(&mut world).len(), 4);
    let lines = log_lines().into_iter().map(|(_, line)| line);
    let lines: Vec<_> =
        lines.filter(|line| line.contains("live shorter than twice warning_threshold_days (30)")).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("4 certificates"), "{lines:?}");
}

#[test]
fn the_same_guarded_says_nothing_until_a_fifth_is_left() {
    let mut document = document(&json!({ "warning_threshold_days": null, "thresholds": ["30d"] }), &[webhook("hooks")]);
    document["certificates"] = json!([document["certificates"][0]]);
    let mut world = World::starting(-10 * DAY, document);
    world.run_until(-5 * HOUR);
    assert_eq!(world.received(), []);
    world.run_until(-4 * HOUR);
    let calls = world.calls();
    assert_eq!(calls.len(), 1);
    let body: Value = serde_json::from_slice(calls[0].body.as_ref().unwrap()).unwrap();
    assert_eq!((&body["rule"], &body["seconds_remaining"]), (&json!("20%"), &json!(17_279)));
    assert!(header(&calls[0], "x-id").is_some());
}
