//! Jinja templates whose output is valid JSON whatever a certificate says.

use std::fmt;
use std::sync::LazyLock;

use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};
use serde::de::IgnoredAny;

use super::fields::{Context, Field, Proxy};
use super::pen::{LARGEST, Page, put};
use super::record::Record;
use super::samples::{trial_proxy, trials};
use super::{filters, grammar};
use crate::domain::Event;

const NAME: &str = "webhook";

/// The longest template, in bytes.
const LONGEST: usize = 16 * 1_024;

/// Steps that one rendering may take. The default body takes forty.
const STEPS: u64 = 2_000;

/// What all templates have in common.
static COMMON: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = filters::environment();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_formatter(put);
    environment.set_fuel(Some(STEPS));
    environment
});

/// A compiled template.
pub struct Template {
    environment: Environment<'static>,
    fields: Vec<Field>,
    /// The most bytes that it may make.
    largest: usize,
}

/// A template that cannot be compiled or rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// The line of the mistake, from 1.
    pub line: usize,
    /// Its column, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl TemplateError {
    /// A mistake that begins at this byte of `source`.
    pub(super) fn at(source: &str, offset: usize, message: String) -> Self {
        let before = source.get(..offset).unwrap_or_default();
        Self {
            line: before.matches('\n').count().saturating_add(1),
            column: before.chars().rev().take_while(|c| *c != '\n').count().saturating_add(1),
            message,
        }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line={} column={}", self.message, self.line, self.column)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Template")
    }
}

impl Template {
    /// Compiles `source` and tries it on events of every kind, so that a mistake is found when it is configured and not
    /// when a certificate expires.
    pub fn compile(source: &str) -> Result<Self, TemplateError> {
        let template = Self::new(source, &[], LARGEST)?;
        let proxy = trial_proxy();
        for (number, event) in trials().enumerate() {
            template.text_in(&event, trial(number, &event, &proxy))?;
        }
        Ok(template)
    }

    /// The same for a body that must be JSON about every event.
    pub fn compile_json(source: &str) -> Result<Self, TemplateError> {
        let template = Self::new(source, &[], LARGEST)?;
        let proxy = trial_proxy();
        for (number, event) in trials().enumerate() {
            let body = template.render(true, &event, trial(number, &event, &proxy), &[])?;
            serde_json::from_str::<IgnoredAny>(&body).map_err(|error| TemplateError {
                line: error.line(),
                column: error.column().max(1),
                message: format!(
                    "the body about {} is not JSON: {error}; it begins {:?}",
                    event.kind,
                    body.chars().take(60).collect::<String>()
                ),
            })?;
        }
        Ok(template)
    }

    /// Compiles a template that needs no trial. It may use the names in `more` too, and what it makes may hold as much of
    /// theirs as of its own.
    pub(super) fn built_in(source: &str, more: &[&'static str]) -> Result<Self, TemplateError> {
        Self::new(source, more, LARGEST.saturating_mul(2))
    }

    fn new(source: &str, more: &[&'static str], largest: usize) -> Result<Self, TemplateError> {
        if source.len() > LONGEST {
            return Err(TemplateError::at("", 0, format!("a template has at most {LONGEST} bytes")));
        }
        let mut environment = COMMON.clone();
        environment.add_template_owned(NAME, source.to_owned()).map_err(|error| explain(&error, source))?;
        let fields = grammar::read(source, more)?;
        Ok(Self { environment, fields, largest })
    }

    /// The JSON body about `event`. Both `"{{ cert_name }}"` and `{{ cert_name }}` give a JSON string.
    pub fn json(&self, event: &Event) -> Result<String, TemplateError> {
        self.render(true, event, Context::of(event), &[])
    }

    /// Plain text about `event`, its values as they are.
    pub fn text(&self, event: &Event) -> Result<String, TemplateError> {
        self.text_in(event, Context::of(event))
    }

    /// The same in the context of a body.
    pub(super) fn text_in(&self, event: &Event, context: Context<'_>) -> Result<String, TemplateError> {
        self.render(false, event, context, &[])
    }

    /// The body about `event`, with these names beside the fields.
    pub(super) fn render(
        &self,
        is_json: bool,
        event: &Event,
        context: Context<'_>,
        more: &[(&'static str, Value)],
    ) -> Result<String, TemplateError> {
        let read = self.fields.iter().map(|(name, read)| (*name, read(event, context)));
        let record = Value::from_object(Record(more.iter().cloned().chain(read).collect()));
        let mut page = Page::new(is_json, self.largest);
        let template = self.environment.get_template(NAME).map_err(|error| explain(&error, ""))?;
        template.render_captured_to(record, &mut page).map_err(|error| explain(&error, template.source()))?;
        Ok(page.into_text())
    }
}

/// The context of the trial of this number: every other one is made by nobody in particular.
fn trial<'a>(number: usize, event: &Event, proxy: &'a Proxy) -> Context<'a> {
    Context { proxy: Some(proxy).filter(|_| number.is_multiple_of(2)), ..Context::of(event) }
}

fn explain(error: &minijinja::Error, source: &str) -> TemplateError {
    let kind = error.kind();
    let message = match kind {
        ErrorKind::OutOfFuel => format!("this takes more than {STEPS} steps"),
        ErrorKind::WriteFailure => format!("the body has more than {LARGEST} bytes"),
        _ => error.detail().map_or_else(|| kind.to_string(), |detail| format!("{kind}: {detail}")),
    };
    match error.range() {
        Some(range) => TemplateError::at(source, range.start, message),
        None => TemplateError { line: error.line().unwrap_or(1), column: 1, message },
    }
}
