//! Typed access to a JSON document. A wrong value is reported with its path and what is allowed, and read as absent.

use std::fmt;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::findings::{Findings, Problem};
use crate::domain::text::harmless;
use crate::render::nearest;

/// One value and where it stands.
#[derive(Clone)]
pub(super) struct Node<'a> {
    path: String,
    value: &'a Value,
    findings: &'a Findings,
}

/// An object whose keys have been checked.
pub(super) struct Object<'a> {
    path: String,
    map: &'a Map<String, Value>,
    findings: &'a Findings,
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value, findings: &'a Findings) -> Self {
        Self { path: String::new(), value, findings }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Reports a problem of this value without showing it.
    pub(super) fn refuse(&self, message: impl fmt::Display) {
        self.findings.problem(Problem::at(&self.path, message.to_string()));
    }

    /// Reports this value as not allowed, and shows it if it is a number, a word or the like.
    pub(super) fn refuse_value(&self, expected: impl fmt::Display) {
        let shown = match self.value {
            Value::Object(_) => "an object".to_owned(),
            Value::Array(_) => "a list".to_owned(),
            value => harmless(&value.to_string()).chars().take(80).collect(),
        };
        self.refuse(format!("{shown} is not allowed; expected {expected}"));
    }

    /// Reports that something else than an object or a list stands here. It is not shown: it may be a URL or a header.
    fn refuse_kind<T>(&self, expected: &str) -> Option<T> {
        let kind = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.refuse(format!("{kind} is not allowed; expected {expected}"));
        None
    }

    pub(super) fn warn(&self, message: impl fmt::Display) {
        self.findings.warning(format!("{}: {message}", self.path));
    }

    /// An object with no keys but `known`.
    pub(super) fn object(&self, known: &[&str]) -> Option<Object<'a>> {
        let object = self.any_object()?;
        for key in object.map.keys().filter(|key| !known.contains(&key.as_str())) {
            let problem = format!("unknown key; {}", suggestion(key, known));
            self.findings.problem(Problem::at(&join(&self.path, key), problem));
        }
        Some(object)
    }

    /// An object whose keys are names that the user chose.
    pub(super) fn any_object(&self) -> Option<Object<'a>> {
        match self.value {
            Value::Object(map) => Some(Object { path: self.path.clone(), map, findings: self.findings }),
            _ => self.refuse_kind("an object"),
        }
    }

    pub(super) fn list(&self) -> Option<Vec<Self>> {
        let Value::Array(values) = self.value else { return self.refuse_kind("a list") };
        let item = |(index, value)| Self { path: format!("{}[{index}]", self.path), value, findings: self.findings };
        Some(values.iter().enumerate().map(item).collect())
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        self.value.as_str().or_else(|| self.wrong("a string"))
    }

    /// Like [`Node::text`], for values that nobody may see.
    pub(super) fn secret_text(&self) -> Option<&'a str> {
        self.value.as_str().or_else(|| self.refuse_kind("a string"))
    }

    pub(super) fn non_empty_text(&self) -> Option<&'a str> {
        self.text()
            .and_then(|text| if text.trim().is_empty() { self.wrong("a string that is not empty") } else { Some(text) })
    }

    /// A text that may stand in a request's first lines: Envoy refuses any other character.
    pub(super) fn visible_text(&self) -> Option<&'a str> {
        let text = self.non_empty_text()?;
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_visible { Some(text) } else { self.wrong("visible ASCII characters without spaces") }
    }

    pub(super) fn is_text(&self) -> bool {
        self.value.is_string()
    }

    /// The text that stands here, if it is one.
    pub(super) fn as_text(&self) -> Option<&'a str> {
        self.value.as_str()
    }

    pub(super) fn is_object(&self) -> bool {
        self.value.is_object()
    }

    pub(super) fn is_list(&self) -> bool {
        self.value.is_array()
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        self.value.as_bool().or_else(|| self.wrong("true or false"))
    }

    pub(super) fn integer(&self, allowed: RangeInclusive<u32>) -> Option<u32> {
        self.number()
            .filter(|number| allowed.contains(number))
            .or_else(|| self.wrong(format!("an integer from {} to {}", allowed.start(), allowed.end())))
    }

    /// An integer, or zero where that means none.
    pub(super) fn integer_or_zero(&self, allowed: RangeInclusive<u32>) -> Option<u32> {
        self.number()
            .filter(|number| *number == 0 || allowed.contains(number))
            .or_else(|| self.wrong(format!("0 or an integer from {} to {}", allowed.start(), allowed.end())))
    }

    fn number(&self) -> Option<u32> {
        self.value.as_u64().and_then(|number| u32::try_from(number).ok())
    }

    /// One of a list of words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let found = self.value.as_str().and_then(|text| words.iter().find(|(word, _)| *word == text));
        found.map(|(_, meaning)| *meaning).or_else(|| {
            let list: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.wrong(format!("one of {}", list.join(", ")))
        })
    }

    fn wrong<T>(&self, expected: impl fmt::Display) -> Option<T> {
        self.refuse_value(expected);
        None
    }
}

impl<'a> Object<'a> {
    /// The value of `key`; `null` counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<Node<'a>> {
        let value = self.map.get(key).filter(|value| !value.is_null())?;
        Some(Node { path: join(&self.path, key), value, findings: self.findings })
    }

    /// The items of the list `key`; none if it is absent.
    pub(super) fn items(&self, key: &str) -> Vec<Node<'a>> {
        self.get(key).and_then(|node| node.list()).unwrap_or_default()
    }

    /// The value of `key`, which must be there.
    pub(super) fn require(&self, key: &str) -> Option<Node<'a>> {
        let node = self.get(key);
        if node.is_none() {
            self.missing(key);
        }
        node
    }

    /// Reports that `key` must be there and is not.
    pub(super) fn missing(&self, key: &str) {
        self.findings.problem(Problem::at(&join(&self.path, key), "missing; this key is required".to_owned()));
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, Node<'a>)> + '_ {
        self.map
            .iter()
            .map(|(key, value)| (key.as_str(), Node { path: join(&self.path, key), value, findings: self.findings }))
    }
}

fn join(path: &str, key: &str) -> String {
    let key = harmless(key);
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

fn suggestion(key: &str, known: &[&str]) -> String {
    match nearest(key, known) {
        Some(nearest) => format!("did you mean {nearest:?}?"),
        None => format!("the keys here are {}", known.join(", ")),
    }
}
