//! `match`: which certificates an override or a silence is for.

use std::cell::OnceCell;

use super::super::effort::Effort;
use super::super::pattern::{Pattern, small};
use super::super::reader::{Node, Object};
use crate::domain::{CertId, Certificate, Role, Usage};

/// What a certificate must be like. Every list must match by one of its items; an empty one says nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Match {
    roles: Vec<Role>,
    /// In small letters.
    names: Vec<Pattern>,
    places: Vec<Pattern>,
    api_ids: Vec<ApiPattern>,
    cert_ids: Vec<IdPattern>,
}

/// An API by its very name, whatever is in that, or those that are called alike.
#[derive(Clone, Debug, PartialEq)]
enum ApiPattern {
    One(String),
    Like(Pattern),
}

/// One certificate, which costs next to nothing to compare, or those whose ids look alike.
#[derive(Clone, Debug, PartialEq)]
enum IdPattern {
    One(CertId),
    Like(Pattern),
}

/// How many of the APIs of a usage must match, where one event tells of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// One of them: what is done for it harms none of the others.
    Any,
    /// All of them: what nobody hears of may be what one of the others needs.
    All,
}

/// A usage of a certificate about which one match after the other is asked.
pub(super) struct Subject<'a> {
    certificate: &'a Certificate,
    usage: &'a Usage,
    places: &'a [String],
    shared: &'a [String],
    names: OnceCell<Vec<String>>,
    id: OnceCell<String>,
}

impl<'a> Subject<'a> {
    /// This usage of `certificate`, which sits at `places`. It is that of its own API, or where APIs are not told apart of
    /// those in `shared`.
    pub(super) const fn new(
        certificate: &'a Certificate,
        usage: &'a Usage,
        places: &'a [String],
        shared: &'a [String],
    ) -> Self {
        Self { certificate, usage, places, shared, names: OnceCell::new(), id: OnceCell::new() }
    }

    /// The certificate's names. Host names do not know case.
    fn names(&self) -> &[String] {
        self.names.get_or_init(|| self.certificate.names().map(|name| small(name)).collect())
    }

    fn id(&self) -> &str {
        self.id.get_or_init(|| self.certificate.id.to_string())
    }
}

impl Match {
    /// Matches these certificates in the role of `usage`, and in its API if it has one.
    pub(in crate::config) fn of_certificates<'a>(
        usage: &Usage,
        certificates: impl Iterator<Item = &'a Certificate>,
    ) -> Self {
        Self {
            roles: vec![usage.role()],
            api_ids: usage.api_id().map(|api_id| ApiPattern::One(api_id.to_owned())).into_iter().collect(),
            cert_ids: certificates.map(|certificate| IdPattern::One(certificate.id)).collect(),
            ..Self::default()
        }
    }

    /// Whether this is meant: of its APIs so many must be as `reach` says.
    pub(super) fn matches(&self, subject: &Subject<'_>, reach: Reach) -> bool {
        (self.roles.is_empty() || self.roles.contains(&subject.usage.role()))
            && (self.cert_ids.is_empty() || self.knows_id(subject))
            && (self.api_ids.is_empty() || self.knows_apis(subject, reach))
            && (self.places.is_empty() || knows(&self.places, subject.places))
            && (self.names.is_empty() || knows(&self.names, subject.names()))
    }

    fn knows_id(&self, subject: &Subject<'_>) -> bool {
        self.cert_ids.iter().any(|pattern| match pattern {
            IdPattern::One(one) => *one == subject.certificate.id,
            IdPattern::Like(pattern) => pattern.matches(subject.id()),
        })
    }

    fn knows_apis(&self, subject: &Subject<'_>, reach: Reach) -> bool {
        let is_known = |api_id: &str| {
            self.api_ids.iter().any(|pattern| match pattern {
                ApiPattern::One(one) => one == api_id,
                ApiPattern::Like(pattern) => pattern.matches(api_id),
            })
        };
        match (subject.usage.api_id(), reach) {
            (Some(own), _) => is_known(own),
            (None, Reach::Any) => subject.shared.iter().any(|api_id| is_known(api_id)),
            (None, Reach::All) => !subject.shared.is_empty() && subject.shared.iter().all(|api_id| is_known(api_id)),
        }
    }

    /// What it is to compare a certificate with this.
    pub(super) fn effort(&self) -> Effort {
        // The role is looked at in any case.
        let mut effort = Effort { plain: 1, ..Effort::default() };
        self.names.iter().for_each(|pattern| effort.names.add(pattern));
        self.places.iter().for_each(|pattern| effort.places.add(pattern));
        for pattern in &self.api_ids {
            match pattern {
                ApiPattern::One(_) => effort.plain = effort.plain.saturating_add(1),
                ApiPattern::Like(pattern) => effort.api_ids.add(pattern),
            }
        }
        for pattern in &self.cert_ids {
            match pattern {
                IdPattern::One(_) => effort.plain = effort.plain.saturating_add(1),
                IdPattern::Like(pattern) => effort.cert_ids.add(pattern),
            }
        }
        effort
    }
}

fn knows(patterns: &[Pattern], texts: &[String]) -> bool {
    patterns.iter().any(|pattern| texts.iter().any(|text| pattern.matches(text)))
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
    let texts = |key| items(key).into_iter().filter_map(|node| node.non_empty_text());
    let roles = Role::ALL.map(|role| (role.as_str(), role));
    Some(Match {
        roles: items("role").iter().filter_map(|item| item.word(&roles)).collect(),
        names: texts("name").map(|text| Pattern::new(&small(text))).collect(),
        places: texts("place").map(Pattern::new).collect(),
        api_ids: texts("api_id").map(|text| ApiPattern::Like(Pattern::new(text))).collect(),
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
    is_pattern.then(|| IdPattern::Like(Pattern::new(&text)))
}
