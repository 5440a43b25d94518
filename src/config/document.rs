//! What Envoy hands over → one JSON value, whichever way it was written.

use std::fmt;

use prost::Message;
use prost_types::value::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};

use crate::domain::text::hex;

/// Parses JSON text (a `StringValue`) or a serialized `google.protobuf.Struct`: Envoy turns the one into text and hands
/// the other over as protobuf bytes. Nothing at all is an empty document.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, String> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(Map::new()));
    }
    // JSON first: the first bytes of a Struct, a tag and a length, can be "\n{" by chance, but its text is never JSON.
    let not_json = match serde_json::from_slice(bytes) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let looks_like_json = bytes.trim_ascii_start().first() == Some(&b'{');
    match prost_types::Struct::decode(bytes) {
        Ok(document) => Ok(object(document)),
        Err(_) if looks_like_json => Err(format!("the plugin configuration is not valid JSON: {not_json}")),
        Err(not_struct) => Err(format!(
            "the plugin configuration is neither JSON ({not_json}) nor a google.protobuf.Struct ({not_struct}); write it \
             as google.protobuf.StringValue with JSON text, or as google.protobuf.Struct with plain YAML"
        )),
    }
}

/// The beginning of the SHA-256 of a parsed document, without the keys that differ between instances that belong
/// together. Objects are sorted, so the order of keys, which Envoy changes from load to load, does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentHash([u8; 4]);

impl DocumentHash {
    /// The same as a number.
    pub const fn number(self) -> u32 {
        u32::from_be_bytes(self.0)
    }
}

impl fmt::Display for DocumentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

pub(super) fn hash(document: &Value) -> DocumentHash {
    let mut document = document.clone();
    if let Some(map) = document.as_object_mut() {
        map.remove("observe");
        map.remove("mode");
    }
    DocumentHash(Sha256::digest(document.to_string()).first_chunk().copied().unwrap_or_default())
}

fn object(document: prost_types::Struct) -> Value {
    Value::Object(document.fields.into_iter().map(|(key, field)| (key, value(field))).collect())
}

fn value(field: prost_types::Value) -> Value {
    match field.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::NumberValue(number)) => number_value(number),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::BoolValue(boolean)) => Value::Bool(boolean),
        Some(Kind::StructValue(document)) => object(document),
        Some(Kind::ListValue(list)) => Value::Array(list.values.into_iter().map(value).collect()),
    }
}

/// A Struct knows only doubles: 30 arrives as 30.0.
fn number_value(number: f64) -> Value {
    /// Up to here every integer has a double of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[allow(clippy::cast_possible_truncation)]
        return Value::from(number as i64);
    }
    Number::from_f64(number).map_or_else(|| Value::String(number.to_string()), Value::Number)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn field(kind: Kind) -> prost_types::Value {
        prost_types::Value { kind: Some(kind) }
    }

    fn structure(fields: Vec<(&str, Kind)>) -> prost_types::Struct {
        prost_types::Struct {
            fields: fields.into_iter().map(|(key, kind)| (key.to_owned(), field(kind))).collect::<BTreeMap<_, _>>(),
        }
    }

    #[test]
    fn json_and_struct_are_the_same_document() {
        let list = prost_types::ListValue { values: vec![field(Kind::StringValue("x".into()))] };
        let document = structure(vec![
            ("number", Kind::NumberValue(30.0)),
            ("half", Kind::NumberValue(0.5)),
            ("flag", Kind::BoolValue(true)),
            ("none", Kind::NullValue(0)),
            ("list", Kind::ListValue(list)),
            ("inner", Kind::StructValue(structure(vec![("text", Kind::StringValue("y".into()))]))),
        ]);
        let json = r#" {"number": 30, "half": 0.5, "flag": true, "none": null, "list": ["x"], "inner": {"text": "y"}}"#;
        let (from_struct, from_json) = (parse(&document.encode_to_vec()).unwrap(), parse(json.as_bytes()).unwrap());
        assert_eq!(from_struct, from_json);
        assert_eq!(hash(&from_struct), hash(&from_json));
    }

    #[test]
    fn a_struct_that_begins_like_json_is_read_as_a_struct() {
        // Tag 0x0a is a line feed, and a first entry of 0x7b bytes has the length "{".
        let text = "x".repeat(0x7b - 9);
        let bytes = structure(vec![("key", Kind::StringValue(text.clone()))]).encode_to_vec();
        assert!(bytes.starts_with(b"\n{"), "{:?}", &bytes[..3]);
        assert_eq!(parse(&bytes).unwrap()["key"], text);
    }

    #[test]
    fn what_is_neither_says_what_to_write() {
        assert!(parse(b"{\"a\": }").unwrap_err().contains("not valid JSON: expected value at line 1 column 7"));
        assert!(parse(b"hello").unwrap_err().contains("google.protobuf.StringValue"));
        assert!(parse(&[0x0a, 0xff, 0x01]).unwrap_err().contains("google.protobuf.Struct"));
        assert_eq!(parse(b" \n").unwrap(), serde_json::json!({}));
    }

    #[test]
    fn the_hash_leaves_out_what_may_differ_between_instances() {
        let hash_of = |json: &str| hash(&parse(json.as_bytes()).unwrap());
        assert_eq!(hash_of(r#"{"observe": {"client": false}, "mode": "auto"}"#), hash_of("{}"));
        assert_ne!(hash_of(r#"{"webhooks": []}"#), hash_of("{}"));
    }
}
