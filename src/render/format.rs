//! How the bodies of one webhook look.

use std::cell::RefCell;
use std::fmt;
use std::rc::{Rc, Weak};

use minijinja::Value;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

pub use super::fields::Context;
pub use super::options::OptionValue;
use super::options::{mistake, record};
use super::pen::Json;
pub use super::preset::{FormatOption, OptionKind, Preset};
use super::template::{Template, TemplateError};
use crate::domain::Event;

const JSON: &str = "application/json";

/// How the bodies of one webhook look.
pub struct Format {
    /// Makes one event's part of a body.
    part: Rc<Template>,
    /// Makes a body of parts, or in `CloudEvents` an event of its data.
    frame: Option<Rc<Template>>,
    shape: Shape,
    options: Vec<(String, OptionValue)>,
    /// The options as templates see them.
    record: Value,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// A user's own body.
    Own { is_json: bool },
    /// A body that receivers know.
    Known(Preset),
    /// `CloudEvents` in binary mode: the attributes are headers.
    Binary,
}

/// A body, and what it asks to be sent with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The `content-type` of the body.
    pub content_type: &'static str,
    /// Headers that belong to the body.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Format")
    }
}

impl Format {
    /// A body that receivers know. `binary` is a content mode of `CloudEvents`.
    ///
    /// # Errors
    /// An option has a value that its receiver refuses.
    pub fn preset(preset: Preset, binary: bool, options: Vec<(String, OptionValue)>) -> Result<Self, TemplateError> {
        if let Some(message) = mistake(preset, &options) {
            return Err(TemplateError { line: 1, column: 1, message });
        }
        let frame = preset.frame().map(shared).transpose()?;
        let shape = if binary && preset == Preset::CloudEvents { Shape::Binary } else { Shape::Known(preset) };
        let record = record(preset, &options);
        Ok(Self { part: shared(preset.part())?, frame, shape, options, record })
    }

    /// A user's own body; `is_json` if its content type says so.
    ///
    /// # Errors
    /// The template is not one, or makes something that is not JSON where it has to.
    pub fn template(source: &str, is_json: bool) -> Result<Self, TemplateError> {
        let template = if is_json { Template::compile_json(source) } else { Template::compile(source) };
        let shape = Shape::Own { is_json };
        Ok(Self { part: Rc::new(template?), frame: None, shape, options: Vec::new(), record: ().into() })
    }

    /// Looks up the variables of options; returns the names of those that are missing.
    pub fn resolve(&mut self, environment: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
        let texts = self.options.iter_mut().flat_map(|(_, value)| value.texts_mut());
        let missing = texts.flat_map(|text| text.resolve(environment)).collect();
        match self.shape {
            Shape::Known(preset) => self.record = record(preset, &self.options),
            Shape::Binary => self.record = record(Preset::CloudEvents, &self.options),
            Shape::Own { .. } => {}
        }
        missing
    }

    /// Whether its bodies have a place for `event`, and for what it closes.
    pub fn carries(&self, event: &Event) -> bool {
        let Shape::Known(preset) = self.shape else { return true };
        preset.carries(event.kind) && event.closes.as_ref().is_none_or(|alert| preset.carries(alert.kind))
    }

    /// One event's part of a body.
    pub fn item(&self, event: &Event, context: Context<'_>) -> Result<String, TemplateError> {
        let is_json = self.shape != Shape::Own { is_json: false };
        let part = self.part.render(is_json, event, context, &[self.own_options()])?;
        match self.shape {
            Shape::Known(Preset::CloudEvents) => self.framed(event, context, &[("body", raw(part))]),
            _ => Ok(part),
        }
    }

    /// Whether one body can tell of several events as if they were one.
    pub const fn digests(&self) -> bool {
        match self.shape {
            Shape::Known(preset) => preset.digests(),
            Shape::Own { .. } | Shape::Binary => true,
        }
    }

    /// Whether one body may tell of both events.
    pub fn may_join(&self, a: &Event, b: &Event) -> bool {
        match self.shape {
            // Its events of a renewal hold one certificate each.
            Shape::Known(Preset::Infisical) => a.kind == b.kind && a.rule == b.rule && a.closes.is_none(),
            Shape::Known(preset) => preset.batches(),
            Shape::Own { .. } | Shape::Binary => false,
        }
    }

    /// The body about `events`, of their parts. `batched` if it may be about several, even if now it is about one.
    pub fn message(
        &self,
        events: &[&Event],
        items: &[String],
        batched: bool,
        context: Context<'_>,
    ) -> Result<Message, TemplateError> {
        let plain = |body: String| Message { content_type: JSON, headers: Vec::new(), body };
        let first = || items.first().cloned().unwrap_or_default();
        let Some(event) = events.first() else { return Ok(plain(String::new())) };
        Ok(match self.shape {
            Shape::Own { is_json: false } => Message { content_type: "text/plain; charset=utf-8", ..plain(first()) },
            Shape::Known(Preset::Default) if batched => plain(list(items)),
            Shape::Known(Preset::Alertmanager) => plain(list(items)),
            Shape::Known(Preset::CloudEvents) if batched => {
                Message { content_type: "application/cloudevents-batch+json", ..plain(list(items)) }
            }
            Shape::Known(Preset::CloudEvents) => {
                Message { content_type: "application/cloudevents+json", ..plain(first()) }
            }
            Shape::Known(Preset::Infisical) => {
                let inner = [
                    ("items", raw(items.join(","))),
                    ("count", items.len().into()),
                    ("id", Event::id_of_all(events).into()),
                ];
                plain(self.framed(event, context, &inner)?)
            }
            Shape::Binary => Message { headers: self.attributes(event, context)?, ..plain(first()) },
            Shape::Own { .. } | Shape::Known(_) => plain(first()),
        })
    }

    fn own_options(&self) -> (&'static str, Value) {
        ("options", self.record.clone())
    }

    fn framed(
        &self,
        event: &Event,
        context: Context<'_>,
        inner: &[(&'static str, Value)],
    ) -> Result<String, TemplateError> {
        let frame = self.frame.as_ref().unwrap_or(&self.part);
        frame.render(true, event, context, &[&[self.own_options()], inner].concat())
    }

    /// The attributes of a `CloudEvent` as headers, with the characters escaped that its HTTP binding (3.1.3.2) names.
    fn attributes(&self, event: &Event, context: Context<'_>) -> Result<Vec<(&'static str, String)>, TemplateError> {
        const NAMES: [(&str, &str); 7] = [
            ("specversion", "ce-specversion"),
            ("id", "ce-id"),
            ("source", "ce-source"),
            ("type", "ce-type"),
            ("subject", "ce-subject"),
            ("time", "ce-time"),
            ("severity", "ce-severity"),
        ];
        const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');
        let json = self.framed(event, context, &[("body", ().into())])?;
        let event: serde_json::Value = serde_json::from_str(&json).unwrap_or_default();
        let header = |(attribute, name): &(&str, &'static str)| {
            Some((*name, utf8_percent_encode(event.get(attribute)?.as_str()?, ESCAPED).to_string()))
        };
        Ok(NAMES.iter().filter_map(header).collect())
    }
}

fn raw(json: String) -> Value {
    Value::from_object(Json(json))
}

fn list(items: &[String]) -> String {
    format!("[{}]", items.join(","))
}

/// A built-in template, compiled once for all webhooks that have it.
fn shared(source: &'static str) -> Result<Rc<Template>, TemplateError> {
    thread_local! {
        static COMPILED: RefCell<Vec<(&'static str, Weak<Template>)>> = const { RefCell::new(Vec::new()) };
    }
    COMPILED.with_borrow_mut(|compiled| {
        compiled.retain(|(_, template)| template.strong_count() > 0);
        let found = compiled.iter().find(|(known, _)| *known == source).and_then(|(_, template)| template.upgrade());
        if let Some(template) = found {
            return Ok(template);
        }
        let template = Rc::new(Template::built_in(source, &["options", "body", "items", "count"])?);
        compiled.push((source, Rc::downgrade(&template)));
        Ok(template)
    })
}
