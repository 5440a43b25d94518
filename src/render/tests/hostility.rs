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
            assert!(strings(&body).iter().any(|text| *text == name), "{preset:?} {name:?}: {body}");
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

#[test]
fn limits_of_receivers_hold_for_every_event() {
    fn at_most(text: &Value, limit: usize) {
        let text = text.as_str().unwrap();
        assert!((1..=limit).contains(&text.chars().count()), "{} characters: {text}", text.chars().count());
    }
    let at_most_bytes = |text: &Value, limit: usize| assert!(text.as_str().unwrap().len() <= limit);
    for event in longest() {
        let of = |preset| body(&format(preset, vec![]), event.clone());
        let pagerduty = of(PagerDuty);
        at_most(&pagerduty["payload"]["summary"], 1_024);
        at_most(&pagerduty["dedup_key"], 255);
        let slack = of(Slack);
        at_most(&slack["text"], 3_000);
        let fields = slack["attachments"][0]["fields"].as_array().unwrap().clone();
        assert!(fields.len() <= 10);
        fields.iter().for_each(|field| at_most(&field["value"], 2_000));
        let blocks = body(&formats(&[Slack])[1].1, event.clone());
        let fields = blocks["attachments"][0]["blocks"][1]["fields"].as_array().unwrap().clone();
        assert!(fields.len() <= 10);
        fields.iter().for_each(|field| at_most(&field["text"], 2_000));
        let discord = &of(Discord)["embeds"][0];
        at_most(&discord["title"], 256);
        at_most(&discord["description"], 4_096);
        for field in discord["fields"].as_array().unwrap() {
            at_most(&field["name"], 256);
            at_most(&field["value"], 1_024);
        }
        assert!(strings(discord).iter().map(|text| text.chars().count()).sum::<usize>() <= 6_000);
        at_most_bytes(&of(Ntfy)["message"], 4_096);
        at_most(&of(Telegram)["text"], 4_096);
        let datadog = of(Datadog);
        at_most(&datadog["title"], 100);
        at_most(&datadog["text"], 4_000);
        at_most(&datadog["aggregation_key"], 100);
        datadog["tags"].as_array().unwrap().iter().for_each(|tag| at_most(tag, 200));
        assert!(message(&format(GoogleChat, vec![]), &[event.clone()], false).body.len() <= 32_000);
        assert!(message(&format(Teams, vec![]), &[event.clone()], false).body.len() <= 28 * 1_024);
        assert!(message(&format(PagerDuty, vec![]), &[event.clone()], false).body.len() <= 512 * 1_024);
        assert!(message(&format(CloudEvents, vec![]), &[event.clone()], false).body.len() <= 64 * 1_024);
    }
}
