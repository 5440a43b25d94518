//! What can become of a request to a receiver.

use serde_json::json;

use crate::host::{Answer, Dispatch, Host, Level};
use crate::scene::{Certificate, Document, Instance, RECEIVER, Told, metric, seconds};

const INTERVAL: u64 = 30;

fn document() -> Document {
    Document::telling().server(&Certificate::stored("localhost")).seconds(0, 86_400, 30)
}

/// Puts a host into trouble, and how the log and the metric name it.
struct Trouble {
    what: &'static str,
    cause: fn(&Host),
    status: &'static str,
    outcome: &'static str,
}

/// An answer with this `:status`, which may be none.
fn odd_status(status: &str) -> Answer {
    Answer::reset().header("server", "odd").header(":status", status)
}

const TROUBLES: [Trouble; 12] = [
    Trouble { what: "an unknown cluster", cause: |_| (), status: "none", outcome: "no_cluster" },
    Trouble {
        what: "a cluster without a healthy host",
        cause: |host| host.cluster(RECEIVER, Dispatch::InternalFailure),
        status: "none",
        outcome: "no_host",
    },
    Trouble {
        what: "a stream that is reset",
        cause: |host| host.receiver(RECEIVER, |_| Some(Answer::reset())),
        status: "none",
        outcome: "no_response",
    },
    Trouble {
        what: "a 503",
        cause: |host| host.receiver(RECEIVER, |_| Some(Answer::status(503))),
        status: "503",
        outcome: "status",
    },
    Trouble {
        what: "a 503 of Envoy's own",
        cause: |host| host.receiver(RECEIVER, |_| Some(Answer::by_envoy(503))),
        status: "503",
        outcome: "unreachable",
    },
    Trouble { what: "silence", cause: |host| host.receiver(RECEIVER, |_| None), status: "504", outcome: "timeout" },
    Trouble {
        what: "an answer without a status",
        cause: |host| host.receiver(RECEIVER, |_| Some(Answer::reset().header("server", "odd"))),
        status: "none",
        outcome: "no_response",
    },
    Trouble {
        what: "a status that is no number",
        cause: |host| host.receiver(RECEIVER, |_| Some(odd_status("ok"))),
        status: "none",
        outcome: "no_response",
    },
    Trouble {
        what: "an empty status",
        cause: |host| host.receiver(RECEIVER, |_| Some(odd_status(""))),
        status: "none",
        outcome: "no_response",
    },
    Trouble {
        what: "a status beyond all numbers",
        cause: |host| host.receiver(RECEIVER, |_| Some(odd_status("99999999999999999999"))),
        status: "none",
        outcome: "no_response",
    },
    Trouble {
        what: "a negative status",
        cause: |host| host.receiver(RECEIVER, |_| Some(odd_status("-200"))),
        status: "none",
        outcome: "no_response",
    },
    Trouble {
        what: "a status that cannot be read",
        cause: |host| {
            host.receiver(RECEIVER, |_| Some(Answer::status(200)));
            host.fault("proxy_get_header_map_value").bytes([0xff, 0xfe]);
        },
        status: "none",
        outcome: "no_response",
    },
];

#[test]
fn a_request_that_fails_is_named_in_the_log_and_tried_again_after_some_five_seconds() {
    for Trouble { what, cause, status, outcome } in TROUBLES {
        let host = Host::new();
        cause(&host);
        let mut monitor = Instance::monitor(&host, &document());
        host.run_until(&mut [&mut monitor.vm], seconds(20), |host| host.logged("Request to webhook failed"));
        host.run_for(&mut [&mut monitor.vm], seconds(3));
        let lines = host.log_lines("Request to webhook failed webhook=ops");
        assert_eq!(lines.len(), 1, "{what}: {lines:?}");
        assert_eq!(lines[0].level, Level::Warn, "{what}");
        for part in [&format!("status={status} "), "attempt=1 ", "next_in_seconds=", &format!("outcome={outcome} ")] {
            assert!(lines[0].text.contains(part), "{what}: {part}: {}", lines[0].text);
        }
        let count = |outcome: &str| metric(&host, &format!("deliveries_total;.;webhook=.=ops;.;outcome=.={outcome}"));
        assert_eq!((count(outcome), count("delivered")), (1, 0), "{what}");

        host.clear_faults();
        host.receiver(RECEIVER, |_| Some(Answer::status(200)));
        let told = Told::all(&host).len();
        host.run_for(&mut [&mut monitor.vm], seconds(3));
        assert!(host.logged("Request to webhook succeeded webhook=ops attempt=2"), "{what}: {:#?}", host.log());
        host.run_for(&mut [&mut monitor.vm], seconds(10 * INTERVAL));
        assert_eq!(Told::all(&host).len(), told + 1, "{what}: delivered once");
        assert_eq!((count(outcome), count("delivered")), (1, 1), "{what}");
        assert_eq!(metric(&host, "outbox_entries;.;webhook=.=ops"), 0, "{what}");
        assert!(monitor.vm.trap().is_none(), "{what}");
    }
}

/// Seconds between the tries to deliver one event, give or take a fifth.
const PAUSES: [u64; 7] = [5, 30, 120, 600, 3_600, 14_400, 43_200];

/// Lets the time of all tries pass. Nothing happens between them, so most of it is skipped.
fn pass(host: &Host, monitor: &mut Instance) {
    for pause in PAUSES {
        let tried = Told::all(host).len();
        host.advance(seconds(pause * 8 / 10 - 2));
        assert!(host.run_until(&mut [&mut monitor.vm], seconds(pause / 2 + 5), |host| Told::all(host).len() > tried));
    }
}

#[test]
fn a_dead_receiver_is_tried_ever_more_seldom_and_costs_the_other_one_nothing() {
    let host = Host::new();
    host.receiver(RECEIVER, |_| Some(Answer::reset()));
    host.receiver("spare", |_| Some(Answer::status(200)));
    let document = document().webhook(json!({ "name": "spare", "cluster": "spare" }));
    let mut monitor = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut monitor.vm], seconds(2));
    pass(&host, &mut monitor);
    assert_eq!(Told::to(&host, "spare").len(), 1);
    let told: Vec<_> = Told::to(&host, "webhook_receiver").into_iter().map(|told| told.at.as_secs()).collect();
    let pauses: Vec<_> = told.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let is_about = |(actual, pause): (&u64, &u64)| (pause * 8 / 10 - 1..=pause * 12 / 10 + 1).contains(actual);
    assert!(pauses.len() == PAUSES.len() && pauses.iter().zip(&PAUSES).all(is_about), "{pauses:?}");
    assert!(host.logged("Request to webhook failed webhook=ops status=none attempt=8 "), "{:#?}", host.log());
}

#[test]
fn when_all_tries_are_spent_the_cooldown_is_given_back_for_the_next_round() {
    let host = Host::new();
    host.receiver(RECEIVER, |_| Some(Answer::reset()));
    let mut monitor = Instance::monitor(&host, &document());
    host.run_for(&mut [&mut monitor.vm], seconds(2));
    pass(&host, &mut monitor);
    assert_eq!(Told::all(&host).len(), 8);
    host.receiver(RECEIVER, |_| Some(Answer::status(200)));
    host.run_for(&mut [&mut monitor.vm], seconds(INTERVAL));
    let told = Told::all(&host);
    assert_eq!(told.len(), 9, "a day's event cooldown has not passed");
    assert!(host.logged("Request to webhook succeeded webhook=ops attempt=1"), "{:#?}", host.log());
}

#[test]
fn the_second_half_of_a_batch_is_sent_as_soon_as_the_first_is_answered() {
    let host = Host::new();
    host.receiver(RECEIVER, |_| Some(Answer::status(200).after(std::time::Duration::from_millis(50))));
    let document = (0..40).fold(Document::telling(), |document, number| {
        document.server(&Certificate::stored("localhost").numbered(number))
    });
    let mut monitor = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut monitor.vm], seconds(4));
    assert_eq!(Told::all(&host).len(), 40, "40 requests of 50 ms each");
}

#[test]
fn an_answer_that_comes_after_its_monitor_has_died_harms_nobody() {
    let host = Host::new();
    host.receiver(RECEIVER, |_| Some(Answer::status(200).after(seconds(5))));
    let mut monitor = Instance::monitor(&host, &document());
    host.run_for(&mut [&mut monitor.vm], seconds(2));
    monitor.vm.fault("proxy_log").trap_before();
    host.run_for(&mut [&mut monitor.vm], seconds(8));
    assert!(monitor.vm.is_dead());
    let mut successor = Instance::monitor(&host, &document());
    host.run_for(&mut [&mut monitor.vm, &mut successor.vm], seconds(INTERVAL));
    assert!(successor.vm.trap().is_none());
}
