//! Plugin configurations as Envoy hands them over.

use serde_json::{Value, json};

use crate::host::{Answer, Host, Level, Refusal};
use crate::scene::{Certificate, Document, Instance, RECEIVER, Told, metric, receiving_host, seconds};

/// A `google.protobuf.Struct` on the wire.
fn protobuf_struct(value: &Value) -> Vec<u8> {
    let entry = |(key, value): (&String, &Value)| {
        delimited(1, &[delimited(1, key.as_bytes()), delimited(2, &protobuf_value(value))].concat())
    };
    value.as_object().expect("an object").iter().flat_map(entry).collect()
}

/// A `google.protobuf.Value` on the wire.
fn protobuf_value(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => vec![1 << 3, 0],
        Value::Number(number) => [vec![2 << 3 | 1], number.as_f64().unwrap().to_le_bytes().to_vec()].concat(),
        Value::String(text) => delimited(3, text.as_bytes()),
        Value::Bool(flag) => vec![4 << 3, u8::from(*flag)],
        Value::Object(_) => delimited(5, &protobuf_struct(value)),
        Value::Array(items) => {
            let items: Vec<u8> = items.iter().flat_map(|item| delimited(1, &protobuf_value(item))).collect();
            delimited(6, &items)
        }
    }
}

/// A field with a length before it.
fn delimited(field: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![field << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    out.push(u8::try_from(length).unwrap());
    [out, bytes.to_vec()].concat()
}

/// The lines of an instance that refuses this configuration.
fn problems(word: &str, configuration: &[u8]) -> Vec<String> {
    let host = Host::new();
    let mut vm = host.vm("canary").configuration(word).start().expect("a VM");
    assert_eq!(vm.create_root(configuration), Err(Refusal::Configuration), "{configuration:?}");
    let lines = host.log();
    assert!(lines.iter().all(|line| line.level == Level::Error), "{lines:?}");
    lines.into_iter().map(|line| line.text).collect()
}

#[test]
fn json_text_and_a_struct_are_the_same_document() {
    let document = Document::telling().server(&Certificate::stored("localhost")).seconds(0, 86_400, 30);
    let mut told = Vec::new();
    for bytes in [document.to_string().into_bytes(), protobuf_struct(&document.value())] {
        let host = receiving_host();
        let mut vm = host.vm("monitor").configuration("monitor").start().expect("a VM");
        vm.create_root(bytes).expect("a document that is taken");
        host.run_for(&mut [&mut vm], seconds(5));
        let hash = host.metrics().into_keys().find(|name| name.contains("config_info")).expect("a hash");
        told.push((hash, host.callouts_to(RECEIVER).remove(0).body));
    }
    assert_eq!(told[0], told[1]);
}

#[test]
fn no_document_at_all_means_the_defaults() {
    let host = Host::new();
    let mut vm = host.vm("monitor").configuration("monitor").start().expect("a VM");
    vm.create_root("").expect("nothing is taken");
    host.run_for(&mut [&mut vm], seconds(5));
    assert!(host.logged("no webhook is configured"));
    assert!(host.logged("watching 0 certificates"));
}

#[test]
fn what_is_neither_json_nor_a_struct_is_refused_with_what_to_write() {
    for bytes in [&b"hello"[..], b"\xff\xff\xff\xff", b"\x0a\xff\x01", b"{\"a\": }", b"[]", b"7", b"\x00"] {
        for word in ["monitor", "observer", "auto"] {
            let lines = problems(word, bytes);
            assert_eq!(lines.len(), 1, "{bytes:?}: {lines:?}");
            assert!(lines[0].starts_with("Invalid configuration: "), "{lines:?}");
        }
    }
}

#[test]
fn all_problems_of_a_document_are_logged_at_once_by_monitors_and_observers() {
    let document = Document::empty()
        .with("webhoks", json!([]))
        .with("certificate_expiry_monitor", json!({ "check_interval_seconds": -1, "event_cooldown_seconds": "1d" }))
        .with("observe", json!({ "flush_seconds": 0 }))
        .webhook(json!({ "url": "https://", "method": "FETCH" }))
        .certificate(json!({ "role": "server", "pem": "", "api_id": "orders" }))
        .with("mode", json!("boss"));
    for word in ["monitor", "observer", "standby", ""] {
        let lines = problems(word, document.to_string().as_bytes());
        for part in [
            "webhoks: unknown key; did you mean \"webhooks\"?",
            "certificate_expiry_monitor.check_interval_seconds: -1 is not allowed",
            "certificate_expiry_monitor.event_cooldown_seconds: \"1d\" is not allowed",
            "observe.flush_seconds: 0 is not allowed",
            "webhooks[0].url: ",
            "webhooks[0].method: \"FETCH\" is not allowed; expected one of GET, PUT, POST, PATCH, DELETE",
            "certificates[0].pem: ",
            "certificates[0].api_id: ",
            "mode: \"boss\" is not allowed",
        ] {
            let line = format!("Invalid configuration: {part}");
            assert_eq!(lines.iter().filter(|text| text.starts_with(&line)).count(), 1, "{word}: {part}: {lines:#?}");
        }
        assert_eq!(lines.len(), 9, "{word}: {lines:#?}");
    }
}

#[test]
fn a_broken_document_of_any_length_never_traps() {
    let document = Document::telling().server(&Certificate::stored("localhost")).seconds(0, 86_400, 30);
    for bytes in [document.to_string().into_bytes(), protobuf_struct(&document.value())] {
        let host = Host::new();
        let mut vm = host.vm("canary").configuration("monitor").start().expect("a VM");
        for length in (0..bytes.len()).step_by(11) {
            match vm.create_root(&bytes[..length]) {
                Ok(_) | Err(Refusal::Configuration) => {}
                Err(refusal) => panic!("the first {length} bytes: {refusal}"),
            }
        }
    }
}

#[test]
fn a_missing_variable_switches_its_webhook_off_and_no_other() {
    let document = Document::telling()
        .server(&Certificate::stored("localhost"))
        .webhook(json!({ "name": "secret", "cluster": "secret", "headers": { "authorization": "Bearer ${TOKEN}" } }));
    for (token, requests) in [(None, 0), (Some("t0k3n"), 1)] {
        let host = receiving_host();
        host.receiver("secret", |_| Some(Answer::status(200)));
        let vm = host.vm("monitor").configuration("monitor");
        let vm = token.into_iter().fold(vm, |vm, token| vm.env("TOKEN", token));
        let mut monitor = Instance::of(vm, &document);
        host.run_for(&mut [&mut monitor.vm], seconds(5));
        assert_eq!((Told::all(&host).len(), host.callouts_to("secret").len()), (1, requests), "{token:?}");
        let lines = host.log_lines("TOKEN is not set");
        assert_eq!(lines.len(), 1 - requests, "{lines:?}");
        assert!(lines.iter().all(|line| line.level == Level::Error));
        assert_eq!(metric(&host, "dropped_total;.;reason=.=webhook_disabled"), 1 - requests as u64);
        assert_eq!(host.logged("1 disabled"), token.is_none());
    }
}

#[test]
fn strict_env_refuses_a_document_whose_variables_are_missing() {
    let document = Document::empty()
        .webhook(json!({ "headers": { "authorization": "Bearer ${TOKEN}" } }))
        .webhook(json!({ "name": "other", "headers": { "x-key": "${KEY}" } }))
        .with("strict_env", json!(true));
    let lines = problems("monitor", document.to_string().as_bytes());
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("TOKEN") && lines[1].contains("KEY"), "{lines:?}");
    let host = Host::new();
    let vm = host.vm("monitor").configuration("monitor").env("TOKEN", "a").env("KEY", "b");
    Instance::of(vm, &document);
    Instance::observer(&host, "worker", &document);
}

#[test]
fn secrets_never_reach_a_log_a_metric_an_event_or_shared_data() {
    const SECRETS: [&str; 4] = ["s3cr3t-token", "s3cr3t-path", "s3cr3t-literal", "S3cr3tS3cr3tS3cr3t"];
    let webhook = json!({
        "url": "https://hooks.example.com/s3cr3t-path?key=s3cr3t-path",
        "headers": { "authorization": "Bearer ${TOKEN}", "x-key": "s3cr3t-literal" },
    });
    let good = Document::empty().webhook(webhook.clone()).server(&Certificate::stored("localhost")).seconds(0, 0, 1);
    let key = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", "S3cr3tS3cr3tS3cr3t");
    let mut bad = vec![
        good.clone().certificate(json!({ "role": "server", "pem": key })),
        good.clone().with("strict_env", json!(true)).webhook(json!({ "name": "b", "headers": { "x": "${MISSING}" } })),
        Document::empty().webhook(webhook.clone()).webhook(webhook),
    ];
    for (broken, value) in [
        ("url", json!("https:// /s3cr3t-path")),
        ("url", json!("s3cr3t-path")),
        ("url", json!(["s3cr3t-path"])),
        ("headers", json!({ "x": "s3cr3t-literal\r\n" })),
        ("headers", json!({ "x": "s3cr3t-literal {{" })),
        ("headers", json!({ "x": { "s3cr3t-literal": 1 } })),
        ("headers", json!("s3cr3t-literal")),
        ("headers", json!(["s3cr3t-literal"])),
    ] {
        bad.push(Document::empty().webhook(json!({ broken: value })));
    }
    let host = Host::new();
    for answer in [200_u16, 500] {
        host.receiver(RECEIVER, move |_| Some(Answer::status(answer)));
        let vm = host.vm("monitor").configuration("monitor").env("TOKEN", "s3cr3t-token");
        let mut monitor = Instance::of(vm, &good);
        host.run_for(&mut [&mut monitor.vm], seconds(5));
    }
    for document in &bad {
        let vm = host.vm("canary").configuration("monitor").env("TOKEN", "s3cr3t-token");
        assert!(Instance::try_of(vm, document).is_err(), "{document}");
    }
    assert!(host.callouts()[0].headers.iter().any(|(_, value)| value.contains("s3cr3t-token")), "it is in use");
    let blobs = host.shared_keys().into_iter().map(|key| host.shared_data(&key).unwrap());
    let mut places: Vec<Vec<u8>> = blobs.collect();
    places.extend(host.log().into_iter().map(|line| line.text.into_bytes()));
    places.extend(host.metrics().into_keys().map(String::into_bytes));
    places.extend(host.callouts().into_iter().map(|callout| callout.body));
    for place in places {
        let text = String::from_utf8_lossy(&place);
        assert!(SECRETS.iter().all(|secret| !text.contains(secret)), "{text}");
    }
}
