//! `notify_renewals`, `renewal_expected_at` and `renewal_info`: what is known and told of renewals.

use super::super::pattern::{Pattern, small};
use super::super::reader::{Node, Object};

/// Which renewals are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifyRenewals {
    /// Those that people were alerted to before.
    Alerted,
    /// All.
    All,
}

/// The words of `notify_renewals`.
pub(super) const NOTIFY: [(&str, NotifyRenewals); 2] =
    [("alerted", NotifyRenewals::Alerted), ("all", NotifyRenewals::All)];

/// A CA that says when its certificates should be renewed: ACME Renewal Information (RFC 9773).
#[derive(Clone, Debug, PartialEq)]
pub struct RenewalInfo {
    /// The certificates that it is asked about, by their issuer's distinguished name in small letters.
    issuer: Pattern,
    /// The cluster through which it is asked.
    pub cluster: String,
    /// The path of its resource `renewalInfo`, without a slash at the end: a slash and the certificate's identifier follow.
    pub path: String,
    /// The `:authority` of the request.
    pub authority: String,
}

impl RenewalInfo {
    /// Whether it is asked about certificates of this issuer.
    pub fn is_of(&self, issuer: &str) -> bool {
        self.issuer.matches(&small(issuer))
    }
}

pub(super) fn read(section: Option<&Object<'_>>) -> Vec<RenewalInfo> {
    let entries = section.map(|section| section.items("renewal_info")).unwrap_or_default();
    entries.iter().filter_map(read_entry).collect()
}

fn read_entry(node: &Node<'_>) -> Option<RenewalInfo> {
    let entry = node.object(&["issuer", "cluster", "path", "authority"])?;
    let issuer = entry.require("issuer").and_then(|node| node.non_empty_text());
    let cluster = entry.require("cluster").and_then(|node| node.non_empty_text());
    let path = entry.require("path").and_then(|node| read_path(&node));
    let authority = entry.get("authority").map_or(cluster, |node| node.visible_text());
    Some(RenewalInfo {
        // Distinguished names do not know case (RFC 5280, 7.1).
        issuer: Pattern::new(&small(issuer?)),
        cluster: cluster?.to_owned(),
        path: path?.to_owned(),
        authority: authority?.to_owned(),
    })
}

/// A path to which something can be appended.
fn read_path<'a>(node: &Node<'a>) -> Option<&'a str> {
    let path = node.visible_text()?;
    if path.starts_with('/') && !path.contains(['?', '#']) {
        return Some(path.trim_end_matches('/'));
    }
    node.refuse_value("a path that begins with / and has neither ? nor #");
    None
}
