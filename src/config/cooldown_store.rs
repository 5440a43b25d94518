//! `cooldown_store`: where the proxies of a fleet share what was told.

use super::reader::{Node, Object};
use super::webhook::{Authorization, read_authorization};

/// A Redis behind Webdis.
#[derive(Debug)]
pub struct CooldownStore {
    /// The Envoy cluster whose endpoint is Webdis.
    pub cluster: String,
    /// What proves who is calling.
    pub authorization: Option<Authorization>,
    /// Stands before every key: several fleets can share a Redis.
    pub prefix: String,
    /// Whether one of its environment variables is missing.
    pub is_switched_off: bool,
}

const KEYS: [&str; 4] = ["type", "cluster", "authorization", "prefix"];
/// More than this of a prefix would only make keys hard to read.
const LONGEST_PREFIX: usize = 64;

/// The section, if it is there.
pub(super) fn read(root: &Object<'_>) -> Option<CooldownStore> {
    let section = root.get("cooldown_store")?.object(&KEYS)?;
    let kind = section.require("type").and_then(|node| node.word(&[("redis", ())]));
    let cluster = section.require("cluster").and_then(|node| node.non_empty_text());
    let authorization = read_authorization(&section, &[]);
    let prefix = section.get("prefix").map(|node| read_prefix(&node));
    kind?;
    Some(CooldownStore {
        cluster: cluster?.to_owned(),
        authorization,
        prefix: prefix.unwrap_or_default(),
        is_switched_off: false,
    })
}

fn read_prefix(node: &Node<'_>) -> String {
    let text = node.text().unwrap_or_default();
    if text.len() > LONGEST_PREFIX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        node.refuse_value("at most 64 visible ASCII characters");
    }
    text.to_owned()
}

impl CooldownStore {
    /// Looks up its variables; returns why it cannot be used, if it cannot.
    pub(super) fn resolve(&mut self, environment: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        let missing = self.authorization.as_mut()?.secret_mut().resolve(environment);
        let name = missing.first()?;
        self.is_switched_off = true;
        Some(format!(
            "cooldown_store is not asked, and every proxy tells what it sees: environment variable {name} is not set; name \
             it in vm_config.environment_variables.host_env_keys and set it for Envoy"
        ))
    }
}
