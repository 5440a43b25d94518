//! Header values: text, event fields and secrets.

use percent_encoding::{CONTROLS, utf8_percent_encode};

use super::fields::Context;
use super::secret::{Secret, split_variable};
use super::template::{Template, TemplateError};
use crate::domain::Event;

/// The longest header value that is sent, in bytes.
const LONGEST: usize = 1_024;

/// A header value with its `${NAME}` still open. `{{ field }}` in it is an event's field.
#[derive(Debug)]
pub struct HeaderTemplate(Vec<Part>);

#[derive(Debug)]
enum Part {
    /// Text, or a variable.
    Plain(Secret),
    Template(Box<Template>),
}

impl Part {
    /// Most values are plain text, for which no template is needed.
    fn of(source: &str) -> Result<Self, TemplateError> {
        if source.contains('{') {
            return Ok(Self::Template(Box::new(Template::compile(source)?)));
        }
        Secret::compile(source).map(Self::Plain)
    }
}

impl HeaderTemplate {
    /// Compiles a header value. The parts between `${NAME}`s are templates of their own, so that neither a certificate's
    /// text can ask for a secret nor a secret be taken for a template.
    pub fn compile(source: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = source;
        while let Some((text, name, after)) = split_variable(rest)? {
            parts.push(Part::of(text)?);
            parts.push(Part::Plain(Secret::variable(name)));
            rest = after;
        }
        parts.push(Part::of(rest)?);
        Ok(Self(parts))
    }

    /// Looks the variables up; returns the names of those that are missing.
    pub fn resolve(&mut self, environment: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
        let plain = self.0.iter_mut().filter_map(|part| match part {
            Part::Plain(secret) => Some(secret),
            Part::Template(_) => None,
        });
        plain.flat_map(|secret| secret.resolve(environment)).collect()
    }

    /// The value to send about `event`: visible ASCII and spaces, everything else percent-encoded, at most 1 KB. Envoy
    /// answers any other value with a 503 of its own, which looks like a dead receiver.
    pub fn render(&self, event: &Event, context: Context<'_>) -> Result<String, TemplateError> {
        let mut value = String::new();
        for part in &self.0 {
            match part {
                Part::Plain(secret) => value.push_str(&secret.value()),
                Part::Template(template) => value.push_str(&template.text_in(event, context)?),
            }
        }
        Ok(clean(&value))
    }
}

fn clean(value: &str) -> String {
    let mut clean = String::new();
    let mut buffer = [0; 4];
    // A character is kept whole or not at all, with all of its escapes.
    for c in value.trim().chars() {
        let escaped = utf8_percent_encode(c.encode_utf8(&mut buffer), CONTROLS);
        let before = clean.len();
        clean.extend(escaped);
        if clean.len() > LONGEST {
            clean.truncate(before);
            break;
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::render::fields::{Proxy, samples};

    fn rendered(source: &str, name: &str) -> String {
        let mut event = samples().remove(0);
        Rc::make_mut(&mut event.certificate).name = name.to_owned();
        let mut header = HeaderTemplate::compile(source).unwrap();
        header.resolve(&|variable| (variable == "TOKEN").then(|| "s3cret{{ event }}".to_owned()));
        header.render(&event, Context::of(&event)).unwrap()
    }

    #[test]
    fn fields_and_secrets_are_filled_in() {
        assert_eq!(rendered("{{ event }}", ""), "CertificateExpiringSoon");
        assert_eq!(rendered("Bearer ${TOKEN}", ""), "Bearer s3cret{{ event }}");
        assert_eq!(rendered("plain", ""), "plain");
    }

    #[test]
    fn a_value_can_say_which_proxy_tells() {
        let event = samples().remove(0);
        let header = HeaderTemplate::compile("{{ proxy.node }}/{{ proxy.cluster }}").unwrap();
        let (proxy, context) = (Proxy::new("é-1".as_bytes(), b"edge"), Context::of(&event));
        assert_eq!(header.render(&event, Context { proxy: Some(&proxy), ..context }).unwrap(), "%C3%A9-1/edge");
        assert_eq!(header.render(&event, context).unwrap(), "/");
    }

    #[test]
    fn a_variable_has_a_name_and_an_end() {
        for source in ["${", "a ${TOKEN", "${}", "${MY TOKEN}", "${{ event }}"] {
            assert!(HeaderTemplate::compile(source).is_err(), "{source}");
        }
        assert_eq!(rendered("$TOKEN {$}", ""), "$TOKEN {$}");
    }

    #[test]
    fn a_certificate_cannot_ask_for_a_secret_or_break_the_line() {
        assert_eq!(rendered("{{ cert_name }}", "${TOKEN}"), "${TOKEN}");
        assert_eq!(rendered("{{ cert_name }}", "a\r\nX-Evil: 1"), "a%0D%0AX-Evil: 1");
        assert_eq!(rendered("{{ cert_name }}", "é"), "%C3%A9");
    }

    #[test]
    fn a_value_is_cut_at_a_kilobyte_and_never_within_an_escape() {
        assert_eq!(rendered("{{ cert_name }}", &"x".repeat(2_000)).len(), LONGEST);
        let escaped = rendered("{{ cert_name }}", &format!("x{}", "é".repeat(2_000)));
        assert!(escaped.len() <= LONGEST && (escaped.len() - 1).is_multiple_of(3), "{}", escaped.len());
    }

    #[test]
    fn missing_variables_are_named_and_no_value_is_printed() {
        let mut header = HeaderTemplate::compile("${A}${TOKEN}${B}").unwrap();
        let missing = header.resolve(&|name| (name == "TOKEN").then(|| "s3cret".to_owned()));
        assert_eq!(missing, ["A", "B"]);
        assert!(!format!("{header:?}").contains("s3cret"));
    }
}
