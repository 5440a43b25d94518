//! What templates and formats make of events.

mod chats;
mod default;
mod digests;
mod hostility;
mod kinds;
mod receivers;
mod templates;

use serde_json::Value;

use crate::domain::{Event, EventKind, Role};
use crate::render::format::{Context, Format, Message, OptionValue, Preset};
use crate::render::samples::sample;
use crate::render::secret::Secret;

/// A certificate of a client that is expiring and whose names are all this one.
fn named(name: &str) -> Event {
    sample(EventKind::CertificateExpiringSoon, Role::Client, name)
}

/// An event of this kind about the certificate `api` of a server, which has no API.
fn of(kind: EventKind) -> Event {
    sample(kind, Role::Server, "api")
}

fn text(text: &str) -> OptionValue {
    OptionValue::Text(Secret::compile(text).unwrap())
}

fn texts(texts: &[(&str, &str)]) -> OptionValue {
    let secret = |(name, text): &(&str, &str)| ((*name).to_owned(), Secret::compile(text).unwrap());
    OptionValue::Texts(texts.iter().map(secret).collect())
}

fn format(preset: Preset, options: Vec<(&str, OptionValue)>) -> Format {
    let options = options.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Format::preset(preset, false, options).unwrap_or_else(|error| panic!("{preset:?}: {error}"))
}

/// The message about these events, made a minute after the first of them; alerts last an hour.
fn message(format: &Format, events: &[Event], batched: bool) -> Message {
    let now = events[0].timestamp.after(crate::domain::time::MINUTE);
    let context = Context { now, lasts: crate::domain::time::HOUR, proxy: None };
    let items: Vec<_> = events.iter().map(|event| format.item(event, context).unwrap()).collect();
    format.message(&events.iter().collect::<Vec<_>>(), &items, batched, context).unwrap()
}

fn parse(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}:\n{json}"))
}

fn body(format: &Format, event: Event) -> Value {
    parse(&message(format, &[event], false).body)
}
