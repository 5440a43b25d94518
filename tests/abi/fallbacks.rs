//! Envoys that show no certificate in an attribute, and headers that nobody else shall see.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::host::Host;
use crate::scene::{
    Bill, Certificate, Document, Instance, Observations, QUEUE, Request, Told, metric, patient_host, receiving_host,
    seconds,
};

const HEADER: &str = "x-cert-expiry-upstream-certificate";
const XFCC: &str = "x-forwarded-client-cert";

/// An observer and a monitor behind it.
fn crew(document: &Document) -> (Host, Instance, Instance) {
    let host = receiving_host();
    let mut monitor = Instance::monitor(&host, document);
    host.run_for(&mut [&mut monitor.vm], seconds(2));
    let mut observer = Instance::observer(&host, "worker", document);
    observer.tick();
    (host, observer, monitor)
}

fn observing(keys: Value) -> Document {
    Document::telling().with("observe", keys)
}

/// What an Envoy before 1.38 shows where the fallbacks are configured.
fn old(client: &Certificate, upstream: &Certificate) -> Request {
    Request::of_client(client)
        .answered_by(upstream)
        .on_route("orders")
        .without("connection", "peer_certificate")
        .without("upstream", "peer_certificate")
        .with("filter_state", "cert_expiry_monitor.client_certificate", client.encoded_pem())
        .with_response_header("content-type", "text/plain")
        .with_response_header(HEADER, upstream.encoded_pem())
}

/// Which certificates were told of.
fn told(host: &Host) -> BTreeSet<(String, String)> {
    Told::all(host).into_iter().map(|told| (told.role, told.cert_id)).collect()
}

#[test]
fn without_attributes_both_sides_are_told_of_and_no_response_keeps_a_certificate() {
    let (client, upstream) = (Certificate::stored("client"), Certificate::stored("upstream"));
    let (host, mut observer, mut monitor) = crew(&Document::telling());
    for number in 0..1_000 {
        let request = old(&client.numbered(number % 3), &upstream.numbered(number % 2));
        observer.request(&request);
        assert_eq!(observer.passed[1], [("content-type".to_owned(), "text/plain".to_owned())], "response {number}");
    }
    host.run_for(&mut [&mut monitor.vm], seconds(10));
    let clients = (0..3).map(|number| ("client".to_owned(), client.numbered(number).id()));
    let upstreams = (0..2).map(|number| ("upstream".to_owned(), upstream.numbered(number).id()));
    assert_eq!(told(&host), clients.chain(upstreams).collect());
}

#[test]
fn a_known_upstream_costs_one_removal_more_without_the_attribute_and_nothing_with_it() {
    let (client, upstream) = (Certificate::stored("client"), Certificate::stored("upstream"));
    let calls = |request: &Request| {
        let (host, mut observer, _monitor) = crew(&Document::telling());
        observer.request(request);
        host.reset_calls();
        observer.request(request);
        let counts = observer.vm.call_counts();
        (counts["proxy_get_property"], counts.get("proxy_remove_header_map_value").copied(), counts.len())
    };
    assert_eq!(calls(&old(&client, &upstream)), (3, Some(1), 2));
    let new = Request::of_client(&client).answered_by(&upstream).on_route("orders");
    assert_eq!(calls(&new), (3, None, 1));
    assert_eq!(calls(&new.with_response_header(HEADER, "anything")), (3, Some(1), 2), "it was there once");
}

#[test]
fn without_a_monitor_or_room_no_response_keeps_a_certificate_either() {
    let host = Host::new();
    let mut observer = Instance::observer(&host, "worker", &Document::empty());
    let (client, upstream) = (Certificate::stored("client"), Certificate::stored("upstream"));
    for number in 0..500 {
        observer.request(&old(&client, &upstream.numbered(number)));
        assert_eq!(observer.passed[1].len(), 1, "response {number}");
    }
}

/// An element of the header as Envoy writes it.
fn element(of: &Certificate, chain: &[Certificate]) -> String {
    let chain: String = chain.iter().map(Certificate::encoded_pem).collect();
    format!(
        r#"By=spiffe://a;Hash={};Cert="{}";Chain="{chain}";Subject="CN=a\, \"b\",O=c;d""#,
        of.id(),
        of.encoded_pem()
    )
}

#[test]
fn the_whole_chain_that_the_header_tells_is_watched() {
    let client = Certificate::stored("client");
    let chain: Vec<_> = [client.clone()].into_iter().chain((1..4).map(|number| client.numbered(number))).collect();
    let text = format!("{},{}", element(&client.numbered(9), &[]), element(&client, &chain));
    let json = json!([{ "hash": client.id(), "cert": client.pem(),
        "chain": chain.iter().map(Certificate::pem).collect::<Vec<_>>() }]);
    for value in [text, json.to_string()] {
        let (host, mut observer, mut monitor) = crew(&observing(json!({ "client_certificate": "xfcc" })));
        for round in 0..3 {
            let request = Request::of_client(&client).without("connection", "peer_certificate").on_route("orders");
            observer.request(&request.with_header(XFCC, &value));
            assert_eq!(observer.passed[0], [(XFCC.to_owned(), value.clone())], "it is for the upstream");
            host.run_for(&mut [&mut monitor.vm, &mut observer.vm], seconds(10 + round));
        }
        assert_eq!(told(&host), chain.iter().map(|link| ("client".to_owned(), link.id())).collect(), "{value}");
        assert_eq!(Told::all(&host).len(), 4);
    }
}

#[test]
fn only_the_certificate_that_envoy_has_seen_is_believed_and_at_most_four_beside_it() {
    let (client, other) = (Certificate::stored("client"), Certificate::stored("upstream"));
    let links: Vec<_> = (1..9).map(|number| client.numbered(number)).collect();
    for (what, value, count) in [
        ("somebody else's", element(&other, std::slice::from_ref(&other)), 0),
        ("a chain without its leaf", format!("Chain=\"{}\"", links[0].encoded_pem()), 0),
        ("a long chain", element(&client, &links), 5),
        ("twice the same", element(&client, &[client.clone(), client.clone()]), 1),
        ("the first is another proxy's", format!("{},{}", element(&other, &[]), element(&client, &[])), 1),
    ] {
        let (host, mut observer, mut monitor) = crew(&observing(json!({ "client_certificate": "xfcc" })));
        observer.request(&Request::of_client(&client).on_route("orders").with_header(XFCC, value));
        host.run_for(&mut [&mut monitor.vm], seconds(10));
        assert_eq!(metric(&host, "certificates;.;role=.=client"), count, "{what}");
        assert_eq!(metric(&host, "dropped_total;.;reason=.=bad_queue_item"), u64::from(count == 0), "{what}");
    }
}

#[test]
fn whatever_the_header_says_no_callback_holds_the_main_thread_up() {
    let chains = Observations::of_chains();
    let (client, long) = (Certificate::stored("client"), Certificate::stored("long"));
    let five: Vec<_> = (0..5).map(|number| client.numbered(number)).collect();
    let mut bill = Bill::default();
    let filled = |text: &str| text.repeat((48 * 1_024 - 100) / text.len());
    let chain = element(&five[0], &five);
    let digest = five[0].id();
    for (what, text) in [
        ("a chain of five", chain.clone()),
        ("a large certificate behind it", element(&five[0], &[five[0].clone(), long])),
        ("a chain behind other elements", format!("{},{chain}", vec!["Hash=x;By=y;Cert=\"z\""; 110].join(","))),
        ("commas", filled(",")),
        ("semicolons", filled(";")),
        ("quotes", filled("\"")),
        ("empty elements", filled("Cert=x,")),
        ("beginnings", format!("Cert={}", filled("-----BEGIN "))),
        ("percent signs", format!("Cert=\"-----BEGIN{}", filled("%"))),
        ("zeros in JSON", format!("[{}0]", "0,".repeat(24_000))),
        ("as many zeros as are read", format!("[{}0]", "0,".repeat(1_020))),
        ("objects in JSON", format!("[{}{{}}]", "{},".repeat(16_000))),
        ("as many objects as are read", format!("[{}{{}}]", "{},".repeat(510))),
        ("as many keys as are read", format!("[{{{}\"x\":0}}]", "\"\":0,".repeat(250))),
        ("letters", filled("x")),
        ("brackets", filled("[")),
        ("escapes in JSON", format!("[{{\"cert\":\"{}\"}}]", "\\u00e9".repeat(8_000))),
        ("as many escapes as are read", format!("[{{\"cert\":\"{}\"}}]", "\\u00e9".repeat(1_010))),
        ("a long string in JSON", format!("[{{\"cert\":\"-----BEGIN{}\"}}]", filled("x"))),
    ] {
        let host = patient_host();
        let mut monitor = Instance::monitor(&host, &Document::telling());
        host.run_for(&mut [&mut monitor.vm], seconds(2));
        monitor.vm.take_most_fuel();
        for _ in 0..12 {
            host.enqueue(QUEUE, chains.labelled(&digest, &text));
        }
        host.run_for(&mut [&mut monitor.vm], seconds(20));
        bill.note(&format!("12 times {what}"), &mut monitor);
        assert_eq!(host.queue_items(QUEUE).len(), 0, "{what}");
    }
    bill.settle();
}

#[test]
fn a_header_that_is_cut_anywhere_harms_nobody() {
    let chains = Observations::of_chains();
    let client = Certificate::stored("client");
    let whole = element(&client, &[client.clone(), client.numbered(1)]);
    let host = Host::new();
    let mut monitor = Instance::monitor(&host, &Document::empty());
    host.run_for(&mut [&mut monitor.vm], seconds(2));
    let lengths: Vec<_> = (0..whole.len()).step_by(7).collect();
    for length in &lengths {
        host.enqueue(QUEUE, chains.of_text(&whole.as_bytes()[..*length]));
    }
    host.run_for(&mut [&mut monitor.vm], seconds(60));
    assert!(monitor.vm.trap().is_none(), "{:?}", monitor.vm.trap());
    assert_eq!(host.queue_items(QUEUE).len(), 0);
}
