//! A store that a fleet shares, with a thousand events at once: no callback holds the main thread up, and nothing that it
//! may answer does harm.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::host::{Answer, Host};
use crate::scene::{Bill, Document, Forged, Instance, metric, patient_host, seconds};

const MANY: u32 = 1_000;
const STORE: &str = "webdis";

/// What the store does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// What it should.
    Well,
    /// It says of everything that it was told.
    Jaded,
    /// It says that Redis is not there.
    Down,
    /// It says that another proxy is at it.
    Held,
}

/// A Redis behind Webdis that answers after these times in turn; how often it was told of an event whose claim had lapsed
/// by then, or had become another one's.
fn store(host: &Host, mood: &Rc<Cell<Mood>>, latencies: &'static [u64]) -> Rc<Cell<u32>> {
    let mut values: BTreeMap<String, (String, Duration)> = BTreeMap::new();
    let (mood, late) = (Rc::clone(mood), Rc::new(Cell::new(0)));
    let mut latency = latencies.iter().cycle();
    let counted = Rc::clone(&late);
    host.receiver(STORE, move |callout| {
        let words: Vec<_> = callout.text().split('/').collect();
        let took = Duration::from_millis(*latency.next().unwrap());
        // The way there is half of it.
        let now = callout.sent_at + took / 2;
        let stands = |values: &BTreeMap<_, (String, _)>, key: &str| {
            values.get(key).filter(|(_, until)| *until > now).map(|(value, _)| value.clone())
        };
        let answer = match (mood.get(), words.as_slice()) {
            (Mood::Down, _) => return Some(Answer::by_envoy(503).after(Duration::from_millis(5))),
            (Mood::Jaded, [_, _, _, "NX", ..]) => json!("done"),
            (Mood::Held, [_, _, _, "NX", ..]) => json!("another proxy"),
            (_, ["SET", key, value, rest @ .., "EX", length]) => {
                let known = stands(&values, key);
                let is_new = matches!(rest, ["NX", "GET"]);
                if *value == "done" && known.is_none() {
                    late.set(late.get() + 1);
                }
                if !is_new || known.is_none() {
                    let until = now + Duration::from_secs(length.parse().unwrap());
                    values.insert((*key).to_owned(), ((*value).to_owned(), until));
                }
                if is_new { known.map_or(Value::Null, Value::from) } else { json!([true, "OK"]) }
            }
            _ => panic!("{}", callout.text()),
        };
        Some(Answer::status(200).body(json!({ "SET": answer }).to_string()).after(took))
    });
    counted
}

fn sharing(document: Document, certificates: u32) -> Document {
    let names = (0..certificates).map(|number| Forged::leaf("edge", "CA", number).ending_in(3 * 86_400).certificate());
    let document = names.fold(document, |document, certificate| document.server(&certificate));
    document.with("cooldown_store", json!({ "type": "redis", "cluster": STORE }))
}

fn delivered(host: &Host) -> u64 {
    metric(host, "deliveries_total;.;webhook=.=ops;.;outcome=.=delivered")
}

fn asked(host: &Host, outcome: &str) -> u64 {
    metric(host, &format!("cooldown_store_total;.;outcome=.={outcome}"))
}

#[test]
fn claiming_a_thousand_events_never_holds_the_main_thread_up() {
    let plain = json!({ "max_pending": 2_000 });
    let batches = json!({ "max_pending": 2_000, "batch": { "max": 50, "wait_seconds": 5 } });
    for (what, keys, expiry) in [
        ("one by one", plain.clone(), json!({})),
        ("in batches", batches, json!({})),
        ("in a digest", plain, json!({ "digest": { "interval_seconds": 3_600 } })),
    ] {
        let host = patient_host();
        let mood = Rc::new(Cell::new(Mood::Well));
        store(&host, &mood, &[5]);
        let document = sharing(Document::empty().webhook(keys), MANY).with("certificate_expiry_monitor", expiry);
        let mut monitor = Instance::monitor(&host, &document);
        let mut bill = Bill::default();
        let are_told =
            |host: &Host| delivered(host) == u64::from(MANY) && asked(host, "committed") == u64::from(2 * MANY);
        let in_time = host.run_until(&mut [&mut monitor.vm], seconds(600), are_told);
        println!("{what}: {} claimed, {} committed", asked(&host, "claimed"), asked(&host, "committed"));
        assert!(in_time, "{what}: {} delivered", delivered(&host));
        bill.note(what, &mut monitor);
        assert_eq!((asked(&host, "failed"), asked(&host, "unclaimed")), (0, 0), "{what}");
        bill.settle();
    }
}

#[test]
fn what_a_slow_store_permits_is_told_and_written_down_before_its_claim_lapses() {
    let digest = json!({ "digest": { "interval_seconds": 600 } });
    let batch = json!({ "max_pending": 2_000, "batch": { "max": 50, "wait_seconds": 5 } });
    let plain = json!({ "max_pending": 2_000 });
    // All claims, eight at a time, take longer than a claim lasts: what was claimed goes while the rest is asked for.
    let latencies: [&[u64]; 2] = [&[1_000], &[200, 4_500, 3_000, 1_000, 2_500]];
    for latencies in latencies {
        for (what, keys, expiry) in
            [("one by one", &plain, json!({})), ("batch", &batch, json!({})), ("digest", &plain, digest.clone())]
        {
            let host = patient_host();
            let late = store(&host, &Rc::new(Cell::new(Mood::Well)), latencies);
            let document =
                sharing(Document::empty().webhook(keys.clone()), MANY / 5).with("certificate_expiry_monitor", expiry);
            let mut monitor = Instance::monitor(&host, &document);
            let mut bill = Bill::default();
            let begin = host.now();
            let are_told = |host: &Host| delivered(host) == u64::from(MANY / 5);
            assert!(host.run_until(&mut [&mut monitor.vm], seconds(600), are_told), "{what}: {}", delivered(&host));
            println!(
                "{what}, {latencies:?} ms: told within {} s",
                host.now().as_secs().saturating_sub(begin.as_secs())
            );
            let are_written = |host: &Host| asked(host, "committed") == u64::from(2 * MANY / 5);
            assert!(host.run_until(&mut [&mut monitor.vm], seconds(600), are_written), "{what}");
            assert_eq!(late.get(), 0, "{what}, {latencies:?} ms: others have told these as well");
            bill.note(what, &mut monitor);
            bill.settle();
        }
    }
}

#[test]
fn a_thousand_events_that_others_tell_or_that_cannot_be_claimed_never_hold_the_main_thread_up() {
    for (mood, told, outcome) in [(Mood::Jaded, 0, "told"), (Mood::Held, 0, "held"), (Mood::Down, MANY, "unclaimed")] {
        let host = patient_host();
        store(&host, &Rc::new(Cell::new(mood)), &[5]);
        let document = sharing(Document::empty().webhook(json!({ "max_pending": 2_000 })), MANY);
        let mut monitor = Instance::monitor(&host, &document);
        let mut bill = Bill::default();
        let are_asked = |host: &Host| asked(host, outcome) >= u64::from(MANY) && delivered(host) >= u64::from(told);
        assert!(host.run_until(&mut [&mut monitor.vm], seconds(600), are_asked), "{mood:?}: {}", asked(&host, outcome));
        host.run_for(&mut [&mut monitor.vm], seconds(300));
        bill.note(&format!("{mood:?}"), &mut monitor);
        assert_eq!(delivered(&host), u64::from(told), "{mood:?}");
        bill.settle();
    }
}

#[test]
fn whatever_the_store_answers_the_event_is_told() {
    let large = format!(r#"{{"SET":[false,"{}"]}}"#, "x".repeat(4_000));
    let answers = [
        Answer::status(200),
        Answer::status(200).body("{}"),
        Answer::status(200).body(r#"{"SET":"#),
        Answer::status(200).body(r#"{"SET":{"SET":null}}"#),
        Answer::status(200).body("[".repeat(4_000)),
        Answer::status(200).body(large),
        Answer::status(200).body("x".repeat(30_000_000)),
        Answer::status(200).body("\u{feff}\u{202e}\0"),
        Answer::status(204),
        Answer::status(301).header("location", "https://elsewhere.example.com/"),
        Answer::status(403),
        Answer::status(404),
        Answer::status(500),
        Answer::by_envoy(504),
        Answer::reset(),
    ];
    for answer in answers {
        let host = patient_host();
        let shown = (answer.headers.first().cloned(), answer.body.len());
        host.receiver(STORE, move |_| Some(answer.clone()));
        let certificate = Forged::leaf("edge", "CA", 1).ending_in(3 * 86_400).certificate();
        let document = Document::telling().server(&certificate);
        let document = document.with("cooldown_store", json!({ "type": "redis", "cluster": STORE }));
        let mut monitor = Instance::monitor(&host, &document);
        let mut bill = Bill::default();
        let is_told = |host: &Host| delivered(host) == 1;
        assert!(host.run_until(&mut [&mut monitor.vm], seconds(90), is_told), "{shown:?}");
        bill.note("whatever is answered", &mut monitor);
        assert!(asked(&host, "failed") > 0, "{shown:?}");
        bill.settle();
    }
}
