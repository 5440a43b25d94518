//! Proxies that share a store tell everything once between them, and nothing is lost by that.

use std::cell::RefCell;
use std::rc::Rc;

use cert_expiry_monitor::application::effect::{Answer, Response};
use serde_json::{Value, json};

use crate::store::{Fault, Store};
use crate::world::{DAY, END, HOUR, MINUTE, Received, World, log_lines, pem, webhook};

/// Proxies that see the same certificate.
pub struct Fleet {
    pub proxies: Vec<World>,
    pub store: Rc<RefCell<Store>>,
}

fn document(more: &Value) -> Value {
    let mut document = json!({
        "certificates": [{ "role": "server", "pem": pem("localhost") }],
        "cooldown_store": { "type": "redis", "cluster": "webdis" },
        "webhooks": [webhook("hooks")],
    });
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    document
}

impl Fleet {
    /// So many proxies that start `secs` seconds after the end of the certificate, each a second after the one before.
    pub fn starting(count: usize, secs: i64, more: &Value) -> Self {
        let store = Rc::new(RefCell::new(Store::default()));
        let mut fleet = Self { proxies: Vec::new(), store };
        for number in 0..count {
            let proxy = fleet.proxy(number, secs + i64::try_from(number).unwrap(), more);
            fleet.proxies.push(proxy);
        }
        fleet
    }

    fn proxy(&self, number: usize, secs: i64, more: &Value) -> World {
        let mut proxy = World::starting(secs, document(more));
        proxy.node = format!("proxy/{number}");
        proxy.seed = 100 + u64::try_from(number).unwrap();
        proxy.store = Some(Rc::clone(&self.store));
        proxy.restart();
        proxy
    }

    /// Lets time pass for all of them, in steps.
    pub fn run_until(&mut self, secs: i64, step: i64) {
        let mut now = self.proxies.iter().map(|proxy| proxy.now.secs()).min().unwrap() - END.secs();
        while now < secs {
            now = (now + step).min(secs);
            for proxy in self.proxies.iter_mut().filter(|proxy| proxy.now.secs() - END.secs() < now) {
                proxy.run_until(now);
            }
        }
    }

    pub fn received(&mut self) -> Vec<Received> {
        let mut received: Vec<_> = self.proxies.iter_mut().flat_map(World::received).collect();
        received.sort_by_key(|one| one.at);
        received
    }

    pub fn events(&mut self) -> Vec<String> {
        self.received().into_iter().map(|received| received.event).collect()
    }

    pub fn fail(&self, fault: Option<Fault>) {
        self.store.borrow_mut().fault = fault;
    }

    pub fn count(&self, outcome: &str) -> u64 {
        let name = format!("cooldown_store_total;.;outcome=.={outcome}");
        self.proxies.iter().map(|proxy| proxy.metric(&name)).sum()
    }
}

/// What Webdis says.
pub fn text(body: &str) -> Answer {
    Answer::Response(Response { status: 200, body: Some(body.into()), ..Response::default() })
}

#[test]
fn a_certificate_is_told_once_in_a_period() {
    let mut fleet = Fleet::starting(3, -10 * DAY, &json!({}));
    fleet.run_until(-10 * DAY + 2 * MINUTE, 10);
    assert_eq!(fleet.events(), ["CertificateExpiringSoon"]);
    assert_eq!((fleet.count("claimed"), fleet.count("told")), (1, 2));
    for day in 1..6 {
        fleet.run_until((day - 10) * DAY + HOUR, MINUTE);
        assert_eq!(fleet.events(), ["CertificateExpiringSoon"], "day {day}");
    }
}

#[test]
fn a_crossing_is_told_though_the_one_before_was_just_told() {
    let mut fleet = Fleet::starting(3, -HOUR, &json!({}));
    fleet.run_until(HOUR, 20);
    assert_eq!(fleet.events(), ["CertificateExpiringSoon", "CertificateExpired"]);
}

#[test]
fn keys_are_those_of_tyks_document() {
    let mut fleet = Fleet::starting(2, -10 * DAY, &json!({}));
    fleet.run_until(-10 * DAY + 2 * MINUTE, 10);
    let id = "8c31605b3c8b";
    let store = fleet.store.borrow();
    let now = fleet.proxies[0].now;
    let keys = store.keys("cert-cooldown:", now);
    let [(check, by, checked), (event, told, rest)] = keys.as_slice() else { panic!("{keys:?}") };
    assert!(check.starts_with("cert-cooldown:check:") && check.len() == 20 + 64, "{check} {id}");
    assert!(event.starts_with("cert-cooldown:event:") && event.ends_with(":server:CertificateExpiringSoon:30d:hooks"));
    assert!(by.starts_with("proxy/0~") && told == "done", "{by} {told}");
    assert!((DAY - 3 * MINUTE..DAY).contains(checked) && (DAY - 3 * MINUTE..DAY).contains(rest), "{keys:?}");
}

#[test]
fn a_proxy_that_starts_inside_the_cooldown_keeps_quiet() {
    let mut fleet = Fleet::starting(1, -10 * DAY, &json!({}));
    fleet.run_until(-10 * DAY + HOUR, MINUTE);
    assert_eq!(fleet.events().len(), 1);
    fleet.proxies[0].shared_data.clear();
    fleet.proxies[0].restart();
    fleet.run_until(-9 * DAY - MINUTE, MINUTE);
    assert_eq!(fleet.events(), [""; 0]);
}

#[test]
fn a_store_that_lost_everything_repeats_nothing() {
    let mut fleet = Fleet::starting(3, -10 * DAY, &json!({}));
    fleet.run_until(-10 * DAY + HOUR, MINUTE);
    assert_eq!(fleet.events().len(), 1);
    fleet.store.borrow_mut().flush();
    fleet.run_until(-9 * DAY - MINUTE, MINUTE);
    assert_eq!(fleet.events(), [""; 0]);
}

#[test]
fn what_cannot_be_delivered_here_is_left_to_others() {
    let mut fleet = Fleet::starting(2, -10 * DAY, &json!({}));
    fleet.proxies[0].answers.insert("hooks".into(), Some(Answer::NoHost));
    fleet.run_until(-10 * DAY + 5 * MINUTE, 5);
    let received = fleet.received();
    assert_eq!(received.len(), 1);
    // Once its tries are further apart than a claim lasts.
    assert!(received[0].at < -10 * DAY + 3 * MINUTE, "{received:?}");
    assert!(fleet.proxies[0].metric("deliveries_total;.;webhook=.=hooks;.;outcome=.=no_host") > 1);
    assert_eq!(fleet.proxies[0].metric("outbox_entries;.;webhook=.=hooks"), 0, "it was told after all");
}

#[test]
fn a_proxy_that_dies_with_a_claim_loses_nothing() {
    let mut fleet = Fleet::starting(2, -10 * DAY, &json!({}));
    // Its receiver never answers.
    fleet.proxies[0].answers.insert("hooks".into(), None);
    fleet.run_until(-10 * DAY + 5, 1);
    assert_eq!(fleet.count("claimed"), 1);
    fleet.proxies.remove(0);
    fleet.received();
    fleet.run_until(-10 * DAY + 3 * MINUTE, 5);
    assert_eq!(fleet.events(), ["CertificateExpiringSoon"]);
}

#[test]
fn its_own_claim_holds_nobody_back() {
    let mut fleet = Fleet::starting(1, -10 * DAY, &json!({}));
    fleet.proxies[0].answers.insert("hooks".into(), None);
    fleet.run_until(-10 * DAY + 2, 1);
    fleet.proxies[0].answers.clear();
    fleet.received();
    fleet.proxies[0].restart();
    fleet.run_until(-10 * DAY + 5, 1);
    assert_eq!(fleet.events(), ["CertificateExpiringSoon"], "a successor goes on at once");
}

#[test]
fn proxies_of_one_name_are_not_one() {
    let mut fleet = Fleet::starting(2, -10 * DAY, &json!({}));
    for (proxy, seed) in fleet.proxies.iter_mut().zip(1..) {
        (proxy.node, proxy.seed) = ("edge-1".to_owned(), seed);
        proxy.restart();
    }
    // Both of them at the same time.
    fleet.proxies.iter_mut().for_each(|proxy| proxy.answers.extend([("hooks".to_owned(), None)]));
    fleet.run_until(-10 * DAY + 10, 1);
    assert_eq!((fleet.count("claimed"), fleet.count("held")), (1, 1));
}

#[test]
fn without_the_store_each_tells_after_a_delay_of_its_own() {
    let faults = [
        Fault::Answer(Answer::NoCluster),
        Fault::Answer(Answer::NoHost),
        Fault::Answer(Answer::NoResponse),
        Fault::Answer(Answer::status(403)),
        Fault::Answer(Answer::status(503)),
        Fault::Answer(text("<html>")),
        Fault::Answer(text(r#"{"SET":[false,"ERR syntax error"]}"#)),
        Fault::Answer(Answer::status(200)),
        // Not even an end.
        Fault::Silence,
    ];
    for fault in faults {
        let mut fleet = Fleet::starting(3, -10 * DAY, &json!({}));
        fleet.fail(Some(fault.clone()));
        log_lines();
        fleet.run_until(-10 * DAY + 3 * MINUTE, 1);
        let received = fleet.received();
        assert_eq!(received.len(), 3, "{fault:?} {received:?}");
        let mut times: Vec<_> = received.iter().map(|one| one.at + 10 * DAY).collect();
        times.dedup();
        assert!(times.len() == 3 && times[0] >= 5 && times[2] < 90, "{fault:?} {times:?}");
        assert_eq!(fleet.count("unclaimed"), 3, "{fault:?}");
        assert!(fleet.count("failed") < 3 * 50, "it is left in peace: {}", fleet.count("failed"));
        let lines = log_lines();
        let told = lines.iter().filter(|(_, line)| line.starts_with("Cooldown store cannot be asked")).count();
        assert_eq!(told, 3, "each says it once: {lines:?}");
        // What was told is written down when the store is back.
        fleet.fail(None);
        fleet.run_until(-10 * DAY + 5 * MINUTE, 1);
        assert!(fleet.count("committed") >= 3);
        assert_eq!(log_lines().iter().filter(|(_, line)| line.starts_with("Cooldown store answers again")).count(), 3);
        fleet.run_until(-9 * DAY + HOUR, MINUTE);
        assert_eq!(fleet.events().len(), 1, "{fault:?}");
    }
}

#[test]
fn the_first_delivery_keeps_the_others_quiet_when_the_store_returns() {
    let mut fleet = Fleet::starting(5, -10 * DAY, &json!({}));
    fleet.fail(Some(Fault::Answer(Answer::status(503))));
    let begin = -10 * DAY;
    // By then one or two of them have lost patience.
    fleet.run_until(begin + 20, 1);
    let impatient = fleet.events().len();
    assert!((1..4).contains(&impatient), "{impatient}");
    fleet.fail(None);
    fleet.run_until(begin + HOUR, 5);
    assert_eq!(fleet.events(), [""; 0]);
    assert_eq!(fleet.count("told"), 5 - u64::try_from(impatient).unwrap());
}

#[test]
fn a_note_that_redis_refuses_is_given_up_and_stops_nothing_else() {
    let certificates = ["localhost", "client"].map(|name| json!({ "role": "server", "pem": pem(name) }));
    let mut fleet = Fleet::starting(2, -10 * DAY, &json!({ "certificates": certificates }));
    fleet.fail(Some(Fault::Refusal(":check:")));
    fleet.run_until(-10 * DAY + 10 * MINUTE, 1);
    assert_eq!(fleet.events().len(), 2);
    assert_eq!((fleet.count("committed"), fleet.count("failed"), fleet.count("lost")), (2, 6, 2));
    let store = fleet.store.borrow();
    let told = store.keys(":event:", fleet.proxies[0].now);
    assert!(told.len() == 2 && told.iter().all(|(_, value, _)| value == "done"), "{told:?}");
}

/// The same webhook, which hears of ends or does not.
fn hearing_ends(hears: bool) -> Value {
    let mut hooks = webhook("hooks");
    hooks["send_resolved"] = json!(hears);
    json!({ "webhooks": [hooks] })
}

#[test]
fn an_alert_that_is_over_may_begin_and_end_anew() {
    for (hears, expected) in [(true, ["CertificateResolved"].as_slice()), (false, &[])] {
        let mut fleet = Fleet::starting(1, -10 * DAY, &json!({}));
        let more = hearing_ends(hears);
        fleet.proxies[0] = fleet.proxy(0, -10 * DAY, &more);
        let mut without = document(&more);
        without["certificates"] = json!([]);
        fleet.run_until(-10 * DAY + MINUTE, 10);
        for hour in 1..4 {
            assert_eq!(fleet.events(), ["CertificateExpiringSoon"], "hour {hour}");
            fleet.proxies[0].replace(without.clone());
            fleet.run_until(-10 * DAY + hour * HOUR, MINUTE);
            assert_eq!(fleet.events(), expected, "hour {hour}");
            fleet.proxies[0].replace(document(&more));
            fleet.run_until(-10 * DAY + hour * HOUR + 10 * MINUTE, MINUTE);
        }
    }
}

#[test]
fn the_end_of_an_alert_is_told_once_though_each_has_told_it_in_another_period() {
    let more = hearing_ends(true);
    let mut fleet = Fleet::starting(2, -10 * DAY, &more);
    fleet.run_until(-10 * DAY + 20 * HOUR, 10 * MINUTE);
    fleet.proxies[1].shared_data.clear();
    fleet.proxies[1].restart();
    fleet.run_until(-9 * DAY + 6 * HOUR, 10 * MINUTE);
    assert_eq!(fleet.events(), ["CertificateExpiringSoon"; 2]);
    let mut without = document(&more);
    without["certificates"] = json!([]);
    for proxy in &mut fleet.proxies {
        proxy.replace(without.clone());
    }
    fleet.run_until(-9 * DAY + 7 * HOUR, MINUTE);
    assert_eq!(fleet.events(), ["CertificateResolved"]);
}

#[test]
fn an_answer_to_another_question_is_none() {
    for answer in [r#"{"SET":[true,"OK"]}"#, r#"{"SET":1}"#] {
        let mut fleet = Fleet::starting(2, -10 * DAY, &json!({}));
        fleet.fail(Some(Fault::Answer(text(answer))));
        fleet.run_until(-10 * DAY + 3 * MINUTE, 1);
        assert_eq!((fleet.events().len(), fleet.count("unclaimed")), (2, 2), "{answer}");
        assert!(fleet.count("failed") > 2, "{answer}");
    }
}

#[test]
fn a_clock_that_is_set_back_makes_no_flood_of_questions() {
    let mut fleet = Fleet::starting(1, -10 * DAY, &json!({}));
    fleet.fail(Some(Fault::Answer(Answer::status(503))));
    fleet.run_until(-10 * DAY + MINUTE, 1);
    fleet.fail(None);
    fleet.run_until(-10 * DAY + 2 * MINUTE, 1);
    let before = fleet.store.borrow().commands.len();
    fleet.proxies[0].set_clock(-11 * DAY);
    fleet.run_until(-11 * DAY + 10 * MINUTE, 1);
    let asked = fleet.store.borrow().commands.len() - before;
    assert!(asked < 20, "{asked} questions");
}

#[test]
fn signs_of_life_and_tests_are_everybodys_own() {
    let more = json!({
        "certificate_expiry_monitor": { "heartbeat_seconds": 3_600 },
        "webhooks": [{ "name": "hooks", "cluster": "hooks", "url": "https://h.example/x", "events": ["MonitorHeartbeat"],
            "test_on_start": true }],
    });
    let mut fleet = Fleet::starting(3, -10 * DAY, &more);
    fleet.run_until(-10 * DAY + MINUTE, 10);
    let calls: Vec<_> = fleet.proxies.iter_mut().flat_map(World::calls).collect();
    let bodies: Vec<_> = calls.iter().map(|call| String::from_utf8_lossy(call.body.as_ref().unwrap())).collect();
    for event in ["MonitorHeartbeat", "WebhookTest"] {
        assert_eq!(bodies.iter().filter(|body| body.contains(event)).count(), 3, "{bodies:?}");
    }
}

#[test]
fn a_batch_is_claimed_event_by_event() {
    let certificates: Vec<_> =
        ["localhost", "ca", "client"].map(|name| json!({ "role": "server", "pem": pem(name) })).into();
    let mut hooks = webhook("hooks");
    hooks["batch"] = json!({ "max": 10, "wait_seconds": 5 });
    let mut fleet = Fleet::starting(2, -10 * DAY, &json!({ "certificates": certificates, "webhooks": [hooks] }));
    fleet.run_until(-10 * DAY + 3 * MINUTE, 5);
    let received = fleet.received();
    assert_eq!(received.len(), 3, "{received:?}");
    let calls: usize = fleet.proxies.iter_mut().map(|proxy| proxy.calls().len()).sum();
    assert_eq!(calls, 1, "they go together");
}

#[test]
fn what_a_refused_batch_held_is_told_event_by_event() {
    let names =
        ["localhost", "ca", "client", "ec-k256", "ec-p384", "ec-p521", "ed25519", "ed448", "md5", "nameless", "quotes"];
    let listed = |name: &&str| json!({ "role": "server", "pem": pem(name) });
    let mut hooks = webhook("hooks");
    hooks["batch"] = json!({ "max": 2, "wait_seconds": 5 });
    let certificates: Vec<_> = names.iter().map(listed).collect();
    let mut fleet = Fleet::starting(1, -10 * DAY, &json!({ "certificates": certificates, "webhooks": [hooks] }));
    // What is refused goes alone from then on.
    fleet.proxies[0].set_answer_once("hooks", Answer::status(422));
    fleet.run_until(-10 * DAY + 3 * MINUTE, 5);
    let mut told: Vec<_> = fleet.received().into_iter().map(|one| one.name).collect();
    told.sort();
    told.dedup();
    assert_eq!(told.len(), names.len(), "{told:?}");
    assert_eq!(fleet.proxies[0].metric("outbox_entries;.;webhook=.=hooks"), 0);
}
