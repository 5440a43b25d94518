//! Documents and what becomes of them, down to the words.

mod cooldown_store;
mod discovery;
mod exceptions;
mod expiry;
mod tyk;
mod webhooks;

use super::*;
use crate::domain::{EventKind, Role, Rule};

/// The contents of `tests/data/<name>.pem` as a JSON string.
fn pem(name: &str) -> String {
    let path = format!("{}/tests/data/{name}.pem", env!("CARGO_MANIFEST_DIR"));
    serde_json::Value::from(std::fs::read_to_string(path).unwrap()).to_string()
}

fn load(document: &str) -> Config {
    Config::load(document.as_bytes()).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn problems(document: &str) -> Vec<String> {
    match Config::load(document.as_bytes()) {
        Ok(config) => panic!("accepted: {config:?}"),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

fn only_problem(document: &str) -> String {
    let mut problems = problems(document);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems.remove(0)
}

/// A document with one webhook that has these keys beside the three it needs.
fn webhook_with(keys: &str) -> String {
    format!(r#"{{"webhooks": [{{"name": "ops", "cluster": "hooks", "url": "https://hooks.example.com/x"{keys}}}]}}"#)
}

fn webhook(config: &Config) -> &Webhook {
    config.handlers[0].webhook().unwrap()
}

#[test]
fn no_document_at_all_is_all_defaults() {
    let config = load("");
    assert_eq!(config.expiry.plan.rules, [Rule::expired(), Rule::days(30)]);
    let seconds = [config.expiry.check_cooldown, config.expiry.event_cooldown, config.expiry.check_interval];
    assert_eq!(seconds.map(|length| length.as_secs()), [86_400, 86_400, 3_600]);
    assert!(config.observe.client && config.observe.upstream && config.observe.flush.as_secs() == 5);
    assert!(config.handlers.is_empty() && config.certificates.is_empty() && config.mode.is_none());
    assert_eq!(config.warnings, ["no webhook is configured: events go to the log only"]);
}

#[test]
fn a_webhook_needs_three_keys_and_has_defaults_for_the_rest() {
    let config = load(&webhook_with(""));
    let handler = &config.handlers[0];
    assert_eq!(
        (handler.routing.events.as_slice(), handler.routing.roles.as_slice()),
        (&EventKind::OF_TYK[..], &Role::ALL[..])
    );
    assert!(handler.is_active() && handler.cooldown.is_zero());
    let webhook = webhook(&config);
    assert_eq!((webhook.method, webhook.timeout.as_secs(), webhook.cluster.as_str()), (Method::Post, 10, "hooks"));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn every_key_of_a_webhook_is_read() {
    let config = load(&webhook_with(
        r#", "events": ["CertificateExpired"], "roles": ["ca", "server"], "method": "PUT", "headers": {"X-A": "b"},
           "timeout_seconds": 300, "cooldown_seconds": 7, "enabled": false"#,
    ));
    let handler = &config.handlers[0];
    assert_eq!(handler.routing.events, [EventKind::CertificateExpired]);
    assert_eq!(handler.routing.roles, [Role::Ca, Role::Server]);
    assert!(!handler.enabled && handler.cooldown.as_secs() == 7);
    let webhook = webhook(&config);
    assert_eq!((webhook.method, webhook.timeout.as_secs(), webhook.headers[0].0.as_str()), (Method::Put, 300, "x-a"));
    let all: Vec<_> = EventKind::named().collect();
    assert_eq!(load(&webhook_with(r#", "events": ["*"]"#)).handlers[0].routing.events, all);
}

#[test]
fn a_wrong_value_is_named_with_its_path_and_what_is_allowed() {
    let expiry = |keys: &str| format!(r#"{{"certificate_expiry_monitor": {{{keys}}}}}"#);
    let days = "an integer from 0 to 36525";
    for (document, problem) in [
        ("[]".into(), "a list is not allowed; expected an object".into()),
        (r#"{"webhooks": {}}"#.into(), "webhooks: an object is not allowed; expected a list".into()),
        (r#"{"require_https": "yes"}"#.into(), "require_https: \"yes\" is not allowed; expected true or false".into()),
        (
            r#"{"mode": "leader"}"#.into(),
            "mode: \"leader\" is not allowed; expected one of monitor, standby, observer, auto".into(),
        ),
        (
            expiry(r#""warning_threshold_days": "30""#),
            format!("certificate_expiry_monitor.warning_threshold_days: \"30\" is not allowed; expected {days}"),
        ),
        (
            expiry(r#""warning_threshold_days": -1"#),
            format!("certificate_expiry_monitor.warning_threshold_days: -1 is not allowed; expected {days}"),
        ),
        (
            expiry(r#""warning_threshold_days": 1.5"#),
            format!("certificate_expiry_monitor.warning_threshold_days: 1.5 is not allowed; expected {days}"),
        ),
        (
            expiry(r#""warning_threshold_days": 1e300"#),
            format!("certificate_expiry_monitor.warning_threshold_days: 1e+300 is not allowed; expected {days}"),
        ),
        (
            expiry(r#""check_interval_seconds": 4294967297"#),
            "certificate_expiry_monitor.check_interval_seconds: 4294967297 is not allowed; expected an integer from 0 \
             to 31536000"
                .into(),
        ),
        (
            r#"{"observe": {"flush_seconds": 0}}"#.into(),
            "observe.flush_seconds: 0 is not allowed; expected an integer from 1 to 3600".into(),
        ),
        (
            r#"{"observe": {"api_id": "xds..x"}}"#.into(),
            "observe.api_id: \"xds..x\" is not allowed; expected a property such as \"xds.route_name\", or { \"value\": \
             \"my-api\" }"
                .into(),
        ),
        (
            webhook_with(r#", "timeout_seconds": 301"#),
            "webhooks[0].timeout_seconds: 301 is not allowed; expected an integer from 1 to 300".into(),
        ),
        (
            webhook_with(r#", "method": "TRACE""#),
            "webhooks[0].method: \"TRACE\" is not allowed; expected one of GET, PUT, POST, PATCH, DELETE".into(),
        ),
        (
            webhook_with(r#", "events": ["CertificateRevoked"]"#),
            "webhooks[0].events[0]: \"CertificateRevoked\" is not allowed; expected one of *, CertificateExpiringSoon, \
             CertificateExpired, CertificateResolved, CertificateStale, CertificateRejected, CertificateRenewed, \
             CertificateRenewalOverdue, CertificateDiscovered, CertificateNotYetValid, ChainExpiresFirst, \
             CertificateWeak, ExpiryStorm, MonitorHeartbeat, ClockSkewSuspected"
                .into(),
        ),
        (
            webhook_with(r#", "roles": []"#),
            "webhooks[0].roles: names nothing; leave the key out for the default".into(),
        ),
        (r#"{"certificates": [{"pem": "x"}]}"#.into(), "certificates[0].role: missing; this key is required".into()),
    ] {
        assert!(problems(&document).contains(&problem), "{document}\n{problem}\n{:#?}", problems(&document));
    }
}

#[test]
fn an_unknown_key_is_refused_and_the_nearest_one_is_named() {
    assert_eq!(
        only_problem(r#"{"certificate_expiry_monitor": {"warning_treshold_days": 7}}"#),
        "certificate_expiry_monitor.warning_treshold_days: unknown key; did you mean \"warning_threshold_days\"?"
    );
    assert_eq!(only_problem(r#"{"web_hooks": []}"#), "web_hooks: unknown key; did you mean \"webhooks\"?");
    assert_eq!(
        only_problem(r#"{"observe": {"zzz": 1}}"#),
        "observe.zzz: unknown key; the keys here are client, upstream, client_certificate, \
         upstream_certificate, api_id, flush_seconds"
    );
}

#[test]
fn all_problems_of_a_document_are_reported_at_once() {
    let found = problems(
        r#"{"certificate_expiry_monitor": {"check_interval_seconds": -1, "thresholds": []},
            "certificates": [{"role": "server", "pem": "", "api_id": "x"}],
            "webhooks": [{"name": "a b", "cluster": "", "url": "nowhere", "retries": 3}], "strict_env": 1}"#,
    );
    let paths: Vec<_> = found.iter().map(|problem| problem.split(": ").next().unwrap()).collect();
    for path in [
        "strict_env",
        "certificate_expiry_monitor.check_interval_seconds",
        "certificate_expiry_monitor.thresholds",
        "certificates[0].api_id",
        "certificates[0].pem",
        "webhooks[0].name",
        "webhooks[0].cluster",
        "webhooks[0].url",
        "webhooks[0].retries",
    ] {
        assert!(paths.contains(&path), "{path} is not among {found:#?}");
    }
    assert_eq!(paths.len(), 9, "{found:#?}");
}

#[test]
fn the_certificates_of_peers_are_read_where_the_document_says() {
    let observe = |keys: &str| load(&format!(r#"{{"observe": {{{keys}}}}}"#)).observe;
    let client = |word: &str| observe(&format!(r#""client_certificate": "{word}""#)).client_certificate;
    assert_eq!(observe("").client_certificate, ClientCertificate::Auto);
    assert_eq!(client("auto"), ClientCertificate::Auto);
    assert_eq!(client("attribute"), ClientCertificate::Attribute);
    assert_eq!(client("xfcc"), ClientCertificate::Xfcc);
    assert_eq!(client("filter_state:a.b c"), ClientCertificate::FilterState("filter_state\0a.b c".to_owned()));
    let upstream = |word: &str| observe(&format!(r#""upstream_certificate": "{word}""#)).upstream_certificate;
    assert_eq!(observe("").upstream_certificate, UpstreamCertificate::Auto);
    assert_eq!(upstream("attribute"), UpstreamCertificate::Attribute);
    assert_eq!(upstream("response_header:x-cert"), UpstreamCertificate::ResponseHeader("x-cert".to_owned()));
    for (key, words) in [
        ("client_certificate", ["", "Auto", "filter_state:", "filter_state:a\\u0000b", "response_header:x"]),
        (
            "upstream_certificate",
            ["xfcc", "response_header:", "response_header:X-Cert", "response_header::status", "a b"],
        ),
    ] {
        for word in words {
            let problem = only_problem(&format!(r#"{{"observe": {{"{key}": "{word}"}}}}"#));
            assert!(
                problem.starts_with(&format!("observe.{key}: ")) && problem.contains("expected auto, attr"),
                "{problem}"
            );
        }
    }
}

#[test]
fn every_certificate_of_a_bundle_is_taken_and_a_broken_one_is_named() {
    let good: Vec<String> = ["localhost", "client"].map(|name| serde_json::from_str(&pem(name)).unwrap()).into();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let bundle = serde_json::Value::from([&good[0], broken, &good[1], &good[0]].concat());
    let config = load(&format!(r#"{{"certificates": [{{"role": "ca", "name": "bundle", "pem": {bundle}}}]}}"#));
    let names: Vec<_> = config.certificates.iter().map(|c| c.certificate.name.as_str()).collect();
    assert_eq!(names, ["localhost", "Test Client"], "the same one twice is one");
    assert!(config.certificates.iter().all(|c| c.usage.role() == Role::Ca && c.place.as_deref() == Some("bundle")));
    let warning = "certificates[0].pem: block 2 of 4 is not monitored: the contents are not an X.509 certificate";
    assert!(config.warnings.iter().any(|line| line == warning), "{:?}", config.warnings);
}

#[test]
fn a_pem_without_a_certificate_is_refused() {
    let document =
        |pem: &str| format!(r#"{{"certificates": [{{"role": "server", "pem": {}}}]}}"#, serde_json::Value::from(pem));
    for (text, why) in [
        ("hello", "holds no certificate that can be read; expected PEM with CERTIFICATE blocks"),
        ("", "holds no certificate that can be read; expected PEM with CERTIFICATE blocks"),
        (
            "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----",
            "holds no certificate that can be read (block 1 of 1 is not monitored: the block is not base64); expected \
             PEM with CERTIFICATE blocks",
        ),
        (
            "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----",
            "holds no certificate that can be read (block 1 of 1 is not monitored: the block is not a certificate); \
             expected PEM with CERTIFICATE blocks",
        ),
    ] {
        assert_eq!(only_problem(&document(text)), format!("certificates[0].pem: {why}"));
    }
}

#[test]
fn a_private_key_is_refused_by_name_and_never_shown() {
    let text = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0LWtleQ==\n-----END PRIVATE KEY-----\n";
    let good: String = serde_json::from_str(&pem("localhost")).unwrap();
    let bundle = serde_json::Value::from([&good, text].concat());
    let found = problems(&format!(r#"{{"certificates": [{{"role": "server", "pem": {bundle}}}]}}"#)).join("\n");
    assert_eq!(
        found,
        "certificates[0].pem: holds a private key; paste only the CERTIFICATE blocks, and treat that key as leaked"
    );
}

#[test]
fn only_client_and_upstream_have_an_api() {
    let document =
        |role: &str| format!(r#"{{"certificates": [{{"role": "{role}", "pem": {}, "api_id": "x"}}]}}"#, pem("ca"));
    for role in ["server", "ca"] {
        assert_eq!(
            only_problem(&document(role)),
            format!(
                "certificates[0].api_id: a certificate of role {role} belongs to the whole proxy and has no api_id; only \
                 client and upstream have one"
            )
        );
    }
    for role in ["client", "upstream"] {
        assert_eq!(load(&document(role)).certificates[0].usage.api_id(), Some("x"));
    }
}

#[test]
fn webhook_names_are_unique() {
    let entry = r#"{"name": "ops", "cluster": "hooks", "url": "https://h/x"}"#;
    assert_eq!(
        only_problem(&format!(r#"{{"webhooks": [{entry}, {entry}]}}"#)),
        "webhooks: the name \"ops\" is there twice"
    );
}

#[test]
fn a_url_is_checked_and_never_shown() {
    for (url, why) in [
        ("https:///secret-path", "the URL has no host"),
        ("secret-path", "the URL is not absolute; expected https://host/path"),
        ("ftp://h/secret-path", "the scheme of the URL is not http or https"),
    ] {
        let document = format!(r#"{{"webhooks": [{{"name": "ops", "cluster": "hooks", "url": "{url}"}}]}}"#);
        assert_eq!(only_problem(&document), format!("webhooks[0].url: {why}"));
    }
}

#[test]
fn plain_http_is_a_warning_and_require_https_refuses_it() {
    let keys = r#""webhooks": [{"name": "ops", "cluster": "hooks", "url": "http://h/secret"}]"#;
    let warnings = load(&format!("{{{keys}}}")).warnings;
    assert_eq!(
        warnings,
        ["webhooks[0].url: the URL is http://, so the receiver is told in plain text; require_https refuses that"]
    );
    assert_eq!(
        only_problem(&format!(r#"{{{keys}, "require_https": true}}"#)),
        "webhooks[0].url: the URL is http:// and require_https is true"
    );
}

#[test]
fn headers_that_would_break_a_request_are_refused_and_values_never_shown() {
    let document = |name: &str, value: &str| {
        let headers = serde_json::json!({ name: value });
        webhook_with(&format!(r#", "headers": {headers}"#))
    };
    for name in [":path", "Host", "content-length", "Transfer-Encoding", "connection", "x y", "x:", ""] {
        let found = only_problem(&document(name, "secret"));
        assert!(found.contains("is not a header that can be set"), "{name}: {found}");
        assert!(!found.contains("secret"), "{found}");
    }
    for value in ["secret\r\nx: y", "secret\n", "secret\u{0}"] {
        assert_eq!(
            only_problem(&document("x", value)),
            "webhooks[0].headers.x: the header's value holds a line break or another control character"
        );
    }
    let found = only_problem(&document("x", "secret {{ cert_nam }}"));
    assert_eq!(
        found,
        "webhooks[0].headers.x: webhook template error: unknown field cert_nam; did you mean cert_name? line=1 column=11"
    );
    assert_eq!(
        only_problem(&webhook_with(r#", "headers": "Authorization: secret""#)),
        "webhooks[0].headers: a string is not allowed; expected an object"
    );
    assert_eq!(
        problems(&webhook_with(r#", "headers": {"X": "a", "x": "b"}"#)),
        ["webhooks[0].headers.x: is there twice; header names do not know case"]
    );
}

#[test]
fn a_missing_variable_disables_its_webhook_or_with_strict_env_refuses_the_document() {
    let headers = r#", "headers": {"authorization": "Bearer ${TOKEN}"}"#;
    let mut config = load(&webhook_with(headers));
    assert!(config.resolve(&|name| (name == "TOKEN").then(String::new)).unwrap().is_empty());
    assert!(config.handlers[0].is_active());

    let lines = config.resolve(&|_| None).unwrap();
    let line = "webhook \"ops\" is disabled: environment variable TOKEN is not set; name it in \
                vm_config.environment_variables.host_env_keys and set it for Envoy";
    assert_eq!(lines, [line]);
    assert!(!config.handlers[0].is_active());

    let strict = webhook_with(headers).replacen('{', r#"{"strict_env": true, "#, 1);
    let problems = load(&strict).resolve(&|_| None).unwrap_err();
    assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), [line]);
}

#[test]
fn the_word_in_vm_config_says_what_an_instance_is() {
    for (word, mode) in [
        ("monitor", Mode::Monitor),
        ("standby", Mode::Standby),
        ("observer", Mode::Observer),
        ("auto", Mode::Auto),
        ("", Mode::Auto),
        ("anything", Mode::Auto),
    ] {
        assert_eq!(Mode::of_word(word), mode);
    }
    assert_eq!(load(r#"{"mode": "standby"}"#).mode, Some(Mode::Standby));
}
