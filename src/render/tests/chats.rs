//! The bodies of receivers that show events to people.

use serde_json::json;

use super::{body, format, named, of, text};
use crate::domain::EventKind;
use crate::render::format::{Format, OptionValue, Preset};
use crate::render::samples::samples;
use crate::render::secret::Secret;

use EventKind::{CertificateExpired, CertificateResolved};

fn cert_id() -> String {
    named("").certificate.id.to_string()
}

const MESSAGE: &str = "Certificate api is expiring in 30 days";

#[test]
fn slack_gets_an_attachment_or_blocks() {
    let options = |blocks| {
        vec![
            ("channel", text("#tls")),
            ("username", text("certs")),
            ("view_url", text("https://x")),
            ("blocks", OptionValue::Flag(blocks)),
        ]
    };
    let field = |title: &str, value: &str| json!({ "title": title, "value": value, "short": title != "Issuer" });
    let attachment = json!({
        "channel": "#tls",
        "username": "certs",
        "text": MESSAGE,
        "mrkdwn": false,
        "attachments": [{
            "color": "#ffa000",
            "fallback": MESSAGE,
            "title": "CertificateExpiringSoon",
            "title_link": "https://x",
            "text": format!("SHA-256: {}", cert_id()),
            "fields": [
                field("Name", "api"),
                field("API", "api"),
                field("Place", "api"),
                field("Days left", "30"),
                field("Issuer", "CN=api"),
                field("Serial number", "1A2B3C"),
                field("Valid until", "1970-01-01T00:00:00Z"),
                field("Role", "client"),
            ],
            "footer": "cert-expiry-monitor",
            "ts": -2_592_000,
        }],
    });
    assert_eq!(body(&format(Preset::Slack, options(false)), named("api")), attachment);
    let field = |text: &str| json!({ "type": "plain_text", "emoji": false, "text": text });
    let blocks = json!({
        "channel": "#tls",
        "username": "certs",
        "text": MESSAGE,
        "mrkdwn": false,
        "attachments": [{
            "color": "#ffa000",
            "blocks": [
                {
                    "type": "section",
                    "fields": [
                        field("Name: api"),
                        field("API: api"),
                        field("Place: api"),
                        field("Days left: 30"),
                        field("Issuer: CN=api"),
                        field("Serial number: 1A2B3C"),
                        field("Valid until: 1970-01-01T00:00:00Z"),
                        field("Role: client"),
                    ],
                },
                {
                    "type": "actions",
                    "elements": [
                        { "type": "button", "text": { "type": "plain_text", "text": "View" }, "url": "https://x" },
                    ],
                },
            ],
        }],
    });
    assert_eq!(body(&format(Preset::Slack, options(true)), named("api")), blocks);
    let bare = body(&format(Preset::Slack, vec![]), of(CertificateExpired));
    assert_eq!(bare["attachments"][0]["color"], "#d32f2f");
    assert_eq!((bare.get("channel"), bare["attachments"][0].get("title_link")), (None, None));
}

#[test]
fn teams_gets_a_card_without_markdown() {
    let row = |name: &str, value: &str| {
        json!({
            "type": "RichTextBlock",
            "spacing": "Small",
            "inlines": [
                { "type": "TextRun", "text": format!("{name}: "), "weight": "Bolder" },
                { "type": "TextRun", "text": value },
            ],
        })
    };
    let title = json!({
        "type": "RichTextBlock",
        "inlines": [
            { "type": "TextRun", "text": MESSAGE, "size": "Medium", "weight": "Bolder", "color": "Warning" },
        ],
    });
    let expected = json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "fallbackText": MESSAGE,
                "msteams": { "width": "full" },
                "body": [
                    title,
                    row("API", "api"),
                    row("Place", "api"),
                    row("Valid until", "1970-01-01T00:00:00Z"),
                    row("Days left", "30"),
                    row("Issuer", "CN=api"),
                    row("Serial number", "1A2B3C"),
                    row("SHA-256", &cert_id()),
                    row("Role", "client"),
                ],
                "actions": [{ "type": "Action.OpenUrl", "title": "View", "url": "https://x" }],
            },
        }],
    });
    assert_eq!(body(&format(Preset::Teams, vec![("view_url", text("https://x"))]), named("api")), expected);
    assert_eq!(body(&format(Preset::Teams, vec![]), of(CertificateExpired))["attachments"][0].get("actions"), None);
}

#[test]
fn discord_gets_an_embed_that_mentions_nobody() {
    let field = |name: &str, value: &str| json!({ "name": name, "value": value, "inline": name != "SHA-256" });
    let expected = json!({
        "allowed_mentions": { "parse": [] },
        "embeds": [{
            "title": "CertificateExpiringSoon",
            "description": MESSAGE,
            "color": 0x00ff_a000,
            "fields": [
                field("API", "api"),
                field("Place", "api"),
                field("Valid until", r"1970\-01\-01T00:00:00Z"),
                field("Days left", "30"),
                field("Issuer", "CN=api"),
                field("Serial number", "1A2B3C"),
                field("SHA-256", &cert_id()),
                field("Role", "client"),
            ],
            "timestamp": "1969-12-02T00:00:00Z",
        }],
    });
    assert_eq!(body(&format(Preset::Discord, vec![]), named("api")), expected);
}

#[test]
fn chats_get_lines_of_text() {
    let id = cert_id();
    let lines = [
        MESSAGE,
        "Role: client",
        "API: api",
        "Place: api",
        "Valid until: 1970-01-01T00:00:00Z",
        "Issuer: CN=api",
        "Serial number: 1A2B3C",
        &format!("SHA-256: {id}"),
    ];
    let google = json!({ "thread": { "threadKey": "certs" }, "text": lines.join("\n") });
    assert_eq!(body(&format(Preset::GoogleChat, vec![("thread_key", text("certs"))]), named("api")), google);
    let telegram = json!({
        "chat_id": "-100",
        "link_preview_options": { "is_disabled": true },
        "text": lines.join("\n"),
    });
    assert_eq!(body(&format(Preset::Telegram, vec![("chat_id", text("-100"))]), named("api")), telegram);
    let ntfy = json!({
        "topic": "certs",
        "title": "CertificateExpiringSoon",
        "priority": 4,
        "tags": ["warning", "client"],
        "message": lines[..7].join("\n"),
    });
    assert_eq!(body(&format(Preset::Ntfy, vec![("topic", text("certs"))]), named("api")), ntfy);
}

#[test]
fn datadog_gets_an_event_that_succeeds_when_it_is_over() {
    let tags = OptionValue::List(vec![Secret::compile("env:prod").unwrap()]);
    let datadog = format(Preset::Datadog, vec![("tags", tags)]);
    let expected = json!({
        "title": MESSAGE,
        "text": format!(
            "{MESSAGE}\nPlace: api\nValid until: 1970-01-01T00:00:00Z\nIssuer: CN=api\nSerial number: 1A2B3C\nSHA-256: {}", cert_id()
        ),
        "aggregation_key": named("api").key(),
        "alert_type": "warning",
        "tags": ["env:prod", "api_id:api", "cert_role:client", "event:CertificateExpiringSoon"],
        "date_happened": -2_592_000,
        "source_type_name": "envoy",
    });
    assert_eq!(body(&datadog, named("api")), expected);
    assert_eq!(body(&datadog, of(CertificateResolved))["alert_type"], "success");
    assert_eq!(body(&datadog, of(CertificateExpired))["alert_type"], "error");
}

#[test]
fn a_body_that_was_written_for_netbox_works_as_it_is() {
    let template = Format::template(
        r##"{
            "text": ":warning: *Certificate expiring soon*",
            "attachments": [ { "color": "#FFA500", "fields": [
                {"title": "Common Name", "value": "{{ data.common_name }}", "short": true},
                {"title": "Days remaining", "value": "{{ data.days_remaining }}", "short": true},
                {"title": "Issuer", "value": "{{ data.issuer }}", "short": false},
                {"title": "Valid to", "value": "{{ data.valid_to }}", "short": true},
                {"title": "Assignments", "value": "{{ data.assignment_count }}", "short": true}
            ] } ]
        }"##,
        true,
    )
    .unwrap();
    let values = |event| {
        let fields = body(&template, event)["attachments"][0]["fields"].as_array().unwrap().clone();
        fields.iter().map(|field| field["value"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let [soon, expired, ..] = &samples()[..] else { panic!() };
    assert_eq!(values(soon.clone()), ["sample", "30", "CN=sample", "1970-01-01T00:00:00Z", "1"]);
    assert_eq!(values(expired.clone())[1], "-1");
}
