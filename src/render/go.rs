//! Go templates that were written for Tyk, as Jinja: `{{.Meta.CertName}}` is `{{ cert_name }}`.
//!
//! What such a template needs is here: fields, `if`, `else if`, `else`, `end`, `eq`, comments, trimmed space, and the two
//! functions that Tyk has for times. All else is refused by its name. Lines stay lines, so that a mistake is found where
//! it was made.

use super::grammar::hint;
use super::template::TemplateError;

/// The names that Tyk's templates use, and ours.
const NAMES: [(&str, &str); 11] = [
    (".Type", "event"),
    (".TimeStamp", "timestamp"),
    (".Meta.Message", "message"),
    (".Meta.CertID", "cert_id"),
    (".Meta.CertName", "cert_name"),
    (".Meta.ExpiresAt", "expires_at"),
    (".Meta.ExpiredAt", "expired_at"),
    (".Meta.DaysRemaining", "days_remaining"),
    (".Meta.DaysSinceExpiry", "days_since_expiry"),
    (".Meta.CertRole", "cert_role"),
    (".Meta.APIID", "api_id"),
];

/// What turns a time into text in Tyk. Here a time is that text already.
const OF_TIMES: [&str; 2] = ["as_rfc3339", "as_rfc3339_from_string"];

/// A template in Jinja, whether it is one or was written for Tyk.
pub fn jinja(source: &str) -> Result<String, TemplateError> {
    if is_go_template(source) { to_jinja(source) } else { Ok(source.to_owned()) }
}

/// Whether this is a Go template: its actions name fields with a leading dot, which Jinja never does.
pub fn is_go_template(source: &str) -> bool {
    let is_field =
        |word: &&str| word.strip_prefix('.').is_some_and(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()));
    source.split("{{").skip(1).any(|action| words(&mut action.trim_start_matches('-')).iter().any(is_field))
}

/// The same template in Jinja.
///
/// # Errors
/// The first thing that is not translated, with its place.
pub fn to_jinja(source: &str) -> Result<String, TemplateError> {
    let mut jinja = String::with_capacity(source.len());
    let mut open: Vec<usize> = Vec::new();
    let mut rest = source;
    while let Some((text, after)) = rest.split_once("{{") {
        pass(text, &mut jinja);
        let action = Action::read(source, after)?;
        jinja.push_str(&action.to_jinja(&mut open)?);
        rest = action.rest;
    }
    pass(rest, &mut jinja);
    match open.last() {
        Some(offset) => Err(TemplateError::at(source, *offset, "this if has no end".to_owned())),
        None => Ok(jinja),
    }
}

/// Text is text, though it may look like Jinja.
fn pass(text: &str, jinja: &mut String) {
    let mut parts = text.split('{');
    jinja.push_str(parts.next().unwrap_or_default());
    for part in parts {
        jinja.push_str(if part.starts_with(['%', '#']) { "{% raw %}{{% endraw %}" } else { "{" });
        jinja.push_str(part);
    }
}

/// One `{{ … }}`.
struct Action<'a> {
    source: &'a str,
    /// Whether the space before and after it is trimmed.
    trims: [bool; 2],
    words: Vec<&'a str>,
    /// Line breaks in it.
    lines: usize,
    /// Where it begins.
    offset: usize,
    /// What follows it.
    rest: &'a str,
}

impl<'a> Action<'a> {
    /// Reads an action of `source` that begins at `text`.
    fn read(source: &'a str, text: &'a str) -> Result<Self, TemplateError> {
        let offset = source.len().saturating_sub(text.len());
        let begin = text.strip_prefix("-").filter(|rest| rest.starts_with(char::is_whitespace));
        let trims_before = begin.is_some();
        let mut rest = begin.unwrap_or(text);
        let words = words(&mut rest);
        let ends = [("}}", false), ("-}}", true)];
        let end = ends.iter().find_map(|(end, trims)| Some((rest.strip_prefix(end)?, *trims)));
        let Some((rest, trims_after)) = end else {
            return Err(TemplateError::at(source, offset.saturating_sub(2), "this action has no end".to_owned()));
        };
        let inner = text.len().saturating_sub(rest.len());
        let lines = text.get(..inner).unwrap_or_default().matches('\n').count();
        Ok(Self { source, trims: [trims_before, trims_after], words, lines, offset, rest })
    }

    fn to_jinja(&self, open: &mut Vec<usize>) -> Result<String, TemplateError> {
        match self.words.as_slice() {
            [comment] if comment.starts_with("/*") => Ok(self.wrapped("{#", "", "#}")),
            ["if", condition @ ..] => {
                open.push(self.offset);
                Ok(self.wrapped("{%", &format!("if {}", self.condition(condition)?), "%}"))
            }
            ["else" | "end", ..] if open.is_empty() => Err(self.mistake("there is no if before this")),
            ["else"] => Ok(self.wrapped("{%", "else", "%}")),
            ["else", "if", condition @ ..] => {
                Ok(self.wrapped("{%", &format!("elif {}", self.condition(condition)?), "%}"))
            }
            ["end"] => {
                open.pop();
                Ok(self.wrapped("{%", "endif", "%}"))
            }
            [field, functions @ ..] => {
                let is_of_times = |pair: &&[&str]| matches!(pair, ["|", function] if OF_TIMES.contains(function));
                let name = self.field(field)?;
                match functions.chunks(2).find(|pair| !is_of_times(pair)).and_then(<[_]>::last) {
                    None => Ok(self.wrapped("{{", name, "}}")),
                    Some(word) => Err(self.unknown(word)),
                }
            }
            [] => Err(self.mistake("this action is empty")),
        }
    }

    fn wrapped(&self, begin: &str, inner: &str, end: &str) -> String {
        let [before, after] = self.trims.map(|trims| if trims { "-" } else { "" });
        format!("{begin}{before} {inner}{} {after}{end}", "\n".repeat(self.lines))
    }

    /// `eq` of two operands or more, of which the first is compared to each of the others, or a field that is not empty.
    fn condition(&self, words: &[&'a str]) -> Result<String, TemplateError> {
        match words {
            ["eq", first, second, others @ ..] => {
                let first = self.operand(first)?;
                let mut condition = format!("{first} == {}", self.operand(second)?);
                for other in others {
                    condition = format!("{condition} or {first} == {}", self.operand(other)?);
                }
                Ok(condition)
            }
            [field] => Ok(self.field(field)?.to_owned()),
            [word, ..] => Err(self.unknown(word)),
            [] => Err(self.mistake("this if has no condition")),
        }
    }

    fn operand(&self, word: &&'a str) -> Result<String, TemplateError> {
        let text = ['"', '`'].iter().find_map(|quote| word.strip_prefix(*quote)?.strip_suffix(*quote));
        match text {
            // Escapes mean the same in both, and none is needed in the name of anything here.
            Some(text) if !text.contains(['\\', '"']) => Ok(format!("\"{text}\"")),
            None if word.parse::<i64>().is_ok() => Ok((*word).to_owned()),
            _ => self.field(word).map(str::to_owned),
        }
    }

    fn field(&self, word: &&'a str) -> Result<&'static str, TemplateError> {
        if let Some((_, ours)) = NAMES.iter().find(|(name, _)| name == word) {
            return Ok(ours);
        }
        if !word.starts_with('.') {
            return Err(self.unknown(word));
        }
        Err(self.mistake_at(word, format!("unknown field {word}; {}", hint(word, &NAMES.map(|(name, _)| name)))))
    }

    fn unknown(&self, word: &'a str) -> TemplateError {
        let message =
            format!("{word} is not translated; there are fields, if, else, end, eq and {}", OF_TIMES.join(", "));
        self.mistake_at(word, message)
    }

    fn mistake(&self, message: &str) -> TemplateError {
        TemplateError::at(self.source, self.offset, message.to_owned())
    }

    /// A mistake at one of the words, which is a part of the source.
    fn mistake_at(&self, word: &'a str, message: String) -> TemplateError {
        let offset = (word.as_ptr() as usize).saturating_sub(self.source.as_ptr() as usize);
        TemplateError::at(self.source, offset, message)
    }
}

/// Takes the words of an action off `text`.
fn words<'a>(text: &mut &'a str) -> Vec<&'a str> {
    let mut words = Vec::new();
    loop {
        *text = text.trim_start();
        let (word, rest) = text.split_at_checked(length_of_word(text)).unwrap_or_default();
        if word.is_empty() {
            return words;
        }
        words.push(word);
        *text = rest;
    }
}

/// The bytes of the word with which `text` begins; none if it is the end of an action, or has no end itself.
fn length_of_word(text: &str) -> usize {
    let quoted = |begin: &str, end: &str| {
        let length = text.strip_prefix(begin)?.find(end)?;
        Some(length.saturating_add(begin.len()).saturating_add(end.len()))
    };
    let length = match text.chars().next() {
        _ if text.starts_with("-}}") => None,
        Some('/') if text.starts_with("/*") => quoted("/*", "*/"),
        Some('"') => quoted("\"", "\""),
        Some('\'') => quoted("'", "'"),
        Some('`') => quoted("`", "`"),
        Some('|' | '(' | ')') => Some(1),
        _ => text.find(|c: char| c.is_whitespace() || "|()}\"'`".contains(c)),
    };
    length.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fields::samples;
    use crate::render::{Format, format::Context};

    #[test]
    fn what_a_template_for_tyk_needs_is_translated() {
        for (go, jinja) in [
            ("{{.Type}} {{ .TimeStamp }}", "{{ event }} {{ timestamp }}"),
            ("{{.Meta.APIID}}{{.Meta.DaysSinceExpiry}}", "{{ api_id }}{{ days_since_expiry }}"),
            ("{{.TimeStamp | as_rfc3339}}", "{{ timestamp }}"),
            ("{{.Meta.ExpiresAt|as_rfc3339_from_string}}", "{{ expires_at }}"),
            ("{{if .Meta.APIID}}a{{end}}", "{% if api_id %}a{% endif %}"),
            ("{{- if eq .Type \"A\" -}}a{{ end -}}", "{%- if event == \"A\" -%}a{% endif -%}"),
            (
                "{{if eq .Type `A` \"B\"}}a{{else if eq .Meta.DaysRemaining 3}}b{{else}}c{{end}}",
                "{% if event == \"A\" or event == \"B\" %}a{% elif days_remaining == 3 %}b{% else %}c{% endif %}",
            ),
            ("a{{/* {{ x }} */}}b{{- /* y */ -}}", "a{#  #}b{#-  -#}"),
            ("{{/*\n*/}}", "{# \n #}"),
            ("{%{#{", "{% raw %}{{% endraw %}%{% raw %}{{% endraw %}#{"),
            ("{\"a\": {{.Meta.DaysRemaining}}}", "{\"a\": {{ days_remaining }}}"),
        ] {
            assert_eq!(to_jinja(go).unwrap(), jinja, "{go}");
        }
    }

    #[test]
    fn anything_else_is_refused_by_its_name_and_place() {
        for (go, message, line, column) in [
            ("a\n {{range .Meta}}", "range is not translated", 2, 4),
            ("{{with .Meta.CertID}}", "with is not translated", 1, 3),
            ("{{ printf \"%s\" .Type }}", "printf is not translated", 1, 4),
            ("{{.Type | html}}", "html is not translated", 1, 11),
            ("{{.Type .Type}}", ".Type is not translated", 1, 9),
            ("{{.Type |}}", "| is not translated", 1, 9),
            ("{{$x := .Type}}", "$x is not translated", 1, 3),
            ("{{if ne .Type \"a\"}}", "ne is not translated", 1, 6),
            ("{{if (eq .Type \"a\")}}", "( is not translated", 1, 6),
            ("{{if eq .Type \"\\a\"}}{{end}}", "\"\\a\" is not translated", 1, 15),
            ("{{if eq .Type}}", "eq is not translated", 1, 6),
            ("{{.}}", "unknown field .; there are", 1, 3),
            ("{{.Meta.CertNam}}", "unknown field .Meta.CertNam; did you mean .Meta.CertName?", 1, 3),
            ("{{if .Type}}\n{{else if .Typ}}", "unknown field .Typ; did you mean .Type?", 2, 11),
            ("{{if .Type}}", "this if has no end", 1, 3),
            ("{{end}}", "there is no if before this", 1, 3),
            ("{{else}}", "there is no if before this", 1, 3),
            ("{{}}", "this action is empty", 1, 3),
            ("x{{.Type", "this action has no end", 1, 2),
            ("{{if eq .Type \"a}}", "this action has no end", 1, 1),
            ("{{if}}{{end}}", "this if has no condition", 1, 3),
        ] {
            let error = to_jinja(go).unwrap_err();
            assert!(error.message.starts_with(message), "{go}: {error}");
            assert_eq!((error.line, error.column), (line, column), "{go}: {error}");
        }
    }

    #[test]
    fn go_and_jinja_are_told_apart() {
        for go in ["{{.Type}}", "{{ .Meta.CertID }}", "{{- .Type}}", "{{if eq .Type \"a\"}}", "{{if (eq .Type \"a\")}}"]
        {
            assert!(is_go_template(go), "{go}");
        }
        for jinja in ["{{ event }}", "{{ data.issuer }}", "{{ 'a .b' }}", "{{ 1 - .5 }}", "a .b", ""] {
            assert!(!is_go_template(jinja), "{jinja}");
        }
    }

    #[test]
    fn a_body_for_both_of_tyks_events_says_what_the_built_in_one_says() {
        const GO: &str = r#"{
  "event": "{{.Type}}",
  "message": "{{.Meta.Message}}",
  "cert_id": "{{.Meta.CertID}}",
  "cert_name": "{{.Meta.CertName}}",
  {{- if eq .Type "CertificateExpired"}}
  "expired_at": "{{.Meta.ExpiredAt | as_rfc3339_from_string}}",
  "days_since_expiry": {{.Meta.DaysSinceExpiry}},
  {{- else if eq .Type "CertificateExpiringSoon"}}
  "expires_at": "{{.Meta.ExpiresAt | as_rfc3339_from_string}}",
  "days_remaining": {{.Meta.DaysRemaining}},
  {{- end}}
  "cert_role": "{{.Meta.CertRole}}",
  {{- /* global certificates belong to no API */ -}}
  {{if .Meta.APIID}}
  "api_id": "{{.Meta.APIID}}",
  {{- end}}
  "timestamp": "{{.TimeStamp | as_rfc3339}}"
}"#;
        let of_tyk = Format::template(&to_jinja(GO).unwrap(), true).unwrap();
        let built_in = Format::template(include_str!("../../templates/default_webhook.json"), true).unwrap();
        for event in samples().into_iter().take(2) {
            let [of_tyk, built_in] =
                [&of_tyk, &built_in].map(|format| format.item(&event, Context::of(&event)).unwrap());
            let words = |body: &str| body.split_whitespace().collect::<Vec<_>>().join(" ");
            // What Tyk does not have follows.
            let (of_tyk, built_in) = (words(&of_tyk), words(&built_in));
            assert!(built_in.starts_with(of_tyk.trim_end_matches(" }")), "{built_in}");
        }
    }
}
