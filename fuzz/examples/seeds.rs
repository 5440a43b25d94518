//! Writes what fuzzing begins with: `seeds <folder to write to> [folder with certificates of others]`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cert_expiry_monitor::application::discovery::{Answer, Discovery, Next};
use cert_expiry_monitor::application::effect::Answer as Received;
use cert_expiry_monitor::application::lease::{Candidate, Kind, LEASE, ROSTER};
use cert_expiry_monitor::application::monitor::Monitor;
use cert_expiry_monitor::application::observation::{Form, Item, Site};
use cert_expiry_monitor::application::shared_data::SharedData;
use cert_expiry_monitor::config::{CaBundles, DocumentHash};
use cert_expiry_monitor::decode::{observed, pem};
use cert_expiry_monitor::domain::time::HOUR;
use cert_expiry_monitor::domain::{CertId, Role, UnixTime, Usage};
use cert_expiry_monitor_fuzz::discovery::{BETWEEN, Nothing};
use cert_expiry_monitor_fuzz::memory::Memory;
use cert_expiry_monitor_fuzz::stage::Stage;
use cert_expiry_monitor_fuzz::xfcc::CLIENT;
use prost::Message;
use prost_types::value::Kind as Field;
use serde_json::Value;

/// Larger ones are slow and say nothing new.
const LARGEST: u64 = 12 << 10;

fn main() {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let seeds = Seeds { folder: arguments.first().expect("a folder to write to").clone() };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let own = files(&root.join("tests/data"), "pem");
    let others = arguments.get(1).map(|folder| ["pem", "der", "crt"].map(|kind| files(folder, kind)).concat());
    for (number, file) in own.iter().chain(others.iter().flatten()).enumerate() {
        seeds.certificate(number, &fs::read(file).unwrap());
    }
    let texts: Vec<String> = own.iter().filter_map(|file| fs::read_to_string(file).ok()).collect();
    seeds.peers(&texts);
    for version in ["1.36.2", "1.40.0"] {
        seeds.admin(&root.join("tests/data/admin").join(version), version);
    }
    let documents = [files(&root.join("docs"), "md"), vec![root.join("README.md")]].concat();
    let mut configurations: Vec<String> = documents.iter().flat_map(|file| blocks(file)).collect();
    configurations.push(fs::read_to_string(root.join("tests/data/tyk-gateway.json")).unwrap());
    seeds.configurations(&configurations);
    seeds.templates(&files(&root.join("templates"), "json"));
    seeds.answers();
    seeds.store();
    seeds.lease();
    seeds.shared_data(&texts);
}

struct Seeds {
    folder: PathBuf,
}

impl Seeds {
    fn put(&self, target: &str, name: &str, data: &[u8]) {
        let folder = self.folder.join(target);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), data).unwrap();
    }

    /// As it is, and in DER.
    fn certificate(&self, number: usize, data: &[u8]) {
        self.put("certificate", &format!("{number}"), data);
        for der in pem::blocks(&String::from_utf8_lossy(data)).filter_map(|block| block.der.ok()).take(1) {
            self.put("certificate", &format!("{number}-der"), &der);
        }
    }

    /// What Envoy says of connections, and observers of peers.
    fn peers(&self, certificates: &[String]) {
        let client = String::from_utf8_lossy(CLIENT);
        for (number, text) in certificates.iter().enumerate().filter(|(_, text)| text.len() < 8_000) {
            let name = number.to_string();
            let encoded = text.replace(' ', "%20").replace('\n', "%0A").replace('+', "%2B").replace('/', "%2F");
            let plain = format!(
                r#"By=spiffe://a;Hash={client};Cert="{encoded}";Subject="CN=\"a\",O=b";DNS=c;Chain="{encoded}""#
            );
            self.put("xfcc", &name, format!("Hash=00;Cert={encoded},{plain}").as_bytes());
            let json = serde_json::json!([{ "hash": client, "cert": text, "chain": [text, text] }, { "uri": ["x"] }]);
            self.put("xfcc", &format!("{name}-json"), json.to_string().as_bytes());
            let Ok(certificate) = observed::certificate(text.as_bytes()) else { continue };
            let digest = certificate.id.to_string();
            let usage = Usage::new([Role::Client, Role::Upstream][number % 2], Some("orders".to_owned()));
            let site = Site { place: Some("listener/ingress"), address: Some("10.0.0.1:443") };
            for (form, text) in [(Form::Pem, text), (Form::Xfcc, &plain)] {
                let item = Item::seen(&usage, site, digest.as_bytes(), form, text.as_bytes()).unwrap();
                self.put("queue", &format!("{name}-{form:?}"), &item);
            }
            let failure =
                "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:certificate has expired";
            let item = Item::rejected(&usage, Some("a"), (Some("b"), failure), digest.as_bytes(), text.as_bytes());
            self.put("queue", &format!("{name}-rejected"), &item.unwrap());
            for document in 0..3_u8 {
                let mut said = vec![document];
                let parts = [&digest, "orders", text, &plain, "ingress", "10.0.0.1:443", "", &digest, failure, text];
                said.extend(parts.join("\0").bytes());
                self.put("observer", &format!("{name}-{document}"), &said);
            }
        }
    }

    /// What its admin interface answers, and the answers of a whole round.
    fn admin(&self, folder: &Path, version: &str) {
        let mut bodies = BTreeMap::new();
        for file in files(folder, "json") {
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            let body = fs::read(&file).unwrap();
            if name != "facts" {
                let target = if name.starts_with("certs") { "certs" } else { "config_dump" };
                self.put(target, &format!("{version}-{name}"), &body);
                bodies.insert(name, body);
            }
        }
        for is_refused in [false, true] {
            let mut discovery = Discovery::new(CaBundles::All);
            let mut answers: Vec<Vec<u8>> = Vec::new();
            discovery.begin();
            loop {
                match discovery.step(&Nothing, &mut 1_000) {
                    Next::Ask(path) => {
                        let body = bodies.get(&name_of(&path, is_refused)).cloned().unwrap_or_default();
                        discovery.answer(Answer::Reply(200, body.clone()));
                        answers.push(body);
                    }
                    Next::Parse { der, .. } => discovery.parse(&der),
                    Next::GoOn => {}
                    Next::Done(result) => break assert!(result.is_ok(), "{result:?}"),
                    Next::Idle => panic!("it stands still"),
                }
            }
            self.put("discovery", &format!("{version}-{is_refused}"), &answers.join(&BETWEEN));
        }
    }

    /// Each as JSON and as a Struct.
    fn configurations(&self, documents: &[String]) {
        for (number, document) in documents.iter().enumerate() {
            self.put("configuration", &number.to_string(), document.as_bytes());
            let Ok(value) = serde_json::from_str(document) else { continue };
            if let Field::StructValue(document) = field(value) {
                self.put("configuration", &format!("{number}-struct"), &document.encode_to_vec());
            }
        }
    }

    fn templates(&self, files: &[PathBuf]) {
        let hostile = "\"}{{ x }}\0\\\0<@everyone>\0`*_\0{% raw %}\0\u{202e}\n";
        let more = [
            "{{ cert_name }}",
            "{\"a\": {{ data }}, \"b\": \"{{ cert_name|upper }}\"}",
            "{\"a\": [{% for s in sans %}\"{{ s }}\"{% if not loop.last %},{% endif %}{% endfor %}]}",
            "{% set a = cert_name %}{{ a|tojson }}{% if days_remaining > 3 %}x{% endif %}",
            "{ \"event\": \"{{.Type}}\", \"at\": \"{{.Meta.ExpiresAt | as_rfc3339_from_string}}\" {{if eq .Type \"a\"}},{{end}} }",
            "x ${SECRET} {{ id }}",
        ];
        let shipped = files.iter().filter_map(|file| fs::read_to_string(file).ok());
        for (number, source) in shipped.chain(more.map(str::to_owned)).enumerate() {
            self.put("template", &number.to_string(), format!("{source}\0{hostile}").as_bytes());
        }
    }

    fn answers(&self) {
        let window = r#"{"suggestedWindow": {"start": "2026-01-02T04:00:00Z", "end": "2026-01-03T04:00:00+05:30"},
            "explanationURL": "https://acme.example.com/docs/ari"}"#;
        let headers =
            ["2", "1.5", "99999999999999999999", "Sun, 06 Nov 1994 08:49:37 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", ""];
        for (number, header) in headers.iter().enumerate() {
            for status in [0_u16, 200, 204, 301, 404, 410, 429, 503, 504] {
                let mut answer = status.to_be_bytes().to_vec();
                answer.push(if number % 2 == 0 { b'e' } else { b'r' });
                let lines = [header, headers[(number + 3) % 6], "*", "120", window];
                answer.extend(lines.join("\n").bytes());
                self.put("answer", &format!("{number}-{status}"), &answer);
            }
            self.put(
                "renewal_info",
                &format!("{number}-window"),
                window.replace("02T", &format!("0{number}T")).as_bytes(),
            );
        }
        for (number, text) in [
            "2026-11-22T11:29:53.655Z",
            "2026-11-22t16:59:53+05:30",
            "0000-01-01T00:00:00+23:59",
            r#"{"suggestedWindow": {"start": "a", "end": 1}}"#,
            r#"{"suggestedWindow": []}"#,
            "{}",
        ]
        .iter()
        .enumerate()
        {
            self.put("renewal_info", &number.to_string(), text.as_bytes());
        }
    }

    /// What Webdis answers, and some of what listens in its place.
    fn store(&self) {
        let answers = [
            r#"{"SET":null}"#,
            r#"{"SET":"done"}"#,
            r#"{"SET":"another"}"#,
            r#"{"SET":[true,"OK"]}"#,
            r#"{"SET":[false,"ERR syntax error"]}"#,
            r#"{"SET":[false,"OOM command not allowed when used memory > 'maxmemory'."]}"#,
            r#"{"DEL":1}"#,
            "<html>",
            "",
        ];
        for (number, answer) in answers.iter().enumerate() {
            for status in 0..2_u8 {
                let next = answers[(number + 1) % answers.len()];
                let seed = [&[status], answer.as_bytes(), b"\n", next.as_bytes()].concat();
                self.put("cooldown_store", &format!("{number}-{status}"), &seed);
            }
        }
    }

    /// A lease and a roster as each kind of candidate writes them.
    fn lease(&self) {
        for (number, kind) in Kind::ALL.into_iter().enumerate() {
            let memory = Memory::default();
            let mut candidate = Candidate::new(1 << (20 * number), kind, DocumentHash::default());
            for second in 0..8_i64 {
                candidate.tick(&memory, UnixTime::from_secs(second));
                let read = |key| memory.read(key).map(|(value, _)| value).unwrap_or_default();
                let (lease, roster) = (read(LEASE), read(ROSTER));
                let mut seed = vec![u8::try_from(lease.len()).unwrap()];
                seed.extend(lease.iter().chain(&roster));
                self.put("lease", &format!("{number}-{second}"), &seed);
            }
        }
    }

    /// What a monitor stores while its receivers answer, are silent, and come back.
    fn shared_data(&self, certificates: &[String]) {
        let mut stage = Stage::new();
        for (round, status) in [200, 503, 410].into_iter().enumerate() {
            for text in certificates.iter().skip(round * 8).take(8).filter(|text| text.len() < 4_000) {
                let Ok(certificate) = observed::certificate(text.as_bytes()) else { continue };
                let usage = Usage::new(Role::Client, Some("orders".to_owned()));
                let digest = certificate.id.to_string();
                let item = Item::seen(&usage, Site::default(), digest.as_bytes(), Form::Pem, text.as_bytes());
                stage.queue.extend(item);
            }
            stage.answer = Received::status(status);
            stage.run(HOUR, 400);
            stage.run(HOUR.saturating_mul(48), 400);
            for (number, key) in Monitor::stored_keys().enumerate() {
                if let Some(contents) = stage.shared_data.get(&key) {
                    let number = u16::try_from(number).unwrap().to_be_bytes();
                    let seed = [number.as_slice(), contents].concat();
                    self.put("shared_data", &format!("{round}-{key}").replace('/', "-"), &seed);
                }
            }
        }
        // Two fingerprints, as the quarantine has them.
        let mut ids = vec![0, 0, 2];
        for word in ["a", "b"] {
            ids.push(32);
            ids.extend(CertId::of_words(&[word]).to_bytes());
        }
        self.put("shared_data", "quarantine", &ids);
    }
}

/// The files below a folder that have this ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|own| own == ending) && path.metadata().unwrap().len() <= LARGEST {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The JSON that a document prints.
fn blocks(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    text.split("```json\n").skip(1).filter_map(|rest| rest.split("\n```").next()).map(str::to_owned).collect()
}

/// The name of the recorded answer to this path.
fn name_of(path: &str, is_refused: bool) -> String {
    let Some(resource) = path.split("resource=").nth(1).and_then(|rest| rest.split('&').next()) else {
        return if is_refused { "certs-refused".to_owned() } else { "certs".to_owned() };
    };
    let name = resource.replace('_', "-").replace("dynamic-active", "dynamic");
    match path.contains(',') {
        false => format!("{name}-names"),
        true if is_refused && name == "dynamic-secrets" => format!("{name}-refused"),
        true => name,
    }
}

/// A JSON value as protobuf has it.
fn field(value: Value) -> Field {
    let of = |kind| prost_types::Value { kind: Some(kind) };
    match value {
        Value::Null => Field::NullValue(0),
        Value::Bool(value) => Field::BoolValue(value),
        Value::Number(value) => Field::NumberValue(value.as_f64().unwrap()),
        Value::String(value) => Field::StringValue(value),
        Value::Array(values) => Field::ListValue(prost_types::ListValue {
            values: values.into_iter().map(|value| of(field(value))).collect(),
        }),
        Value::Object(fields) => Field::StructValue(prost_types::Struct {
            fields: fields.into_iter().map(|(key, value)| (key, of(field(value)))).collect(),
        }),
    }
}
