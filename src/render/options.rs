//! `format_options`: what a user says about the bodies of one webhook.

use minijinja::Value;

use super::fields::Record;
use super::preset::Preset;
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

/// What is wrong with the names that a user has chosen, if anything is: a body that says a name twice, or one that its
/// receiver refuses, is refused as a whole.
pub(super) fn wrong_name(preset: Preset, options: &[(String, OptionValue)]) -> Option<String> {
    let (key, taken): (_, &[&str]) = match preset {
        Preset::Alertmanager => ("labels", &["alertname", "severity", "cert_id", "cert_role", "cert_name", "api_id"]),
        Preset::Vaultls => ("metadata", &["cert_id", "cert_role", "api_id", "rule", "severity"]),
        _ => return None,
    };
    let Some(OptionValue::Texts(texts)) = options.iter().find(|(name, _)| name == key).map(|(_, value)| value) else {
        return None;
    };
    let is_label = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    texts.iter().map(|(name, _)| name).find_map(|name| {
        if taken.contains(&name.as_str()) {
            return Some(format!("{key}.{name}: the format says this itself"));
        }
        let is_wrong = preset == Preset::Alertmanager && !is_label(name);
        is_wrong.then(|| format!("{key}.{name}: a label has letters, digits and underscores, and begins with no digit"))
    })
}
