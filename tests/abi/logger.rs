//! The plugin as an access logger: of an HCM, of a TCP proxy, of a listener.

use serde_json::json;

use crate::host::Host;
use crate::scene::{Certificate, Document, Instance, QUEUE, Request, metric, noise, seconds};

const EXPIRED: &str = "TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify cert failed: \
    X509_verify_cert: certificate verification error at depth 0: certificate has expired:TLS_error_end";

/// An access logger that has seen its monitor, which lives on but finds the queue empty.
fn logger(document: &Document) -> (Host, Instance, Instance) {
    const EMPTY: u32 = 7;
    let host = Host::new();
    let mut monitor = Instance::monitor(&host, &Document::empty());
    host.run_for(&mut [&mut monitor.vm], seconds(2));
    monitor.vm.fault("proxy_dequeue_shared_queue").status(EMPTY);
    let mut logger = Instance::observer(&host, "worker", document);
    logger.tick();
    (host, logger, monitor)
}

/// What a queue holds, as text: roles, APIs, places and failures can be looked for in it.
fn items(host: &Host) -> Vec<String> {
    host.queue_items(QUEUE).iter().map(|item| String::from_utf8_lossy(item).into_owned()).collect()
}

/// A connection to a listener, as its access log shows it: no route, no upstream.
fn connection(certificate: &Certificate) -> Request {
    Request::of_client(certificate)
        .with("xds", "filter_chain_name", "mtls")
        .with("source", "address", "10.0.0.9:4711")
        .with("destination", "address", "10.0.0.1:443")
}

/// The same, refused.
fn refused(certificate: &Certificate) -> Request {
    connection(certificate).with("connection", "transport_failure_reason", EXPIRED)
}

#[test]
fn the_log_of_an_hcm_shows_both_sides_as_the_filter_does() {
    let (client, upstream) = (Certificate::stored("client"), Certificate::stored("upstream"));
    let (host, mut logger, _monitor) = logger(&Document::empty());
    let request =
        connection(&client).on_route("orders").answered_by(&upstream).with("xds", "cluster_name", "orders-v2");
    logger.log(&request);
    let shown = items(&host);
    assert_eq!(shown.len(), 2);
    assert!(shown[0].contains("client") && shown[0].contains("orders") && shown[0].contains("filter_chain/mtls"));
    assert!(shown[1].contains("upstream") && shown[1].contains("orders") && shown[1].contains("cluster/orders-v2"));
    host.reset_calls();
    logger.log(&request);
    logger.request(&request);
    assert_eq!(logger.vm.call_counts().len(), 1, "the filter of the same instance knows them");
    assert_eq!((logger.vm.calls("proxy_get_property"), items(&host).len()), (4 + 3, 2));
}

#[test]
fn the_log_of_a_tcp_proxy_shows_both_sides_and_that_of_a_listener_the_client() {
    let (client, upstream) = (Certificate::stored("client"), Certificate::stored("upstream"));
    let (host, mut logger, _monitor) = logger(&Document::empty());
    logger.log(&connection(&client));
    logger.log(&connection(&client).answered_by(&upstream).with("xds", "cluster_name", "db"));
    let shown = items(&host);
    assert_eq!(shown.len(), 3, "the client without an API, and both with the cluster's name for one");
    assert!(shown[2].contains("cluster/db"));
}

#[test]
fn roles_that_are_off_are_not_read_and_plain_text_costs_two_properties_a_side() {
    let request = refused(&Certificate::stored("client")).answered_by(&Certificate::stored("upstream"));
    for (client, upstream, count) in [(false, false, 0), (true, false, 2), (false, true, 2), (true, true, 4)] {
        let observe = json!({ "client": client, "upstream": upstream });
        let (host, mut logger, _monitor) = logger(&Document::empty().with("observe", observe));
        host.reset_calls();
        logger.log(&Request::plain());
        assert_eq!(logger.vm.calls("proxy_get_property"), count);
        if !client && !upstream {
            logger.log(&request);
            assert_eq!(logger.vm.call_counts().values().sum::<u64>(), 0);
        }
    }
}

#[test]
fn a_refused_client_is_handed_over_as_one_and_never_as_an_observation() {
    let client = Certificate::stored("client");
    let (host, mut logger, _monitor) = logger(&Document::empty());
    logger.log(&refused(&client));
    let [item] = items(&host).try_into().unwrap();
    for part in [EXPIRED, "10.0.0.9:4711", "filter_chain/mtls", &client.id(), &client.pem()] {
        assert!(item.contains(part), "{part} is not in {item}");
    }
    assert_eq!(metric(&host, "observations_total;.;role=.=client"), 0);
    logger.log(&connection(&client));
    assert_eq!(items(&host).len(), 2, "it is let in the next time");
}

#[test]
fn ten_thousand_refused_handshakes_leave_memory_flat_and_ten_items_a_minute() {
    let client = Certificate::stored("client");
    let (host, mut logger, mut monitor) = logger(&Document::empty());
    let mut memory = Vec::new();
    let mut fuel = 0;
    for number in 0..10_000_u32 {
        fuel = logger.log(&refused(&client.numbered(number)));
        if number % 2_500 == 2_499 {
            memory.push(logger.vm.memory());
        }
        if number % 1_000 == 0 {
            host.run_for(&mut [&mut logger.vm, &mut monitor.vm], seconds(1));
        }
    }
    println!("a refused handshake over the bound: {fuel} instructions; memory {memory:?} bytes");
    assert_eq!(host.queue_items(QUEUE).len(), 10);
    assert_eq!(metric(&host, "dropped_total;.;reason=.=rejections"), 9_990);
    assert_eq!(memory[0], memory[3], "{memory:?}");
    host.run_for(&mut [&mut logger.vm, &mut monitor.vm], seconds(60));
    logger.log(&refused(&client));
    assert_eq!(host.queue_items(QUEUE).len(), 11, "another minute");
}

#[test]
fn hostile_texts_harm_nobody() {
    let (_host, mut logger, _monitor) = logger(&Document::empty());
    let client = Certificate::stored("client");
    for seed in 0..200 {
        let noise = noise(seed, usize::try_from(seed).unwrap() * 31);
        let mut request = connection(&client).with("connection", "transport_failure_reason", noise.clone());
        for (path, value) in &mut request.early {
            if seed % 3 == 0 && path[0] != "connection" {
                value.clone_from(&noise);
            }
        }
        logger.log(&request);
        logger.log(&request.with("connection", "transport_failure_reason", [EXPIRED.as_bytes(), &noise].concat()));
    }
}

#[test]
fn a_log_takes_as_many_instructions_as_it_is_known_to_take() {
    let (client, upstream) = (Certificate::stored("client"), Certificate::stored("upstream"));
    let both = connection(&client).on_route("orders").answered_by(&upstream);
    for (what, request, pinned) in [
        ("plain text", Request::plain(), 1_390),
        ("a known client of a listener", connection(&client), 5_790),
        ("a known client and its known upstream", both, 15_000),
    ] {
        let (_host, mut logger, _monitor) = logger(&Document::empty());
        logger.log(&request);
        logger.log(&request);
        let fuel = logger.log(&request);
        println!("{what}: {fuel} instructions a log");
        assert!(fuel.abs_diff(pinned) <= pinned / 10, "{what}: {fuel} instructions, known to take {pinned}");
    }
}
