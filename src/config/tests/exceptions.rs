//! What holds for some certificates, or for some time: overrides, silences and quiet hours.

use super::{load, only_problem};
use crate::config::Expiry;
use crate::domain::rule::Rule;
use crate::domain::time::HOUR;
use crate::domain::{CertId, Certificate, Presence, Role, Severity, UnixTime, Usage};

/// 2026-11-22T09:00:00Z, a Sunday.
const NOW: UnixTime = UnixTime::from_secs(1_795_338_000);

fn section(keys: &str) -> String {
    format!(r#"{{"certificate_expiry_monitor": {{{keys}}}}}"#)
}

fn expiry(keys: &str) -> Expiry {
    load(&section(keys)).expiry
}

fn problem(keys: &str) -> String {
    let problem = only_problem(&section(keys));
    problem.strip_prefix("certificate_expiry_monitor.").unwrap_or(&problem).to_owned()
}

fn certificate() -> Certificate {
    let sans = vec!["shop.example.com".to_owned(), "*.Internal.example.com".to_owned()];
    Certificate { sans, ..Certificate::bare(CertId::of_der(b"der"), "Edge", UnixTime::NEVER) }
}

fn places() -> Vec<String> {
    vec!["listener/ingress".to_owned(), "secret/edge".to_owned()]
}

#[test]
fn every_key_that_is_given_must_match_by_one_of_its_patterns() {
    let id = CertId::of_der(b"der").to_string();
    let with_colons: Vec<_> =
        id.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).to_uppercase()).collect();
    let client = Usage::new(Role::Client, Some("orders".to_owned()));
    let server = Usage::new(Role::Server, None);
    // the match | an upstream client of `orders` is meant | a server is
    for (keys, is_client, is_server) in [
        (r#""role": "client""#.to_owned(), true, false),
        (r#""role": ["client", "server"]"#.to_owned(), true, true),
        (r#""name": "edge""#.to_owned(), true, true),
        (r#""name": "EDG?""#.to_owned(), true, true),
        (r#""name": ["nobody", "*.example.com"]"#.to_owned(), true, true),
        (r#""name": "*.internal.example.com""#.to_owned(), true, true),
        (r#""name": "example.com""#.to_owned(), false, false),
        (r#""place": "secret/edge""#.to_owned(), true, true),
        (r#""place": "*edge""#.to_owned(), true, true),
        (r#""place": "edge""#.to_owned(), false, false),
        (r#""place": "SECRET/edge""#.to_owned(), false, false),
        (r#""api_id": "ord*""#.to_owned(), true, false),
        (r#""api_id": "*""#.to_owned(), true, false),
        (r#""api_id": "Orders""#.to_owned(), false, false),
        (format!(r#""cert_id": "{id}""#), true, true),
        (format!(r#""cert_id": "{}""#, with_colons.join(":")), true, true),
        (format!(r#""cert_id": "{}*""#, CertId::of_der(b"der").short().to_uppercase()), true, true),
        (format!(r#""cert_id": ["{}", "0?*"]"#, "0".repeat(64)), id.starts_with('0'), id.starts_with('0')),
        (r#""role": "client", "name": "edge", "place": "secret/*", "api_id": "orders""#.to_owned(), true, false),
        (r#""role": "client", "name": "other""#.to_owned(), false, false),
    ] {
        let expiry = expiry(&format!(r#""overrides": [{{"match": {{{keys}}}, "ignore": true}}]"#));
        assert_eq!(expiry.ignores(&certificate(), &client, &places(), &[]), is_client, "{keys}");
        assert_eq!(expiry.ignores(&certificate(), &server, &places(), &[]), is_server, "{keys}");
    }
}

#[test]
fn a_certificate_without_a_place_is_at_none() {
    let expiry = expiry(r#""overrides": [{"match": {"place": "*"}, "ignore": true}]"#);
    assert!(!expiry.ignores(&certificate(), &Usage::new(Role::Server, None), &[], &[]));
}

#[test]
fn overrides_and_silences_have_so_many_patterns_and_no_more() {
    let names = |pattern: &str, count: usize| vec![format!("\"{pattern}\""); count].join(", ");
    let section =
        |list: &str, rest: &str, names: &str| format!(r#""{list}": [{{"match": {{"name": [{names}]}}, {rest}}}]"#);
    for (list, rest, patterns, searches) in
        [("overrides", r#""ignore": true"#, 600, 100), ("silences", r#""until": "2026-12-01T00:00:00Z""#, 120, 20)]
    {
        for (pattern, most, what) in [("a*", patterns, "patterns"), ("*a*", searches, "texts between two *")] {
            expiry(&section(list, rest, &names(pattern, most)));
            assert_eq!(
                problem(&section(list, rest, &names(pattern, most + 1))),
                format!("{list}: {} {what} are not allowed; expected at most {most} in all", most + 1)
            );
        }
    }
}

#[test]
fn what_is_compared_grows_with_patterns_and_with_names() {
    let usage = Usage::new(Role::Client, Some("orders".to_owned()));
    let effort = |keys: &str, certificate: &Certificate| expiry(keys).effort(certificate, &usage, &places(), &[]);
    let one = r#""overrides": [{"match": {"name": "*.a"}, "ignore": true}]"#;
    let two = r#""overrides": [{"match": {"name": ["*.a", "*.b"]}, "ignore": true}]"#;
    let everywhere = r#""overrides": [{"match": {"name": "*.a*"}, "ignore": true}]"#;
    let fewer = Certificate { sans: Vec::new(), ..certificate() };
    assert_eq!(effort("", &certificate()), 0);
    assert!(effort(one, &certificate()) < effort(two, &certificate()));
    assert!(effort(one, &fewer) < effort(one, &certificate()));
    assert!(effort(one, &certificate()) < effort(everywhere, &certificate()));
}

#[test]
fn the_first_override_that_matches_counts() {
    let expiry = expiry(
        r#""warning_threshold_days": 60, "overrides": [
            {"match": {"name": "shop.*"}, "thresholds": ["7d"]},
            {"match": {"role": "client"}, "ignore": true},
            {"match": {"name": "shop.*"}, "thresholds": ["1d"]}]"#,
    );
    let usage = Usage::new(Role::Client, None);
    let plan = expiry.plan_for(&certificate(), &usage, &Presence::default());
    assert_eq!(plan.rules, [Rule::expired(), Rule::days(7)]);
    assert_eq!(plan.short_lived.as_ref().map(Rule::name), Some("20%"), "a list of thresholds is guarded");
    assert!(!expiry.ignores(&certificate(), &usage, &[], &[]));
    let other = Certificate::bare(CertId::of_der(b"other"), "other", UnixTime::NEVER);
    assert!(expiry.ignores(&other, &usage, &[], &[]));
    assert_eq!(*expiry.plan_for(&other, &Usage::new(Role::Ca, None), &Presence::default()), *expiry.plan);
    assert_eq!(expiry.plan.rules, [Rule::expired(), Rule::days(60)]);
}

#[test]
fn where_one_event_tells_of_several_apis_thresholds_are_those_of_any_and_silence_is_that_of_all() {
    let usage = Usage::new(Role::Client, None);
    // the pattern | the APIs that share an event | whether its thresholds count | whether it is silent
    for (pattern, api_ids, has_thresholds, is_silent) in [
        ("orders", &["orders"][..], true, true),
        ("orders", &["orders", "billing"], true, false),
        ("orders", &["billing", "orders"], true, false),
        ("orders", &["billing", "stock"], false, false),
        ("*", &["billing", "orders"], true, true),
        ("*", &[], false, false),
    ] {
        let matching = format!(r#"{{"match": {{"role": "client", "api_id": "{pattern}"}}"#);
        let expiry = expiry(&format!(
            r#""overrides": [{matching}, "thresholds": ["7d"]}}],
               "silences": [{matching}, "until": "2026-12-01T00:00:00Z"}}]"#
        ));
        let api_ids: Vec<_> = api_ids.iter().map(|api_id| (*api_id).to_owned()).collect();
        let presence = Presence { api_ids, ..Presence::default() };
        let plan = expiry.plan_for(&certificate(), &usage, &presence);
        assert_eq!(plan.rules.contains(&Rule::days(7)), has_thresholds, "{pattern} {presence:?}");
        let held = expiry.held_until(&certificate(), &usage, &presence, Severity::Warning, NOW);
        assert_eq!(held.is_some(), is_silent, "{pattern} {presence:?}");
    }
}

#[test]
fn what_is_ignored_for_one_api_hides_no_thresholds_of_another() {
    let expiry = expiry(
        r#""overrides": [{"match": {"api_id": "orders"}, "ignore": true},
                         {"match": {"api_id": "billing"}, "thresholds": ["7d"]}]"#,
    );
    let presence = Presence { api_ids: vec!["orders".to_owned(), "billing".to_owned()], ..Presence::default() };
    let plan = expiry.plan_for(&certificate(), &Usage::new(Role::Client, None), &presence);
    assert_eq!(plan.rules, [Rule::expired(), Rule::days(7)]);
}

#[test]
fn a_silence_keeps_warnings_back_until_it_is_over_and_critical_ones_never() {
    let expiry = expiry(
        r#""silences": [{"match": {"name": "edge"}, "until": "2026-11-22T10:00:00Z", "reason": "moving"},
                        {"match": {"role": "server"}, "until": "2026-11-22T12:00:00+01:00"},
                        {"match": {"name": "other"}, "until": "2027-01-01T00:00:00Z"}]"#,
    );
    let held = |role, severity, now| {
        expiry
            .held_until(&certificate(), &Usage::new(role, None), &Presence::default(), severity, now)
            .map(|end| end.secs() - NOW.secs())
    };
    assert_eq!(held(Role::Client, Severity::Warning, NOW), Some(3_600));
    assert_eq!(held(Role::Client, Severity::Info, NOW), Some(3_600));
    assert_eq!(held(Role::Server, Severity::Warning, NOW), Some(7_200), "the one that lasts longest");
    assert_eq!(held(Role::Server, Severity::Critical, NOW), None);
    assert_eq!(held(Role::Client, Severity::Warning, UnixTime::from_millis(NOW.after(HOUR).millis() - 1)), Some(3_600));
    assert_eq!(held(Role::Client, Severity::Warning, NOW.after(HOUR)), None, "over at this very moment");
    assert!(expiry.passed_silences(NOW).is_empty());
    assert_eq!(
        expiry.passed_silences(NOW.after(HOUR)),
        ["certificate_expiry_monitor.silences[0]: has passed at 2026-11-22T10:00:00Z (moving); it can be removed"]
    );
    assert_eq!(
        expiry.passed_silences(NOW.after(HOUR * 2)).last().map(String::as_str),
        Some("certificate_expiry_monitor.silences[1]: has passed at 2026-11-22T11:00:00Z; it can be removed")
    );
}

#[test]
fn quiet_hours_begin_and_end_on_the_second_also_across_midnight() {
    // from | to | seconds from midnight | seconds until they end
    for (from, to, at, left) in [
        ("22:00", "06:00", 79_199, None),
        ("22:00", "06:00", 79_200, Some(28_800)),
        ("22:00", "06:00", 86_399, Some(21_601)),
        ("22:00", "06:00", 0, Some(21_600)),
        ("22:00", "06:00", 21_599, Some(1)),
        ("22:00", "06:00", 21_600, None),
        ("09:30", "17:00", 34_199, None),
        ("09:30", "17:00", 34_200, Some(27_000)),
        ("09:30", "17:00", 61_200, None),
        ("00:00", "23:59", 0, Some(86_340)),
        ("00:00", "23:59", 86_340, None),
        ("23:59", "00:00", 86_399, Some(1)),
    ] {
        let hours = expiry(&format!(r#""quiet_hours": {{"from": "{from}", "to": "{to}"}}"#)).quiet_hours.unwrap();
        for midnight in [0, 1_795_305_600, -86_400] {
            let end = hours.until(UnixTime::from_secs(midnight + at)).map(|end| end.secs() - midnight - at);
            assert_eq!(end, left, "{from} to {to} at {at} of {midnight}");
        }
    }
    let hours = expiry(r#""quiet_hours": {"from": "22:00", "to": "06:00"}"#).quiet_hours.unwrap();
    for extreme in [UnixTime::NEVER, UnixTime::from_secs(i64::MIN)] {
        assert!(hours.until(extreme).is_none_or(|end| end >= extreme));
    }
    assert_eq!(hours.until(UnixTime::from_millis(21_599_999)), Some(UnixTime::from_secs(21_600)));
}

#[test]
fn a_silence_that_ends_in_quiet_hours_leaves_them_quiet() {
    let quiet = r#""quiet_hours": {"from": "22:00", "to": "06:00"}"#;
    // the silence | the hour of `now` | hours until it may go
    for (until, hour, left) in [
        ("2026-11-22T23:00:00Z", 9, Some(21)),
        ("2026-11-23T07:00:00Z", 23, Some(8)),
        ("2026-11-22T21:00:00Z", 9, Some(12)),
        ("2026-11-22T22:00:00Z", 9, Some(21)),
        ("2026-11-22T08:00:00Z", 9, None),
        ("2026-11-22T08:00:00Z", 23, Some(7)),
    ] {
        let expiry = expiry(&format!(r#"{quiet}, "silences": [{{"match": {{"name": "*"}}, "until": "{until}"}}]"#));
        let now = NOW.after(HOUR * (hour - 9));
        let usage = Usage::new(Role::Server, None);
        let end = expiry.held_until(&certificate(), &usage, &Presence::default(), Severity::Warning, now);
        assert_eq!(end, left.map(|hours| now.after(HOUR * hours)), "{until} at {hour}");
        assert_eq!(expiry.held_until(&certificate(), &usage, &Presence::default(), Severity::Critical, now), None);
    }
}

#[test]
fn an_exception_says_what_it_is_for_and_what_it_changes() {
    let id = "the 64 hex digits of a SHA-256 fingerprint, or a pattern such as \"8c31605b*\"";
    for (entry, expected) in [
        (r#"{"ignore": true}"#, "match: missing; this key is required".to_owned()),
        (
            r#"{"match": {}, "ignore": true}"#,
            "match: must say what is meant, by at least one of role, name, place, api_id, cert_id".to_owned(),
        ),
        (
            r#"{"match": {"role": []}, "ignore": true}"#,
            "match.role: names nothing; leave the key out where it does not matter".to_owned(),
        ),
        (
            r#"{"match": {"role": "*"}, "ignore": true}"#,
            "match.role: \"*\" is not allowed; expected one of server, ca, client, upstream".to_owned(),
        ),
        (
            r#"{"match": {"name": ["a", " "]}, "ignore": true}"#,
            "match.name[1]: \" \" is not allowed; expected a string that is not empty".to_owned(),
        ),
        (r#"{"match": {"api_id": 7}, "ignore": true}"#, "match.api_id: 7 is not allowed; expected a string".to_owned()),
        (
            r#"{"match": {"cert_id": "8c31605b"}, "ignore": true}"#,
            format!("match.cert_id: \"8c31605b\" is not allowed; expected {id}"),
        ),
        (
            r#"{"match": {"cert_id": ["edge*"]}, "ignore": true}"#,
            format!("match.cert_id[0]: \"edge*\" is not allowed; expected {id}"),
        ),
        (
            r#"{"match": {"names": "a", "role": "ca"}, "ignore": true}"#,
            "match.names: unknown key; did you mean \"name\"?".to_owned(),
        ),
        (
            r#"{"match": {"name": "a"}, "ignore": true, "thresholds": ["1d"]}"#,
            "thresholds: is there beside ignore; nobody is told about what is ignored".to_owned(),
        ),
        (r#"{"match": {"name": "a"}, "ignore": 1}"#, "ignore: 1 is not allowed; expected true or false".to_owned()),
        (
            r#"{"match": {"name": "a"}, "thresholds": []}"#,
            "thresholds: names nothing; leave the key out for the default".to_owned(),
        ),
    ] {
        assert_eq!(problem(&format!(r#""overrides": [{entry}]"#)), format!("overrides[0].{expected}"));
    }
    assert_eq!(
        problem(r#""overrides": [{"match": {"name": "a"}, "ignore": false}]"#),
        "overrides[0]: changes nothing; give it thresholds, or ignore as true"
    );
}

#[test]
fn a_silence_ends_at_a_time_that_can_be_read() {
    let time = "a time such as \"2026-12-01T00:00:00Z\" or \"2026-12-01T01:00:00+01:00\"";
    for wrong in ["2026-12-01", "2026-12-01T00:00:00", "2026-02-30T00:00:00Z", "tomorrow", ""] {
        assert_eq!(
            problem(&format!(r#""silences": [{{"match": {{"role": "ca"}}, "until": "{wrong}"}}]"#)),
            format!("silences[0].until: \"{wrong}\" is not allowed; expected {time}")
        );
    }
    assert_eq!(
        problem(r#""silences": [{"match": {"role": "ca"}}]"#),
        "silences[0].until: missing; this key is required"
    );
    let reason = &expiry(
        r#""silences": [{"match": {"role": "ca"}, "until": "2026-12-01T00:00:00.5-05:00",
                                          "reason": "a\u202eb"}]"#,
    )
    .silences[0]
        .reason;
    assert_eq!(reason, "ab");
}
