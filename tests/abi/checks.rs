//! When the monitor looks at certificates, and how often it repeats itself.

use std::time::Duration;

use crate::host::Host;
use crate::scene::{Certificate, Document, Instance, Request, START, Told, receiving_host, seconds};

const SOON: &str = "CertificateExpiringSoon";
const EXPIRED: &str = "CertificateExpired";

/// What was told, and when.
fn story(host: &Host) -> Vec<(String, f64)> {
    Told::all(host).into_iter().map(|told| (told.event, told.at.as_secs_f64())).collect()
}

fn ending_in(length: Duration) -> Certificate {
    let end = START + length;
    Certificate::stored("localhost").ending_at(i64::try_from(end.as_secs()).unwrap())
}

#[test]
fn the_first_check_comes_a_second_after_the_configuration() {
    let host = receiving_host();
    let mut monitor = Instance::monitor(&host, &Document::telling().server(&Certificate::stored("localhost")));
    host.run_for(&mut [&mut monitor.vm], seconds(60));
    let story = story(&host);
    assert_eq!(story.len(), 1, "{story:?}");
    assert!((1.0..1.1).contains(&story[0].1), "{story:?}");
}

#[test]
fn a_healthy_certificate_is_nobodys_business() {
    let host = receiving_host();
    let healthy = ending_in(seconds(31 * 86_400));
    let mut monitor = Instance::monitor(&host, &Document::telling().server(&healthy));
    host.run_for(&mut [&mut monitor.vm], seconds(7_200));
    assert_eq!(story(&host), []);
    assert!(host.logged("Checked 1 certificates for expiry"));
}

#[test]
fn a_certificate_that_ends_while_the_monitor_watches_is_told_again_within_a_second_whatever_the_cooldowns_are() {
    for cooldown in [0, 86_400] {
        let host = receiving_host();
        let document = Document::telling().server(&ending_in(seconds(5))).seconds(cooldown, cooldown, 3_600);
        let mut monitor = Instance::monitor(&host, &document);
        host.run_for(&mut [&mut monitor.vm], seconds(30));
        let story = story(&host);
        let events: Vec<_> = story.iter().map(|(event, _)| event.as_str()).collect();
        assert_eq!(events, [SOON, EXPIRED], "cooldown {cooldown}");
        assert!((5.0..=6.0).contains(&story[1].1), "cooldown {cooldown}: {story:?}");
    }
}

#[test]
fn a_certificate_that_comes_within_the_threshold_while_the_monitor_watches_is_told_within_a_second() {
    let host = receiving_host();
    let document = Document::telling().server(&ending_in(seconds(30 * 86_400 + 100)));
    let mut monitor = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut monitor.vm], seconds(200));
    let story = story(&host);
    assert_eq!(story.len(), 1, "{story:?}");
    assert!((100.0..=101.0).contains(&story[0].1), "{story:?}");
}

#[test]
fn what_an_observer_hands_over_is_checked_with_the_next_batch() {
    let host = receiving_host();
    let document = Document::telling();
    let mut monitor = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut monitor.vm], seconds(2));
    let mut worker = Instance::observer(&host, "worker", &document);
    worker.tick();
    worker.request(&Request::of_client(&Certificate::stored("client")).on_route("orders"));
    host.run_for(&mut [&mut monitor.vm], seconds(60));
    let story = story(&host);
    assert_eq!(story.len(), 1, "{story:?}");
    assert!((5.0..=7.0).contains(&story[0].1), "{story:?}");
    for line in [
        "Batch certificates for expiration check with 1 certificates",
        "Flush certificate expiry monitor batch batch_size=1",
    ] {
        assert!(host.logged(line), "{line}");
    }
}

#[test]
fn an_event_is_repeated_after_its_cooldown_and_a_check_after_its_own() {
    let host = receiving_host();
    let document = Document::telling().server(&Certificate::stored("localhost")).seconds(3, 6, 1);
    let mut monitor = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut monitor.vm], seconds(20));
    let times: Vec<_> = Told::all(&host).into_iter().map(|told| told.at.as_secs()).collect();
    assert_eq!(times, [1, 7, 13, 19]);
    // Of twenty rounds every third one checks.
    assert_eq!(host.log_lines("Checked 1 certificates for expiry").len(), 7);
    assert_eq!(host.log_lines("Skipping certificate - cooldown active").len(), 13);
}

#[test]
fn an_event_is_not_repeated_while_its_cooldown_holds() {
    let host = receiving_host();
    let document = Document::telling().server(&Certificate::stored("localhost")).seconds(0, 86_400, 1);
    let mut monitor = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut monitor.vm], seconds(600));
    assert_eq!(story(&host).len(), 1);
}

/// Years by which a clock runs ahead until it is set right.
const AHEAD: Duration = seconds(10 * 365 * 86_400);

#[test]
fn rounds_go_on_after_a_clock_that_ran_years_ahead_was_set_back() {
    let host = receiving_host();
    let document = Document::telling().server(&ending_in(seconds(600))).seconds(0, 60, 60);
    let mut monitor = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut monitor.vm], seconds(10));
    let now = host.now();
    host.set_time(now + AHEAD);
    monitor.tick();
    host.set_time(now);
    let told = Told::all(&host).len();
    for _ in 0..150 {
        monitor.tick();
        host.settle(&mut [&mut monitor.vm]);
        host.advance(seconds(1));
    }
    assert!(Told::all(&host).len() > told, "{:?}", story(&host));
}

#[test]
fn observations_are_checked_after_a_clock_that_ran_years_ahead_was_set_back() {
    let host = receiving_host();
    let document = Document::telling();
    let mut monitor = Instance::monitor(&host, &document);
    let mut worker = Instance::observer(&host, "worker", &document);
    host.run_for(&mut [&mut monitor.vm, &mut worker.vm], seconds(10));
    let now = host.now();
    host.set_time(now + AHEAD);
    worker.tick();
    worker.request(&Request::of_client(&Certificate::stored("client").numbered(1)));
    monitor.tick();
    host.set_time(now);
    worker.tick();
    let late = Certificate::stored("client").numbered(2);
    worker.request(&Request::of_client(&late));
    for _ in 0..60 {
        monitor.tick();
        host.settle(&mut [&mut monitor.vm]);
        host.advance(seconds(1));
    }
    let told = Told::all(&host);
    assert!(told.iter().any(|told| told.cert_id == late.id()), "{told:?}");
}
