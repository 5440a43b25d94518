//! A claim is for one try: who fails asks again, and nobody is waited for without asking.

use cert_expiry_monitor::application::effect::Answer;
use serde_json::json;

use crate::fleets::{Fleet, text};
use crate::store::Fault;
use crate::world::{DAY, HOUR, MINUTE, pem, webhook};

#[test]
fn nobody_is_waited_for_for_ever() {
    let mut fleet = Fleet::starting(1, -10 * DAY, &json!({}));
    fleet.fail(Some(Fault::Answer(text(r#"{"SET":"somebody else"}"#))));
    fleet.run_until(-10 * DAY + 4 * MINUTE, 5);
    assert_eq!(fleet.events(), [""; 0], "so far there may be somebody at it");
    fleet.run_until(-10 * DAY + 8 * MINUTE, 5);
    assert_eq!(fleet.events(), ["CertificateExpiringSoon"]);
}

#[test]
fn a_receiver_that_comes_back_is_told_once_however_long_it_was_away() {
    for away in [MINUTE, 330, 30 * MINUTE, 6 * HOUR] {
        let mut fleet = Fleet::starting(10, -10 * DAY, &json!({}));
        let gone = ("hooks".to_owned(), Some(Answer::status(503)));
        fleet.proxies.iter_mut().for_each(|proxy| proxy.answers.extend([gone.clone()]));
        fleet.run_until(-10 * DAY + away, 1);
        let tries = fleet.received().len();
        assert!(tries > 1, "several have tried, or one several times");
        fleet.proxies.iter_mut().for_each(|proxy| proxy.answers.clear());
        fleet.run_until(-9 * DAY - MINUTE, 5);
        assert_eq!(fleet.events(), ["CertificateExpiringSoon"], "after {away} seconds and {tries} tries");
    }
}

#[test]
fn a_claim_of_ones_own_is_made_to_last_for_another_try() {
    let mut hooks = webhook("hooks");
    (hooks["timeout_seconds"], hooks["retry_schedule"]) = (json!(300), json!(["2m"]));
    let mut fleet = Fleet::starting(1, -10 * DAY, &json!({ "webhooks": [hooks] }));
    fleet.proxies[0].answers.insert("hooks".into(), Some(Answer::NoHost));
    fleet.run_until(-10 * DAY + 4 * MINUTE, 1);
    let store = fleet.store.borrow();
    let renewed =
        |words: &&Vec<String>| words[1].contains(":event:") && words[2].starts_with("proxy/0~") && words[3] == "EX";
    assert!(store.commands.iter().any(|words| renewed(&words)), "{:?}", store.commands);
}

#[test]
fn who_tried_it_unclaimed_asks_before_the_next_try() {
    let mut fleet = Fleet::starting(1, -10 * DAY, &json!({}));
    fleet.fail(Some(Fault::Answer(text(r#"{"SET":"somebody else"}"#))));
    fleet.proxies[0].answers.insert("hooks".into(), Some(Answer::status(503)));
    while fleet.received().is_empty() {
        fleet.proxies[0].run_for(1);
    }
    assert_eq!(fleet.count("unclaimed"), 1);
    fleet.fail(Some(Fault::Answer(text(r#"{"SET":"done"}"#))));
    fleet.proxies[0].run_for(MINUTE);
    assert_eq!((fleet.events().len(), fleet.count("told")), (0, 1));
}

#[test]
fn webhooks_claim_in_turn() {
    let names = ["localhost", "ca", "client", "ec-k256", "ec-p384", "ec-p521", "ed25519", "ed448", "md5", "nameless"];
    let certificates = names.map(|name| json!({ "role": "server", "pem": pem(name) }));
    let more = json!({ "certificates": certificates, "webhooks": [webhook("first"), webhook("second")] });
    let mut fleet = Fleet::starting(1, -10 * DAY, &more);
    fleet.fail(Some(Fault::Silence));
    fleet.run_until(-10 * DAY + 10, 1);
    let store = fleet.store.borrow();
    let asked = |name: &str| store.commands.iter().filter(|words| words[1].ends_with(name)).count();
    assert_eq!((asked(":first"), asked(":second")), (4, 3), "eight at a time, with the question whether it is there");
}
