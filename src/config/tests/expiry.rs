//! `certificate_expiry_monitor` and what becomes of it.

use std::time::Duration;

use super::{load, only_problem, pem, problems};
use crate::config::{Expiry, GroupBy, NotifyRenewals, Policies};
use crate::domain::certificate::Signature;
use crate::domain::rule::{Plan, Rule, Share};
use crate::domain::time::{DAY, HOUR, MINUTE};
use crate::domain::{EventKind, Presence, Role, Usage};

fn expiry(keys: &str) -> Expiry {
    load(&format!(r#"{{"certificate_expiry_monitor": {{{keys}}}}}"#)).expiry
}

/// The only problem of a section, without the section's name.
fn problem(keys: &str) -> String {
    let problem = only_problem(&format!(r#"{{"certificate_expiry_monitor": {{{keys}}}}}"#));
    problem.strip_prefix("certificate_expiry_monitor.").unwrap_or(&problem).to_owned()
}

/// The rules as `name severity`, and the guard.
fn told(plan: &Plan) -> (Vec<String>, Option<&str>) {
    let rules = plan.rules.iter().map(|rule| format!("{} {}", rule.name(), rule.severity().as_str())).collect();
    (rules, plan.short_lived.as_ref().map(Rule::name))
}

#[test]
fn everything_has_a_default() {
    let expiry = expiry("");
    assert_eq!(told(&expiry.plan), (vec!["expired critical".to_owned(), "30d warning".to_owned()], Some("20%")));
    assert_eq!((expiry.literal_threshold, expiry.expired_max_age, expiry.expired_repeat), (None, 30 * DAY, None));
    assert_eq!((expiry.group_by, expiry.notify_renewals), (GroupBy::Api, NotifyRenewals::Alerted));
    assert!(expiry.overrides.is_empty() && expiry.silences.is_empty() && expiry.renewal_info.is_empty());
    assert!(expiry.digest.is_none() && expiry.quiet_hours.is_none() && expiry.renewal_expected_at.is_none());
    assert_eq!((expiry.expiry_storm, expiry.heartbeat), (10, Duration::ZERO));
    let policies = Policies {
        min_rsa_bits: 2_048,
        forbid_signatures: vec![Signature::Sha1, Signature::Md5],
        max_lifetime: None,
        require_san: true,
    };
    assert_eq!(expiry.policies, policies);
}

#[test]
fn every_key_is_read() {
    let expiry = expiry(
        r#""expired_max_age": "36525d", "expired_repeat": "1m", "group_by": "place", "digest": {"interval_seconds": 60},
           "quiet_hours": {"from": "22:00", "to": "06:00"}, "notify_renewals": "all", "renewal_expected_at": "66%",
           "renewal_info": [{"issuer": "*let's encrypt*", "cluster": "acme", "path": "/acme/renewal-info/"},
                            {"issuer": "*", "cluster": "acme", "path": "/", "authority": "acme.example.com:8443"}],
           "policies": {"min_rsa_bits": 0, "forbid_signatures": ["md5"], "max_lifetime": "398d", "require_san": false},
           "expiry_storm": 0, "heartbeat_seconds": 10"#,
    );
    assert_eq!((expiry.expired_max_age, expiry.expired_repeat), (36_525 * DAY, Some(MINUTE)));
    let kinds = [Some(EventKind::CertificateExpired), Some(EventKind::CertificateExpiringSoon), None];
    assert_eq!(kinds.map(|kind| expiry.period_of(kind)), [MINUTE, DAY, DAY]);
    assert_eq!((expiry.group_by, expiry.digest), (GroupBy::Place, Some(MINUTE)));
    assert!(expiry.quiet_hours.is_some() && expiry.notify_renewals == NotifyRenewals::All);
    assert_eq!(expiry.renewal_expected_at, Share::new(66));
    let asked: Vec<_> = expiry.renewal_info.iter().map(|ca| [&ca.cluster, &ca.path, &ca.authority]).collect();
    assert_eq!(asked, [["acme", "/acme/renewal-info", "acme"], ["acme", "", "acme.example.com:8443"]]);
    assert!(expiry.renewal_info[0].is_of("CN=R11,O=Let's Encrypt,C=US"));
    let policies = Policies {
        min_rsa_bits: 0,
        forbid_signatures: vec![Signature::Md5],
        max_lifetime: Some(398 * DAY),
        require_san: false,
    };
    assert_eq!(expiry.policies, policies);
    assert_eq!((expiry.expiry_storm, expiry.heartbeat.as_secs()), (0, 10));
}

#[test]
fn thresholds_are_lengths_and_shares_with_a_severity_in_any_order() {
    let list = r#""thresholds": ["20%", {"remaining": "7d", "severity": "critical"}, " 36h", {"remaining": "1m30s"},
                                 {"severity": "info", "remaining": "36525d"}]"#;
    let expiry = expiry(list);
    let rules = ["expired critical", "20% warning", "7d critical", "36h warning", "1m30s warning", "36525d info"];
    assert_eq!(told(&expiry.plan), (rules.map(str::to_owned).to_vec(), Some("20%")));
    let left: Vec<_> = expiry.plan.rules.iter().filter_map(|rule| rule.remaining_of(Some(10 * DAY))).collect();
    assert_eq!(left, [Duration::ZERO, 2 * DAY, 7 * DAY, 36 * HOUR, Duration::from_secs(90), 36_525 * DAY]);
    assert_eq!(expiry.literal_threshold, None);
}

#[test]
fn the_guard_is_on_everything_but_days_that_were_written() {
    // the section | the rules beside the expiry | the guard | the days that mean what they say
    for (keys, rules, guard, literal) in [
        ("", &["30d"][..], Some("20%"), None),
        (r#""short_lived": "15%""#, &["30d"], Some("15%"), None),
        (r#""short_lived": "off""#, &["30d"], None, None),
        (r#""warning_threshold_days": 30"#, &["30d"], None, Some(30)),
        (r#""warning_threshold_days": 7, "short_lived": "15%""#, &["7d"], Some("15%"), None),
        (r#""warning_threshold_days": 7, "short_lived": "off""#, &["7d"], None, Some(7)),
        (r#""warning_threshold_days": 0"#, &[], None, None),
        (r#""warning_threshold_days": 0, "short_lived": "15%""#, &[], None, None),
        (r#""thresholds": ["7d"]"#, &["7d"], Some("20%"), None),
        (r#""thresholds": ["7d"], "short_lived": "99%""#, &["7d"], Some("99%"), None),
        (r#""thresholds": ["7d"], "short_lived": "off""#, &["7d"], None, None),
    ] {
        let expiry = expiry(keys);
        let names: Vec<_> = expiry.plan.rules.iter().skip(1).map(Rule::name).collect();
        assert_eq!(names, rules, "{keys}");
        assert_eq!(expiry.plan.short_lived.as_ref().map(Rule::name), guard, "{keys}");
        assert_eq!(expiry.literal_threshold, literal.map(|days: u32| DAY * days), "{keys}");
    }
}

#[test]
fn the_section_of_a_pasted_tyk_conf_has_the_same_keys() {
    let document = r#"{"security": {"certificate_expiry_monitor": {"thresholds": ["7d"], "short_lived": "off"}}}"#;
    assert_eq!(*load(document).expiry.plan, Plan::new(vec![Rule::days(7)], None));
    assert_eq!(
        only_problem(r#"{"security": {"certificate_expiry_monitor": {"threshold": ["7d"]}}}"#),
        "security.certificate_expiry_monitor.threshold: unknown key; did you mean \"thresholds\"?"
    );
}

#[test]
fn a_wrong_threshold_is_named_with_what_is_allowed() {
    let allowed = "a duration such as 36h or 30d, from 1m to 36525d, or a share of the lifetime from 1% to 99%";
    for wrong in [
        "\"\"",
        "\"30\"",
        "30",
        "\"0\"",
        "\"59s\"",
        "\"36526d\"",
        "\"0%\"",
        "\"100%\"",
        "\"+5%\"",
        "\"2.5%\"",
        "\"20 %\"",
        "\"%\"",
        "\"expired\"",
        "\"-1d\"",
        "true",
    ] {
        let expected = format!("{wrong} is not allowed; expected {allowed}");
        assert_eq!(problem(&format!(r#""thresholds": ["1d", {wrong}]"#)), format!("thresholds[1]: {expected}"));
        let object = format!(r#""thresholds": [{{"remaining": {wrong}}}]"#);
        assert_eq!(problem(&object), format!("thresholds[0].remaining: {expected}"));
    }
    for (keys, expected) in [
        (r#""thresholds": []"#, "thresholds: names nothing; leave the key out for the default"),
        (r#""thresholds": "30d""#, "thresholds: a string is not allowed; expected a list"),
        (r#""thresholds": [["30d"]]"#, &format!("thresholds[0]: a list is not allowed; expected {allowed}")),
        (r#""thresholds": [{}]"#, "thresholds[0].remaining: missing; this key is required"),
        (
            r#""thresholds": [{"remaining": "1d", "severe": 1}]"#,
            "thresholds[0].severe: unknown key; did you mean \"severity\"?",
        ),
        (
            r#""thresholds": [{"remaining": "1d", "severity": "bad"}]"#,
            "thresholds[0].severity: \"bad\" is not allowed; expected one of info, warning, critical",
        ),
        (r#""thresholds": ["30d", "720h"]"#, "thresholds[1]: 720h is there already as 30d"),
        (
            r#""thresholds": ["20%", {"remaining": "20%", "severity": "critical"}]"#,
            "thresholds[1]: 20% is there already as 20%",
        ),
        (
            r#""thresholds": ["30d"], "warning_threshold_days": 30"#,
            "thresholds: is there beside warning_threshold_days; keep one of them",
        ),
    ] {
        assert_eq!(problem(keys), expected);
    }
}

#[test]
fn a_wrong_value_of_another_key_is_named_with_what_is_allowed() {
    let guard = "a share of the lifetime from 1% to 99%, or off";
    let time = "a time of day (UTC) from \"00:00\" to \"23:59\"";
    for (keys, path, expected) in [
        (r#""short_lived": "none""#, "short_lived: \"none\"", guard),
        (r#""short_lived": false"#, "short_lived: false", guard),
        (r#""renewal_expected_at": "100%""#, "renewal_expected_at: \"100%\"", "a share of the lifetime from 1% to 99%"),
        (r#""expired_max_age": "0""#, "expired_max_age: \"0\"", "a duration such as 36h or 30d, from 1m to 36525d"),
        (r#""expired_repeat": "366d""#, "expired_repeat: \"366d\"", "a duration such as 36h or 30d, from 1m to 365d"),
        (r#""expired_repeat": 86400"#, "expired_repeat: 86400", "a duration such as 36h or 30d, from 1m to 365d"),
        (r#""group_by": "role""#, "group_by: \"role\"", "one of api, certificate, place"),
        (r#""notify_renewals": true"#, "notify_renewals: true", "one of alerted, all"),
        (r#""digest": {"interval_seconds": 59}"#, "digest.interval_seconds: 59", "an integer from 60 to 604800"),
        (
            r#""digest": {"interval_seconds": 604801}"#,
            "digest.interval_seconds: 604801",
            "an integer from 60 to 604800",
        ),
        (r#""expiry_storm": 1"#, "expiry_storm: 1", "0 or an integer from 2 to 100000"),
        (r#""heartbeat_seconds": 9"#, "heartbeat_seconds: 9", "0 or an integer from 10 to 31536000"),
        (r#""heartbeat_seconds": -1"#, "heartbeat_seconds: -1", "0 or an integer from 10 to 31536000"),
        (r#""quiet_hours": {"from": "22:00", "to": "24:00"}"#, "quiet_hours.to: \"24:00\"", time),
        (r#""quiet_hours": {"from": "9:00", "to": "17:00"}"#, "quiet_hours.from: \"9:00\"", time),
        (r#""quiet_hours": {"from": "09:60", "to": "17:00"}"#, "quiet_hours.from: \"09:60\"", time),
        (r#""quiet_hours": {"from": "+9:00", "to": "17:00"}"#, "quiet_hours.from: \"+9:00\"", time),
        (r#""quiet_hours": {"from": "09:00:00", "to": "17:00"}"#, "quiet_hours.from: \"09:00:00\"", time),
        (r#""policies": {"min_rsa_bits": 511}"#, "policies.min_rsa_bits: 511", "0 or an integer from 512 to 16384"),
        (
            r#""policies": {"forbid_signatures": ["sha256"]}"#,
            "policies.forbid_signatures[0]: \"sha256\"",
            "one of sha1, md5",
        ),
        (r#""policies": {"require_san": 1}"#, "policies.require_san: 1", "true or false"),
        (
            r#""renewal_info": [{"issuer": "*", "cluster": "acme", "path": "acme"}]"#,
            "renewal_info[0].path: \"acme\"",
            "a path that begins with / and has neither ? nor #",
        ),
        (
            r#""renewal_info": [{"issuer": "*", "cluster": "acme", "path": "/a?b"}]"#,
            "renewal_info[0].path: \"/a?b\"",
            "a path that begins with / and has neither ? nor #",
        ),
        (
            r#""renewal_info": [{"issuer": "*", "cluster": "acme", "path": "/", "authority": "a b"}]"#,
            "renewal_info[0].authority: \"a b\"",
            "visible ASCII characters without spaces",
        ),
    ] {
        assert_eq!(problem(keys), format!("{path} is not allowed; expected {expected}"));
    }
    assert_eq!(
        problem(r#""quiet_hours": {"from": "06:00", "to": "06:00"}"#),
        "quiet_hours: begin when they end; leave the key out where nothing is to be kept back"
    );
    assert_eq!(problem(r#""digest": {}"#), "digest.interval_seconds: missing; this key is required");
    let missing = ["issuer", "cluster", "path"]
        .map(|key| format!("certificate_expiry_monitor.renewal_info[0].{key}: missing; this key is required"));
    assert_eq!(problems(r#"{"certificate_expiry_monitor": {"renewal_info": [{}]}}"#), missing);
}

#[test]
fn an_empty_list_of_signatures_forbids_none() {
    assert!(expiry(r#""policies": {"forbid_signatures": []}"#).policies.forbid_signatures.is_empty());
}

#[test]
fn the_api_of_a_listed_certificate_is_a_name_and_no_pattern() {
    let pem = pem("localhost");
    let config = load(&format!(
        r#"{{"certificates": [{{"role": "upstream", "api_id": "orders*", "thresholds": ["90d"], "pem": {pem}}}]}}"#
    ));
    let certificate = &config.certificates[0].certificate;
    for (api_id, is_meant) in [("orders*", true), ("orders-eu", false), ("orders", false)] {
        let usage = Usage::new(Role::Upstream, Some(api_id.to_owned()));
        let plan = config.expiry.plan_for(certificate, &usage, &Presence::default());
        assert_eq!(*plan != *config.expiry.plan, is_meant, "{api_id}");
    }
}

#[test]
fn a_listed_certificate_may_have_thresholds_of_its_own() {
    let entry = |role: &str, more: &str, name: &str| format!(r#"{{"role": "{role}"{more}, "pem": {}}}"#, pem(name));
    let own = entry("upstream", r#", "api_id": "orders", "thresholds": ["90d"]"#, "localhost");
    let config = load(&format!(
        r#"{{"certificates": [{own}, {}], "certificate_expiry_monitor": {{"warning_threshold_days": 7,
            "overrides": [{{"match": {{"name": "*"}}, "ignore": true}}]}}}}"#,
        entry("server", "", "localhost")
    ));
    let (upstream, server) = (&config.certificates[0], &config.certificates[1]);
    let plan = config.expiry.plan_for(&upstream.certificate, &upstream.usage, &Presence::default());
    assert_eq!(told(&plan), (vec!["expired critical".to_owned(), "90d warning".to_owned()], Some("20%")));
    assert!(!config.expiry.ignores(&upstream.certificate, &upstream.usage, &[], &[]), "it comes before the overrides");
    assert!(config.expiry.ignores(&server.certificate, &server.usage, &[], &[]), "another role");
    let wrong = entry("ca", r#", "thresholds": ["1y"]"#, "ca");
    let problem = only_problem(&format!(r#"{{"certificates": [{wrong}]}}"#));
    assert!(
        problem.starts_with("certificates[0].thresholds[0]: \"1y\" is not allowed; expected a duration"),
        "{problem}"
    );
}
