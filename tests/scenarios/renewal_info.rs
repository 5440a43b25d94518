//! Authorities that say when their certificates should be renewed (RFC 9773).

use cert_expiry_monitor::application::effect::{Answer, Response};
use serde_json::{Value, json};

use crate::forged::{Certificate, rfc3339};
use crate::world::{DAY, HOUR, MINUTE, World, header, log_lines, pem, webhook};

const OVERDUE: &str = "CertificateRenewalOverdue";

/// One of 90 days whose issuer has a key.
fn leaf() -> Certificate {
    let key = Some(b"key".to_vec());
    Certificate {
        authority_key_id: key,
        issuer: "Let's Encrypt R11".to_owned(),
        ..Certificate::leaf("edge", 0, 90 * DAY)
    }
}

fn document(pem: &str) -> Value {
    let mut hooks = webhook("hooks");
    hooks["events"] = json!([OVERDUE]);
    hooks["send_resolved"] = json!(true);
    hooks["headers"] = json!({ "x-id": "{{ id }}", "x-rule": "{{ rule }}" });
    json!({
        "certificates": [{ "role": "server", "pem": pem }],
        "certificate_expiry_monitor": {
            "warning_threshold_days": 0,
            "event_cooldown_seconds": 365 * DAY,
            "renewal_info": [
                { "issuer": "*Let's Encrypt*", "cluster": "acme", "path": "/acme/renewal-info/", "authority": "acme.example" },
                { "issuer": "*", "cluster": "other", "path": "/info" },
            ],
        },
        "observe": { "flush_seconds": 600 },
        "webhooks": [hooks],
    })
}

/// What an authority answers: the begin and the end of its window, in seconds from the begin of the certificate.
fn window(begins: i64, ends: i64, retry_after: Option<&str>) -> Answer {
    let window = json!({ "start": rfc3339(begins), "end": rfc3339(ends) });
    let body = json!({ "suggestedWindow": window, "explanationURL": "https://acme.example/why" });
    answer(200, body.to_string().as_bytes(), retry_after)
}

fn answer(status: u16, body: &[u8], retry_after: Option<&str>) -> Answer {
    let (body, retry_after) = (Some(body.to_vec()), retry_after.map(str::to_owned));
    Answer::Response(Response { status, body, retry_after, ..Response::default() })
}

/// The paths that were asked for since the last call, and the events that were received: rule, event and message.
fn heard(world: &mut World) -> (Vec<String>, Vec<(String, String, String)>) {
    let (questions, events): (Vec<_>, Vec<_>) = world.calls().into_iter().partition(|call| call.cluster != "hooks");
    let text = |body: &Value, key: &str| body[key].as_str().unwrap().to_owned();
    let event = |call| {
        let rule = header(&call, "x-rule").unwrap().to_owned();
        let body: Value = serde_json::from_slice(&call.body.unwrap()).unwrap();
        (rule, text(&body, "event"), text(&body, "message"))
    };
    let paths = questions.iter().map(|call| header(call, ":path").unwrap().to_owned());
    (paths.collect(), events.into_iter().map(event).collect())
}

fn rules(world: &mut World) -> Vec<String> {
    heard(world).1.into_iter().map(|(rule, _, _)| rule).collect()
}

#[test]
fn an_authority_is_asked_about_its_certificate_as_the_rfc_writes_it() {
    // The certificate of the RFC's own example.
    let mut world = World::starting(-DAY, document(&pem("key-ids")));
    world.answers.insert("other".into(), Some(window(-90 * DAY, 90 * DAY, None)));
    world.run_for(2 * MINUTE);
    let calls = world.calls();
    let [call] = calls.as_slice() else { panic!("{calls:#?}") };
    assert_eq!(call.cluster, "other");
    assert_eq!(header(call, ":method"), Some("GET"));
    assert_eq!(header(call, ":authority"), Some("other"));
    assert_eq!(header(call, ":path"), Some("/info/aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"));
    assert!(call.body.is_none() && call.largest_answer <= 8 * 1_024, "{call:?}");
}

#[test]
fn it_is_asked_by_the_first_pattern_that_fits_and_again_when_it_wants() {
    let mut world = World::starting(DAY, document(&leaf().pem()));
    world.answers.insert("acme".into(), Some(window(50 * DAY, 60 * DAY, Some("3600"))));
    world.run_for(DAY);
    let calls = world.calls();
    assert!(calls.iter().all(|call| call.cluster == "acme" && header(call, ":authority") == Some("acme.example")));
    // Every hour, and up to a tenth later.
    assert!((22..=25).contains(&calls.len()), "{}", calls.len());
    world.answers.insert("acme".into(), Some(window(50 * DAY, 60 * DAY, None)));
    world.run_for(DAY + HOUR);
    world.calls();
    world.run_for(10 * DAY);
    let asked = world.calls().len();
    assert!((36..=41).contains(&asked), "every six hours: {asked}");
    // A restart asks nothing that is known.
    world.restart();
    world.run_for(2 * HOUR);
    assert!(world.calls().len() <= 1);
}

#[test]
fn a_renewal_is_late_when_the_window_is_over() {
    for (offset, is_late) in [(-1, false), (0, true), (1, true)] {
        let mut world = World::starting(DAY, document(&leaf().pem()));
        world.answers.insert("acme".into(), Some(window(50 * DAY, 60 * DAY, Some("86400"))));
        world.run_until(60 * DAY - HOUR);
        assert_eq!(rules(&mut world), [] as [&str; 0]);
        world.run_until(60 * DAY + offset);
        assert_eq!(rules(&mut world).len(), usize::from(is_late), "{offset}");
    }
}

#[test]
fn what_the_authority_says_wins_over_what_is_usual() {
    let mut usual = document(&leaf().pem());
    usual["certificate_expiry_monitor"]["renewal_expected_at"] = json!("20%");
    let mut world = World::starting(40 * DAY, usual.clone());
    world.answers.insert("acme".into(), Some(window(50 * DAY, 60 * DAY, None)));
    world.run_until(59 * DAY);
    // Nothing was known before the first answer came.
    let told: Vec<_> = heard(&mut world).1.into_iter().map(|(rule, event, _)| (rule, event)).collect();
    let pair = |rule: &str, event: &str| (rule.to_owned(), event.to_owned());
    assert_eq!(told, [pair("renewal", OVERDUE), pair("renewal", "CertificateResolved")]);
    world.run_until(70 * DAY);
    assert_eq!(rules(&mut world), ["renewal_info"], "one event");
    // Without an authority to ask, the usual counts again.
    usual["certificate_expiry_monitor"]["renewal_info"] = json!([]);
    world.replace(usual);
    world.run_for(DAY);
    let (asked, _) = heard(&mut world);
    assert_eq!(asked, [] as [&str; 0]);
}

#[test]
fn a_window_that_is_moved_forward_is_told_at_once() {
    for is_restarted in [false, true] {
        let mut world = World::starting(DAY, document(&leaf().pem()));
        world.answers.insert("acme".into(), Some(window(60 * DAY, 62 * DAY, None)));
        world.run_until(5 * DAY);
        world.answers.insert("acme".into(), Some(window(60 * DAY - HOUR, 62 * DAY, None)));
        world.run_until(10 * DAY);
        assert_eq!(rules(&mut world), [] as [&str; 0], "an hour is nothing");
        if is_restarted {
            world.restart();
        }
        world.answers.insert("acme".into(), Some(window(11 * DAY, 12 * DAY, None)));
        world.run_for(7 * HOUR);
        let (_, told) = heard(&mut world);
        let [(rule, event, message)] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((rule.as_str(), event.as_str()), ("renewal_info_moved", OVERDUE));
        assert!(
            message.starts_with("Certificate edge is to be renewed in ") && message.contains("already"),
            "{message}"
        );
        // It is one alert, whatever follows.
        world.run_until(13 * DAY);
        assert_eq!(rules(&mut world), [] as [&str; 0]);
        world.answers.insert("acme".into(), Some(window(60 * DAY, 62 * DAY, None)));
        world.run_for(DAY);
        let (_, told) = heard(&mut world);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].1, "CertificateResolved", "and back again");
    }
}

#[test]
fn questions_in_vain_become_rare_and_are_told_once_an_hour() {
    let huge = answer(200, &[b' '; 5_000], None);
    for (answer, says) in [
        (Answer::NoCluster, "no such cluster"),
        (Answer::NoHost, "no answer"),
        (Answer::NoResponse, "no answer"),
        (answer(404, b"", None), "status=404"),
        (answer(503, b"", Some("7200")), "status=503"),
        (answer(200, b"", None), "names no window"),
        (answer(200, b"{\"suggestedWindow\": {\"start\": 1e999", None), "names no window"),
        (window(62 * DAY, 60 * DAY, None), "names no window"),
        (huge, "too large"),
    ] {
        log_lines();
        let mut world = World::starting(DAY, document(&leaf().pem()));
        world.answers.insert("acme".into(), Some(answer.clone()));
        world.run_for(DAY);
        let vain = log_lines().into_iter().filter(|(_, line)| line.starts_with("An authority was asked in vain"));
        let vain: Vec<_> = vain.map(|(_, line)| line).collect();
        assert!((1..=14).contains(&vain.len()), "{answer:?} {vain:#?}");
        assert!(vain.iter().all(|line| line.contains(says) && line.contains("cluster=acme")), "{answer:?} {vain:#?}");
        // It works again, and what is said then counts.
        world.answers.insert("acme".into(), Some(window(DAY, DAY + HOUR, None)));
        world.run_for(7 * HOUR);
        assert_eq!(rules(&mut world), ["renewal_info"], "{answer:?}");
    }
}

#[test]
fn an_answer_that_never_comes_holds_nothing_up() {
    let mut world = World::starting(DAY, document(&leaf().pem()));
    world.answers.insert("acme".into(), None);
    world.run_for(HOUR);
    let asked = world.calls().len();
    assert!((4..=7).contains(&asked), "{asked}");
}

#[test]
fn nobody_is_asked_where_nobody_could_be_told_or_could_renew() {
    let unsigned = Certificate { authority_key_id: None, ..leaf() };
    let authority = Certificate { is_ca: true, ..leaf() };
    let mut deaf = document(&leaf().pem());
    deaf["webhooks"][0]["events"] = json!(["CertificateExpired"]);
    let mut elsewhere = document(&leaf().pem());
    elsewhere["certificate_expiry_monitor"]["renewal_info"] =
        json!([{ "issuer": "*DigiCert*", "cluster": "acme", "path": "/x" }]);
    for document in [document(&unsigned.pem()), document(&authority.pem()), deaf, elsewhere] {
        let mut world = World::starting(DAY, document);
        world.run_for(DAY);
        assert_eq!(heard(&mut world).0, [] as [&str; 0]);
    }
    let mut world = World::starting(91 * DAY, document(&leaf().pem()));
    world.run_for(DAY);
    assert_eq!(heard(&mut world).0, [] as [&str; 0], "it has ended");
}

#[test]
fn many_certificates_are_asked_about_one_after_another() {
    let mut many = document(&leaf().pem());
    let pem: String = (0..20).map(|number| leaf().numbered(number).pem()).collect();
    many["certificates"][0]["pem"] = json!(pem);
    many["certificates"][0]["role"] = json!("ca");
    let mut world = World::starting(DAY, many);
    world.answers.insert("acme".into(), None);
    world.run_for(90);
    // The first one is waited for; the second is asked half a minute later.
    assert!((1..=4).contains(&world.calls().len()));
    world.answers.insert("acme".into(), Some(window(50 * DAY, 60 * DAY, None)));
    world.run_for(HOUR);
    let mut asked = heard(&mut world).0;
    asked.sort();
    asked.dedup();
    assert!(asked.len() >= 18, "{}", asked.len());
}
