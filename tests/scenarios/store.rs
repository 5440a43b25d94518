//! A Redis behind Webdis, as far as claims need one, in simulated time.

use std::collections::BTreeMap;
use std::time::Duration;

use cert_expiry_monitor::application::effect::{Answer, Call, Response};
use cert_expiry_monitor::domain::UnixTime;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::world::header;

/// What a store does that does not do what it should.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It answers like this.
    Answer(Answer),
    /// Redis refuses commands about keys that contain this.
    Refusal(&'static str),
    /// It does not even end the call.
    Silence,
}

/// See the module's text.
#[derive(Debug, Default)]
pub struct Store {
    values: BTreeMap<String, (String, UnixTime)>,
    /// What is wrong with it.
    pub fault: Option<Fault>,
    /// Every command so far, its words decoded.
    pub commands: Vec<Vec<String>>,
}

impl Store {
    /// The answer to a call.
    pub fn answer(&mut self, call: &Call, now: UnixTime) -> Option<Answer> {
        assert_eq!((header(call, ":method"), header(call, ":path")), (Some("POST"), Some("/")));
        let body = std::str::from_utf8(call.body.as_deref().unwrap()).unwrap();
        assert!(!body.contains('.'), "Webdis takes what follows a dot for a file type: {body}");
        let words: Vec<String> =
            body.split('/').map(|word| percent_decode_str(word).decode_utf8().unwrap().into()).collect();
        self.commands.push(words.clone());
        match &self.fault {
            Some(Fault::Answer(answer)) => return Some(answer.clone()),
            Some(Fault::Silence) => return None,
            Some(Fault::Refusal(_)) | None => {}
        }
        let answer = match self.fault {
            Some(Fault::Refusal(part)) if words[1].contains(part) => {
                json!([false, "NOPERM No permissions to access a key"])
            }
            _ => self.obey(&words, now),
        };
        let body = Some(json!({ words[0].clone(): answer }).to_string().into_bytes());
        Some(Answer::Response(Response { status: 200, body, ..Response::default() }))
    }

    fn obey(&mut self, words: &[String], now: UnixTime) -> Value {
        self.values.retain(|_, (_, until)| *until > now);
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let (key, value, length) = match words.as_slice() {
            ["SET", key, _, "NX", "GET", "EX", _] if self.values.contains_key(*key) => {
                return json!(self.values[*key].0);
            }
            ["SET", key, value, "NX", "GET", "EX", length] | ["SET", key, value, "EX", length] => (key, value, length),
            words => return json!([false, format!("ERR unknown command {words:?}")]),
        };
        let until = now.after(Duration::from_secs(length.parse().unwrap()));
        self.values.insert((*key).to_owned(), ((*value).to_owned(), until));
        if words.contains(&"NX") { Value::Null } else { json!([true, "OK"]) }
    }

    /// What stands under keys that contain this, and for how many seconds still.
    pub fn keys(&self, part: &str, now: UnixTime) -> Vec<(String, String, i64)> {
        let known = self.values.iter().filter(|(key, (_, until))| key.contains(part) && *until > now);
        known.map(|(key, (value, until))| (key.clone(), value.clone(), until.secs() - now.secs())).collect()
    }

    /// `FLUSHALL`.
    pub fn flush(&mut self) {
        self.values.clear();
    }
}
