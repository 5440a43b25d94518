//! `format_options`: what a user says about the bodies of one webhook.

use minijinja::Value;

use super::preset::Preset;
use super::record::Record;
use super::secret::Secret;

/// The value of an option.
#[derive(Debug)]
pub enum OptionValue {
    /// A string.
    Text(Secret),
    /// True or false.
    Flag(bool),
    /// Names and texts.
    Texts(Vec<(String, Secret)>),
    /// Texts.
    List(Vec<Secret>),
}

impl OptionValue {
    /// The texts in it.
    pub(super) fn texts_mut(&mut self) -> Vec<&mut Secret> {
        match self {
            Self::Text(text) => vec![text],
            Self::Flag(_) => Vec::new(),
            Self::Texts(texts) => texts.iter_mut().map(|(_, text)| text).collect(),
            Self::List(texts) => texts.iter_mut().collect(),
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Text(text) => Some(text.value()).filter(|text| !text.is_empty()).into(),
            Self::Flag(flag) => (*flag).into(),
            Self::Texts(texts) => {
                texts.iter().map(|(name, text)| Value::from(vec![name.clone(), text.value()])).collect()
            }
            Self::List(texts) => texts.iter().map(Secret::value).collect(),
        }
    }
}

/// The options of `preset` as a template sees them: what is not said is nothing.
pub(super) fn record(preset: Preset, options: &[(String, OptionValue)]) -> Value {
    let said = |key: &str| options.iter().find(|(name, _)| name == key).map(|(_, value)| value.value());
    let fields = preset.options().iter().map(|option| (option.key, said(option.key).unwrap_or_else(|| ().into())));
    Value::from_object(Record(fields.collect()))
}

/// The most entries that an option may have.
const MOST: usize = 50;

/// What is wrong with an option, if anything is: a receiver that refuses a part of a body refuses the whole of it. A text
/// with variables is not looked at, they are open yet.
pub(super) fn mistake(preset: Preset, options: &[(String, OptionValue)]) -> Option<String> {
    let mistake = |(key, value): &(String, OptionValue)| match value {
        OptionValue::Text(text) if text.is_literal() => wrong_address(preset, key, &text.value()),
        OptionValue::Texts(texts) if texts.len() > MOST => Some(format!("has more than {MOST} entries")),
        OptionValue::List(texts) if texts.len() > MOST => Some(format!("has more than {MOST} entries")),
        OptionValue::Texts(texts) => texts.iter().find_map(|(name, _)| wrong_name(preset, name)),
        _ => None,
    };
    options.iter().find_map(|option| Some(format!("{}: {}", option.0, mistake(option)?)))
}

fn wrong_address(preset: Preset, key: &str, text: &str) -> Option<String> {
    // What RFC 3986 knows, and the escapes of what it does not.
    let is_reference = text.chars().all(|c| c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c));
    let is_url = is_reference && (text.starts_with("https://") || text.starts_with("http://"));
    match (preset, key) {
        (_, "view_url") if !is_url => Some("expected a URL that begins with https:// or http://".to_owned()),
        (Preset::CloudEvents, "source") | (Preset::Infisical, "application_id" | "alert_id") if !is_reference => {
            Some("expected the characters of a URL".to_owned())
        }
        _ => None,
    }
}

fn wrong_name(preset: Preset, name: &str) -> Option<String> {
    let taken: &[&str] = match preset {
        Preset::Alertmanager => {
            &["alertname", "severity", "cert_id", "cert_role", "cert_name", "api_id", "place", "reason"]
        }
        Preset::Vaultls => &["cert_id", "cert_role", "api_id", "place", "rule", "severity"],
        _ => &[],
    };
    if taken.contains(&name) {
        return Some(format!("the format says {name} itself"));
    }
    let is_label = !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_wrong = preset == Preset::Alertmanager && !is_label;
    is_wrong.then(|| format!("{name:?} is no label; expected letters, digits and underscores, the first not a digit"))
}
