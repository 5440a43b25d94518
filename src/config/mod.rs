//! Plugin configuration → [`Config`], or every problem of it at once.
//!
//! `document` turns what Envoy hands over into one JSON value, `reader` walks it and remembers paths and problems; each
//! other file reads one section. `tyk` reads Tyk's own forms into the same [`Handler`]s as `webhook`.

mod certificates;
mod cooldown_store;
mod discovery;
mod document;
mod duration;
mod effort;
mod expiry;
mod findings;
mod observe;
mod pattern;
mod reader;
mod tyk;
mod url;
mod webhook;

#[cfg(test)]
mod tests;

pub use certificates::Configured;
pub use cooldown_store::CooldownStore;
pub use discovery::{CaBundles, Discovery, Probe};
pub use document::DocumentHash;
pub use expiry::{
    Effect, Expiry, GroupBy, Match, NotifyRenewals, Override, Policies, QuietHours, RenewalInfo, Silence,
};
pub use findings::Problem;
pub use observe::{ApiId, ClientCertificate, FILTER_STATE, Observe, RESPONSE_HEADER, UpstreamCertificate};
pub use pattern::Pattern;
pub use url::Url;
pub use webhook::{Action, Authorization, Delivery, Handler, Method, Routing, Webhook};

use effort::Effort;
use findings::Findings;
use reader::{Node, Object};

use crate::domain::{Event, EventKind};

/// What an instance of the plugin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Checks, remembers and notifies.
    Monitor,
    /// Stands ready to become the monitor and observes nothing.
    Standby,
    /// Reads certificates of connections and hands them over; never stands.
    Observer,
    /// Observes, and stands where nobody else does.
    Auto,
}

impl Mode {
    const WORDS: [(&str, Self); 4] =
        [("monitor", Self::Monitor), ("standby", Self::Standby), ("observer", Self::Observer), ("auto", Self::Auto)];

    /// The mode that the word in `vm_config.configuration` asks for. Any word that is none is [`Mode::Auto`].
    pub fn of_word(word: &str) -> Self {
        Self::WORDS.into_iter().find(|(name, _)| *name == word).map_or(Self::Auto, |(_, mode)| mode)
    }
}

/// A valid document.
#[derive(Debug)]
pub struct Config {
    /// Overrides the word in `vm_config.configuration`.
    pub mode: Option<Mode>,
    /// What the document says, apart from `observe` and `mode`; the same for JSON and Struct.
    pub hash: DocumentHash,
    /// Thresholds, cooldowns and the interval.
    pub expiry: Expiry,
    /// The certificates of `certificates[]`.
    pub certificates: Vec<Configured>,
    /// Where the proxies of a fleet share what was told; `None`: each tells what it sees.
    pub cooldown_store: Option<CooldownStore>,
    /// Where Envoy's own certificates are found, and which upstreams are called.
    pub discovery: Option<Discovery>,
    /// What observers do.
    pub observe: Observe,
    /// Who is told: webhooks and log lines, in the order of the document.
    pub handlers: Vec<Handler>,
    /// What the patterns of all of them take.
    effort: Effort,
    /// What a valid document may still be warned about.
    pub warnings: Vec<String>,
    /// Whether a missing environment variable refuses the document.
    strict_env: bool,
}

impl Config {
    /// Reads a plugin configuration: JSON text, a serialized `google.protobuf.Struct`, or nothing at all, which is all
    /// defaults. Environment variables are not looked at; see [`Config::resolve`].
    ///
    /// # Errors
    /// Every problem of the document, each with its path.
    pub fn load(bytes: &[u8]) -> Result<Self, Vec<Problem>> {
        let findings = Findings::default();
        let document = document::parse(bytes).map_err(|message| vec![Problem::of_document(message)])?;
        let config = Node::root(&document, &findings).object(&KEYS).map(|root| read(&root, &findings));
        let hash = document::hash(&document);
        match (config, findings.into_parts()) {
            (Some(config), (problems, warnings)) if problems.is_empty() => Ok(Self { hash, warnings, ..config }),
            (_, (problems, _)) => Err(problems),
        }
    }

    /// Looks up the `${NAME}`s of webhooks and of the cooldown store, and switches off what misses one or whose secrets are
    /// none; returns one line for each of them.
    ///
    /// # Errors
    /// With `strict_env`, the missing variables are problems.
    pub fn resolve(&mut self, environment: &dyn Fn(&str) -> Option<String>) -> Result<Vec<String>, Vec<Problem>> {
        let mut lines = Vec::new();
        for handler in self.handlers.iter_mut().filter(|handler| handler.enabled) {
            if let Some(problem) = handler.resolve(environment) {
                handler.is_switched_off = true;
                lines.push(format!("webhook {:?} is disabled: {problem}", handler.name));
            }
        }
        lines.extend(self.cooldown_store.as_mut().and_then(|store| store.resolve(environment)));
        if self.strict_env && !lines.is_empty() {
            return Err(lines.into_iter().map(Problem::of_document).collect());
        }
        Ok(lines)
    }

    /// How much is compared to find out who wants an event: in bytes, at most.
    pub fn effort(&self, event: &Event) -> usize {
        if event.is_of_certificate() { self.effort.on(&event.certificate, &event.usage, &[], &[]) } else { 0 }
    }

    /// Whether some handler names events of a kind. Of others nothing is looked into.
    pub fn wants(&self, kind: EventKind) -> bool {
        self.handlers.iter().any(|handler| handler.enabled && handler.routing.events.contains(&kind))
    }

    /// Whether the monitor makes requests of its own through observers.
    pub fn has_probes(&self) -> bool {
        self.discovery.as_ref().is_some_and(|discovery| !discovery.probes.is_empty())
    }
}

const KEYS: [&str; 14] = [
    "certificate_expiry_monitor",
    "certificates",
    "cooldown_store",
    "discovery",
    "observe",
    "webhooks",
    "require_https",
    "strict_env",
    "mode",
    "security",
    "event_handlers",
    "eventHandlers",
    "templates",
    "target_clusters",
];

fn read(root: &Object<'_>, findings: &Findings) -> Config {
    let require_https = root.get("require_https").and_then(|node| node.boolean()).unwrap_or(false);
    let mut handlers = webhook::read(root, require_https, findings);
    handlers.extend(tyk::read_handlers(root, require_https, findings));
    webhook::refuse_equal_names(&handlers, findings);
    webhook::check_successions(&handlers, findings);
    if !handlers.iter().any(|handler| handler.enabled && matches!(handler.action, Action::Webhook(_))) {
        findings.warning("no webhook is configured: events go to the log only".to_owned());
    }
    let (mut expiry, guard) = expiry::read(root);
    let effort = handlers.iter().map(|handler| handler.routing.effort()).fold(Effort::default(), Effort::and);
    let (certificates, overrides) = certificates::read(root, guard, findings);
    expiry.prefer(overrides);
    Config {
        mode: root.get("mode").and_then(|node| node.word(&Mode::WORDS)),
        hash: DocumentHash::default(),
        expiry,
        certificates,
        cooldown_store: cooldown_store::read(root),
        discovery: discovery::read(root),
        observe: observe::read(root),
        handlers,
        effort,
        warnings: Vec::new(),
        strict_env: root.get("strict_env").and_then(|node| node.boolean()).unwrap_or(false),
    }
}
