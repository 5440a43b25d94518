//! The bodies that receivers know.

use serde_json::Value;

use crate::domain::Event;
use crate::render::format::{Context, Format, Message, Preset};
use crate::render::samples::trials;

fn format(preset: Preset) -> Format {
    Format::preset(preset, false, Vec::new()).unwrap_or_else(|error| panic!("{preset:?}: {error}"))
}

fn message(format: &Format, event: &Event) -> Message {
    let context = Context::of(event);
    let item = format.item(event, context).unwrap();
    format.message(&[event], &[item], false, context).unwrap()
}

fn body(preset: Preset, event: &Event) -> Value {
    let message = message(&format(preset), event);
    serde_json::from_str(&message.body).unwrap_or_else(|error| panic!("{preset:?}: {error}\n{}", message.body))
}

#[test]
fn every_preset_is_json_about_every_event() {
    for (_, preset) in Preset::WORDS {
        for event in trials() {
            body(preset, &event);
        }
    }
}
