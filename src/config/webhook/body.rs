//! What a webhook's bodies look like, and how they are signed.

use super::super::reader::{Node, Object};
use super::request::is_token;
use crate::render::format::{Format, OptionKind, OptionValue, Preset};
use crate::render::go;
use crate::render::secret::Secret;
use crate::render::signature::{Scheme, Signing, Unit};

pub(super) const KEYS: [&str; 5] = ["format", "format_options", "content_mode", "template", "signing"];

/// The body of a webhook.
pub(super) struct Body {
    /// Its format; nothing where it is broken, which has been reported.
    pub(super) format: Option<Format>,
    /// The preset that it is, unless it is a template of the user's.
    pub(super) preset: Option<Preset>,
    pub(super) signing: Option<Signing>,
    /// Whether the attributes of `CloudEvents` are headers.
    pub(super) is_binary: bool,
}

/// Reads the body; `is_json` says whether the content type that the user has set, if any, is one of JSON.
pub(super) fn read(entry: &Object<'_>, is_json: bool) -> Body {
    let format = entry.get("format");
    let preset = format.as_ref().map_or(Some(Preset::Default), |node| node.word(&Preset::WORDS));
    let template = entry.get("template");
    let (format, preset) = match (&template, format) {
        (Some(template), Some(_)) => {
            template.refuse("is there beside format; a webhook has one of the two");
            (None, None)
        }
        (Some(template), None) => {
            refuse_beside_template(entry);
            (read_template(template, is_json), None)
        }
        (None, _) => (preset.and_then(|preset| read_preset(entry, preset)), preset),
    };
    let signing = entry.get("signing").and_then(|node| read_signing(&node, preset));
    let is_binary = entry.get("content_mode").is_some_and(|node| node.as_text() == Some("binary"));
    Body { format, preset, signing, is_binary }
}

fn refuse_beside_template(entry: &Object<'_>) {
    for key in ["format_options", "content_mode"] {
        if let Some(node) = entry.get(key) {
            node.refuse("belongs to a format, and a template has none");
        }
    }
}

fn read_template(node: &Node<'_>, is_json: bool) -> Option<Format> {
    match go::jinja(node.text()?).and_then(|source| Format::template(&source, is_json)) {
        Ok(format) => Some(format),
        Err(error) => {
            node.refuse(format!("webhook template error: {error}"));
            None
        }
    }
}

fn read_preset(entry: &Object<'_>, preset: Preset) -> Option<Format> {
    let mode = entry.get("content_mode");
    let is_binary = mode.as_ref().and_then(|node| node.word(&[("structured", false), ("binary", true)]));
    if let Some(node) = mode.filter(|_| !matches!(preset, Preset::CloudEvents)) {
        node.refuse("is there without format \"cloudevents\"");
    }
    let options = read_options(entry, preset);
    match Format::preset(preset, is_binary.unwrap_or(false), options) {
        Ok(format) => Some(format),
        Err(error) => {
            let node = entry.get("format_options").or_else(|| entry.get("format"))?;
            node.refuse(error.message);
            None
        }
    }
}

fn read_options(entry: &Object<'_>, preset: Preset) -> Vec<(String, OptionValue)> {
    let known = preset.options();
    let keys: Vec<_> = known.iter().map(|option| option.key).collect();
    let options = entry.get("format_options").and_then(|node| node.object(&keys));
    let mut read = Vec::new();
    for option in known {
        let node = options.as_ref().and_then(|options| options.get(option.key));
        let value = node.as_ref().and_then(|node| read_option(node, option.key, option.kind));
        read.extend(value.map(|value| (option.key.to_owned(), value)));
        if option.required && node.is_none() {
            entry.missing(&format!("format_options.{}", option.key));
        }
    }
    read
}

fn read_option(node: &Node<'_>, key: &str, kind: OptionKind) -> Option<OptionValue> {
    match kind {
        OptionKind::Text if key == "routing_key" => read_hidden(node).map(OptionValue::Text),
        OptionKind::Text => read_secret(node).map(OptionValue::Text),
        OptionKind::Flag => node.boolean().map(OptionValue::Flag),
        OptionKind::Texts => {
            let entries = node.any_object()?;
            let texts = entries.entries().filter_map(|(key, node)| Some((key.to_owned(), read_secret(&node)?)));
            Some(OptionValue::Texts(texts.collect()))
        }
        OptionKind::List => Some(OptionValue::List(node.list()?.iter().filter_map(read_secret).collect())),
    }
}

/// The longest option or secret, in bytes.
const LONGEST: usize = 1_024;

/// A text that may hold `${NAME}`s, and that nobody is shown.
pub(super) fn read_secret(node: &Node<'_>) -> Option<Secret> {
    let text = node.secret_text()?;
    if text.is_empty() || text.len() > LONGEST || text.contains(char::is_control) {
        node.refuse(format!(
            "is empty, longer than {LONGEST} bytes, or holds a line break or another control character"
        ));
        return None;
    }
    match Secret::compile(text) {
        Ok(secret) => Some(secret),
        Err(error) => {
            node.refuse(error.message);
            None
        }
    }
}

/// The same for one that would let others in: better not in the document at all.
pub(super) fn read_hidden(node: &Node<'_>) -> Option<Secret> {
    let secret = read_secret(node)?;
    if secret.is_literal() {
        node.warn("a secret stands in the document, where Envoy's config_dump shows it; write ${NAME} instead");
    }
    Some(secret)
}

fn read_signing(node: &Node<'_>, preset: Option<Preset>) -> Option<Signing> {
    const SCHEMES: [(&str, Scheme); 3] = [
        ("standard-webhooks", Scheme::StandardWebhooks),
        ("sha256", Scheme::Sha256),
        ("timestamped", Scheme::Timestamped(Unit::Seconds)),
    ];
    let entry = node.object(&["scheme", "header", "unit", "secrets"])?;
    // What their documents say, so that their own verifiers work as they are.
    let (scheme, header, unit) = match preset {
        Some(Preset::Vaultls) => (Some(Scheme::Sha256), "x-vaultls-signature", Unit::Seconds),
        Some(Preset::Infisical) => {
            (Some(Scheme::Timestamped(Unit::Milliseconds)), "x-infisical-signature", Unit::Milliseconds)
        }
        _ => (None, "x-signature", Unit::Seconds),
    };
    let scheme = match (entry.get("scheme"), scheme) {
        (Some(node), _) => node.word(&SCHEMES),
        (None, Some(scheme)) => Some(scheme),
        (None, None) => entry.require("scheme").and(None),
    };
    let unit_node = entry.get("unit");
    let units = [("s", Unit::Seconds), ("ms", Unit::Milliseconds)];
    let unit = unit_node.as_ref().and_then(|node| node.word(&units)).unwrap_or(unit);
    let header = entry.get("header").map_or(Some(header.to_owned()), |node| read_name(&node));
    let secrets = entry.require("secrets").map(|node| read_secrets(&node)).unwrap_or_default();
    let scheme = match scheme? {
        Scheme::Timestamped(_) => Scheme::Timestamped(unit),
        scheme => {
            if let Some(node) = unit_node {
                node.refuse("is there without scheme \"timestamped\"");
            }
            scheme
        }
    };
    if let Some(node) = entry.get("header").filter(|_| scheme == Scheme::StandardWebhooks) {
        node.refuse("is there with scheme \"standard-webhooks\", which has headers of its own");
    }
    if let Some(node) = entry.get("secrets").filter(|_| scheme == Scheme::Sha256 && secrets.len() > 1) {
        node.refuse("holds several secrets; scheme \"sha256\" has room for one signature");
    }
    Some(Signing { scheme, header: header?, secrets })
}

fn read_name(node: &Node<'_>) -> Option<String> {
    let name = node.text()?;
    if name.is_empty() || !name.chars().all(is_token) {
        node.refuse_value("the name of a header: letters, digits and dashes");
        return None;
    }
    Some(name.to_ascii_lowercase())
}

fn read_secrets(node: &Node<'_>) -> Vec<Secret> {
    let items = node.list().unwrap_or_default();
    if !(1..=4).contains(&items.len()) {
        node.refuse(format!("holds {} secrets; expected 1 to 4", items.len()));
    }
    items.iter().filter_map(read_hidden).collect()
}
