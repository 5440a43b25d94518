//! The lines that people look for, to the letter.

use cert_expiry_monitor::domain::Role;
use log::Level;
use serde_json::json;

use crate::world::{DAY, HOUR, World, log_lines, pem, webhook};

#[test]
fn the_lines_of_the_documented_table_are_written_at_their_levels() {
    let document = json!({
        "certificates": [
            { "role": "server", "pem": pem("localhost") },
            { "role": "ca", "pem": pem("ca") },
            { "role": "upstream", "pem": pem("upstream"), "api_id": "orders" },
        ],
        "webhooks": [webhook("hooks"), webhook("other")],
    });
    let start = -(2 * DAY + 5 * HOUR);
    let mut world = World::starting(start, document);
    log_lines();
    world.run_until(start + 2);
    world.observe(Role::Client, Some("orders"), "client");
    world.run_until(start + 10);
    world.run_until(start + HOUR + 10);
    let lines = log_lines();
    let facts: serde_json::Value = serde_json::from_str(
        &std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/certificates.json")).unwrap(),
    )
    .unwrap();
    let short = |name: &str| facts[name]["sha256"].as_str().unwrap().get(..8).unwrap().to_owned();
    for (level, line) in [
        (
            Level::Info,
            "watching 3 certificates (server 1, ca 1, client 0, upstream 1), next expiry localhost in 2 days, 2 webhooks"
                .to_owned(),
        ),
        (Level::Info, "Starting periodic certificate check".to_owned()),
        (Level::Info, "Starting periodic upstream certificate checking api_id=orders".to_owned()),
        (Level::Info, "Checked 3 certificates for expiry".to_owned()),
        (Level::Info, "Checked 0 certificates for expiry".to_owned()),
        (Level::Info, "FIRING HANDLER 1/2 FOR EVENT CertificateExpiringSoon webhook=hooks".to_owned()),
        (Level::Info, "FIRING HANDLER 2/2 FOR EVENT CertificateExpiringSoon webhook=other".to_owned()),
        (
            Level::Warn,
            format!(
                "EXPIRY EVENT FIRED for certificate 'localhost' - expires in 52 hours cert_id={} cert_role=server \
                 event_type=CertificateExpiringSoon rule=30d",
                short("localhost")
            ),
        ),
        (
            Level::Warn,
            format!(
                "EXPIRY EVENT FIRED for certificate 'Test Client' - expires in 52 hours cert_id={} cert_role=client \
                 event_type=CertificateExpiringSoon rule=30d api_id=orders",
                short("client")
            ),
        ),
        (Level::Debug, "Batch certificates for expiration check with 1 certificates".to_owned()),
        (Level::Debug, "Flush certificate expiry monitor batch batch_size=1".to_owned()),
        (Level::Debug, format!("Skipping certificate - cooldown active cert_id={}", short("ca"))),
    ] {
        // The order of certificates that end together is that of their ids.
        let any_name = |text: &str| text.replace("expiry Test CA in", "expiry localhost in").replace("expiry Upstream Service in", "expiry localhost in");
        assert!(lines.iter().any(|(l, text)| *l == level && any_name(text) == line), "{level} {line}\n{lines:#?}");
    }
    let once = "Starting periodic upstream certificate checking api_id=orders";
    assert_eq!(lines.iter().filter(|(_, text)| text == once).count(), 1);
}

#[test]
fn an_expired_certificate_says_since_when() {
    let mut world =
        World::starting(3 * DAY, json!({ "certificates": [{ "role": "server", "pem": pem("localhost") }] }));
    log_lines();
    world.run_until(3 * DAY + 2);
    let lines = log_lines();
    assert!(
        lines.iter().any(|(_, line)| line
            .starts_with("EXPIRY EVENT FIRED for certificate 'localhost' - expired 72 hours ago cert_id=")
            && line.ends_with("cert_role=server event_type=CertificateExpired rule=expired")),
        "{lines:#?}"
    );
}

#[test]
fn a_log_handler_writes_its_prefix_and_everything_that_matters() {
    let document = json!({
        "certificates": [{ "role": "server", "pem": pem("localhost") }],
        "webhooks": [],
        "event_handlers": { "events": { "CertificateExpired": [
            { "handler_name": "eh_log_handler", "handler_meta": { "prefix": "CertEvent" } },
        ] } },
    });
    let mut world = World::starting(DAY, document);
    log_lines();
    world.run_until(DAY + 2);
    let lines = log_lines();
    let start = "CertEvent: Certificate localhost expired 1 day ago cert_id=";
    assert!(lines.iter().any(|(level, line)| *level == Level::Warn && line.starts_with(start)), "{lines:#?}");
    let warning = (Level::Warn, "no webhook is configured: events go to the log only".to_owned());
    assert!(lines.contains(&warning), "{lines:#?}");
}

#[test]
fn every_metric_exists_at_zero_before_anything_has_happened() {
    let mut world = World::starting(-DAY, json!({}));
    world.run_until(-DAY + 2);
    let names = |start: &str| world.metrics.keys().filter(|name| name.starts_with(start)).count();
    for (metric, count) in [
        ("certificates;", 4),
        ("not_after_seconds;", 4),
        ("events_total;", 15),
        ("deliveries_total;", 10),
        ("outbox_entries;", 1),
        ("observations_total;", 4),
        ("dropped_total;", 16),
        ("failovers_total", 1),
        ("last_tick_seconds", 1),
        ("config_info;", 1),
    ] {
        assert_eq!(names(&format!("cert_expiry_monitor_{metric}")), count, "{metric}");
    }
    for (name, value) in &world.metrics {
        let is_zero = *value == 0 || name.contains("last_tick") || name.contains("config_info");
        assert!(is_zero, "{name} is {value}");
        for label in name.split(";.;").skip(1) {
            assert!(label.contains("=.="), "{name}");
        }
    }
}

#[test]
fn a_disabled_webhook_is_named_and_counted() {
    let mut hook = webhook("hooks");
    hook["headers"] = json!({ "authorization": "Bearer ${TOKEN}" });
    let document = json!({
        "certificates": [{ "role": "server", "pem": pem("localhost") }],
        "webhooks": [hook, webhook("other")],
    });
    let mut world = World::starting(-DAY, document);
    log_lines();
    world.run_until(-DAY + 2);
    let lines = log_lines();
    assert!(lines.iter().any(|(level, line)| *level == Level::Error
        && line.starts_with("webhook \"hooks\" is disabled: environment variable TOKEN is not set")));
    assert!(
        lines
            .iter()
            .any(|(_, line)| line.starts_with("watching 1 certificate (") && line.ends_with("1 webhook, 1 disabled"))
    );
    assert_eq!(world.metric("dropped_total;.;reason=.=webhook_disabled"), 1);
    let clusters: Vec<_> = world.received().into_iter().map(|received| received.cluster).collect();
    assert_eq!(clusters, ["other"]);
}

#[test]
fn a_hostile_name_stays_one_line() {
    let bundle = ["quotes", "long", "right-to-left"].map(pem).concat();
    let mut world = World::starting(-DAY, json!({ "certificates": [{ "role": "server", "pem": bundle }] }));
    log_lines();
    world.run_until(-DAY + 2);
    for (_, line) in log_lines() {
        assert!(!line.contains(['\n', '\r', '\u{202e}']) && line.chars().count() < 600, "{line:?}");
    }
    assert_eq!(world.received().len(), 3);
}
