//! `webhooks[]`: who is told, and how.
//!
//! Each file reads some of the keys of an entry: `routing` what is told, `request` and `body` how it is said, `delivery`
//! how hard it is tried.

mod body;
mod delivery;
mod request;
mod routing;

use std::collections::BTreeSet;
use std::time::Duration;

pub use delivery::Delivery;
pub(super) use request::is_token;
pub use request::{Authorization, Method};
pub use routing::Routing;

pub(super) use request::{read_authorization, read_header, read_headers, read_url};

use super::effort::limit;
use super::findings::{Findings, Problem};
use super::reader::{Node, Object};
use super::url::Url;
use crate::domain::{Event, EventKind};
use crate::render::HeaderTemplate;
use crate::render::format::{Format, Preset};
use crate::render::signature::Signing;

/// Somebody who is told about events.
#[derive(Debug)]
pub struct Handler {
    /// Unique in the document. A webhook of several clusters is as many handlers.
    pub name: String,
    /// What it wants to hear of.
    pub routing: Routing,
    /// Holds back the same (certificate, role, API, event) here, never another.
    pub cooldown: Duration,
    /// Whether the document wants it.
    pub enabled: bool,
    /// Whether one of its environment variables is missing or of no use.
    pub is_switched_off: bool,
    /// What it does.
    pub action: Action,
}

/// What a handler does with an event.
#[derive(Debug)]
pub enum Action {
    /// Sends a request.
    Webhook(Box<Webhook>),
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
    /// What proves who is calling.
    pub authorization: Option<Authorization>,
    /// Its body.
    pub format: Format,
    /// Whether alerts are told again at every check, because they end by themselves otherwise.
    pub refreshes: bool,
    /// How the body is signed.
    pub signing: Option<Signing>,
    /// How long an answer is waited for.
    pub timeout: Duration,
    /// How hard it is tried.
    pub delivery: Delivery,
    /// Whether the receiver is asked before the first delivery (`CloudEvents`, HTTP 1.1 Web Hooks, section 4).
    pub handshake: bool,
    /// Whether it is tried as soon as it is configured.
    pub test_on_start: bool,
}

impl Handler {
    /// Whether it is active and wants `event`.
    pub fn wants(&self, event: &Event) -> bool {
        self.is_active() && self.is_meant_for(event)
    }

    /// Whether it wants `event`, and only a missing variable keeps it from being told. Another instance may have that
    /// variable.
    pub fn misses(&self, event: &Event) -> bool {
        self.enabled && self.is_switched_off && self.is_meant_for(event)
    }

    /// Whether its body has a place for `event`.
    pub fn carries(&self, event: &Event) -> bool {
        self.webhook().is_none_or(|webhook| webhook.format.carries(event))
    }

    fn is_meant_for(&self, event: &Event) -> bool {
        match event.kind {
            _ if !self.carries(event) => false,
            EventKind::WebhookTest => self.webhook().is_some_and(|webhook| webhook.test_on_start),
            _ => self.routing.wants(event),
        }
    }

    /// Whether it is told anything at all.
    pub const fn is_active(&self) -> bool {
        self.enabled && !self.is_switched_off
    }

    /// Its webhook, if it is one.
    pub const fn webhook(&self) -> Option<&Webhook> {
        match &self.action {
            Action::Webhook(webhook) => Some(webhook),
            Action::Log(_) => None,
        }
    }

    /// Looks up its variables; returns why it cannot be used, if it cannot.
    pub(super) fn resolve(&mut self, environment: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        let Action::Webhook(webhook) = &mut self.action else { return None };
        let mut missing: Vec<_> =
            webhook.headers.iter_mut().flat_map(|(_, value)| value.resolve(environment)).collect();
        missing.extend(webhook.format.resolve(environment));
        if let Some(authorization) = &mut webhook.authorization {
            missing.extend(authorization.secret_mut().resolve(environment));
        }
        missing.extend(webhook.signing.iter_mut().flat_map(|signing| signing.resolve(environment)));
        if let Some(name) = missing.first() {
            return Some(format!(
                "environment variable {name} is not set; name it in vm_config.environment_variables.host_env_keys and set \
                 it for Envoy"
            ));
        }
        let problem = webhook.signing.as_ref().and_then(Signing::problem)?;
        Some(format!("a secret of its signing cannot be used: {problem}"))
    }
}

const KEYS: [&str; 8] =
    ["name", "cluster", "clusters", "timeout_seconds", "cooldown_seconds", "handshake", "test_on_start", "enabled"];

/// How long an answer is waited for where nothing else is said.
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Patterns of all webhooks: each is compared with the names or the API of every event, for each cluster of its webhook.
const MOST_PATTERNS: usize = 150;

pub(super) fn read(root: &Object<'_>, require_https: bool, findings: &Findings) -> Vec<Handler> {
    let entries = root.get("webhooks").and_then(|node| node.list()).unwrap_or_default();
    let known: Vec<&str> = KEYS
        .iter()
        .chain(&request::KEYS)
        .chain(&routing::KEYS)
        .chain(&delivery::KEYS)
        .chain(&body::KEYS)
        .copied()
        .collect();
    let handlers: Vec<_> = entries
        .iter()
        .filter_map(|node| node.object(&known))
        .flat_map(|entry| read_entry(&entry, require_https, findings))
        .collect();
    limit(root.get("webhooks").as_ref(), handlers.iter().map(|handler| handler.routing.effort()), MOST_PATTERNS);
    handlers
}

/// A webhook: a handler for each of its clusters.
fn read_entry(entry: &Object<'_>, require_https: bool, findings: &Findings) -> Vec<Handler> {
    let Some(clusters) = read_clusters(entry) else {
        return read_handler(entry, require_https, findings, None).into_iter().collect();
    };
    clusters.into_iter().filter_map(|cluster| read_handler(entry, require_https, findings, Some(cluster))).collect()
}

fn read_clusters<'a>(entry: &Object<'a>) -> Option<Vec<&'a str>> {
    let node = entry.get("clusters")?;
    if entry.get("cluster").is_some() {
        node.refuse("is there beside cluster; a webhook has one of the two");
    }
    let clusters: Vec<_> = node.list()?.iter().filter_map(Node::non_empty_text).collect();
    if clusters.is_empty() {
        node.refuse("names nothing; expected the names of one or more clusters");
    }
    Some(clusters)
}

fn read_handler(
    entry: &Object<'_>,
    require_https: bool,
    findings: &Findings,
    one_of_several: Option<&str>,
) -> Option<Handler> {
    let name = entry.require("name").and_then(|node| read_name(&node));
    let cluster = one_of_several.or_else(|| entry.require("cluster").and_then(|node| node.non_empty_text()));
    let url = entry.require("url").and_then(|node| read_url(&node, require_https));
    let method = entry.get("method").and_then(|node| node.word(&Method::WORDS)).unwrap_or(Method::Post);
    let headers = entry.get("headers").map(|node| read_headers(&node, findings)).unwrap_or_default();
    let authorization = request::read_authorization(entry, &headers);
    let seconds =
        |key, allowed| entry.get(key).and_then(|node| node.integer(allowed)).map(|n| Duration::from_secs(n.into()));
    let flag = |key| entry.get(key).and_then(|node| node.boolean());
    let timeout = seconds("timeout_seconds", 1..=300);
    let cooldown = seconds("cooldown_seconds", 0..=365 * 86_400);
    let body = body::read(entry, is_json(entry));
    let routing = routing::read(entry, body.preset.is_some_and(Preset::resolves));
    let delivery = delivery::read(entry);
    refuse_contradictions(entry, method, &body, &delivery);
    warn_of_untold(entry, &body);
    let (handshake, test_on_start) = (flag("handshake").unwrap_or(false), flag("test_on_start").unwrap_or(false));
    let enabled = flag("enabled").unwrap_or(true);
    let (name, cluster) = (name?, cluster?);
    Some(Handler {
        name: if one_of_several.is_some() { format!("{name}/{}", label(cluster)) } else { name.to_owned() },
        routing,
        cooldown: cooldown.unwrap_or_default(),
        enabled,
        is_switched_off: false,
        action: Action::Webhook(Box::new(Webhook {
            cluster: cluster.to_owned(),
            url: url?,
            method,
            headers,
            authorization,
            refreshes: body.preset.is_some_and(Preset::refreshes),
            format: body.format?,
            signing: body.signing,
            timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
            delivery,
            handshake,
            test_on_start,
        })),
    })
}

/// Whether a body is JSON, as far as the user's own headers say: they do not where they leave `content-type` out.
fn is_json(entry: &Object<'_>) -> bool {
    let headers = entry.get("headers").filter(Node::is_object).and_then(|node| node.any_object());
    let mut entries = headers.iter().flat_map(Object::entries);
    let content_type = entries.find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    content_type.and_then(|(_, node)| node.as_text()).is_none_or(|text| text.contains("json"))
}

fn refuse_contradictions(entry: &Object<'_>, method: Method, body: &body::Body, delivery: &Delivery) {
    let refuse = |key: &str, message: &str| entry.get(key).into_iter().for_each(|node| node.refuse(message));
    if delivery.batch.is_some() && !body.preset.is_some_and(Preset::batches) {
        refuse(
            "batch",
            "cannot be had here: one request for many events is made by the formats default, cloudevents, \
                         alertmanager and infisical",
        );
    }
    if delivery.batch.is_some() && body.is_binary {
        refuse("batch", "cannot be had with content_mode \"binary\": it sends one event at a time");
    }
    if !method.has_body() {
        for key in ["template", "signing", "batch"] {
            refuse(key, "needs a body, and this method has none");
        }
    }
}

/// Events that are named, and that the body has no place for.
fn warn_of_untold(entry: &Object<'_>, body: &body::Body) {
    let items = entry.get("events").filter(Node::is_list).and_then(|node| node.list()).unwrap_or_default();
    for node in items {
        let kind = node.as_text().and_then(EventKind::parse);
        if kind.is_some_and(|kind| body.preset.is_some_and(|preset| !preset.carries(kind))) {
            node.warn("this event is not sent here: the format has no place for it");
        }
    }
}

fn read_name<'a>(node: &Node<'a>) -> Option<&'a str> {
    let name = node.text()?;
    if (1..=64).contains(&name.len()) && name.chars().all(is_name_char) {
        return Some(name);
    }
    node.refuse_value("1 to 64 letters, digits, dots, dashes and underscores (it becomes a metric label)");
    None
}

pub(super) fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
}

/// A text as part of a metric's label.
pub(super) fn label(text: &str) -> String {
    text.chars().map(|c| if is_name_char(c) { c } else { '-' }).take(56).collect()
}

pub(super) fn refuse_equal_names(handlers: &[Handler], findings: &Findings) {
    let mut names = BTreeSet::new();
    for handler in handlers.iter().filter(|handler| !names.insert(handler.name.as_str())) {
        findings.problem(Problem::at("webhooks", format!("the name {:?} is there twice", handler.name)));
    }
}

/// Every `on_failure` names another webhook, no chain of them comes back to its beginning, and whoever wants no event at
/// all is at least named by one.
pub(super) fn check_successions(handlers: &[Handler], findings: &Findings) {
    let successor = |handler: &Handler| -> Option<String> { handler.webhook()?.delivery.on_failure.clone() };
    let find = |name: &str| handlers.iter().find(|handler| handler.webhook().is_some() && handler.name == name);
    let mut named = BTreeSet::new();
    for handler in handlers {
        let mut next = successor(handler);
        let mut steps = 0_usize;
        while let Some(name) = next {
            let problem = |message: String| {
                findings.problem(Problem::at("webhooks", format!("on_failure of {:?} {message}", handler.name)));
            };
            let Some(known) = find(&name) else {
                problem(format!("names {name:?}, which is no webhook of one cluster"));
                break;
            };
            steps = steps.saturating_add(1);
            if steps > handlers.len() || known.name == handler.name {
                problem("leads back to where it began".to_owned());
                break;
            }
            next = successor(known);
            named.insert(name);
        }
    }
    for idle in handlers.iter().filter(|handler| handler.routing.events.is_empty() && !named.contains(&handler.name)) {
        let message =
            format!("{:?} has no events, and no on_failure names it: it would never be told anything", idle.name);
        findings.problem(Problem::at("webhooks", message));
    }
}
