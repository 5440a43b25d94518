//! Everything that grows with what strangers do has a bound, a counter, and one line in the log.

use std::collections::BTreeSet;

use serde_json::json;

use crate::host::{Answer, Host, Level};
use crate::scene::{
    Certificate, Crew, Document, Instance, Observations, QUEUE, RECEIVER, Request, Told, metric, receiving_host,
    seconds,
};

fn dropped(host: &Host, reason: &str) -> u64 {
    metric(host, &format!("dropped_total;.;reason=.={reason}"))
}

/// A document that lists that many certificates which expire soon.
fn listing(document: Document, count: u32) -> Document {
    let certificate = Certificate::stored("localhost");
    (0..count).fold(document, |document, number| document.server(&certificate.numbered(number)))
}

/// The one warning that holds this text.
fn only_warning(host: &Host, text: &str) {
    let lines = host.log_lines(text);
    assert_eq!(lines.len(), 1, "{text}: {lines:#?}");
    assert_eq!(lines[0].level, Level::Warn, "{text}");
}

#[test]
fn a_certificate_is_watched_for_sixty_four_apis_and_no_more() {
    let host = receiving_host();
    let document = Document::telling();
    let members = [Instance::monitor(&host, &document), Instance::observer(&host, "worker", &document)];
    let mut crew = Crew::new(&host, members);
    crew.run_for(seconds(3));
    let client = Certificate::stored("client");
    for number in 0..200 {
        crew.member("worker").request(&Request::of_client(&client).on_route(&format!("route {number}")));
        if number % 100 == 99 {
            crew.run_for(seconds(10));
        }
    }
    let apis: BTreeSet<_> = Told::all(&host).into_iter().map(|told| told.api_id).collect();
    assert_eq!((apis.len(), Told::all(&host).len()), (64, 64));
    assert_eq!((dropped(&host, "usages_full"), metric(&host, "certificates;.;role=.=client")), (200 - 64, 1));
    only_warning(&host, "A certificate is used for too many APIs");
}

#[test]
fn a_certificate_beside_as_many_as_are_allowed_takes_the_place_of_the_one_that_was_not_seen_for_longest() {
    let host = receiving_host();
    let most = json!({ "max_certificates": 10 });
    let mut monitor = Instance::monitor(&host, &Document::telling().with("certificate_expiry_monitor", most));
    host.run_for(&mut [&mut monitor.vm], seconds(2));
    let observations = Observations::of_clients();
    for number in 0..25 {
        host.enqueue(QUEUE, observations.item(&Certificate::stored("client").numbered(number)));
    }
    host.run_for(&mut [&mut monitor.vm], seconds(20));
    assert_eq!((metric(&host, "certificates;.;role=.=client"), dropped(&host, "inventory_full")), (10, 15));
    assert_eq!(Told::all(&host).len(), 25, "each was told of while it was there");
    only_warning(&host, "As many certificates are watched as max_certificates allows");
}

#[test]
fn what_the_document_lists_gives_its_place_to_nobody() {
    let host = receiving_host();
    let most = json!({ "max_certificates": 10 });
    let document = listing(Document::telling().with("certificate_expiry_monitor", most), 10);
    let mut monitor = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut monitor.vm], seconds(2));
    let observations = Observations::of_clients();
    for number in 0..25 {
        host.enqueue(QUEUE, observations.item(&Certificate::stored("client").numbered(number)));
    }
    host.run_for(&mut [&mut monitor.vm], seconds(20));
    assert_eq!((metric(&host, "certificates;.;role=.=client"), dropped(&host, "inventory_full")), (0, 25));
    assert_eq!(metric(&host, "certificates;.;role=.=server"), 10);
    only_warning(&host, "As many certificates are watched as max_certificates allows");
}

/// Five hundred lines of a kind and one that says so, in this minute.
fn five_hundred(host: &Host, parts: &[&str], kind: &str) -> usize {
    let lines: usize = parts.iter().map(|part| host.log_lines(part).len()).sum();
    assert_eq!(lines, 500, "{kind}");
    only_warning(host, &format!("More than 500 lines a minute about {kind}: the others are counted only"));
    lines
}

#[test]
fn events_and_deliveries_have_five_hundred_lines_a_minute_each() {
    let host = receiving_host();
    let mut monitor = Instance::monitor(&host, &listing(Document::telling(), 700));
    host.run_for(&mut [&mut monitor.vm], seconds(50));
    assert_eq!(Told::all(&host).len(), 700, "what is not in the log is told all the same");
    five_hundred(&host, &["EXPIRY EVENT FIRED", "FIRING HANDLER"], "events");
    five_hundred(&host, &["Request to webhook succeeded"], "deliveries");
    assert_eq!(dropped(&host, "log_line"), (1_400 - 500) + (700 - 500));
}

#[test]
fn checks_that_are_spared_have_five_hundred_lines_a_minute_and_again_in_the_next() {
    let host = receiving_host();
    let document = listing(Document::empty(), 700).seconds(86_400, 86_400, 100);
    let mut monitor = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut monitor.vm], seconds(90));
    for _ in 0..2 {
        host.take_log();
        let before = dropped(&host, "log_line");
        host.run_for(&mut [&mut monitor.vm], seconds(100));
        five_hundred(&host, &["Skipping certificate - cooldown active"], "checks");
        assert_eq!(dropped(&host, "log_line"), before + 200);
    }
}

#[test]
fn certificates_that_cannot_be_watched_have_five_hundred_lines_a_minute() {
    let host = receiving_host();
    let mut monitor = Instance::monitor(&host, &Document::telling());
    host.run_for(&mut [&mut monitor.vm], seconds(2));
    let observations = Observations::of_clients();
    for _ in 0..800 {
        host.enqueue(QUEUE, observations.of_text("hello"));
    }
    host.run_for(&mut [&mut monitor.vm], seconds(50));
    assert_eq!(dropped(&host, "unreadable_certificate"), 800);
    five_hundred(&host, &["An observed certificate cannot be watched"], "certificates that cannot be watched");
    assert_eq!(dropped(&host, "log_line"), 300);
}

#[test]
fn a_thousand_events_wait_for_a_webhook_and_the_others_arrive_when_there_is_room() {
    let host = Host::new();
    host.receiver(RECEIVER, |_| Some(Answer::status(503)));
    let mut monitor = Instance::monitor(&host, &listing(Document::identifying(), 1_500));
    host.run_for(&mut [&mut monitor.vm], seconds(60));
    assert_eq!(metric(&host, "outbox_entries;.;webhook=.=ops"), 1_000);
    assert_eq!(dropped(&host, "outbox_full"), 500);
    only_warning(&host, "Too many events wait for a webhook: the least severe wait until there is room webhook=ops");
    let before = Told::all(&host).len();
    host.receiver(RECEIVER, |_| Some(Answer::status(200)));
    host.run_for(&mut [&mut monitor.vm], seconds(900));
    let after = Told::all(&host).split_off(before);
    let certificates: BTreeSet<_> = after.iter().map(|told| told.cert_id.clone()).collect();
    assert_eq!((certificates.len(), after.len()), (1_500, 1_500), "each of them once");
    assert_eq!(metric(&host, "outbox_entries;.;webhook=.=ops"), 0);
    only_warning(&host, "Too many events wait for a webhook");
}

#[test]
fn what_found_no_room_is_not_forgotten_when_the_monitor_dies() {
    let host = Host::new();
    host.receiver(RECEIVER, |_| Some(Answer::status(503)));
    let document = listing(Document::identifying(), 1_200);
    let mut crew = Crew::new(&host, [Instance::monitor(&host, &document), Instance::standby(&host, &document)]);
    crew.run_for(seconds(60));
    assert_eq!(dropped(&host, "outbox_full"), 200);
    crew.kill("monitor");
    let before = Told::all(&host).len();
    host.receiver(RECEIVER, |_| Some(Answer::status(200)));
    crew.run_for(seconds(3_700));
    let after = Told::all(&host).split_off(before);
    let certificates: BTreeSet<_> = after.iter().map(|told| told.cert_id.clone()).collect();
    assert_eq!(certificates.len(), 1_200);
    assert_eq!(metric(&host, "outbox_entries;.;webhook=.=ops"), 0);
}
