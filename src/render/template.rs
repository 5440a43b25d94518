//! Jinja templates whose output is valid JSON whatever a certificate says.

use std::fmt;

use minijinja::{Environment, Output, State, UndefinedBehavior, Value};

use super::fields::{fields, samples};
use crate::domain::Event;

const NAME: &str = "webhook";

/// What surrounds a value on its way from the formatter to the finished text. Neither can stand in JSON text, and
/// templates that hold one are refused.
const START: char = '\u{1}';
const END: char = '\u{2}';

/// What a field that an event does not have looks like between the marks.
const NOTHING: &str = "null";

/// A compiled template.
pub struct Template(Environment<'static>);

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
    /// Compiles `source` and tries it on one event of each kind, so that a mistake is found when it is configured and
    /// not when a certificate expires.
    pub fn compile(source: &str) -> Result<Self, TemplateError> {
        if source.contains([START, END]) {
            return Err(TemplateError { line: 1, column: 1, message: "control characters are not allowed".to_owned() });
        }
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_formatter(mark);
        environment.add_template_owned(NAME, source.to_owned()).map_err(|error| explain(&error, source))?;
        let template = Self(environment);
        for sample in samples() {
            template.render(&sample)?;
        }
        Ok(template)
    }

    /// The JSON body about `event`. Both `"{{ cert_name }}"` and `{{ cert_name }}` give a JSON string.
    pub fn json(&self, event: &Event) -> Result<String, TemplateError> {
        self.render(event).map(|marked| resolve(&marked, &mut InJson::default()))
    }

    /// Plain text about `event`, its values as they are.
    pub fn text(&self, event: &Event) -> Result<String, TemplateError> {
        self.render(event).map(|marked| resolve(&marked, &mut InText))
    }

    fn render(&self, event: &Event) -> Result<String, TemplateError> {
        let source = || self.0.get_template(NAME).map(|template| template.source().to_owned()).unwrap_or_default();
        self.0
            .get_template(NAME)
            .and_then(|template| template.render(fields(event)))
            .map_err(|error| explain(&error, &source()))
    }
}

/// Writes a value as JSON between two marks: what it must look like depends on the text around it.
fn mark(out: &mut Output, _: &mut State, value: &Value) -> Result<(), minijinja::Error> {
    let json = serde_json::to_string(value)
        .map_err(|error| minijinja::Error::new(minijinja::ErrorKind::BadSerialization, error.to_string()))?;
    Ok(write!(out, "{START}{json}{END}")?)
}

/// Where the values of a template end up.
trait Place {
    /// Is told the template's own text.
    fn pass(&mut self, text: &str);
    /// What `json` looks like here.
    fn put(&self, json: &str) -> String;
}

fn resolve(marked: &str, place: &mut impl Place) -> String {
    let mut out = String::with_capacity(marked.len());
    for part in marked.split_inclusive(END) {
        let (text, value) = part.split_once(START).unwrap_or((part, ""));
        place.pass(text);
        out.push_str(text);
        if let Some(json) = value.strip_suffix(END) {
            out.push_str(&place.put(json));
        }
    }
    out
}

/// JSON text: within a string a value brings no quotes of its own.
#[derive(Default)]
struct InJson {
    in_string: bool,
    escaped: bool,
}

impl Place for InJson {
    fn pass(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                _ if self.escaped => self.escaped = false,
                '\\' => self.escaped = self.in_string,
                '"' => self.in_string = !self.in_string,
                _ => {}
            }
        }
    }

    fn put(&self, json: &str) -> String {
        let is_string = json.starts_with('"');
        match (self.in_string, is_string) {
            (false, _) => json.to_owned(),
            (true, true) => without_quotes(json).to_owned(),
            (true, false) if json == NOTHING => String::new(),
            (true, false) => without_quotes(&serde_json::Value::from(json).to_string()).to_owned(),
        }
    }
}

fn without_quotes(json: &str) -> &str {
    json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(json)
}

struct InText;

impl Place for InText {
    fn pass(&mut self, _: &str) {}

    fn put(&self, json: &str) -> String {
        serde_json::from_str(json).unwrap_or_else(|_| if json == NOTHING { String::new() } else { json.to_owned() })
    }
}

fn explain(error: &minijinja::Error, source: &str) -> TemplateError {
    let detail =
        error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()));
    let before = error.range().and_then(|range| source.get(..range.start)).unwrap_or_default();
    TemplateError {
        line: error.line().unwrap_or(1),
        column: before.chars().rev().take_while(|c| *c != '\n').count().saturating_add(1),
        message: detail,
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::domain::{EventKind, Role, Usage};

    const DEFAULT: &str = include_str!("../../templates/default_webhook.json");

    fn soon() -> Event {
        samples().into_iter().find(|event| event.kind == EventKind::CertificateExpiringSoon).unwrap()
    }

    fn named(name: &str) -> Event {
        let mut event = soon();
        Rc::make_mut(&mut event.certificate).name = name.to_owned();
        event
    }

    fn json(template: &str, event: &Event) -> String {
        Template::compile(template).unwrap().json(event).unwrap()
    }

    #[test]
    fn the_default_body_has_exactly_these_fields_in_this_order() {
        let body = json(DEFAULT, &soon());
        let id = soon().certificate.id.to_string();
        assert_eq!(
            body.split_whitespace().collect::<Vec<_>>().join(" "),
            format!(
                r#"{{ "event": "CertificateExpiringSoon", "message": "Certificate sample is expiring in 30 days", "cert_id": "{id}", "cert_name": "sample", "expires_at": "1970-01-01T00:00:00Z", "days_remaining": 30, "cert_role": "client", "api_id": "sample", "timestamp": "1969-12-02T00:00:00Z" }}"#
            )
        );
    }

    #[test]
    fn the_default_body_of_an_expired_one_says_since_when() {
        let mut event = samples().pop().unwrap();
        event.usage = Usage::new(Role::Server, None);
        let body = json(DEFAULT, &event);
        let names: Vec<_> = body.lines().filter_map(|line| line.trim().split('"').nth(1)).collect();
        assert_eq!(
            names,
            ["event", "message", "cert_id", "cert_name", "expired_at", "days_since_expiry", "cert_role", "timestamp"]
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&body).unwrap()["days_since_expiry"], 0);
    }

    #[test]
    fn a_value_is_valid_json_with_and_without_quotes_around_it() {
        let hostile = "a\"b\\c\n\u{7}\u{1}\u{2}</script>{{ event }}";
        for template in [
            r#"{"x": "{{ cert_name }}"}"#,
            r#"{"x": {{ cert_name }}}"#,
            r#"{"y": "\\", "z": "\"", "x": "{{ cert_name }}"}"#,
            r#"{"y": "{{ event }}{{ event }}", "x": {{ cert_name }}}"#,
        ] {
            let body = json(template, &named(hostile));
            let value: serde_json::Value =
                serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
            assert_eq!(value["x"], hostile);
        }
    }

    #[test]
    fn numbers_and_nothing_become_json_too() {
        let template =
            r#"{"a": {{ none }}, "b": "{{ 7 }}d", "c": {{ 7 }}, "d": "{{ true }}", "e": "<{{ expired_at }}>"}"#;
        assert_eq!(json(template, &soon()), r#"{"a": null, "b": "7d", "c": 7, "d": "true", "e": "<>"}"#);
        assert_eq!(Template::compile("<{{ expired_at }}>").unwrap().text(&soon()).unwrap(), "<>");
    }

    #[test]
    fn plain_text_takes_values_as_they_are() {
        let text = Template::compile("{{ cert_name }}!").unwrap().text(&named("a\"b\\c")).unwrap();
        assert_eq!(text, "a\"b\\c!");
    }

    #[test]
    fn a_mistake_is_found_when_the_template_is_compiled_and_has_a_place() {
        let error = Template::compile("{\n  \"x\": \"{{ cert_nam }}\"\n}").unwrap_err();
        assert_eq!((error.line, error.column), (2, 12), "{error}");
        let error = Template::compile("{{ .Meta.CertID }}").unwrap_err();
        assert_eq!(error.line, 1, "{error}");
        assert!(Template::compile("{% if event %}").is_err());
        assert!(Template::compile("\u{1}").is_err());
    }
}
