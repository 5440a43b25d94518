//! `webhooks[]`: who is told, and how.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use super::findings::{Findings, Problem};
use super::reader::{Node, Object};
use super::url::Url;
use crate::domain::{Event, EventKind, Role};
use crate::render::{HeaderTemplate, Template};

/// Somebody who is told about events.
#[derive(Debug)]
pub struct Handler {
    /// Unique in the document.
    pub name: String,
    /// The events it wants.
    pub events: Vec<EventKind>,
    /// The roles it wants to hear of.
    pub roles: Vec<Role>,
    /// Holds back the same (certificate, role, API, event) here, never another.
    pub cooldown: Duration,
    /// Whether the document wants it.
    pub enabled: bool,
    /// Whether one of its environment variables is missing.
    pub missing_variable: bool,
    /// What it does.
    pub action: Action,
}

/// What a handler does with an event.
#[derive(Debug)]
pub enum Action {
    /// Sends a request.
    Webhook(Webhook),
    /// Writes a log line that begins with this prefix.
    Log(String),
}

/// A request about an event.
#[derive(Debug)]
pub struct Webhook {
    /// The Envoy cluster that it goes through.
    pub cluster: String,
    /// Where it goes.
    pub url: Url,
    /// Its method.
    pub method: Method,
    /// Its own headers, with lower-case names.
    pub headers: Vec<(String, HeaderTemplate)>,
    /// Its body.
    pub template: Rc<Template>,
    /// How long an answer is waited for.
    pub timeout: Duration,
}

/// The methods of Tyk's webhook handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Sent without a body.
    Get,
    /// Sent with a body.
    Put,
    /// Sent with a body.
    Post,
    /// Sent with a body.
    Patch,
    /// Sent without a body.
    Delete,
}

impl Method {
    pub(super) const WORDS: [(&str, Self); 5] = [
        ("GET", Self::Get),
        ("PUT", Self::Put),
        ("POST", Self::Post),
        ("PATCH", Self::Patch),
        ("DELETE", Self::Delete),
    ];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether a request with this method carries the event as its body.
    pub const fn has_body(self) -> bool {
        !matches!(self, Self::Get | Self::Delete)
    }
}

impl Handler {
    /// Whether it is active and wants `event`.
    pub fn wants(&self, event: &Event) -> bool {
        self.is_active() && self.is_meant_for(event)
    }

    /// Whether it wants `event`, and only a missing variable keeps it from being told. Another instance may have that
    /// variable.
    pub fn misses(&self, event: &Event) -> bool {
        self.enabled && self.missing_variable && self.is_meant_for(event)
    }

    fn is_meant_for(&self, event: &Event) -> bool {
        self.events.contains(&event.kind) && self.roles.contains(&event.usage.role())
    }

    /// Whether it is told anything at all.
    pub const fn is_active(&self) -> bool {
        self.enabled && !self.missing_variable
    }

    /// Its webhook, if it is one.
    pub const fn webhook(&self) -> Option<&Webhook> {
        match &self.action {
            Action::Webhook(webhook) => Some(webhook),
            Action::Log(_) => None,
        }
    }

    pub(super) fn resolve(&mut self, environment: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
        match &mut self.action {
            Action::Webhook(webhook) => {
                webhook.headers.iter_mut().flat_map(|(_, value)| value.resolve(environment)).collect()
            }
            Action::Log(_) => Vec::new(),
        }
    }
}

const KEYS: [&str; 10] = [
    "name",
    "cluster",
    "url",
    "events",
    "roles",
    "method",
    "headers",
    "timeout_seconds",
    "cooldown_seconds",
    "enabled",
];

/// How long an answer is waited for where nothing else is said.
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn read(root: &Object<'_>, body: &Rc<Template>, require_https: bool, findings: &Findings) -> Vec<Handler> {
    let entries = root.get("webhooks").and_then(|node| node.list()).unwrap_or_default();
    entries
        .iter()
        .filter_map(|node| node.object(&KEYS))
        .filter_map(|entry| read_entry(&entry, body, require_https, findings))
        .collect()
}

fn read_entry(entry: &Object<'_>, body: &Rc<Template>, require_https: bool, findings: &Findings) -> Option<Handler> {
    let name = entry.require("name").and_then(|node| read_name(&node));
    let cluster = entry.require("cluster").and_then(|node| node.non_empty_text());
    let url = entry.require("url").and_then(|node| read_url(&node, require_https));
    let method = entry.get("method").and_then(|node| node.word(&Method::WORDS));
    let headers = entry.get("headers").map(|node| read_headers(&node, findings));
    let seconds =
        |key, allowed| entry.get(key).and_then(|node| node.integer(allowed)).map(|n| Duration::from_secs(n.into()));
    let timeout = seconds("timeout_seconds", 1..=300);
    let cooldown = seconds("cooldown_seconds", 0..=365 * 86_400);
    let events = entry.get("events").map(|node| read_events(&node));
    let roles = entry.get("roles").map(|node| read_roles(&node));
    let enabled = entry.get("enabled").and_then(|node| node.boolean());
    Some(Handler {
        name: name?.to_owned(),
        events: events.unwrap_or_else(|| EventKind::OF_TYK.to_vec()),
        roles: roles.unwrap_or_else(|| Role::ALL.to_vec()),
        cooldown: cooldown.unwrap_or_default(),
        enabled: enabled.unwrap_or(true),
        missing_variable: false,
        action: Action::Webhook(Webhook {
            cluster: cluster?.to_owned(),
            url: url?,
            method: method.unwrap_or(Method::Post),
            headers: headers.unwrap_or_default(),
            template: Rc::clone(body),
            timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
        }),
    })
}

fn read_name<'a>(node: &Node<'a>) -> Option<&'a str> {
    let name = node.text()?;
    if is_name(name) {
        return Some(name);
    }
    node.refuse_value("1 to 64 letters, digits, dots, dashes and underscores (it becomes a metric label)");
    None
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.chars().all(is_name_char)
}

pub(super) fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
}

/// Refuses a URL without showing it: its path and query may be the receiver's secret.
pub(super) fn read_url(node: &Node<'_>, require_https: bool) -> Option<Url> {
    match Url::parse(node.secret_text()?) {
        Ok(url) if !url.https && require_https => {
            node.refuse("the URL is http:// and require_https is true");
            None
        }
        Ok(url) => {
            if !url.https {
                node.warn("the URL is http://, so the receiver is told in plain text; require_https refuses that");
            }
            Some(url)
        }
        Err(problem) => {
            node.refuse(problem);
            None
        }
    }
}

fn read_events(node: &Node<'_>) -> Vec<EventKind> {
    let mut words: Vec<(&str, &[EventKind])> = vec![("*", &EventKind::OF_CERTIFICATES)];
    words.extend(EventKind::OF_CERTIFICATES.iter().map(|kind| (kind.as_str(), std::slice::from_ref(kind))));
    read_words(node, &words).into_iter().flatten().copied().collect()
}

fn read_roles(node: &Node<'_>) -> Vec<Role> {
    read_words(node, &Role::ALL.map(|role| (role.as_str(), role)))
}

/// A list of at least one of `words`.
fn read_words<T: Copy>(node: &Node<'_>, words: &[(&str, T)]) -> Vec<T> {
    let items = node.list().unwrap_or_default();
    if items.is_empty() {
        node.refuse("names nothing; leave the key out for the default");
    }
    items.iter().filter_map(|item| item.word(words)).collect()
}

/// Headers that Envoy or the plugin sets itself.
const RESERVED: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];

/// An object of names and values. Values are never shown: they may be secrets.
pub(super) fn read_headers(node: &Node<'_>, findings: &Findings) -> Vec<(String, HeaderTemplate)> {
    let Some(headers) = node.any_object() else { return Vec::new() };
    let mut names = BTreeSet::new();
    let mut read = Vec::new();
    for (name, value) in headers.entries() {
        let header = read_header(name, &value);
        if !names.insert(name.to_ascii_lowercase()) {
            findings.problem(Problem::at(value.path(), "is there twice; header names do not know case".to_owned()));
        }
        read.extend(header);
    }
    read
}

pub(super) fn read_header(name: &str, value: &Node<'_>) -> Option<(String, HeaderTemplate)> {
    // The characters of a token (RFC 9110, 5.6.2).
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let lower = name.to_ascii_lowercase();
    if name.is_empty() || !name.chars().all(is_token) || RESERVED.contains(&lower.as_str()) {
        value.refuse(format!(
            "is not a header that can be set; expected letters, digits and dashes, and none of {}",
            RESERVED.join(", ")
        ));
        return None;
    }
    let text = value.secret_text()?;
    if text.contains(char::is_control) {
        value.refuse("the header's value holds a line break or another control character");
        return None;
    }
    match HeaderTemplate::compile(text) {
        Ok(template) => Some((lower, template)),
        Err(error) => {
            value.refuse(format!("webhook template error: {error}"));
            None
        }
    }
}

pub(super) fn refuse_equal_names(handlers: &[Handler], findings: &Findings) {
    let mut names = BTreeSet::new();
    for handler in handlers.iter().filter(|handler| !names.insert(handler.name.as_str())) {
        findings.problem(Problem::at("webhooks", format!("the name {:?} is there twice", handler.name)));
    }
}
