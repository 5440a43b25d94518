//! What a webhook may say about routing, delivery, body and signature.

use std::rc::Rc;
use std::time::Duration;

use super::{load, only_problem, problems, webhook_with};
use crate::config::Handler;
use crate::domain::ledger::Notice;
use crate::domain::time::DAY;
use crate::domain::{CertId, Certificate, Detail, Event, EventKind, Presence, Role, Severity, UnixTime, Usage};
use crate::render::fields::samples;
use crate::render::format::Context;

fn handler(keys: &str) -> Handler {
    load(&webhook_with(keys)).handlers.remove(0)
}

/// An event of this kind about a client called `orders.example.com`, with another name beside it.
fn event(kind: EventKind, api_id: Option<&str>) -> Event {
    let end = UnixTime::from_secs(1_000_000);
    let mut certificate = Certificate::bare(CertId::of_der(b"x"), "Orders.example.com", end);
    certificate.sans = vec!["billing.example.org".to_owned()];
    let usage = Usage::new(Role::Client, api_id.map(str::to_owned));
    let mut event = samples().into_iter().find(|event| event.kind == EventKind::CertificateExpired).unwrap();
    event.certificate = Rc::new(certificate);
    event.usage = usage;
    event.kind = kind;
    event.severity = kind.severity();
    event
}

/// What closes an alert of this kind.
fn closing(alert: EventKind) -> Event {
    let Event { certificate, usage, rule, .. } = event(alert, Some("orders"));
    let remaining = Duration::from_secs(u64::from(alert == EventKind::CertificateExpiringSoon));
    let (about, at) = (certificate.id, UnixTime::from_secs(5));
    let (presence, detail, owed) = (Presence::default(), Detail::Nothing, Vec::new());
    let mut notice = Notice {
        certificate,
        kind: alert,
        severity: alert.severity(),
        warned: Vec::new(),
        rule,
        since: at,
        remaining,
        presence,
        detail,
        at,
        owed,
    };
    if alert == EventKind::CertificateExpired {
        // One that has ended was about to end before.
        notice.warned.push(Severity::Warning);
    }
    Event::closing(about, &notice, None, &usage, DAY, UnixTime::from_secs(9))
}

#[test]
fn an_event_must_match_all_that_a_webhook_says() {
    let expired = event(EventKind::CertificateExpired, Some("orders"));
    for (keys, is_wanted) in [
        ("", true),
        (r#", "events": ["CertificateExpiringSoon"]"#, false),
        (r#", "events": ["*"]"#, true),
        (r#", "roles": ["client"]"#, true),
        (r#", "roles": ["server", "ca"]"#, false),
        (r#", "api_ids": ["orders"]"#, true),
        (r#", "api_ids": ["bill*", "ord?rs"]"#, true),
        (r#", "api_ids": ["Orders", "order"]"#, false),
        (r#", "names": ["*.example.com"]"#, true),
        (r#", "names": ["BILLING.*"]"#, true),
        (r#", "names": ["example.com", "x"]"#, false),
        (r#", "names": ["*.example.com"], "api_ids": ["x"]"#, false),
        (r#", "min_severity": "critical""#, true),
        (r#", "severities": ["critical", "info"]"#, true),
        (r#", "severities": ["warning"]"#, false),
        (r#", "enabled": false"#, false),
    ] {
        assert_eq!(handler(keys).wants(&expired), is_wanted, "{keys}");
    }
    let soon = event(EventKind::CertificateExpiringSoon, None);
    assert!(!handler(r#", "min_severity": "critical""#).wants(&soon));
    assert!(!handler(r#", "api_ids": ["*"]"#).wants(&soon), "without an API no pattern matches");
    assert_eq!(soon.severity, Severity::Warning);
}

#[test]
fn what_closes_an_alert_follows_it_where_that_is_wanted() {
    let (soon, expired) = (closing(EventKind::CertificateExpiringSoon), closing(EventKind::CertificateExpired));
    for (keys, follows_soon, follows_expired) in [
        ("", false, false),
        (r#", "send_resolved": true"#, true, true),
        (r#", "send_resolved": true, "min_severity": "critical""#, false, true),
        (r#", "send_resolved": true, "events": ["CertificateExpiringSoon"]"#, true, true), // it was warned before
        (r#", "send_resolved": true, "events": ["CertificateExpired"]"#, false, true),
        (r#", "events": ["CertificateResolved"], "min_severity": "critical""#, true, true),
        (r#", "events": ["*"]"#, true, true),
        (r#", "send_resolved": true, "roles": ["server"]"#, false, false),
        (r#", "format": "alertmanager""#, true, true),
        (r#", "format": "alertmanager", "send_resolved": false"#, false, false),
    ] {
        let handler = handler(keys);
        assert_eq!((handler.wants(&soon), handler.wants(&expired)), (follows_soon, follows_expired), "{keys}");
    }
}

#[test]
fn a_format_is_sent_what_it_has_a_place_for_and_what_it_has_not_is_warned_of() {
    let keys = |events: &str| webhook_with(&format!(r#", "format": "infisical", "events": [{events}]"#));
    let told = |events: &str, event: &Event| load(&keys(events)).handlers[0].wants(event);
    let (soon, stale) = (event(EventKind::CertificateExpiringSoon, None), event(EventKind::CertificateStale, None));
    assert!(told(r#""*""#, &soon) && !told(r#""*""#, &stale));
    assert!(!told(r#""*""#, &closing(EventKind::CertificateStale)), "nor that it is over");
    let warnings = |events: &str| load(&keys(events)).warnings;
    let expected = "webhooks[0].events[1]: this event is not sent here: the format has no place for it";
    assert_eq!(warnings(r#""CertificateExpired", "CertificateStale""#), [expected]);
    assert_eq!(warnings(r#""*""#), [""; 0], "who wants all takes what there is");
}

#[test]
fn tests_go_to_those_who_asked_for_one() {
    let test = Event::test("ops", 7, UnixTime::from_secs(1));
    assert!(!handler("").wants(&test));
    assert!(!handler(r#", "events": ["*"]"#).wants(&test));
    assert!(handler(r#", "test_on_start": true, "min_severity": "critical""#).wants(&test));
}

#[test]
fn how_hard_a_webhook_is_tried_can_be_said() {
    let handler = handler(
        r#", "retry_schedule": ["5s", "1m30s", "1d"], "retry_attempts": 10, "max_pending": 5, "max_in_flight": 2,
            "circuit_breaker": {"failures": 3, "open": "10s"}, "batch": {"max": 7}"#,
    );
    let delivery = &handler.webhook().unwrap().delivery;
    let seconds: Vec<_> = delivery.schedule.pauses.iter().map(Duration::as_secs).collect();
    assert_eq!((seconds.as_slice(), delivery.schedule.retries), (&[5, 90, 86_400][..], 10));
    assert_eq!((delivery.max_pending, delivery.max_in_flight), (Some(5), Some(2)));
    assert_eq!(delivery.breaker, (Some(3), Some(Duration::from_secs(10))));
    assert_eq!(delivery.batch, Some((7, Duration::from_secs(5))));
}

#[test]
fn a_webhook_of_several_clusters_is_one_for_each() {
    let config = load(
        r#"{"webhooks": [{"name": "am", "clusters": ["am-0", "outbound|9093||am-1"], "url": "https://am/api/v2/alerts",
                          "format": "alertmanager"}]}"#,
    );
    let named: Vec<_> =
        config.handlers.iter().map(|h| (h.name.as_str(), h.webhook().unwrap().cluster.as_str())).collect();
    assert_eq!(named, [("am/am-0", "am-0"), ("am/outbound-9093--am-1", "outbound|9093||am-1")]);
    let problem = only_problem(
        r#"{"webhooks": [{"name": "am", "clusters": ["a", "b"], "url": "https://am/x", "timeout_seconds": 0}]}"#,
    );
    assert!(problem.starts_with("webhooks[0].timeout_seconds: 0 is not allowed"), "said once: {problem}");
}

#[test]
fn what_contradicts_itself_is_refused() {
    for (keys, problem) in [
        (r#", "clusters": ["a"]"#, "webhooks[0].clusters: is there beside cluster"),
        (r#", "retry_schedule": []"#, "webhooks[0].retry_schedule: holds 0 pauses"),
        (r#", "retry_schedule": ["0s"]"#, "webhooks[0].retry_schedule[0]: \"0s\" is not allowed"),
        (r#", "retry_schedule": ["soon"]"#, "webhooks[0].retry_schedule[0]: \"soon\" is not allowed"),
        (r#", "retry_attempts": 11"#, "webhooks[0].retry_attempts: 11 is not allowed"),
        (r#", "circuit_breaker": {"open": 5}"#, "webhooks[0].circuit_breaker.open: 5 is not allowed"),
        (r#", "severities": ["info"], "min_severity": "warning""#, "webhooks[0].severities: leaves nothing"),
        (r#", "events": []"#, "webhooks: \"ops\" has no events, and no on_failure names it"),
        (r#", "on_failure": "nobody""#, "webhooks: on_failure of \"ops\" names \"nobody\", which is no webhook"),
        (r#", "on_failure": "ops""#, "webhooks: on_failure of \"ops\" leads back to where it began"),
        (r#", "format": "slack", "batch": {}"#, "webhooks[0].batch: cannot be had here"),
        (
            r#", "format": "cloudevents", "content_mode": "binary", "batch": {}"#,
            "webhooks[0].batch: cannot be had with content_mode",
        ),
        (r#", "method": "GET", "batch": {}"#, "webhooks[0].batch: needs a body"),
        (
            r#", "method": "GET", "signing": {"scheme": "sha256", "secrets": ["${S}"]}"#,
            "webhooks[0].signing: needs a body",
        ),
        (
            r#", "format": "morse""#,
            "webhooks[0].format: \"morse\" is not allowed; expected one of default, cloudevents",
        ),
        (r#", "format": "default", "template": "{}""#, "webhooks[0].template: is there beside format"),
        (r#", "template": "{}", "format_options": {}"#, "webhooks[0].format_options: belongs to a format"),
        (r#", "content_mode": "binary""#, "webhooks[0].content_mode: is there without format"),
        (r#", "authorization": {}"#, "webhooks[0].authorization: holds both or neither"),
        (
            r#", "authorization": {"bearer": "${T}"}, "headers": {"Authorization": "x"}"#,
            "webhooks[0].authorization: is there beside a header of that name",
        ),
        (r#", "signing": {"secrets": ["${S}"]}"#, "webhooks[0].signing.scheme: missing"),
        (r#", "signing": {"scheme": "sha256"}"#, "webhooks[0].signing.secrets: missing"),
        (r#", "signing": {"scheme": "sha256", "secrets": []}"#, "webhooks[0].signing.secrets: holds 0 secrets"),
        (
            r#", "signing": {"scheme": "sha256", "secrets": ["${A}", "${B}"]}"#,
            "webhooks[0].signing.secrets: holds several",
        ),
        (
            r#", "signing": {"scheme": "sha256", "unit": "ms", "secrets": ["${A}"]}"#,
            "webhooks[0].signing.unit: is there",
        ),
        (
            r#", "signing": {"scheme": "sha256", "header": "a b", "secrets": ["${A}"]}"#,
            "webhooks[0].signing.header: \"a b\"",
        ),
        (
            r#", "signing": {"scheme": "standard-webhooks", "header": "x", "secrets": ["${A}"]}"#,
            "webhooks[0].signing.header: is there with scheme",
        ),
        (r#", "signing": {"scheme": "sha256", "secrets": ["${A"]}"#, "webhooks[0].signing.secrets[0]: after ${"),
    ] {
        let all = problems(&webhook_with(keys));
        assert!(all.iter().any(|known| known.starts_with(problem)), "{keys}\n{problem}\n{all:#?}");
    }
}

#[test]
fn successions_that_come_back_are_refused_and_others_are_not() {
    let document = |successor: &str| {
        format!(
            r#"{{"webhooks": [{{"name": "a", "cluster": "c", "url": "https://h/a", "on_failure": "b"}},
                             {{"name": "b", "cluster": "c", "url": "https://h/b", "on_failure": "c"}},
                             {{"name": "c", "cluster": "c", "url": "https://h/c", "events": []{successor}}}]}}"#
        )
    };
    assert_eq!(load(&document("")).handlers.len(), 3);
    let all = problems(&document(r#", "on_failure": "a""#));
    assert!(all.iter().all(|problem| problem.ends_with("leads back to where it began")) && !all.is_empty(), "{all:?}");
}

#[test]
fn a_secret_is_never_shown_and_one_that_is_no_secret_switches_its_webhook_off() {
    let keys =
        r#", "signing": {"scheme": "standard-webhooks", "secrets": ["${S}"]}, "authorization": {"basic": "${U}"}"#;
    let resolve = |secret: &'static str| {
        let mut config = load(&webhook_with(keys));
        let lines = config.resolve(&|name| Some(if name == "S" { secret } else { "user:s3cret" }.to_owned())).unwrap();
        assert!(!format!("{config:?}{lines:?}").contains("s3cret"));
        (config.handlers[0].is_active(), lines)
    };
    assert!(resolve("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").0);
    let (is_active, lines) = resolve("s3cret");
    assert!(!is_active);
    assert_eq!(
        lines,
        [
            "webhook \"ops\" is disabled: a secret of its signing cannot be used: it is not whsec_ and the Base64 of 24 to 64 \
          bytes"
        ]
    );
    let literal = load(&webhook_with(r#", "signing": {"scheme": "sha256", "secrets": ["s3cret"]}"#));
    assert!(literal.warnings.iter().any(|line| line.contains("stands in the document") && !line.contains("s3cret")));
}

#[test]
fn a_template_may_be_one_that_was_written_for_tyk() {
    let handler = handler(r#", "template": "{\"type\": \"{{.Type}}\", \"name\": \"{{.Meta.CertName}}\"}""#);
    let event = event(EventKind::CertificateExpired, None);
    let body = handler.webhook().unwrap().format.item(&event, Context::of(&event)).unwrap();
    assert_eq!(body, r#"{"type": "CertificateExpired", "name": "Orders.example.com"}"#);
}

#[test]
fn a_secret_in_the_document_is_warned_of_wherever_it_stands() {
    for keys in [
        r#", "authorization": {"bearer": "s3cret"}"#,
        r#", "format": "pagerduty", "format_options": {"routing_key": "s3cret"}"#,
    ] {
        let warnings = load(&webhook_with(keys)).warnings;
        assert!(warnings.iter().any(|line| line.contains("stands in the document")), "{keys}: {warnings:?}");
        assert!(!warnings.concat().contains("s3cret"), "{warnings:?}");
    }
}

#[test]
fn patterns_are_bounded_in_all() {
    let with = |key: &str, patterns: &[String]| webhook_with(&format!(", {key:?}: {patterns:?}"));
    let alike = |count: usize, pattern: &str| vec![pattern.to_owned(); count];
    for key in ["names", "api_ids"] {
        load(&with(key, &alike(150, "*.example.com")));
        load(&with(key, &alike(25, "*example*")));
        let problem = only_problem(&with(key, &alike(151, "*.example.com")));
        assert_eq!(problem, "webhooks: 151 patterns are not allowed; expected at most 150 in all");
        let problem = only_problem(&with(key, &alike(26, "*example*")));
        assert_eq!(problem, "webhooks: 26 texts between two * are not allowed; expected at most 25 in all");
    }
}

#[test]
fn of_several_clusters_each_has_the_patterns_once_more() {
    let with = |count: usize, pattern: &str| {
        let names = vec![pattern; count];
        format!(
            r#"{{"webhooks": [{{"name": "am", "clusters": ["a", "b"], "url": "https://am/x", "names": {names:?}}}]}}"#
        )
    };
    load(&with(75, "*.example.com"));
    load(&with(12, "*example*"));
    let problem = only_problem(&with(76, "*.example.com"));
    assert_eq!(problem, "webhooks: 152 patterns are not allowed; expected at most 150 in all");
    let problem = only_problem(&with(13, "*example*"));
    assert_eq!(problem, "webhooks: 26 texts between two * are not allowed; expected at most 25 in all");
}
