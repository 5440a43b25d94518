//! Tyk's own forms, so that a pasted configuration works: `event_handlers` of a classic API definition and the OAS list
//! `eventHandlers`. Both become the same [`Handler`]s as `webhooks`.

use std::collections::BTreeSet;
use std::time::Duration;

use super::duration::read_duration;
use super::findings::Findings;
use super::reader::{Node, Object};
use super::webhook::{
    Action, DEFAULT_TIMEOUT, Delivery, Handler, Method, Routing, Webhook, label, read_header, read_headers, read_url,
};
use crate::domain::EventKind;
use crate::domain::text::harmless;
use crate::render::HeaderTemplate;
use crate::render::format::{Format, Preset};
use crate::render::go;

/// The template that Tyk ships, and the name by which its documents call it.
const BUILT_IN: &str = "templates/default_webhook.json";

/// What all handlers of a document share.
struct Document<'a> {
    /// Bodies by the path that a handler names, in Jinja; nothing where one is broken.
    templates: Vec<(&'a str, Option<String>)>,
    /// Clusters by the host of a URL.
    clusters: Vec<(&'a str, &'a str)>,
    require_https: bool,
    findings: &'a Findings,
}

pub(super) fn read_handlers<'a>(root: &Object<'a>, require_https: bool, findings: &'a Findings) -> Vec<Handler> {
    let document = Document { templates: read_templates(root), clusters: read_clusters(root), require_https, findings };
    let mut handlers = read_classic(root, &document);
    handlers.extend(read_oas(root, &document));
    make_names_unique(&mut handlers);
    handlers
}

fn read_templates<'a>(root: &Object<'a>) -> Vec<(&'a str, Option<String>)> {
    let Some(templates) = root.get("templates").and_then(|node| node.any_object()) else { return Vec::new() };
    let read = |node: &Node<'a>| {
        let source = node.text()?;
        match go::jinja(source).and_then(|jinja| Format::template(&jinja, true).map(|_| jinja)) {
            Ok(jinja) => Some(jinja),
            Err(error) => {
                node.refuse(format!("webhook template error: {error}"));
                None
            }
        }
    };
    templates.entries().map(|(path, node)| (path, read(&node))).collect()
}

fn read_clusters<'a>(root: &Object<'a>) -> Vec<(&'a str, &'a str)> {
    let clusters = root.get("target_clusters").and_then(|node| node.any_object());
    clusters
        .iter()
        .flat_map(Object::entries)
        .filter_map(|(host, node)| node.non_empty_text().map(|cluster| (host, cluster)))
        .collect()
}

/// `event_handlers: { events: { <Event>: [ { handler_name, handler_meta } ] } }`
fn read_classic(root: &Object<'_>, document: &Document<'_>) -> Vec<Handler> {
    let events = root
        .get("event_handlers")
        .and_then(|node| node.object(&["events"]))
        .and_then(|section| section.get("events"))
        .and_then(|node| node.any_object());
    let mut handlers = Vec::new();
    for (name, node) in events.iter().flat_map(Object::entries) {
        let Some(event) = read_event(name, &node) else { continue };
        let entries = node.list().unwrap_or_default();
        handlers.extend(entries.iter().filter_map(|entry| read_classic_handler(entry, event, document)));
    }
    handlers
}

fn read_classic_handler(node: &Node<'_>, event: EventKind, document: &Document<'_>) -> Option<Handler> {
    let entry = node.object(&["handler_name", "handler_meta"])?;
    let name = entry.require("handler_name")?;
    let meta = entry.get("handler_meta");
    match name.text()? {
        "eh_web_hook_handler" => {
            const KEYS: [&str; 8] =
                ["disabled", "id", "name", "method", "target_path", "template_path", "header_map", "event_timeout"];
            let meta = meta.or_else(|| entry.require("handler_meta"))?.object(&KEYS)?;
            refuse_id(&meta);
            let cooldown =
                meta.get("event_timeout").and_then(|node| node.integer(0..=365 * 86_400)).unwrap_or_default();
            Some(Handler {
                name: read_name(&meta, event),
                routing: Routing::of_events(vec![event]),
                cooldown: Duration::from_secs(cooldown.into()),
                enabled: !meta.get("disabled").and_then(|node| node.boolean()).unwrap_or(false),
                ..read_webhook(&meta, ["target_path", "template_path", "header_map"], document)?
            })
        }
        "eh_log_handler" => {
            let meta = meta.and_then(|node| node.object(&["prefix"]));
            let prefix = meta.and_then(|meta| meta.get("prefix")).and_then(|node| node.text()).unwrap_or_default();
            Some(Handler { routing: Routing::of_events(vec![event]), ..log_handler(harmless(prefix), event) })
        }
        "eh_dynamic_handler" => {
            name.refuse(
                "JavaScript handlers do not run in a proxy; send a webhook to a service that does what the script did",
            );
            None
        }
        _ => {
            name.refuse_value("one of eh_web_hook_handler, eh_log_handler");
            None
        }
    }
}

/// `eventHandlers: [ { enabled, trigger, type, cooldownPeriod, name, url, method, bodyTemplate, headers } ]`
fn read_oas(root: &Object<'_>, document: &Document<'_>) -> Vec<Handler> {
    let entries = root.get("eventHandlers").and_then(|node| node.list()).unwrap_or_default();
    entries.iter().filter_map(|entry| read_oas_handler(entry, document)).collect()
}

fn read_oas_handler(node: &Node<'_>, document: &Document<'_>) -> Option<Handler> {
    const KEYS: [&str; 10] =
        ["enabled", "trigger", "type", "cooldownPeriod", "name", "id", "url", "method", "bodyTemplate", "headers"];
    let entry = node.object(&KEYS)?;
    refuse_id(&entry);
    let trigger = entry.require("trigger").and_then(|node| read_event(node.text()?, &node));
    let kind = entry.require("type").and_then(|node| node.word(&[("webhook", ())]));
    let cooldown = entry.get("cooldownPeriod").and_then(|node| read_duration(&node)).unwrap_or_default();
    let enabled = entry.get("enabled").and_then(|node| node.boolean());
    let webhook = read_webhook(&entry, ["url", "bodyTemplate", "headers"], document);
    let (event, ()) = (trigger?, kind?);
    Some(Handler {
        name: read_name(&entry, event),
        routing: Routing::of_events(vec![event]),
        cooldown,
        // Tyk reads a missing `enabled` as false; somebody who pastes a handler here wants it.
        enabled: enabled.unwrap_or(true),
        ..webhook?
    })
}

/// What both forms share, under the names that each of them uses for URL, template and headers.
fn read_webhook(entry: &Object<'_>, names: [&str; 3], document: &Document<'_>) -> Option<Handler> {
    let [url, template, headers] = names;
    let url_node = entry.require(url);
    let url = url_node.as_ref().and_then(|node| read_url(node, document.require_https));
    let method = entry.get("method").and_then(|node| node.word(&Method::WORDS)).unwrap_or(Method::Post);
    let format = read_format(entry.get(template).as_ref(), document);
    let headers = entry.get(headers).map(|node| read_any_headers(&node, document.findings)).unwrap_or_default();
    let url = url?;
    let cluster_of =
        |host: &str| document.clusters.iter().find(|(known, _)| *known == host).map(|(_, cluster)| *cluster);
    let cluster = cluster_of(&url.authority).or_else(|| cluster_of(url.host())).unwrap_or(url.host()).to_owned();
    let webhook = Webhook {
        cluster,
        url,
        method,
        headers,
        authorization: None,
        format: format?,
        refreshes: false,
        signing: None,
        timeout: DEFAULT_TIMEOUT,
        delivery: Delivery::default(),
        handshake: false,
        test_on_start: false,
    };
    Some(handler(Action::Webhook(Box::new(webhook))))
}

fn log_handler(prefix: String, event: EventKind) -> Handler {
    Handler { name: format!("{event}-log"), ..handler(Action::Log(prefix)) }
}

fn handler(action: Action) -> Handler {
    Handler {
        name: String::new(),
        routing: Routing::of_events(Vec::new()),
        cooldown: Duration::ZERO,
        enabled: true,
        is_switched_off: false,
        action,
    }
}

fn read_format(node: Option<&Node<'_>>, document: &Document<'_>) -> Option<Format> {
    let path = node.and_then(super::reader::Node::text).unwrap_or_default();
    let known = document.templates.iter().find(|(known, _)| *known == path);
    if let Some((_, template)) = known {
        // A broken one has been reported where it stands.
        return Format::template(template.as_deref()?, true).ok();
    }
    if let Some(node) = node.filter(|_| !path.is_empty() && path != BUILT_IN) {
        node.refuse_value(format!(
            "{BUILT_IN}, or a key of \"templates\" that holds the text: a plugin cannot read files"
        ));
        return None;
    }
    Format::preset(Preset::Default, false, Vec::new()).ok()
}

/// A map of names and values, or the list of `{ name, value }` that Tyk's own schema has.
fn read_any_headers(node: &Node<'_>, findings: &Findings) -> Vec<(String, HeaderTemplate)> {
    if !node.is_list() {
        return read_headers(node, findings);
    }
    let items = node.list().unwrap_or_default();
    items
        .iter()
        .filter_map(|item| item.object(&["name", "value"]))
        .filter_map(|item| read_header(item.require("name")?.text()?, &item.require("value")?))
        .collect()
}

fn read_event(name: &str, node: &Node<'_>) -> Option<EventKind> {
    let event = EventKind::OF_TYK.into_iter().find(|kind| kind.as_str() == name);
    if event.is_none() {
        let known: Vec<_> = EventKind::OF_TYK.iter().map(|kind| kind.as_str()).collect();
        node.refuse(format!("{:?} is not an event of this plugin; it has {}", harmless(name), known.join(" and ")));
    }
    event
}

fn refuse_id(entry: &Object<'_>) {
    if let Some(id) = entry.get("id").filter(|id| id.text() != Some("")) {
        id.refuse("names a webhook that is kept in Tyk Dashboard; write its url, method and headers here instead");
    }
}

/// A name that can be a metric label, or one made of the event.
fn read_name(entry: &Object<'_>, event: EventKind) -> String {
    let name = entry.get("name").and_then(|node| node.text()).unwrap_or_default();
    let name = label(name);
    if name.is_empty() { event.to_string() } else { name }
}

/// Tyk has one handler for each event, often with the same name.
fn make_names_unique(handlers: &mut [Handler]) {
    let mut names = BTreeSet::new();
    for handler in handlers {
        let base = handler.name.clone();
        let mut number: u32 = 1;
        while !names.insert(handler.name.clone()) {
            number = number.saturating_add(1);
            handler.name = format!("{base}-{number}");
        }
    }
}
