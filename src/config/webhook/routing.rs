//! Which events a handler is told.

use super::super::effort::Effort;
use super::super::pattern::{Pattern, small};
use super::super::reader::{Node, Object};
use crate::domain::{Alert, Event, EventKind, Role, Severity};

/// What a handler wants to hear of: an event must match every part.
#[derive(Debug)]
pub struct Routing {
    /// The events.
    pub events: Vec<EventKind>,
    /// The roles.
    pub roles: Vec<Role>,
    /// Patterns for the API; none: with and without any.
    pub api_ids: Vec<Pattern>,
    /// Patterns for the certificate's name and its subject alternative names, in lower case; none: all.
    pub names: Vec<Pattern>,
    /// The severities.
    pub severities: Vec<Severity>,
    /// Whether what closes an alert follows it, wanted or not.
    pub send_resolved: bool,
}

impl Routing {
    /// These events about everything.
    pub fn of_events(events: Vec<EventKind>) -> Self {
        Self {
            events,
            roles: Role::ALL.to_vec(),
            api_ids: Vec::new(),
            names: Vec::new(),
            severities: Severity::ALL.to_vec(),
            send_resolved: false,
        }
    }

    /// Whether `event` is wanted.
    pub fn wants(&self, event: &Event) -> bool {
        // What tells of the proxy has no role and no name.
        self.wants_kind(event) && (!event.is_of_certificate() || self.wants_certificate(event))
    }

    /// What it is to find out whether it wants an event.
    pub(in crate::config) fn effort(&self) -> Effort {
        let mut effort = Effort { plain: 1, lowering: usize::from(!self.names.is_empty()), ..Effort::default() };
        self.names.iter().for_each(|pattern| effort.names.add(pattern));
        self.api_ids.iter().for_each(|pattern| effort.api_ids.add(pattern));
        effort
    }

    fn wants_certificate(&self, event: &Event) -> bool {
        self.roles.contains(&event.usage.role()) && self.knows_api(event) && self.knows_name(event)
    }

    fn wants_kind(&self, event: &Event) -> bool {
        let wants =
            |kind: EventKind, severity: Severity| self.events.contains(&kind) && self.severities.contains(&severity);
        match &event.closes {
            // It follows its alert; who names it wants it of all that they would want.
            Some(Alert { kind, severity, warned }) => {
                // One that has ended was about to end before, also where nobody remembers what was said then.
                let is_forgotten = *kind == EventKind::CertificateExpired && warned.is_empty();
                let warned = if is_forgotten { &[Severity::Warning] } else { warned.as_slice() };
                let was_warned = warned.iter().any(|warned| wants(EventKind::CertificateExpiringSoon, *warned));
                (self.send_resolved && (wants(*kind, *severity) || was_warned)) || self.events.contains(&event.kind)
            }
            None => wants(event.kind, event.severity),
        }
    }

    fn knows_api(&self, event: &Event) -> bool {
        let Some(api_id) = event.usage.api_id() else { return self.api_ids.is_empty() };
        self.api_ids.is_empty() || self.api_ids.iter().any(|pattern| pattern.matches(api_id))
    }

    fn knows_name(&self, event: &Event) -> bool {
        self.names.is_empty()
            || event.certificate.names().any(|name| {
                let name = small(name);
                self.names.iter().any(|pattern| pattern.matches(&name))
            })
    }
}

/// The keys of a webhook that say what it is told.
pub(super) const KEYS: [&str; 7] =
    ["events", "roles", "api_ids", "names", "min_severity", "severities", "send_resolved"];

pub(super) fn read(entry: &Object<'_>, sends_resolved: bool) -> Routing {
    let words = Severity::ALL.map(|severity| (severity.as_str(), severity));
    let least = entry.get("min_severity").and_then(|node| node.word(&words)).unwrap_or(Severity::Info);
    let mut severities =
        entry.get("severities").map_or_else(|| Severity::ALL.to_vec(), |node| read_words(&node, &words));
    severities.retain(|severity| *severity >= least);
    if let Some(node) = entry.get("severities").filter(|_| severities.is_empty()) {
        node.refuse("leaves nothing, together with min_severity");
    }
    let everything = Routing::of_events(EventKind::OF_TYK.to_vec());
    Routing {
        events: entry.get("events").map_or(everything.events, |node| read_events(&node)),
        roles: entry.get("roles").map_or(everything.roles, |node| read_roles(&node)),
        api_ids: entry.get("api_ids").map(|node| read_patterns(&node, false)).unwrap_or_default(),
        names: entry.get("names").map(|node| read_patterns(&node, true)).unwrap_or_default(),
        severities,
        send_resolved: entry.get("send_resolved").and_then(|node| node.boolean()).unwrap_or(sends_resolved),
    }
}

/// A list of events; it may be empty where another webhook passes on what it cannot deliver (see `check_successions`).
fn read_events(node: &Node<'_>) -> Vec<EventKind> {
    let kinds: Vec<_> = EventKind::named().collect();
    let mut words: Vec<(&str, &[EventKind])> = vec![("*", &kinds)];
    words.extend(kinds.iter().map(|kind| (kind.as_str(), std::slice::from_ref(kind))));
    let items = node.list().unwrap_or_default();
    let mut read: Vec<EventKind> = items.iter().filter_map(|item| item.word(&words)).flatten().copied().collect();
    if read.is_empty() && !items.is_empty() {
        // Nothing but mistakes, which have been reported.
        read.extend(EventKind::OF_TYK);
    }
    read
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

/// Patterns in which `*` is any text and `?` any character; host names do not know case.
fn read_patterns(node: &Node<'_>, is_lower: bool) -> Vec<Pattern> {
    let items = node.list().unwrap_or_default();
    let texts = items.iter().filter_map(Node::non_empty_text);
    texts.map(|text| if is_lower { Pattern::new(&small(text)) } else { Pattern::new(text) }).collect()
}
