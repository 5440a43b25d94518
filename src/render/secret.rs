//! Text with `${NAME}`s: what the environment knows and the document does not.

use std::fmt;

use super::template::TemplateError;

/// A text that may name variables of the environment. Never shown, resolved or not.
pub struct Secret(Vec<Part>);

enum Part {
    Text(String),
    /// The name of an environment variable, and its value once resolved.
    Variable(String, Option<String>),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// Reads a text; `${` without a name and an end is a mistake.
    pub fn compile(source: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = source;
        while let Some((text, name, after)) = split_variable(rest)? {
            parts.push(Part::Text(text.to_owned()));
            parts.push(Part::Variable(name.to_owned(), None));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }

    /// The value of this variable alone.
    pub(super) fn variable(name: &str) -> Self {
        Self(vec![Part::Variable(name.to_owned(), None)])
    }

    /// Whether all of it stands in the document.
    pub fn is_literal(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Looks the variables up; returns the names of those that are missing.
    pub fn resolve(&mut self, environment: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
        let mut missing = Vec::new();
        for part in &mut self.0 {
            if let Part::Variable(name, value) = part {
                *value = environment(name);
                if value.is_none() {
                    missing.push(name.clone());
                }
            }
        }
        missing
    }

    /// The text, its variables filled in.
    pub fn value(&self) -> String {
        self.0.iter().fold(String::new(), |mut value, part| {
            value.push_str(match part {
                Part::Text(text) => text,
                Part::Variable(_, found) => found.as_deref().unwrap_or_default(),
            });
            value
        })
    }
}

/// The text before the first `${NAME}`, the name, and what follows.
pub(super) fn split_variable(text: &str) -> Result<Option<(&str, &str, &str)>, TemplateError> {
    let Some((before, rest)) = text.split_once("${") else { return Ok(None) };
    let name = rest
        .split_once('}')
        .filter(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
    let message = || "after ${ the name of an environment variable and } are expected".to_owned();
    let (name, after) = name.ok_or_else(|| TemplateError::at(text, before.len(), message()))?;
    Ok(Some((before, name, after)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in_and_nothing_is_shown() {
        let mut secret = Secret::compile("a${B}c${D}").unwrap();
        assert!(!secret.is_literal());
        assert_eq!(secret.resolve(&|name| (name == "B").then(|| "${D}".to_owned())), ["D"]);
        assert_eq!(secret.value(), "a${D}c");
        assert_eq!(format!("{secret:?}"), "Secret");
        assert!(Secret::compile("plain").unwrap().is_literal());
        assert!(Secret::compile("${").is_err());
    }
}
