//! The host configures an instance also just to see whether it takes its configuration, and kills it at once.

use std::collections::BTreeMap;

use serde_json::json;

use crate::host::{Answer, Host, Level};
use crate::scene::{Certificate, Document, Instance, QUEUE, RECEIVER, Request, seconds};

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
    let host = Host::new();
    host.receiver(RECEIVER, |_| Some(Answer::status(200)));
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
fn a_standby_does_nothing() {
    let host = Host::new();
    let mut standby = Instance::of(host.vm("standby").configuration("standby"), &talkative());
    host.run_for(&mut [&mut standby.vm], seconds(10));
    standby.tick();
    assert_eq!((host.queue(QUEUE), host.callouts().len()), (None, 0));
    assert_eq!(host.shared_keys(), [""; 0]);
}
