//! A template, and what a stranger's certificate may put into it.

use std::rc::Rc;

use cert_expiry_monitor::domain::Event;
use cert_expiry_monitor::render::fields::samples;
use cert_expiry_monitor::render::format::{Context, Preset};
use cert_expiry_monitor::render::{Format, HeaderTemplate, go};

/// The most that one event may say, with the frame of a known format around it.
const LARGEST: usize = 2 * 64 * 1_024;

/// What stands before the first zero is a template; what follows, between zeros, is what certificates say.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.split('\0');
    let source = parts.next().unwrap_or_default();
    let mut events = samples();
    let number = data.len() % events.len();
    let mut event = events.swap_remove(number);
    fill(&mut event, parts);
    let source = go::jinja(source).unwrap_or_else(|_| source.to_owned());
    // Each is tried on a hundred events before it is used: one of them is slow enough.
    match data.len() % 4 {
        0 => Format::template(&source, true).into_iter().for_each(|format| check_json(&format, &event)),
        1 => Format::template(&source, false).into_iter().for_each(|format| check_text(&format, &event)),
        2 => HeaderTemplate::compile(&source).into_iter().for_each(|header| check_header(header, &event)),
        _ => {
            let (_, preset) = Preset::WORDS[number % Preset::WORDS.len()];
            let known = Format::preset(preset, false, Vec::new()).into_iter();
            known.filter(|format| format.carries(&event)).for_each(|format| check_json(&format, &event));
        }
    }
}

fn check_text(format: &Format, event: &Event) {
    let body = format.item(event, Context::of(event)).unwrap_or_default();
    assert!(body.len() <= LARGEST, "{} bytes", body.len());
}

fn check_header(mut header: HeaderTemplate, event: &Event) {
    header.resolve(&|_| Some("secret".to_owned()));
    let value = header.render(event, Context::of(event)).unwrap_or_default();
    assert!(value.len() <= 1_024 && value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{value:?}");
}

/// No text of a stranger ends a string.
fn check_json(format: &Format, event: &Event) {
    let context = Context::of(event);
    // A template that passed its trial may find more text than it has room for.
    let Ok(item) = format.item(event, context) else { return };
    let message = format.message(&[event], &[item], false, context).expect("a body of parts that were made");
    assert!(message.body.len() <= LARGEST, "{} bytes", message.body.len());
    if let Err(error) = serde_json::from_str::<serde_json::Value>(&message.body) {
        panic!("{error}: {}", message.body);
    }
}

/// Puts texts into an event wherever a certificate, a peer or a proxy may have one.
fn fill<'a>(event: &mut Event, mut texts: impl Iterator<Item = &'a str>) {
    let mut next = |old: &mut String| {
        if let Some(text) = texts.next() {
            text.clone_into(old);
        }
    };
    let certificate = Rc::make_mut(&mut event.certificate);
    for field in [&mut certificate.name, &mut certificate.subject, &mut certificate.issuer] {
        next(field);
    }
    certificate.sans.iter_mut().for_each(&mut next);
    event.presence.places.iter_mut().for_each(&mut next);
    next(&mut event.rule);
}
