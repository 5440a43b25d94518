//! The whole way: connection, observer, queue, monitor, receiver.

use std::collections::BTreeSet;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::host::Host;
use crate::scene::{Certificate, Document, Instance, QUEUE, RECEIVER, Request, Told, receiving_host, seconds};

/// The body of the only request so far, its white space folded.
fn only_body(host: &Host) -> String {
    let callouts = host.callouts_to(RECEIVER);
    assert_eq!(callouts.len(), 1, "{:#?}", host.log());
    callouts[0].text().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The id that the only request so far bears in its headers.
fn only_key(host: &Host) -> String {
    host.callouts_to(RECEIVER)[0].header("idempotency-key").unwrap().trim_matches('"').to_owned()
}

#[test]
fn each_certificate_role_and_api_is_told_once_however_many_workers_routes_and_requests_show_it() {
    let host = receiving_host();
    let (client, upstream) = (Certificate::stored("client"), Certificate::stored("upstream"));
    let server = Certificate::stored("localhost");
    let document = Document::telling().server(&server);
    let mut monitor = Instance::monitor(&host, &document);
    let mut workers = ["worker_0", "worker_1"].map(|name| Instance::observer(&host, name, &document));
    for _ in 0..20 {
        for worker in &mut workers {
            for route in ["orders", "billing"] {
                for _ in 0..10 {
                    worker.request(&Request::of_client(&client).on_route(route).answered_by(&upstream));
                }
            }
        }
        let [one, two] = &mut workers;
        host.run_for(&mut [&mut monitor.vm, &mut one.vm, &mut two.vm], seconds(1));
    }
    let told = Told::all(&host);
    let usages: BTreeSet<_> = told.iter().map(|t| (t.cert_id.clone(), t.role.as_str(), t.api_id.as_deref())).collect();
    let expected = BTreeSet::from([
        (server.id(), "server", None),
        (client.id(), "client", Some("orders")),
        (client.id(), "client", Some("billing")),
        (upstream.id(), "upstream", Some("orders")),
        (upstream.id(), "upstream", Some("billing")),
    ]);
    assert_eq!(usages, expected);
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    assert!(told.iter().all(|told| told.event == "CertificateExpiringSoon"), "{told:#?}");
    assert_eq!(host.queue_items(QUEUE).len(), 0, "the queue is empty again");
}

#[test]
fn what_was_observed_before_there_was_a_monitor_arrives_later() {
    let host = receiving_host();
    let document = Document::telling();
    let mut worker = Instance::observer(&host, "worker", &document);
    let client = Certificate::stored("client");
    worker.request(&Request::of_client(&client).on_route("orders"));
    host.run_for(&mut [&mut worker.vm], seconds(30));
    assert_eq!(host.callouts().len(), 0);
    let mut monitor = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut monitor.vm, &mut worker.vm], seconds(20));
    let told: Vec<_> = Told::all(&host).into_iter().map(|told| (told.cert_id, told.api_id)).collect();
    assert_eq!(told, [(client.id(), Some("orders".to_owned()))]);
}

#[test]
fn a_pem_that_is_url_encoded_is_the_same_certificate() {
    let host = receiving_host();
    let document = Document::telling();
    let mut monitor = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut monitor.vm], seconds(2));
    let client = Certificate::stored("client");
    let encoded = utf8_percent_encode(&client.pem(), NON_ALPHANUMERIC).to_string();
    let mut worker = Instance::observer(&host, "worker", &document);
    worker.tick();
    worker.request(&Request::plain().with("connection", "sha256_peer_certificate_digest", client.id()).with(
        "connection",
        "peer_certificate",
        encoded,
    ));
    // Without an API it waits for somebody who knows one.
    host.run_for(&mut [&mut monitor.vm], seconds(20));
    let told: Vec<_> = Told::all(&host).into_iter().map(|told| told.cert_id).collect();
    assert_eq!(told, [client.id()]);
}

#[test]
fn a_certificate_that_expires_soon_is_told_in_these_fields_in_this_order() {
    let host = receiving_host();
    let client = Certificate::stored("client");
    let entry = json!({ "role": "client", "api_id": "test-api-id", "pem": client.pem() });
    let mut monitor = Instance::monitor(&host, &Document::telling().certificate(entry));
    host.run_for(&mut [&mut monitor.vm], seconds(2));
    assert_eq!(
        only_body(&host),
        format!(
            r#"{{ "event": "CertificateExpiringSoon", "message": "Certificate Test Client is expiring in 2 days and 20 hours", "cert_id": "{}", "cert_name": "Test Client", "expires_at": "2026-01-17T13:51:52Z", "days_remaining": 2, "cert_role": "client", "api_id": "test-api-id", "timestamp": "2026-01-14T17:43:06Z", "id": "{}", "severity": "warning", "rule": "30d", "seconds_remaining": 245326, "serial_number": "2B49C0F9718A0EB28F0092B83FE7BB82C952394A", "issuer": "CN=Test CA", "subject": "CN=Test Client", "not_before": "2026-01-16T13:51:52Z", "fingerprint_sha256": "{}", "key": "EC-P256", "position": "leaf", "source": "config", "first_seen": "2026-01-14T17:43:06Z", "last_seen": "2026-01-14T17:43:06Z" }}"#,
            client.id(),
            only_key(&host),
            client.id()
        )
    );
}

#[test]
fn a_certificate_that_has_expired_is_told_in_these_fields_in_this_order() {
    let host = receiving_host();
    let yesterday = Certificate::stored("localhost").ending_at(1_768_412_585 - 30 * 3_600);
    let mut monitor = Instance::monitor(&host, &Document::telling().server(&yesterday));
    host.run_for(&mut [&mut monitor.vm], seconds(2));
    assert_eq!(
        only_body(&host),
        format!(
            r#"{{ "event": "CertificateExpired", "message": "Certificate localhost expired 1 day ago", "cert_id": "{}", "cert_name": "localhost", "expired_at": "2026-01-13T11:43:05Z", "days_since_expiry": 1, "cert_role": "server", "timestamp": "2026-01-14T17:43:06Z", "id": "{}", "severity": "critical", "rule": "expired", "seconds_remaining": -108001, "serial_number": "1A73300FF0E626B4598CB48708648B1C1E85D18D", "issuer": "CN=Test CA", "subject": "CN=localhost", "sans": ["localhost","127.0.0.1"], "sans_count": 2, "not_before": "2026-01-16T13:51:52Z", "fingerprint_sha256": "{}", "key": "EC-P256", "position": "leaf", "source": "config", "first_seen": "2026-01-14T17:43:06Z", "last_seen": "2026-01-14T17:43:06Z" }}"#,
            yesterday.id(),
            only_key(&host),
            yesterday.id()
        )
    );
}

#[test]
fn a_request_to_a_receiver_is_what_its_webhook_says() {
    let host = receiving_host();
    let keys =
        json!({ "headers": { "X-Event": "{{ event }}", "Authorization": "Bearer ${TOKEN}" }, "timeout_seconds": 7 });
    let document = Document::empty().webhook(keys).server(&Certificate::stored("localhost"));
    let vm = host.vm("monitor").configuration("monitor").env("TOKEN", "t0k3n");
    let mut monitor = Instance::of(vm, &document);
    host.run_for(&mut [&mut monitor.vm], seconds(2));
    let callout = host.callouts_to(RECEIVER).remove(0);
    let mut headers: Vec<_> = callout.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    headers.sort_unstable();
    let id = callout.header("idempotency-key").unwrap().trim_matches('"').to_owned();
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    let span = callout.header("traceparent").unwrap().split('-').nth(2).unwrap().to_owned();
    assert!(span.len() == 16 && span.bytes().all(|byte| byte.is_ascii_hexdigit()), "{span}");
    assert_eq!(
        headers,
        [
            (":authority", "hooks.example.com"),
            (":method", "POST"),
            (":path", "/certificates"),
            (":scheme", "https"),
            ("authorization", "Bearer t0k3n"),
            ("content-type", "application/json"),
            ("idempotency-key", &format!("\"{id}\"")),
            ("traceparent", &format!("00-{id}-{span}-01")),
            ("user-agent", concat!("cert-expiry-monitor/", env!("CARGO_PKG_VERSION"))),
            ("x-event", "CertificateExpiringSoon"),
        ]
    );
    assert_eq!((callout.timeout, callout.trailers.len()), (seconds(7), 0));
    assert_eq!(callout.header(":method"), callout.headers.first().map(|(_, value)| value.as_str()), "pseudo first");
}

#[test]
fn a_request_without_a_body_says_so() {
    let host = receiving_host();
    let document = Document::empty().webhook(json!({ "method": "GET" })).server(&Certificate::stored("localhost"));
    let mut monitor = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut monitor.vm], seconds(2));
    let callout = host.callouts_to(RECEIVER).remove(0);
    assert_eq!((callout.header(":method"), callout.header("content-type")), (Some("GET"), None));
    assert_eq!(callout.body, b"");
}

#[test]
fn whoever_takes_office_tells_by_which_names_the_proxy_goes() {
    const ASKED: u64 = 4;
    for (names, expected) in [
        (vec![("id", "edge-1"), ("cluster", "edge")], "edge-1|edge"),
        (vec![("id", "ed\u{202e}ge-1\n"), ("cluster", "")], "edge-1|"),
        (vec![], "|"),
    ] {
        let host = receiving_host();
        let document = Document::telling().server(&Certificate::stored("localhost"));
        let said = json!("{{ proxy.node }}|{{ proxy.cluster }}");
        let document = document.with(
            "webhooks",
            json!([{
                "name": "ops", "cluster": RECEIVER, "url": "https://hooks.example.com/x",
                "headers": { "content-type": "text/plain", "x-proxy": said }, "template": said,
            }]),
        );
        let mut monitor = Instance::monitor(&host, &document);
        for (name, value) in names {
            monitor.vm.set_property(monitor.root, &["xds", "node", name], value);
        }
        host.run_for(&mut [&mut monitor.vm], seconds(2));
        assert_eq!(only_body(&host), expected);
        assert_eq!(host.callouts_to(RECEIVER)[0].header("x-proxy"), Some(expected));
        host.run_for(&mut [&mut monitor.vm], seconds(60));
        assert_eq!(monitor.vm.calls("proxy_get_property"), ASKED, "its names and Envoy's version, once");
    }
}

#[test]
fn an_upstream_is_told_with_its_cluster_and_with_the_server_that_has_shown_its_certificate() {
    let host = receiving_host();
    let document = Document::telling();
    let mut monitor = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut monitor.vm], seconds(2));
    let mut worker = Instance::observer(&host, "worker", &document);
    worker.tick();
    let request = Request::plain().on_route("orders").with("xds", "cluster_name", "orders");
    let request = request.with("upstream", "address", "10.0.0.1:443");
    worker.request(&request.answered_by(&Certificate::stored("upstream")));
    host.run_for(&mut [&mut monitor.vm, &mut worker.vm], seconds(10));
    let told: serde_json::Value = serde_json::from_str(&only_body(&host)).unwrap();
    assert_eq!(told["places"], json!(["cluster/orders", "address/10.0.0.1:443"]));
}
