//! The request of a webhook, but for its body: method, URL, headers.

use std::collections::BTreeSet;

use super::super::findings::{Findings, Problem};
use super::super::reader::{Node, Object};
use super::super::url::Url;
use super::body::read_hidden;
use crate::render::HeaderTemplate;
use crate::render::secret::Secret;

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
    pub(in crate::config) const WORDS: [(&str, Self); 5] = [
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

/// What proves to the receiver who is calling.
#[derive(Debug)]
pub enum Authorization {
    /// A token (RFC 6750).
    Bearer(Secret),
    /// User, colon and password (RFC 7617).
    Basic(Secret),
}

impl Authorization {
    /// Its secret.
    pub const fn secret(&self) -> &Secret {
        match self {
            Self::Bearer(secret) | Self::Basic(secret) => secret,
        }
    }

    pub(in crate::config) const fn secret_mut(&mut self) -> &mut Secret {
        match self {
            Self::Bearer(secret) | Self::Basic(secret) => secret,
        }
    }
}

pub(super) const KEYS: [&str; 4] = ["url", "method", "headers", "authorization"];

pub(in crate::config) fn read_authorization(
    entry: &Object<'_>,
    headers: &[(String, HeaderTemplate)],
) -> Option<Authorization> {
    let node = entry.get("authorization")?;
    let authorization = node.object(&["bearer", "basic"])?;
    if headers.iter().any(|(name, _)| name == "authorization") {
        node.refuse("is there beside a header of that name");
    }
    match (authorization.get("bearer"), authorization.get("basic")) {
        (Some(bearer), None) => read_hidden(&bearer).map(Authorization::Bearer),
        (None, Some(basic)) => read_hidden(&basic).map(Authorization::Basic),
        _ => {
            node.refuse("holds both or neither; expected { \"bearer\": \"${TOKEN}\" } or { \"basic\": \"${USER_AND_PASSWORD}\" }");
            None
        }
    }
}

/// Refuses a URL without showing it: its path and query may be the receiver's secret.
pub(in crate::config) fn read_url(node: &Node<'_>, require_https: bool) -> Option<Url> {
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

/// Headers that Envoy or the plugin sets itself.
const RESERVED: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];

/// An object of names and values. Values are never shown: they may be secrets.
pub(in crate::config) fn read_headers(node: &Node<'_>, findings: &Findings) -> Vec<(String, HeaderTemplate)> {
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

/// Whether a character may stand in the name of a header (RFC 9110, 5.6.2).
pub(in crate::config) fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

pub(in crate::config) fn read_header(name: &str, value: &Node<'_>) -> Option<(String, HeaderTemplate)> {
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
