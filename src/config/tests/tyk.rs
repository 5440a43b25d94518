//! Tyk's own forms.

use super::{load, only_problem, problems};
use crate::config::Action;
use crate::domain::EventKind;
use crate::render::format::Context;

/// Tyk's documented block, as it is printed there.
const TYKS_BLOCK: &str = include_str!("../../../tests/data/tyk-gateway.json");

#[test]
fn tyks_documented_block_is_read_whole() {
    for (clusters, cluster) in [
        (r#"{"target_clusters": {"your-webhook-endpoint.com": "webhook_receiver"}, "#, "webhook_receiver"),
        ("{", "your-webhook-endpoint.com"),
    ] {
        let config = load(&TYKS_BLOCK.replacen('{', clusters, 1));
        assert_eq!(config.expiry.check_interval.as_secs(), 30);
        let mut events = Vec::new();
        for handler in &config.handlers {
            events.extend(handler.routing.events.clone());
            assert_eq!(handler.cooldown.as_secs(), 10, "event_timeout is a cooldown");
            let webhook = handler.webhook().unwrap();
            assert_eq!((webhook.cluster.as_str(), webhook.url.path.as_str()), (cluster, "/certificates"));
            assert_eq!(webhook.timeout.as_secs(), 10, "the default, whatever event_timeout is");
            assert!(webhook.headers.iter().any(|(name, _)| name == "x-event-type"));
        }
        events.sort();
        assert_eq!(events, EventKind::OF_TYK);
    }
}

#[test]
fn tyks_section_stands_below_security_or_at_top_level_and_not_in_both() {
    let both = r#"{"certificate_expiry_monitor": {}, "security": {"certificate_expiry_monitor": {}}}"#;
    assert_eq!(
        only_problem(both),
        "security.certificate_expiry_monitor: is there already as certificate_expiry_monitor at top level; keep one of them"
    );
    assert!(only_problem(r#"{"security": {"certificates": {}}}"#).starts_with("security.certificates: unknown key"));
}

#[test]
fn tyks_log_handler_and_templates_are_read() {
    let config = load(
        r#"{"event_handlers": {"events": {"CertificateExpired": [
             {"handler_name": "eh_log_handler", "handler_meta": {"prefix": "ALERT"}},
             {"handler_name": "eh_web_hook_handler",
              "handler_meta": {"target_path": "https://h/x", "template_path": "templates/mine.json", "name": "my hook"}},
             {"handler_name": "eh_web_hook_handler",
              "handler_meta": {"target_path": "https://h/x", "template_path": "templates/default_webhook.json",
                               "name": "my hook", "disabled": true}}]}},
           "templates": {"templates/mine.json": "{\"name\": {{ cert_name }}}"}}"#,
    );
    assert!(matches!(&config.handlers[0].action, Action::Log(prefix) if prefix == "ALERT"));
    let names: Vec<_> = config.handlers.iter().map(|handler| handler.name.as_str()).collect();
    assert_eq!(names, ["CertificateExpired-log", "my-hook", "my-hook-2"]);
    assert_eq!([config.handlers[1].is_active(), config.handlers[2].is_active()], [true, false]);
    let event = &crate::render::fields::samples()[1];
    let context = Context::of(event);
    let body = config.handlers[1].webhook().unwrap().format.item(event, context).unwrap();
    assert_eq!(body, r#"{"name": "sample"}"#);
}

#[test]
fn tyks_oas_list_is_read() {
    let config = load(
        r#"{"eventHandlers": [
             {"enabled": true, "trigger": "CertificateExpiringSoon", "type": "webhook", "cooldownPeriod": "1m30s",
              "name": "oas", "url": "https://h:8443/x", "method": "PUT", "headers": {"X-A": "b"}, "bodyTemplate": ""},
             {"enabled": false, "trigger": "CertificateExpired", "type": "webhook", "url": "https://h/x", "method": "POST",
              "headers": [{"name": "X-A", "value": "b"}]}],
           "target_clusters": {"h": "hooks"}}"#,
    );
    let [first, second] = config.handlers.as_slice() else { panic!("{config:?}") };
    assert_eq!((first.name.as_str(), first.cooldown.as_secs(), first.is_active()), ("oas", 90, true));
    assert_eq!(first.webhook().unwrap().cluster, "hooks", "a port does not matter");
    assert_eq!((second.name.as_str(), second.is_active()), ("CertificateExpired", false));
    assert_eq!(second.webhook().unwrap().headers[0].0, "x-a");
}

#[test]
fn what_tyk_has_and_we_do_not_is_refused_by_name_with_what_to_use_instead() {
    let classic =
        |event: &str, handler: &str| format!(r#"{{"event_handlers": {{"events": {{"{event}": [{handler}]}}}}}}"#);
    let hook = |meta: &str| {
        format!(
            r#"{{"handler_name": "eh_web_hook_handler", "handler_meta": {{"target_path": "https://h/x", {meta}}}}}"#
        )
    };
    for (document, words) in [
        (classic("CertificateExpired", r#"{"handler_name": "eh_dynamic_handler"}"#), "JavaScript handlers do not run"),
        (classic("CertificateExpired", r#"{"handler_name": "eh_mail_handler"}"#), "one of eh_web_hook_handler, eh_log"),
        (
            classic("AuthFailure", ""),
            "\"AuthFailure\" is not an event of this plugin; it has CertificateExpiringSoon and",
        ),
        (classic("CertificateExpired", &hook(r#""id": "abc""#)), "write its url, method and headers here instead"),
        (classic("CertificateExpired", &hook(r#""template_path": "templates/x.json""#)), "a plugin cannot read files"),
        (r#"{"templates": {"x": "{{range .Meta.CertID}}{{end}}"}}"#.into(), "templates.x: webhook template error: "),
        (r#"{"templates": {"x": "{{ cert_nam }}"}}"#.into(), "line=1 column=4"),
        (
            r#"{"eventHandlers": [{"trigger": "CertificateExpired", "type": "webhook", "url": "https://h/x",
                "cooldownPeriod": "soon"}]}"#
                .into(),
            "expected a duration such as 10s, 1m30s, 2h or 1d, a year at most",
        ),
    ] {
        let found = problems(&document).join("\n");
        assert!(found.contains(words), "{document}\n{found}");
    }
}

#[test]
fn a_body_that_was_written_for_tyk_works_as_it_is() {
    let body = r#"{"kind": "{{.Type}}", {{if eq .Type \"CertificateExpired\"}}\"gone\": {{.Meta.DaysSinceExpiry}}{{else}}\"left\": {{.Meta.DaysRemaining}}{{end}}, \"name\": \"{{.Meta.CertName}}\"}"#
        .replace(r#"{"kind": "{{.Type}}""#, r#"{\"kind\": \"{{.Type}}\""#);
    let config = load(&format!(
        r#"{{"event_handlers": {{"events": {{"CertificateExpired": [
              {{"handler_name": "eh_web_hook_handler", "handler_meta": {{"target_path": "https://h/x", "template_path": "mine"}}}}]}}}},
            "templates": {{"mine": "{body}"}}}}"#
    ));
    let event = &crate::render::fields::samples()[1];
    let context = Context::of(event);
    let body = config.handlers[0].webhook().unwrap().format.item(event, context).unwrap();
    assert_eq!(body, r#"{"kind": "CertificateExpired", "gone": 0, "name": "sample"}"#);
}
