//! The bodies of receivers that keep events, each as its documents have it.

use serde_json::{Value, json};

use super::{body, format, message, named, of, parse, text, texts};
use crate::domain::{EventKind, Role};
use crate::render::format::{Format, OptionValue, Preset};
use crate::render::samples::sample;
use crate::render::secret::Secret;

use EventKind::{CertificateExpired, CertificateExpiringSoon, CertificateResolved, WebhookTest};

const ID: &str = "00000000000000000000000000000000";

fn cert_id() -> String {
    named("").certificate.id.to_string()
}

#[test]
fn a_batch_of_default_bodies_is_an_array_even_of_one() {
    let default = format(Preset::Default, vec![]);
    let one = message(&default, &[of(CertificateExpired)], false);
    assert_eq!(one.content_type, "application/json");
    let batch = message(&default, &[of(CertificateExpired)], true);
    assert_eq!(parse(&batch.body), Value::Array(vec![parse(&one.body)]));
    let two = message(&default, &[of(CertificateExpired), of(CertificateExpiringSoon)], true);
    assert_eq!(parse(&two.body)[0], parse(&one.body));
    assert_eq!(parse(&two.body)[1]["event"], "CertificateExpiringSoon");
}

#[test]
fn cloudevents_hold_the_default_body() {
    let cloud = format(Preset::CloudEvents, vec![]);
    let event = message(&cloud, &[of(CertificateExpired)], false);
    assert_eq!(event.content_type, "application/cloudevents+json");
    let expected = json!({
        "specversion": "1.0",
        "id": ID,
        "source": "/cert-expiry-monitor",
        "type": "cert-expiry-monitor.certificate.expired",
        "subject": "api",
        "time": "1970-01-01T00:00:00.000Z",
        "severity": "critical",
        "datacontenttype": "application/json",
        "data": body(&format(Preset::Default, vec![]), of(CertificateExpired)),
    });
    assert_eq!(parse(&event.body), expected);
    let batch = message(&cloud, &[of(CertificateExpired), of(WebhookTest)], true);
    assert_eq!(batch.content_type, "application/cloudevents-batch+json");
    assert_eq!(parse(&batch.body)[0], expected);
    assert_eq!(parse(&batch.body)[1]["type"], "cert-expiry-monitor.webhook_test");
    for (kind, name) in [
        (CertificateExpiringSoon, "cert-expiry-monitor.certificate.expiring_soon"),
        (CertificateResolved, "cert-expiry-monitor.certificate.resolved"),
    ] {
        assert_eq!(body(&cloud, of(kind))["type"], name);
    }
    let elsewhere = format(Preset::CloudEvents, vec![("source", text("/gateway"))]);
    assert_eq!(body(&elsewhere, of(CertificateExpired))["source"], "/gateway");
}

#[test]
fn a_cloudevent_in_binary_mode_has_its_attributes_in_headers() {
    let binary = Format::preset(Preset::CloudEvents, true, vec![("source".to_owned(), text("/a${X}"))]).unwrap();
    let event = message(&binary, &[named("é \"100%\"")], false);
    assert_eq!(event.content_type, "application/json");
    assert_eq!(event.body, message(&format(Preset::Default, vec![]), &[named("é \"100%\"")], false).body);
    let headers: Vec<_> = event.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let expected = [
        ("ce-specversion", "1.0"),
        ("ce-id", ID),
        ("ce-source", "/a"),
        ("ce-type", "cert-expiry-monitor.certificate.expiring_soon"),
        ("ce-subject", "%C3%A9%20%22100%25%22"),
        ("ce-time", "1969-12-02T00:00:00.000Z"),
        ("ce-severity", "warning"),
    ];
    assert_eq!(headers, expected);
    assert!(!binary.may_join(&named("a"), &named("b")));
}

#[test]
fn vaultls_gets_what_it_sends_itself() {
    let options =
        || vec![("tenant_id", text("t")), ("webhook_id", text("w")), ("metadata", texts(&[("environment", "prod")]))];
    let vaultls = format(Preset::Vaultls, options());
    let expected = json!({
        "event": "CertificateExpiring",
        "timestamp": -2_592_000,
        "tenant_id": "t",
        "webhook_id": "w",
        "data": {
            "certificate_id": null,
            "certificate_name": "api",
            "certificate_type": "Client",
            "serial_number": "1A2B3C",
            "subject": "CN=api",
            "issuer": "CN=api",
            "valid_until": 0,
            "status": "active",
            "user_id": null,
            "ca_id": null,
            "profile_id": null,
            "metadata": {
                "environment": "prod",
                "cert_id": cert_id(),
                "cert_role": "client",
                "api_id": "api",
                "place": "api",
                "rule": "30d",
                "severity": "warning",
            },
        },
    });
    assert_eq!(body(&vaultls, named("api")), expected);
    for (kind, event, status) in [
        (CertificateExpired, "CertificateExpiring", "expired"),
        (CertificateResolved, "CertificateRenewed", "replaced"),
    ] {
        let body = body(&vaultls, of(kind));
        assert_eq!((&body["event"], &body["data"]["status"]), (&json!(event), &json!(status)));
        assert_eq!(body["data"]["metadata"].get("api_id"), None);
    }
    assert_eq!(body(&vaultls, sample(CertificateExpired, Role::Ca, "api"))["data"]["certificate_type"], "CA");
    let test = json!({
        "event": "SystemAlert",
        "timestamp": -2_592_000,
        "tenant_id": "t",
        "webhook_id": "w",
        "data": {
            "alert_type": "webhook_test",
            "severity": "info",
            "message": of(WebhookTest).message(),
            "details": {},
        },
    });
    assert_eq!(body(&vaultls, of(WebhookTest)), test);
}

#[test]
fn infisical_gets_what_it_sends_itself() {
    let infisical = format(
        Preset::Infisical,
        vec![
            ("application_id", text("app")),
            ("alert_id", text("alert")),
            ("alert_name", text("tls-expiry-alert")),
            ("profile_name", text("TLS")),
            ("view_url", text("https://example.com/${X}")),
        ],
    );
    let certificate = |status: &str, days: i32| {
        json!({
            "id": cert_id(),
            "serialNumber": "1A2B3C",
            "commonName": "api",
            "san": ["api", "api"],
            "profileName": "TLS",
            "notBefore": "1969-10-03T00:00:00.000Z",
            "notAfter": "1970-01-01T00:00:00.000Z",
            "status": status,
            "daysUntilExpiry": days,
        })
    };
    let expected = json!({
        "specversion": "1.0",
        "type": "com.infisical.pki.certificate.expiration",
        "source": "/applications/app/alerts/alert",
        "id": ID,
        "time": "1969-12-02T00:00:00.000Z",
        "datacontenttype": "application/json",
        "subject": "certificate-expiration-alert",
        "data": {
            "alert": { "id": "alert", "name": "tls-expiry-alert", "alertBefore": "30d", "applicationId": "app" },
            "certificates": [certificate("active", 30)],
            "metadata": { "totalCertificates": 1, "viewUrl": "https://example.com/" },
        },
    });
    assert_eq!(body(&infisical, of(CertificateExpiringSoon)), expected);

    let expired = body(&infisical, of(CertificateExpired));
    assert_eq!(expired["data"]["alert"]["alertBefore"], "0d");
    assert_eq!(expired["data"]["certificates"], json!([certificate("expired", -1)]));

    let both = parse(&message(&infisical, &[named("api"), named("api")], true).body);
    assert_eq!(both["data"]["certificates"], json!([certificate("active", 30), certificate("active", 30)]));
    assert_eq!(both["data"]["metadata"]["totalCertificates"], 2);
    assert_ne!(both["id"], ID);

    let renewed = body(&infisical, of(CertificateResolved));
    assert_eq!(renewed["type"], "com.infisical.pki.certificate.renewal");
    assert_eq!(renewed["subject"], "certificate-renewal-alert");
    assert_eq!(renewed["data"]["alert"].get("alertBefore"), None);
}

#[test]
fn one_body_for_infisical_has_one_event_and_rule() {
    let infisical = format(Preset::Infisical, vec![]);
    assert!(infisical.may_join(&named("a"), &of(CertificateExpiringSoon)));
    assert!(!infisical.may_join(&of(CertificateExpired), &of(CertificateExpiringSoon)));
    assert!(!infisical.may_join(&of(CertificateResolved), &of(CertificateResolved)));
    assert!(format(Preset::Alertmanager, vec![]).may_join(&of(CertificateExpired), &of(CertificateResolved)));
    assert!(!format(Preset::Slack, vec![]).may_join(&named("a"), &named("a")));
}

#[test]
fn alertmanager_gets_alerts_that_end_by_themselves_and_are_closed_by_the_same_labels() {
    let options = vec![("labels", texts(&[("team", "edge")])), ("view_url", text("https://example.com"))];
    let alertmanager = format(Preset::Alertmanager, options);
    let alerts = body(&alertmanager, named("api"));
    let expected = json!([{
        "labels": {
            "team": "edge",
            "alertname": "CertificateExpiringSoon",
            "severity": "warning",
            "cert_id": cert_id(),
            "api_id": "api",
            "cert_role": "client",
            "cert_name": "api",
        },
        "annotations": {
            "summary": "Certificate api is expiring in 30 days",
            "description": "Role client, at api, subject CN=api, valid until 1970-01-01T00:00:00Z",
            "days_remaining": "30",
            "rule": "30d",
            "serial_number": "1A2B3C",
            "issuer": "CN=api",
        },
        "startsAt": "1969-12-02T00:00:00Z",
        "generatorURL": "https://example.com",
        "endsAt": "1969-12-02T01:01:00Z",
    }]);
    assert_eq!(alerts, expected);
    let closed = body(&alertmanager, sample(CertificateResolved, Role::Client, "api"));
    assert_eq!(closed[0]["labels"], expected[0]["labels"]);
    assert_eq!(
        (&closed[0]["startsAt"], &closed[0]["endsAt"]),
        (&expected[0]["startsAt"], &json!("1969-12-02T00:01:00Z"))
    );
    assert_eq!(body(&alertmanager, of(CertificateExpired))[0]["labels"].get("api_id"), None);
    let both = message(&alertmanager, &[named("api"), of(CertificateExpired)], false);
    assert_eq!(parse(&both.body).as_array().map(Vec::len), Some(2));
}

#[test]
fn pagerduty_opens_an_incident_and_closes_the_same() {
    let pagerduty = format(Preset::PagerDuty, vec![("routing_key", text("${KEY}")), ("view_url", text("https://x"))]);
    let event = body(&pagerduty, named("api"));
    let expected = json!({
        "routing_key": "",
        "event_action": "trigger",
        "dedup_key": named("api").key(),
        "client": "cert-expiry-monitor",
        "client_url": "https://x",
        "payload": {
            "summary": "Certificate api is expiring in 30 days",
            "source": "cert-expiry-monitor",
            "severity": "warning",
            "timestamp": "1969-12-02T00:00:00Z",
            "component": "client",
            "group": "api",
            "class": "CertificateExpiringSoon",
            "custom_details": {
                "event": "CertificateExpiringSoon",
                "message": "Certificate api is expiring in 30 days",
                "cert_id": cert_id(),
                "cert_name": "api",
                "expires_at": "1970-01-01T00:00:00Z",
                "days_remaining": 30,
                "cert_role": "client",
                "api_id": "api",
                "timestamp": "1969-12-02T00:00:00Z",
                "rule": "30d",
                "places": ["api"],
                "serial_number": "1A2B3C",
                "issuer": "CN=api",
            },
        },
    });
    assert_eq!(event, expected);
    let closing = body(&pagerduty, sample(CertificateResolved, Role::Client, "api"));
    assert_eq!((&closing["event_action"], &closing["dedup_key"]), (&json!("resolve"), &expected["dedup_key"]));
    assert_eq!(body(&pagerduty, of(CertificateExpired))["event_action"], "trigger");
    // It wakes nobody up.
    assert_eq!(body(&pagerduty, of(WebhookTest))["event_action"], "resolve");
}

#[test]
fn variables_of_options_are_filled_in_and_missing_ones_are_named() {
    let mut pagerduty = format(Preset::PagerDuty, vec![("routing_key", text("${KEY}")), ("source", text("${WHERE}"))]);
    let missing = pagerduty.resolve(&|name| (name == "KEY").then(|| "k".to_owned()));
    assert_eq!(missing, ["WHERE"]);
    assert_eq!(body(&pagerduty, named("api"))["routing_key"], "k");
    let mut vaultls = format(Preset::Vaultls, vec![("metadata", texts(&[("a", "${KEY}")]))]);
    assert_eq!(vaultls.resolve(&|_| Some("k".to_owned())), [""; 0]);
    assert_eq!(body(&vaultls, named("api"))["data"]["metadata"]["a"], "k");
}

#[test]
fn options_that_would_spoil_a_body_are_refused() {
    let list = |count| OptionValue::List((0..count).map(|_| Secret::compile("x").unwrap()).collect());
    for (preset, key, value, message) in [
        (Preset::Alertmanager, "labels", texts(&[("my-team", "x")]), "labels: \"my-team\" is no label"),
        (Preset::Alertmanager, "labels", texts(&[("1st", "x")]), "labels: \"1st\" is no label"),
        (Preset::Alertmanager, "labels", texts(&[("", "x")]), "labels: \"\" is no label"),
        (Preset::Alertmanager, "labels", texts(&[("severity", "x")]), "labels: the format says severity itself"),
        (Preset::Vaultls, "metadata", texts(&[("cert_id", "x")]), "metadata: the format says cert_id itself"),
        (Preset::Datadog, "tags", list(51), "tags: has more than 50 entries"),
        (Preset::Vaultls, "metadata", texts(&[("x", "x"); 51]), "metadata: has more than 50 entries"),
        (Preset::Slack, "view_url", text("example.com"), "view_url: expected a URL"),
        (Preset::Teams, "view_url", text("https://a b"), "view_url: expected a URL"),
        (Preset::CloudEvents, "source", text("/a b"), "source: expected the characters of a URL"),
        (Preset::Infisical, "alert_id", text("é"), "alert_id: expected the characters of a URL"),
    ] {
        let error = Format::preset(preset, false, vec![(key.to_owned(), value)]).unwrap_err();
        assert!(error.message.starts_with(message), "{error}");
    }
    format(Preset::Datadog, vec![("tags", list(50))]);
    format(Preset::Slack, vec![("view_url", text("${URL}"))]);
    format(Preset::PagerDuty, vec![("source", text("the gateway"))]);
}

#[test]
fn a_users_body_is_sent_as_what_it_is() {
    let json = Format::template("{{ cert_name }}", true).unwrap();
    assert_eq!(message(&json, &[named("a\"")], false).body, "\"a\\\"\"");
    let plain = message(&Format::template("{{ cert_name }}", false).unwrap(), &[named("a\"")], false);
    assert_eq!((plain.content_type, plain.body.as_str()), ("text/plain; charset=utf-8", "a\""));
}
