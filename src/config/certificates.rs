//! `certificates[]`: certificates pasted into the document.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::expiry::{Effect, Match, Override, read_plan};
use super::findings::Findings;
use super::reader::{Node, Object};
use crate::decode::pem::{Label, blocks};
use crate::decode::x509;
use crate::domain::rule::Share;
use crate::domain::text::harmless;
use crate::domain::{Certificate, Role, Usage};

/// One certificate of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configured {
    /// What it is used for.
    pub usage: Usage,
    /// Where it sits, as the document names it.
    pub place: Option<String>,
    /// The certificate.
    pub certificate: Rc<Certificate>,
}

const KEYS: [&str; 5] = ["role", "name", "pem", "api_id", "thresholds"];

/// The certificates, and the thresholds of those that have their own, which `guard` is on.
pub(super) fn read(root: &Object<'_>, guard: Option<Share>, findings: &Findings) -> (Vec<Configured>, Vec<Override>) {
    let entries = root.items("certificates");
    let (mut certificates, mut overrides) = (Vec::new(), Vec::new());
    for entry in entries.iter().filter_map(|node| node.object(&KEYS)) {
        let own = read_entry(&entry, findings);
        let plan = entry.get("thresholds").and_then(|node| read_plan(&node, guard));
        if let (Some(plan), Some(first)) = (plan, own.first()) {
            let listed = own.iter().map(|configured| configured.certificate.as_ref());
            let matching = Match::of_certificates(&first.usage, listed);
            overrides.push(Override { matching, effect: Effect::Thresholds(plan) });
        }
        certificates.extend(own);
    }
    (certificates, overrides)
}

fn read_entry(entry: &Object<'_>, findings: &Findings) -> Vec<Configured> {
    let roles = Role::ALL.map(|role| (role.as_str(), role));
    let role = entry.require("role").and_then(|node| node.word(&roles));
    let place = entry.get("name").and_then(|node| node.non_empty_text()).map(harmless);
    let api_id = entry.get("api_id").and_then(|node| {
        let text = node.non_empty_text()?;
        match role {
            Some(role) if !role.has_api() => {
                node.refuse(format!(
                    "a certificate of role {role} belongs to the whole proxy and has no api_id; only client and upstream have one"
                ));
                None
            }
            _ => Some(harmless(text)),
        }
    });
    let certificates = entry.require("pem").map(|node| read_pem(&node, findings)).unwrap_or_default();
    let Some(role) = role else { return Vec::new() };
    let usage = Usage::new(role, api_id);
    certificates
        .into_iter()
        .map(|certificate| Configured { usage: usage.clone(), place: place.clone(), certificate: Rc::new(certificate) })
        .collect()
}

/// Every certificate of a PEM text. A broken one among good ones is named and left out.
fn read_pem(node: &Node<'_>, findings: &Findings) -> Vec<Certificate> {
    // Not shown in any message: somebody may have pasted a key.
    let Some(text) = node.secret_text() else { return Vec::new() };
    let blocks: Vec<_> = blocks(text).collect();
    if blocks.iter().any(|block| block.label == Label::PrivateKey) {
        node.refuse("holds a private key; paste only the CERTIFICATE blocks, and treat that key as leaked");
        return Vec::new();
    }
    let mut seen = BTreeSet::new();
    let mut certificates = Vec::new();
    let mut broken = Vec::new();
    let total = blocks.len();
    for (number, block) in (1..).zip(blocks) {
        let parsed = match (block.label, block.der) {
            (Label::Certificate, Ok(der)) => x509::certificate(&der).map_err(|error| error.to_string()),
            (Label::Certificate, Err(error)) => Err(error.to_string()),
            _ => Err("the block is not a certificate".to_owned()),
        };
        match parsed {
            Ok(certificate) if seen.insert(certificate.id) => certificates.push(certificate),
            Ok(_) => {}
            Err(error) => broken.push(format!("block {number} of {total} is not monitored: {error}")),
        }
    }
    if certificates.is_empty() {
        let why = if broken.is_empty() { String::new() } else { format!(" ({})", broken.join("; ")) };
        node.refuse(format!("holds no certificate that can be read{why}; expected PEM with CERTIFICATE blocks"));
    } else {
        for line in broken {
            findings.warning(format!("{}: {line}", node.path()));
        }
    }
    certificates
}
