//! What Webdis answers to `SET` (<https://github.com/nicolasff/webdis>). Redis's own errors come with status 200.

use serde_json::Value;

use crate::domain::text::harmless;

/// The longest part of an error that is shown, in characters.
const LONGEST_ERROR: usize = 80;

/// An answer that is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// There was nothing under the key, and with `GET` that means: it was set.
    Nothing,
    /// This stands under the key.
    Text(String),
    /// It was done.
    Done,
    /// Redis has refused the command, in its own words, cleaned.
    Error(String),
}

/// Reads the body of an answer; `None` if it is none of Webdis.
pub fn reply(body: &[u8]) -> Option<Reply> {
    let Value::Object(answer) = serde_json::from_slice(body).ok()? else { return None };
    // The command's name is the only key.
    match answer.values().next().filter(|_| answer.len() == 1)? {
        Value::Null => Some(Reply::Nothing),
        Value::String(text) => Some(Reply::Text(text.clone())),
        Value::Array(status) => match status.as_slice() {
            [Value::Bool(true), ..] => Some(Reply::Done),
            [Value::Bool(false), Value::String(error)] => {
                Some(Reply::Error(harmless(error).chars().take(LONGEST_ERROR).collect()))
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_webdis_are_told_apart() {
        let cases = [
            (r#"{"SET":null}"#, Some(Reply::Nothing)),
            (r#"{"SET":"proxy-1"}"#, Some(Reply::Text("proxy-1".into()))),
            (r#"{"SET":[true,"OK"]}"#, Some(Reply::Done)),
            (r#"{"SET":1}"#, None),
            (r#"{"SET":[false,"ERR syntax\r\n error"]}"#, Some(Reply::Error(harmless("ERR syntax\r\n error")))),
            (r#"{"SET":[false]}"#, None),
            (r#"{"SET":{}}"#, None),
            (r#"{"SET":null,"GET":null}"#, None),
            ("{}", None),
            ("[]", None),
            ("<html>", None),
            ("", None),
        ];
        for (body, expected) in cases {
            assert_eq!(reply(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn an_error_is_shown_in_part() {
        let Some(Reply::Error(error)) = reply(format!(r#"{{"SET":[false,"{}"]}}"#, "x".repeat(5_000)).as_bytes())
        else {
            panic!()
        };
        assert_eq!(error.len(), LONGEST_ERROR);
    }
}
