//! Names that somebody chose to do harm, and names that are as long as they get.

use serde_json::Value;

use super::{body, format, message, named, text};
use crate::domain::text::{LONGEST, harmless};
use crate::domain::{Event, EventKind};
use crate::render::format::{Format, OptionValue, Preset};
use crate::render::samples::{sample, trials};

use Preset::{
    Alertmanager, CloudEvents, Datadog, Default, Discord, GoogleChat, Infisical, Ntfy, PagerDuty, Slack, Teams,
    Telegram, Vaultls,
};

/// Receivers that show text to people, and read markup or mentions in it.
const CHATS: [Preset; 7] = [Slack, Teams, Discord, GoogleChat, Ntfy, Telegram, Datadog];
/// Receivers that keep text as it is.
const RECEIVERS: [Preset; 6] = [Default, CloudEvents, Vaultls, Infisical, Alertmanager, PagerDuty];

/// Every way of telling each of them.
fn formats(presets: &[Preset]) -> Vec<(Preset, Format)> {
    let mut formats: Vec<_> = presets.iter().map(|preset| (*preset, format(*preset, vec![]))).collect();
    if presets.contains(&Slack) {
        formats
            .push((Slack, format(Slack, vec![("blocks", OptionValue::Flag(true)), ("view_url", text("https://x"))])));
    }
    formats
}

/// Every string of a document that is not the name of something in it.
fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(fields) => fields.values().flat_map(strings).collect(),
        _ => vec![],
    }
}

/// The structure of a document: all but its strings.
fn shape(value: &Value) -> Value {
    match value {
        Value::String(_) => Value::Null,
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
        value => value.clone(),
    }
}

const HOSTILE: [&str; 16] = [
    "<!channel>",
    "<!here|x> <@U123> <#C1>",
    "@everyone @here @all",
    "<at>all</at>",
    "<users/all>",
    "\"}]}",
    "\\",
    "\\\",\"admin\":true,\"x\":\"",
    "{{ 7*7 }}{% raw %}",
    "a\r\nX-Evil: 1",
    "](http://evil)",
    "[click](http://evil) ![x](http://evil/p.png)",
    "<http://evil|click>",
    "**b** _i_ ~~s~~ `c` ||s|| # h > q",
    "a\u{202e}b\u{2066}c\u{200b}d\u{7}",
    "&lt;!channel&gt;",
];

#[test]
fn no_name_changes_the_structure_of_a_document() {
    for (preset, format) in formats(&[&CHATS[..], &RECEIVERS[..]].concat()) {
        for kind in EventKind::ALL {
            let of = |name: &str| body(&format, sample(kind, crate::domain::Role::Client, name));
            let tame = shape(&of("tame"));
            for name in HOSTILE {
                assert_eq!(shape(&of(name)), tame, "{preset:?} {name:?}");
            }
        }
    }
}

#[test]
fn receivers_that_keep_text_get_it_as_it_is() {
    for (preset, format) in formats(&RECEIVERS) {
        for name in HOSTILE {
            let body = body(&format, named(name));
            assert!(strings(&body).contains(&name), "{preset:?} {name:?}: {body}");
        }
    }
}

#[test]
fn nobody_is_mentioned_and_nothing_is_marked_up() {
    const NEVER: [&str; 10] = ["<!", "<@", "<#", "<http", "<at>", "<users", "@everyone", "@here", "@all", "]("];
    for (preset, format) in formats(&CHATS) {
        for name in HOSTILE {
            let body = body(&format, named(name));
            for text in strings(&body) {
                for never in NEVER {
                    assert!(!text.contains(never), "{preset:?} {name:?}: {text}");
                }
            }
        }
    }
}

#[test]
fn markup_is_text() {
    let name = "**b** <i> & `c` [l](u)";
    let of = |preset| body(&format(preset, vec![]), named(name)).to_string();
    let slack = of(Slack);
    assert!(slack.contains("&lt;\u{200b}i&gt; &amp;") && !slack.contains("<i"), "{slack}");
    let discord = body(&format(Discord, vec![]), named(name));
    let description = discord["embeds"][0]["description"].as_str().unwrap();
    assert!(description.contains("\\*\\*b\\*\\* <\u{200b}i\\> & \\`c\\` \\[l\\]\u{200b}\\(u\\)"), "{description}");
}

#[test]
fn what_a_certificate_says_is_never_a_template() {
    for (preset, format) in formats(&CHATS) {
        let body = body(&format, named("{{7}}{%x%}")).to_string();
        assert!(body.contains("{{7}}") || body.contains("{{7"), "{preset:?}: {body}");
    }
}

/// Events with texts as long as they get, of whatever makes them longest.
fn longest() -> Vec<Event> {
    let mut events: Vec<_> = trials().collect();
    for longest in ["🔒", "@", "<", "&", "](", "\"", "*", "`"] {
        let name = harmless(&longest.repeat(10_000));
        assert_eq!(name.chars().count(), LONGEST);
        for mut event in EventKind::ALL.map(|kind| sample(kind, crate::domain::Role::Client, &name)) {
            let certificate = std::rc::Rc::make_mut(&mut event.certificate);
            certificate.issuer.clone_from(&name);
            certificate.subject.clone_from(&name);
            certificate.serial_number = "F".repeat(LONGEST);
            certificate.sans = vec![name.clone(); 4];
            events.push(event);
        }
    }
    events
}

fn at_most(limit: usize, text: &Value) {
    let length = text.as_str().unwrap().chars().count();
    assert!((1..=limit).contains(&length), "{length} characters: {text}");
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

#[test]
fn limits_of_texts_hold_for_every_event() {
    let blocks = format(Slack, vec![("blocks", OptionValue::Flag(true))]);
    for event in longest() {
        let of = |preset| body(&format(preset, vec![]), event.clone());
        let pagerduty = of(PagerDuty);
        at_most(1_024, &pagerduty["payload"]["summary"]);
        at_most(255, &pagerduty["dedup_key"]);
        let [slack, blocks] = [of(Slack), body(&blocks, event.clone())];
        at_most(3_000, &slack["text"]);
        let fields = list(&slack["attachments"][0]["fields"]).iter().map(|field| &field["value"]);
        let section = &blocks["attachments"][0]["blocks"][0];
        let texts: Vec<_> = section["fields"].as_array().into_iter().flatten().map(|field| &field["text"]).collect();
        assert!(fields.len() <= 10 && texts.len() <= 10 && texts.is_empty() == section["text"].is_object());
        for text in fields.chain(texts) {
            at_most(2_000, text);
        }
        if let Some(text) = section["text"].get("text") {
            at_most(3_000, text);
        }
        let discord = &of(Discord)["embeds"][0];
        at_most(256, &discord["title"]);
        at_most(4_096, &discord["description"]);
        for field in list(&discord["fields"]) {
            at_most(256, &field["name"]);
            at_most(1_024, &field["value"]);
        }
        assert!(strings(discord).iter().map(|text| text.chars().count()).sum::<usize>() <= 6_000);
        at_most(4_096, &of(Telegram)["text"]);
        let datadog = of(Datadog);
        at_most(100, &datadog["title"]);
        at_most(4_000, &datadog["text"]);
        at_most(100, &datadog["aggregation_key"]);
        for tag in list(&datadog["tags"]) {
            at_most(200, tag);
        }
        assert!(of(Ntfy)["message"].as_str().unwrap().len() <= 4_096);
    }
}

#[test]
fn limits_of_bodies_hold_for_every_event() {
    for (preset, limit) in
        [(GoogleChat, 32_000), (Teams, 28 * 1_024), (PagerDuty, 512 * 1_024), (CloudEvents, 64 * 1_024)]
    {
        let format = format(preset, vec![]);
        for event in longest() {
            let length = message(&format, &[event], false).body.len();
            assert!(length <= limit, "{preset:?}: {length} bytes");
        }
    }
}

#[test]
fn a_batch_is_as_large_as_its_parts() {
    let event = longest().pop().unwrap();
    for preset in [Default, CloudEvents, Alertmanager, Infisical] {
        let body = message(&format(preset, vec![]), &vec![event.clone(); 20], true).body;
        assert!(serde_json::from_str::<Value>(&body).is_ok());
    }
}
