//! `match`: which certificates an override or a silence is for.

use wildmatch::WildMatch;

use super::super::reader::{Node, Object};
use crate::domain::{CertId, Certificate, Role, Usage};

/// What a certificate must be like. Every list must match by one of its items; an empty one says nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Match {
    roles: Vec<Role>,
    names: Vec<WildMatch>,
    places: Vec<WildMatch>,
    api_ids: Vec<WildMatch>,
    cert_ids: Vec<IdPattern>,
}

/// One certificate, which costs next to nothing to compare, or those whose ids look alike.
#[derive(Clone, Debug, PartialEq)]
enum IdPattern {
    One(CertId),
    Like(WildMatch),
}

/// How many of the APIs of a usage must match, where one event tells of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// One of them: what is done for it harms none of the others.
    Any,
    /// All of them: what nobody hears of may be what one of the others needs.
    All,
}

impl Match {
    /// Matches these certificates in the role of `usage`, and in its API if it has one.
    pub(in crate::config) fn of_certificates<'a>(
        usage: &Usage,
        certificates: impl Iterator<Item = &'a Certificate>,
    ) -> Self {
        Self {
            roles: vec![usage.role()],
            api_ids: usage.api_id().map(WildMatch::new).into_iter().collect(),
            cert_ids: certificates.map(|certificate| IdPattern::One(certificate.id)).collect(),
            ..Self::default()
        }
    }

    /// Whether this usage of `certificate`, which sits at `places`, is meant. It is that of its own API, or where APIs are
    /// not told apart of those in `shared`, and is meant if so many of them as `reach` says are.
    pub(super) fn matches(
        &self,
        certificate: &Certificate,
        usage: &Usage,
        places: &[String],
        shared: &[String],
        reach: Reach,
    ) -> bool {
        (self.roles.is_empty() || self.roles.contains(&usage.role()))
            && (self.cert_ids.is_empty() || self.knows_id(certificate.id))
            && (self.api_ids.is_empty() || self.knows_apis(usage, shared, reach))
            && (self.places.is_empty() || places.iter().any(|place| knows(&self.places, place)))
            && (self.names.is_empty() || self.knows_name(certificate))
    }

    fn knows_id(&self, id: CertId) -> bool {
        self.cert_ids.iter().any(|pattern| match pattern {
            IdPattern::One(one) => *one == id,
            IdPattern::Like(pattern) => pattern.matches(&id.to_string()),
        })
    }

    fn knows_apis(&self, usage: &Usage, shared: &[String], reach: Reach) -> bool {
        let is_known = |api_id: &str| knows(&self.api_ids, api_id);
        match (usage.api_id(), reach) {
            (Some(own), _) => is_known(own),
            (None, Reach::Any) => shared.iter().any(|api_id| is_known(api_id)),
            (None, Reach::All) => !shared.is_empty() && shared.iter().all(|api_id| is_known(api_id)),
        }
    }

    fn knows_name(&self, certificate: &Certificate) -> bool {
        std::iter::once(&certificate.name).chain(&certificate.sans).any(|name| knows(&self.names, name))
    }
}

fn knows(patterns: &[WildMatch], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text))
}

const KEYS: [&str; 5] = ["role", "name", "place", "api_id", "cert_id"];

/// The key `match` of `entry`, which must be there.
pub(super) fn read(entry: &Object<'_>) -> Option<Match> {
    let node = entry.require("match")?;
    let object = node.object(&KEYS)?;
    if KEYS.iter().all(|key| object.get(key).is_none()) {
        node.refuse(format!("must say what is meant, by at least one of {}", KEYS.join(", ")));
    }
    let items = |key| object.get(key).map(|node| items(&node)).unwrap_or_default();
    let patterns = |key| items(key).iter().filter_map(Node::non_empty_text).map(WildMatch::new).collect();
    let roles = Role::ALL.map(|role| (role.as_str(), role));
    // Host names do not know case.
    let names = items("name").iter().filter_map(Node::non_empty_text).map(WildMatch::new_case_insensitive).collect();
    Some(Match {
        roles: items("role").iter().filter_map(|item| item.word(&roles)).collect(),
        names,
        places: patterns("place"),
        api_ids: patterns("api_id"),
        cert_ids: items("cert_id").iter().filter_map(read_id).collect(),
    })
}

/// The items of a list of at least one, or what stands in place of a list of one.
fn items<'a>(node: &Node<'a>) -> Vec<Node<'a>> {
    if !node.is_list() {
        return vec![node.clone()];
    }
    let items = node.list().unwrap_or_default();
    if items.is_empty() {
        node.refuse("names nothing; leave the key out where it does not matter");
    }
    items
}

/// A fingerprint or a pattern of one, also as `openssl x509 -fingerprint -sha256` prints it.
fn read_id(node: &Node<'_>) -> Option<IdPattern> {
    let text = node.text()?.trim().replace(':', "").to_ascii_lowercase();
    if let Some(id) = CertId::from_hex(text.as_bytes()) {
        return Some(IdPattern::One(id));
    }
    let is_pattern =
        text.contains(['*', '?']) && text.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'*' | b'?'));
    if !is_pattern {
        node.refuse_value("the 64 hex digits of a SHA-256 fingerprint, or a pattern such as \"8c31605b*\"");
    }
    is_pattern.then(|| IdPattern::Like(WildMatch::new(&text)))
}
