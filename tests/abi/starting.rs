//! The host configures an instance also just to see whether it takes its configuration, and kills it at once.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use crate::host::{Host, Level};
use crate::scene::{Certificate, Document, Instance, LEASE, QUEUE, ROSTER, Request, receiving_host, seconds};

/// A document that has something to say: a certificate to tell of, a warning and a missing variable.
fn talkative() -> Document {
    Document::telling()
        .server(&Certificate::stored("localhost"))
        .webhook(json!({ "name": "plain", "url": "http://hooks.example.com", "headers": { "x": "${MISSING}" } }))
}

#[test]
fn configuring_an_instance_changes_nothing_outside_of_it() {
    for word in ["monitor", "observer", "standby", "auto", ""] {
        let host = Host::new();
        let instance = Instance::of(host.vm("canary").configuration(word), &talkative());
        assert_eq!(host.shared_keys(), [""; 0], "{word}");
        assert_eq!(host.queue(QUEUE), None, "{word}");
        assert_eq!(host.callouts().len(), 0, "{word}");
        assert_eq!(host.metric_definitions(), BTreeMap::new(), "{word}");
        let loud: Vec<_> = host.log().into_iter().filter(|line| line.level >= Level::Info).collect();
        assert_eq!(loud, [], "{word}");
        let innocent = [
            "environ_get",
            "environ_sizes_get",
            "proxy_get_buffer_bytes",
            "proxy_get_current_time_nanoseconds",
            "proxy_get_log_level",
            "proxy_set_tick_period_milliseconds",
            "random_get",
        ];
        let calls = instance.vm.call_counts();
        assert!(calls.keys().all(|function| innocent.contains(&function.as_str())), "{word}: {calls:?}");
    }
}

#[test]
fn the_queue_is_registered_once_when_ticks_have_begun() {
    let host = Host::new();
    let mut monitor = Instance::monitor(&host, &Document::empty());
    for _ in 0..3 {
        host.run_for(&mut [&mut monitor.vm], seconds(2));
        assert!(host.queue(QUEUE).is_some());
        assert_eq!(monitor.vm.calls("proxy_register_shared_queue"), 1);
    }
}

#[test]
fn what_a_document_means_is_said_once_by_the_monitor_at_its_first_tick() {
    let host = Host::new();
    let mut monitor = Instance::monitor(&host, &talkative());
    let mut observer = Instance::observer(&host, "worker", &talkative());
    host.run_for(&mut [&mut monitor.vm, &mut observer.vm], seconds(10));
    for text in ["watching 1 certificate (server 1", "the URL is http://", "MISSING", "1 disabled"] {
        let speakers: Vec<_> = host.log_lines(text).into_iter().map(|line| line.vm).collect();
        assert_eq!(speakers, ["monitor"], "{text}");
    }
}

#[test]
fn each_instance_defines_a_metric_once_because_the_host_keeps_every_definition() {
    let host = receiving_host();
    let document = talkative().seconds(0, 1, 1);
    let mut monitor = Instance::monitor(&host, &document);
    let mut observer = Instance::observer(&host, "worker", &document);
    for number in 0..10 {
        observer.request(&Request::of_client(&Certificate::stored("client").numbered(number)));
        host.run_for(&mut [&mut monitor.vm, &mut observer.vm], seconds(2));
    }
    let definitions = host.metric_definitions();
    assert!(definitions.keys().all(|name| name.starts_with("cert_expiry_monitor_")), "{definitions:?}");
    for (name, count) in definitions {
        // The monitor makes every metric exist, and the observer counts what it hands over.
        let definers = if name.contains("observations_total;.;role=.=client") { 2 } else { 1 };
        assert_eq!(count, definers, "{name}");
    }
}

#[test]
fn an_instance_that_stands_does_nothing_before_it_holds_the_lease() {
    for word in ["monitor", "standby", "auto"] {
        let host = Host::new();
        let mut instance = Instance::of(host.vm("vm").configuration(word), &talkative());
        let is_claimed = |host: &Host| host.shared_data(LEASE).is_some();
        assert!(host.run_until(&mut [&mut instance.vm], seconds(3), is_claimed), "{word}");
        assert_eq!(host.shared_keys(), [LEASE, ROSTER], "{word}");
        assert_eq!((host.queue(QUEUE), host.callouts().len()), (None, 0), "{word}");
        assert_eq!(host.metric_definitions(), BTreeMap::new(), "{word}");
        let loud: Vec<_> = host.log().into_iter().filter(|line| line.level >= Level::Info).collect();
        assert_eq!(loud, [], "{word}");
        host.run_for(&mut [&mut instance.vm], Duration::from_millis(600));
        assert!(host.logged(&format!("Holding the lease kind={word} epoch=1 ")), "{word}");
        assert!(host.queue(QUEUE).is_some(), "{word}");
    }
}

#[test]
fn a_monitor_holds_the_lease_before_its_first_check_is_due_and_others_a_second_later() {
    for (word, latest) in [("monitor", 760), ("standby", 1_760), ("auto", 1_760)] {
        let host = Host::new();
        let mut instance = Instance::of(host.vm("vm").configuration(word), &Document::empty());
        let start = host.now();
        assert!(host.run_until(&mut [&mut instance.vm], seconds(3), |host| host.logged("Holding the lease")));
        let after = host.now().saturating_sub(start).as_millis();
        assert!(after <= latest, "{word}: {after} ms");
    }
}

#[test]
fn a_standby_beside_a_monitor_only_watches_it() {
    let host = receiving_host();
    let mut monitor = Instance::monitor(&host, &talkative());
    let mut standby = Instance::standby(&host, &talkative());
    host.run_for(&mut [&mut monitor.vm, &mut standby.vm], seconds(3_600));
    let watching = [
        "environ_get",
        "environ_sizes_get",
        "proxy_get_buffer_bytes",
        "proxy_get_current_time_nanoseconds",
        "proxy_get_log_level",
        "proxy_get_shared_data",
        "proxy_set_shared_data",
        "proxy_set_tick_period_milliseconds",
        "random_get",
    ];
    let calls = standby.vm.call_counts();
    assert!(calls.keys().all(|function| watching.contains(&function.as_str())), "{calls:?}");
    assert!(host.writes(&standby.vm).keys().all(|key| key == ROSTER), "{:?}", host.writes(&standby.vm));
    assert!(host.callouts().iter().all(|callout| callout.vm == "monitor"));
    assert!(host.log().iter().all(|line| line.vm == "monitor" || line.level < Level::Info), "{:#?}", host.log());
}
