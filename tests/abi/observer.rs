//! What a request costs where the plugin observes it: host calls, instructions, memory.

use std::collections::BTreeMap;

use serde_json::json;

use crate::host::Host;
use crate::scene::{Certificate, Document, Instance, QUEUE, Request, metric, seconds};

/// What a worker's VM may take.
const MEMORY: usize = 2 * 1024 * 1024;

/// An observer that has seen its monitor, on a host of their own.
fn observer(document: &Document) -> (Host, Instance) {
    let (host, observer, _) = observer_and_monitor(document);
    (host, observer)
}

/// An observer that has seen its monitor, and the monitor, which lives on but finds the queue empty.
fn observer_and_monitor(document: &Document) -> (Host, Instance, Instance) {
    const EMPTY: u32 = 7;
    let host = Host::new();
    let mut monitor = Instance::monitor(&host, &Document::empty());
    host.run_for(&mut [&mut monitor.vm], seconds(2));
    monitor.vm.fault("proxy_dequeue_shared_queue").status(EMPTY);
    let mut observer = Instance::observer(&host, "worker", document);
    observer.tick();
    (host, observer, monitor)
}

/// Makes these requests, a hundred of them each second.
fn requests(host: &Host, observer: &mut Instance, monitor: &mut Instance, requests: &[Request]) {
    for a_second in requests.chunks(100) {
        for request in a_second {
            observer.request(request);
        }
        host.run_for(&mut [&mut observer.vm, &mut monitor.vm], seconds(1));
    }
}

fn observing(client: bool, upstream: bool) -> Document {
    Document::empty().with("observe", json!({ "client": client, "upstream": upstream }))
}

/// What one request asks of the host.
fn calls(host: &Host, observer: &mut Instance, request: &Request) -> BTreeMap<String, u64> {
    host.reset_calls();
    observer.request(request);
    observer.vm.call_counts()
}

/// That many reads of properties and nothing else.
fn reads(count: u64) -> BTreeMap<String, u64> {
    BTreeMap::from([("proxy_get_property".to_owned(), count)])
}

fn client() -> Request {
    Request::of_client(&Certificate::stored("client")).on_route("orders")
}

fn client_and_upstream() -> Request {
    client().answered_by(&Certificate::stored("upstream"))
}

#[test]
fn with_both_roles_off_a_request_asks_the_host_for_nothing() {
    let (host, mut observer) = observer(&observing(false, false));
    for request in [Request::plain(), client_and_upstream()] {
        assert_eq!(calls(&host, &mut observer, &request), BTreeMap::new());
    }
}

#[test]
fn a_plain_text_connection_costs_one_property_for_each_side_that_is_observed() {
    for (client, upstream, count) in [(true, false, 1), (false, true, 1), (true, true, 2)] {
        let (host, mut observer) = observer(&observing(client, upstream));
        assert_eq!(calls(&host, &mut observer, &Request::plain()), reads(count), "client {client} upstream {upstream}");
    }
}

#[test]
fn a_known_client_costs_two_properties_and_its_known_upstream_one_more() {
    let (host, mut observer) = observer(&observing(true, false));
    observer.request(&client());
    assert_eq!(calls(&host, &mut observer, &client()), reads(2));
    let (host, mut observer) = self::observer(&observing(true, true));
    observer.request(&client_and_upstream());
    assert_eq!(calls(&host, &mut observer, &client_and_upstream()), reads(3));
}

#[test]
fn a_route_without_a_name_costs_one_more_property_for_each_stand_in_that_is_asked() {
    let unnamed = || Request::of_client(&Certificate::stored("client"));
    let (host, mut observer) = observer(&observing(true, false));
    for (request, count) in [
        (unnamed().on_route("").with("xds", "virtual_host_name", "shop"), 3),
        (unnamed().with("xds", "cluster_name", "orders"), 4),
        (unnamed(), 4),
    ] {
        observer.request(&request);
        assert_eq!(calls(&host, &mut observer, &request), reads(count), "{request:?}");
    }
    let fixed = observing(true, false).with("observe", json!({ "upstream": false, "api_id": { "value": "shop" } }));
    let (host, mut observer) = self::observer(&fixed);
    observer.request(&unnamed());
    assert_eq!(calls(&host, &mut observer, &unnamed()), reads(1), "a fixed API is not asked for");
}

#[test]
fn a_new_certificate_is_read_put_into_the_queue_and_counted_once() {
    let (host, mut observer) = observer(&Document::empty());
    observer.request(&client());
    let other = Request::of_client(&Certificate::stored("client").numbered(1)).on_route("orders");
    let expected = [
        // The digests of both sides, the route's name, the certificate, and three names that its place may have.
        ("proxy_get_property", 7),
        ("proxy_enqueue_shared_queue", 1),
        ("proxy_increment_metric", 1),
    ];
    let expected: BTreeMap<String, u64> = expected.map(|(name, count)| (name.to_owned(), count)).into();
    assert_eq!(calls(&host, &mut observer, &other), expected);
}

#[test]
fn a_thousand_requests_cost_the_same_each() {
    let (host, mut observer) = observer(&Document::empty());
    let request = client_and_upstream();
    observer.request(&request);
    // The allocator has found its ways after two.
    observer.request(&request);
    let fuel = observer.request(&request);
    for number in 0..1_000 {
        host.reset_calls();
        assert_eq!(observer.request(&request), fuel, "request {number}");
        assert_eq!(observer.vm.call_counts(), reads(3), "request {number}");
    }
}

#[test]
fn a_request_takes_as_many_instructions_as_it_is_known_to_take() {
    let mut measured = Vec::new();
    // what it is | what is observed | the request | its instructions
    for (what, client_side, upstream_side, request, pinned) in [
        ("both roles off", false, false, client_and_upstream(), 3_660),
        ("plain text, both roles", true, true, Request::plain(), 4_500),
        ("a known client", true, false, client(), 13_690),
        ("a known client and its known upstream", true, true, client_and_upstream(), 18_130),
    ] {
        let (_, mut observer) = observer(&observing(client_side, upstream_side));
        observer.request(&request);
        let fuel = observer.request(&request);
        println!("{what}: {fuel} instructions a request");
        measured.push((what, pinned, fuel));
    }
    let (_, mut observer) = observer(&observing(true, true));
    observer.request(&client());
    let fuel = observer.request(&Request::of_client(&Certificate::stored("client").numbered(1)).on_route("orders"));
    println!("a new client: {fuel} instructions a request");
    measured.push(("a new client", 51_240, fuel));
    for (what, pinned, fuel) in measured {
        assert!(fuel.abs_diff(pinned) <= pinned / 10, "{what}: {fuel} instructions, known to take {pinned}");
    }
}

#[test]
fn a_hundred_thousand_requests_with_five_thousand_certificates_stay_within_two_megabytes() {
    let (host, mut observer, mut monitor) = observer_and_monitor(&Document::empty());
    let certificate = Certificate::stored("client");
    let five_times = |number| vec![Request::of_client(&certificate.numbered(number)).on_route("orders"); 5];
    let all: Vec<_> = (0..5_000).flat_map(five_times).collect();
    println!("an observer after its configuration: {} bytes", observer.vm.memory());
    let mut memory = Vec::new();
    for _ in 0..4 {
        requests(&host, &mut observer, &mut monitor, &all);
        memory.push(observer.vm.memory());
    }
    println!("an observer after each 25,000 requests: {memory:?} bytes");
    assert!(memory[3] <= MEMORY, "{memory:?}");
    assert_eq!(memory[0], memory[3], "it grows: {memory:?}");
    assert_eq!(metric(&host, "observations_total;.;role=.=client"), 20_000, "more than it remembers");
    assert_eq!(host.queue_items(QUEUE).len(), 20_000);
}

#[test]
fn certificates_on_routes_with_long_names_stay_within_two_megabytes() {
    let (host, mut observer, mut monitor) = observer_and_monitor(&Document::empty());
    let (certificate, route) = (Certificate::stored("client"), "r".repeat(250));
    let request = |number| Request::of_client(&certificate.numbered(number)).on_route(&route);
    requests(&host, &mut observer, &mut monitor, &(0..4_000).map(request).collect::<Vec<_>>());
    assert_eq!(host.queue_items(QUEUE).len(), 4_000);
    println!("an observer of routes with long names: {} bytes", observer.vm.memory());
    assert!(observer.vm.memory() <= MEMORY, "{}", observer.vm.memory());
}

#[test]
fn the_largest_certificates_that_wait_for_a_monitor_stay_within_two_megabytes() {
    for size in [64 * 1_024, 16 * 1_024, 15_000, 8_000] {
        let host = Host::new();
        let mut observer = Instance::observer(&host, "worker", &Document::empty());
        for number in 0..200 {
            let request = Request::plain()
                .with("connection", "sha256_peer_certificate_digest", format!("{number:064x}"))
                .with("connection", "peer_certificate", vec![b'x'; size])
                .on_route("orders");
            observer.request(&request);
        }
        let memory = observer.vm.memory();
        println!("an observer for which certificates of {size} bytes wait: {memory} bytes");
        assert!(memory <= MEMORY, "{memory} bytes while certificates of {size} bytes wait");
    }
}

#[test]
fn an_instance_that_observes_nothing_asks_nothing_of_the_host_for_a_request() {
    for word in ["monitor", "standby"] {
        let host = Host::new();
        let mut instance = Instance::of(host.vm("worker").configuration(word), &Document::empty());
        assert_eq!(calls(&host, &mut instance, &client_and_upstream()), BTreeMap::new(), "{word}");
    }
}
