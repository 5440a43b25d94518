//! Whatever stands in the queue: other plugins of the same `vm_id` can write into it.

use crate::host::Host;
use crate::scene::{
    Certificate, Document, Instance, Observations, QUEUE, Told, metric, noise, receiving_host, seconds,
};

const BAD: &str = "dropped_total;.;reason=.=bad_queue_item";
const UNREADABLE: &str = "dropped_total;.;reason=.=unreadable_certificate";
const OVERSIZED: &str = "dropped_total;.;reason=.=oversized_certificate";
const WATCHED: &str = "certificates;.;role=.=client";

/// A monitor that has registered its queue, on a host of its own.
fn monitor() -> (Host, Instance) {
    let host = receiving_host();
    let mut monitor = Instance::monitor(&host, &Document::telling());
    host.run_for(&mut [&mut monitor.vm], seconds(2));
    (host, monitor)
}

/// Hands the items over, and a good one behind them, which must be watched and told all the same.
fn digest(what: &str, items: &[Vec<u8>]) -> Host {
    let (host, mut monitor) = monitor();
    for item in items {
        host.enqueue(QUEUE, item);
    }
    let certificate = Certificate::stored("client").numbered(4_711);
    host.enqueue(QUEUE, Observations::of_clients().item(&certificate));
    host.run_for(&mut [&mut monitor.vm], seconds(20));
    assert!(monitor.vm.trap().is_none(), "{what}: {:?}", monitor.vm.trap());
    assert_eq!(host.queue_items(QUEUE).len(), 0, "{what}: all is taken");
    let told: Vec<_> = Told::all(&host).into_iter().map(|told| told.cert_id).collect();
    assert!(told.contains(&certificate.id()), "{what}");
    host
}

#[test]
fn noise_is_dropped_and_counted() {
    let items: Vec<_> = (1..200).map(|seed| noise(seed, usize::try_from(seed).unwrap() * 7)).collect();
    let host = digest("noise", &items);
    assert_eq!((metric(&host, BAD), metric(&host, WATCHED)), (199, 1));
}

#[test]
fn an_observation_that_is_cut_anywhere_is_dropped_and_counted() {
    let item = Observations::of_clients().first().to_vec();
    // The host hands nothing over for an item of no bytes, so that one cannot be counted.
    let items: Vec<_> = (1..item.len()).map(|length| item[..length].to_vec()).collect();
    let host = digest("cut", &items);
    assert_eq!((metric(&host, BAD), metric(&host, WATCHED)), (items.len() as u64, 1));
}

#[test]
fn a_rejection_that_is_cut_or_has_any_bit_turned_harms_nobody() {
    let item = Observations::rejection();
    let cut: Vec<_> = (1..item.len()).map(|length| item[..length].to_vec()).collect();
    assert_eq!(metric(&digest("cut", &cut), BAD), cut.len() as u64);
    let turned = (0..item.len()).step_by(3).chain(0..100).map(|position| {
        let mut turned = item.clone();
        turned[position] ^= 1 << (position % 8);
        turned
    });
    let host = digest("turned", &turned.collect::<Vec<_>>());
    assert_eq!(metric(&host, WATCHED), 1, "what was refused is not watched");
}

#[test]
fn an_order_to_trap_is_dropped_and_counted_like_any_other_nonsense() {
    let host = digest("an order to trap", &[b"cert-expiry-monitor/trap".to_vec()]);
    assert_eq!((metric(&host, BAD), metric(&host, WATCHED)), (1, 1));
}

#[test]
fn empty_items_hold_nothing_up() {
    digest("empty", &vec![Vec::new(); 100]);
}

#[test]
fn an_observation_with_any_bit_turned_harms_nobody() {
    let observations = Observations::of_clients();
    let item = observations.first();
    let mut items = Vec::new();
    // Some of the certificate, before anything has made it known, and all of what stands before it.
    for position in (observations.head()..item.len()).step_by(17).chain(0..observations.head()) {
        for bit in 0..8 {
            let mut turned = item.to_vec();
            turned[position] ^= 1 << bit;
            items.push(turned);
        }
    }
    let host = digest("turned", &items);
    assert!(metric(&host, BAD) > 0 && metric(&host, UNREADABLE) > 0);
}

#[test]
fn roles_that_nobody_observes_are_dropped_and_counted() {
    let observations = Observations::of_clients();
    let position = observations.first().windows(6).position(|window| window == b"client").expect("the role");
    let of_role = |role: &[u8; 6]| {
        let mut item = observations.first().to_vec();
        item[position..position + 6].copy_from_slice(role);
        item
    };
    let host = digest("other roles", &[of_role(b"server"), of_role(b"nobody"), of_role(b"\xff\xff\xff\xff\xff\xff")]);
    assert_eq!((metric(&host, BAD), metric(&host, WATCHED)), (3, 1));
}

#[test]
fn a_text_that_is_no_certificate_is_dropped_and_counted() {
    let observations = Observations::of_clients();
    let good = Certificate::stored("client").pem();
    let texts = [
        String::new(),
        "hello".to_owned(),
        "%".repeat(100),
        "-----BEGIN ".repeat(30),
        "-----BEGIN CERTIFICATE-----".to_owned(),
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----".to_owned(),
        "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----".to_owned(),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----".to_owned(),
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----".to_owned(),
        good.replace("CERTIFICATE", "CERTIFICATF"),
        good.replace("-----END", "-----EEE"),
    ];
    let mut items: Vec<_> = texts.iter().map(|text| observations.of_text(text)).collect();
    items.push(observations.of_text([0xff; 500]));
    items.push(observations.of_text([0; 500]));
    let host = digest("no certificates", &items);
    assert_eq!((metric(&host, UNREADABLE), metric(&host, BAD)), (items.len() as u64, 0));
    assert!(!host.logged("AAAA"), "what is handed over is never logged");
}

#[test]
fn a_certificate_under_the_fingerprint_of_another_is_dropped_and_counted() {
    let (client, other) = (Certificate::stored("client"), Certificate::stored("upstream"));
    let observations = Observations::of_clients();
    let digests = [other.id(), "0".repeat(64), "x".repeat(64), client.id().replace(|digit: char| digit > '8', "é")];
    let items: Vec<_> = digests.iter().map(|digest| observations.labelled(digest, client.pem())).collect();
    let host = digest("labelled wrongly", &items);
    assert_eq!((metric(&host, BAD), metric(&host, WATCHED)), (4, 1));
    assert!(!Told::all(&host).iter().any(|told| [client.id(), other.id()].contains(&told.cert_id)));
}

#[test]
fn what_comes_with_a_known_fingerprint_is_not_looked_at() {
    let observations = Observations::of_clients();
    let certificate = Certificate::stored("client").numbered(1);
    let texts = [String::new(), "hello".to_owned(), Certificate::stored("upstream").pem()];
    let known = texts.iter().map(|text| observations.labelled(&certificate.id(), text));
    let items: Vec<_> = std::iter::once(observations.item(&certificate)).chain(known).collect();
    let host = digest("known", &items);
    assert_eq!((metric(&host, BAD), metric(&host, UNREADABLE), metric(&host, WATCHED)), (0, 0, 2));
}

#[test]
fn a_certificate_handed_over_a_thousand_times_is_told_once() {
    let item = Observations::of_clients().item(&Certificate::stored("client").numbered(4_711));
    let host = digest("the same", &vec![item; 1_000]);
    assert_eq!((Told::all(&host).len(), metric(&host, WATCHED)), (1, 1));
}

#[test]
fn an_item_of_a_megabyte_is_dropped_and_counted() {
    let letters = Observations::of_clients().of_text(vec![b'x'; 1 << 20]);
    let host = digest("a megabyte", &[noise(1, 1 << 20), letters]);
    assert_eq!((metric(&host, OVERSIZED), metric(&host, BAD), metric(&host, UNREADABLE)), (2, 0, 0));
}

#[test]
fn ten_thousand_items_at_once_are_taken_in_bounded_portions() {
    let (host, mut monitor) = monitor();
    let observations = Observations::of_clients();
    for number in 0..10_000_u32 {
        match number % 100 {
            0 => host.enqueue(QUEUE, observations.item(&Certificate::stored("client").numbered(number))),
            1 => host.enqueue(QUEUE, observations.of_text("hello")),
            _ => host.enqueue(QUEUE, noise(number.into(), 100)),
        }
    }
    let mut most = 0;
    for _ in 0..1_000 {
        if host.queue_items(QUEUE).is_empty() {
            break;
        }
        host.reset_calls();
        monitor.tick();
        most = most.max(host.calls("proxy_dequeue_shared_queue"));
        host.advance(std::time::Duration::from_millis(100));
    }
    println!("at most {most} items in one callback, {} bytes of memory", monitor.vm.memory());
    assert!(most <= 301, "{most} in one callback");
    host.run_for(&mut [&mut monitor.vm], seconds(30));
    assert_eq!(host.queue_items(QUEUE).len(), 0);
    assert_eq!((metric(&host, BAD), metric(&host, UNREADABLE), metric(&host, WATCHED)), (9_800, 100, 100));
    assert_eq!(Told::all(&host).len(), 100);
}
