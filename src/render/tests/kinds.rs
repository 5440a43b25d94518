//! Every kind of event has its place in every format.

use serde_json::{Value, json};

use super::{body, format, of};
use crate::domain::{Alert, Detail, Event, EventKind, Role, Severity};
use crate::render::format::Preset;
use crate::render::samples::sample;

use EventKind::{
    CertificateDiscovered, CertificateExpired, CertificateExpiringSoon, CertificateRejected, CertificateRenewalOverdue,
    CertificateRenewed, CertificateResolved, CertificateStale, CertificateWeak, ChainExpiresFirst, ClockSkewSuspected,
    ExpiryStorm, MonitorHeartbeat, WebhookTest,
};

fn default(kind: EventKind) -> Value {
    body(&format(Preset::Default, vec![]), of(kind))
}

/// What closes an alert of this kind.
fn closing(kind: EventKind, alert: EventKind) -> Event {
    let closes = Alert { kind: alert, severity: alert.severity(), warned: Vec::new() };
    Event { kind, severity: Severity::Info, closes: Some(closes), detail: Detail::Nothing, ..of(alert) }
}

#[test]
fn each_kind_says_what_it_has_to_say() {
    let other = crate::domain::CertId::of_der(b"other").to_string();
    let other = json!({ "cert_id": other, "cert_name": "api", "expires_at": "1970-01-01T00:00:00Z" });
    let counts = json!({ "total": 3, "expiring": 2, "expired": 1 });
    for (kind, expected) in [
        (CertificateExpiringSoon, json!({})),
        (CertificateExpired, json!({})),
        (CertificateResolved, json!({})),
        (CertificateDiscovered, json!({})),
        (EventKind::CertificateNotYetValid, json!({})),
        (WebhookTest, json!({})),
        (CertificateStale, json!({ "held": other })),
        (CertificateRenewed, json!({ "replaced_by": other })),
        (ChainExpiresFirst, json!({ "ends_first": other })),
        (CertificateRenewalOverdue, json!({ "expected_at": "1970-01-01T00:00:00Z", "detail": "api" })),
        (CertificateWeak, json!({ "detail": "api" })),
        (ClockSkewSuspected, json!({ "detail": "api" })),
        (CertificateRejected, json!({ "reason": "expired", "detail": "api", "address": "api" })),
        (
            MonitorHeartbeat,
            json!({
                "watching": { "server": counts, "ca": counts, "client": counts, "upstream": counts },
                "next_expiry": { "cert_name": "api", "expires_at": "1970-01-01T00:00:00Z" },
                "version": env!("CARGO_PKG_VERSION"),
                "configuration": "0000000000000000",
            }),
        ),
    ] {
        let body = default(kind);
        let mut own = body.as_object().unwrap().clone();
        let of_all = default(CertificateDiscovered);
        own.retain(|name, _| of_all.get(name).is_none());
        for name in ["expires_at", "days_remaining", "expired_at", "days_since_expiry"] {
            own.remove(name);
        }
        assert_eq!(Value::Object(own), expected, "{kind}");
    }
}

#[test]
fn what_tells_of_the_proxy_names_no_certificate() {
    const NEVER: [&str; 21] = [
        "cert_id",
        "cert_name",
        "expires_at",
        "days_remaining",
        "expired_at",
        "days_since_expiry",
        "cert_role",
        "api_id",
        "seconds_remaining",
        "serial_number",
        "issuer",
        "subject",
        "sans",
        "sans_count",
        "not_before",
        "fingerprint_sha256",
        "key",
        "position",
        "source",
        "places",
        "cert_id_source",
    ];
    let kinds = EventKind::ALL.into_iter().filter(|kind| !kind.is_of_certificate());
    let end = closing(CertificateResolved, ClockSkewSuspected);
    for event in kinds.map(of).chain([end]) {
        let body = body(&format(Preset::Default, vec![]), event.clone());
        for name in NEVER {
            assert_eq!(body.get(name), None, "{}", event.kind);
        }
        // A storm lists some.
        let presets = Preset::WORDS.into_iter().filter(|(_, preset)| preset.carries(event.kind));
        for (word, preset) in presets.filter(|_| event.kind != ExpiryStorm) {
            let body = super::body(&format(preset, vec![]), event.clone()).to_string();
            for of_certificates in ["Role", "cert_role", "serial_number\":\"\"", "valid until"] {
                assert!(!body.contains(of_certificates), "{word}: {body}");
            }
        }
    }
}

#[test]
fn a_storm_lists_its_certificates() {
    let body = default(ExpiryStorm);
    let first = json!({
        "cert_id": crate::domain::CertId::of_der(b"listed").to_string(),
        "cert_name": "api",
        "expires_at": "1970-01-01T00:00:00Z",
        "days_remaining": 30,
        "cert_role": "client",
        "api_id": "api",
    });
    assert_eq!((&body["certificates"][1], &body["certificates_count"]), (&first, &json!(200)));
    assert_eq!(body["certificates"].as_array().map(Vec::len), Some(100));
    assert_eq!(body["message"], "200 certificates end within 24 hours, the first of them, api, in 30 days");
}

#[test]
fn news_that_is_no_alert_opens_nothing() {
    let [pagerduty, alertmanager] = [Preset::PagerDuty, Preset::Alertmanager].map(|preset| format(preset, vec![]));
    for kind in EventKind::ALL {
        let (action, lasts) = match kind {
            CertificateResolved | CertificateRenewed => ("resolve", "1969-12-02T00:01:00Z"),
            CertificateDiscovered | MonitorHeartbeat | ExpiryStorm | WebhookTest => ("resolve", "1969-12-02T00:06:00Z"),
            CertificateExpired => ("trigger", "1970-01-01T01:01:00Z"),
            _ => ("trigger", "1969-12-02T01:01:00Z"),
        };
        assert_eq!(body(&pagerduty, of(kind))["event_action"], action, "{kind}");
        assert_eq!(body(&alertmanager, of(kind))[0]["endsAt"], lasts, "{kind}");
    }
    let renewed = Event { closes: None, ..of(CertificateRenewed) };
    assert_eq!(body(&pagerduty, renewed)["event_action"], "resolve", "though nobody was warned");
}

#[test]
fn an_end_closes_what_the_alert_has_opened() {
    let [pagerduty, alertmanager] = [Preset::PagerDuty, Preset::Alertmanager].map(|preset| format(preset, vec![]));
    for alert in EventKind::ALL.into_iter().filter(|kind| kind.lasts()) {
        for kind in [CertificateResolved, CertificateRenewed] {
            let [opened, closed] = [of(alert), closing(kind, alert)];
            let [open, end] = [&opened, &closed].map(|event| body(&pagerduty, event.clone()));
            assert_eq!((&open["event_action"], &end["event_action"]), (&json!("trigger"), &json!("resolve")));
            assert_eq!(open["dedup_key"], end["dedup_key"], "{alert}");
            let [open, end] = [opened, closed].map(|event| body(&alertmanager, event));
            assert_eq!(open[0]["labels"], end[0]["labels"], "{alert}");
        }
    }
}

#[test]
fn alerts_at_a_place_are_told_apart_by_it() {
    let labels = |event: &Event| body(&format(Preset::Alertmanager, vec![]), event.clone())[0]["labels"].clone();
    assert_eq!(labels(&of(CertificateRejected))["place"], "api");
    assert_eq!(labels(&of(CertificateExpiringSoon)).get("place"), None);
    let mut stale = of(CertificateStale);
    assert_eq!(labels(&stale)["place"], "api");
    stale.rule = crate::domain::Incident::SPLIT.to_owned();
    let split = labels(&stale);
    assert_eq!((split.get("place"), &split["reason"]), (None, &json!("split")), "its places come and go");
    let mut apart = of(CertificateExpiringSoon);
    apart.usage = apart.usage.at(Some("listener/b".to_owned()));
    assert_eq!(labels(&apart)["place"], "listener/b", "where each place is reported on its own");
}

#[test]
fn formats_made_for_others_carry_ends_and_renewals_alone() {
    let [vaultls, infisical, slack] =
        [Preset::Vaultls, Preset::Infisical, Preset::Slack].map(|preset| format(preset, vec![]));
    let ends = [CertificateExpiringSoon, CertificateExpired, CertificateResolved, CertificateRenewed, WebhookTest];
    for kind in EventKind::ALL {
        let is_end = ends.contains(&kind);
        assert_eq!(infisical.carries(&of(kind)), is_end, "{kind}");
        assert_eq!(vaultls.carries(&of(kind)), is_end || !kind.is_of_certificate(), "{kind}");
        assert!(slack.carries(&of(kind)), "{kind}");
    }
    let end = closing(CertificateResolved, CertificateStale);
    assert!(!vaultls.carries(&end) && !infisical.carries(&end), "it closes what was never told there");
    assert!(vaultls.carries(&closing(CertificateRenewed, CertificateExpired)));
}

#[test]
fn vaultls_gets_an_alert_of_the_system_about_more_than_a_certificate() {
    let of = |event: Event| body(&format(Preset::Vaultls, vec![]), event);
    for (event, alert_type, details) in [
        (
            super::of(MonitorHeartbeat),
            "monitor_heartbeat",
            json!({ "watching": default(MonitorHeartbeat)["watching"], "next_expiry": default(MonitorHeartbeat)["next_expiry"] }),
        ),
        (super::of(ClockSkewSuspected), "clock_skew_suspected", json!({})),
        (closing(CertificateResolved, ClockSkewSuspected), "clock_skew_suspected", json!({ "resolved": true })),
        (
            super::of(ExpiryStorm),
            "certificate_expiry_warning",
            json!({ "expiring_count": 200, "certificates": default(ExpiryStorm)["certificates"] }),
        ),
    ] {
        let message = event.message();
        let severity = event.severity.as_str();
        let body = of(event);
        let expected =
            json!({ "alert_type": alert_type, "severity": severity, "message": message, "details": details });
        assert_eq!((&body["event"], &body["data"]), (&json!("SystemAlert"), &expected));
    }
    let renewed = of(sample(CertificateRenewed, Role::Server, "api"));
    assert_eq!((&renewed["event"], &renewed["data"]["status"]), (&json!("CertificateRenewed"), &json!("replaced")));
}

#[test]
fn people_are_told_how_the_monitor_is_and_why_a_renewal_is_late() {
    let text = |preset, kind| body(&format(preset, vec![]), of(kind))["text"].as_str().unwrap().to_owned();
    assert_eq!(
        text(Preset::Telegram, MonitorHeartbeat).lines().collect::<Vec<_>>(),
        [
            "The certificate monitor is alive: 12 certificates, next expiry api in 30 days",
            "server: 3 watched, 2 expiring, 1 expired",
            "ca: 3 watched, 2 expiring, 1 expired",
            "client: 3 watched, 2 expiring, 1 expired",
            "upstream: 3 watched, 2 expiring, 1 expired",
        ]
    );
    assert!(text(Preset::GoogleChat, CertificateRenewalOverdue).contains("\nReason: api\n"));
    assert!(!text(Preset::GoogleChat, CertificateWeak).contains("Reason"), "the message says it");
    for kind in EventKind::ALL {
        let slack = body(&format(Preset::Slack, vec![]), of(kind));
        let has_facts = slack["attachments"][0]["fields"].as_array().is_some_and(|fields| !fields.is_empty());
        assert_eq!(has_facts, kind.is_of_certificate(), "{kind}");
    }
}
