//! What a round asks for, and what stops it.

use serde_json::json;

use super::admin::{Admin, Memory, entry, lines, round, secret, survey};
use super::certificate::{authority, leaf, parsed, pem};
use crate::application::discovery::{Answer, Discovery, Failure, LARGEST_ANSWER, MOST_REQUESTS, Next, Reason};
use crate::config::CaBundles;

/// An Envoy with a bit of everything.
fn everything() -> Admin {
    let (edge, ca) = (leaf("edge", "ca", 1), authority("ca", "ca", 2));
    let mut admin = Admin::new();
    admin.secret("edge", json!({ "chain": { "inline_string": pem(&[&edge]) } }));
    admin.static_secrets.push(secret("roots", json!({ "bundle": { "inline_string": pem(&[&ca]) } })));
    admin.listener(
        "main",
        json!({ "tls_certificate_sds_secret_configs": [{ "name": "edge" }],
        "validation_context_sds_secret_config": { "name": "roots" } }),
    );
    admin.load(&[entry("<inline>", &parsed(&edge))], &[entry("<inline>", &parsed(&ca))]);
    admin
}

#[test]
fn first_the_names_then_who_uses_what_then_secrets_then_what_is_loaded() {
    let admin = everything();
    let (result, bill) = round(CaBundles::Used, &Memory::default(), &|path| admin.answer(path));
    assert_eq!(
        bill.paths,
        [
            "/config_dump?resource=static_listeners&mask=listener.name",
            "/config_dump?resource=dynamic_listeners&mask=name",
            "/config_dump?resource=static_clusters&mask=cluster.name",
            "/config_dump?resource=dynamic_active_clusters&mask=cluster.name",
            "/config_dump?resource=static_secrets&mask=name",
            "/config_dump?resource=dynamic_active_secrets&mask=name",
            "/config_dump?resource=static_listeners&mask=listener.name,listener.filter_chains,listener.default_filter_chain",
            "/config_dump?resource=static_clusters&mask=cluster.name,cluster.transport_socket,cluster.transport_socket_matches",
            "/config_dump?resource=static_secrets&mask=name,secret.tls_certificate.certificate_chain,\
         secret.validation_context.trusted_ca",
            "/config_dump?resource=dynamic_active_secrets&mask=name,version_info,\
         secret.tls_certificate.certificate_chain,secret.validation_context.trusted_ca",
            "/certs",
        ]
    );
    assert_eq!(result.unwrap().requests, 11);
}

#[test]
fn a_static_secret_that_nobody_names_is_not_asked_for() {
    let mut admin = everything();
    admin.static_listeners.clear();
    let (_, bill) = round(CaBundles::Used, &Memory::default(), &|path| admin.answer(path));
    assert!(!bill.paths.iter().any(|path| path.contains("static_secrets&mask=name,")), "{:?}", bill.paths);
}

#[test]
fn no_round_asks_more_often_than_allowed() {
    let mut admin = Admin::new();
    for number in 0..300 {
        let name = format!("{}-{number}", ["a", "ab", "x.y"][number % 3]);
        let context = json!({ "tls_certificate_sds_secret_configs": [{ "name": name }] });
        admin.listener(&name, context.clone());
        admin.dynamic_listeners.push(json!({ "name": name }));
        admin.cluster(&name, context);
        admin.dynamic_active_clusters.push(json!({ "cluster": { "name": name } }));
        let chain = json!({ "chain": { "inline_string": pem(&[&leaf(&name, "root", 1)]) } });
        admin.static_secrets.push(secret(&name, chain.clone()));
        admin.secret(&name, chain);
    }
    let (result, bill) = round(CaBundles::Used, &Memory::default(), &|path| admin.answer(path));
    assert!(result.is_ok());
    assert!(bill.paths.len() <= MOST_REQUESTS as usize, "{}", bill.paths.len());
    assert!(bill.paths.len() > 20);
    assert!(bill.paths.iter().all(|path| path.len() < 1_000));
}

/// What comes of a round in which the answer to one path is another.
fn failing(path: &str, answer: &Answer) -> Failure {
    let admin = everything();
    let answer_of = |asked: &str| if asked.contains(path) { answer.clone() } else { admin.answer(asked) };
    let (result, _) = round(CaBundles::Used, &Memory::default(), &answer_of);
    result.expect_err(path)
}

#[test]
fn a_round_that_fails_anywhere_says_where_and_why() {
    let admin = everything();
    let (_, bill) = round(CaBundles::Used, &Memory::default(), &|path| admin.answer(path));
    let is_list_of_names = |path: &str| path.ends_with("name");
    for path in &bill.paths {
        let body = |text: &str| Answer::Reply(200, text.into());
        for (answer, says) in [
            (Answer::Reply(403, b"Forbidden".into()), "admin.allow_paths"),
            (Answer::Reply(404, vec![]), "404"),
            (Answer::Reply(500, vec![]), "500"),
            (Answer::Reply(301, vec![]), "redirects"),
            (Answer::TooLarge, "16 MB"),
            (Answer::None("timeout\n".into()), "no answer: timeout"),
            (body(""), "no whole JSON"),
            (body("{\"configs\": [{\"name\": \"ed"), "no whole JSON"),
            (body("<html>"), "no whole JSON"),
            (body("[]"), "not what Envoy's admin interface answers"),
            (body("7"), "not what Envoy's admin interface answers"),
            (body("{}"), "lacks what Envoy must have|not what Envoy's admin interface answers"),
        ] {
            if is_list_of_names(path) && answer == body("{}") {
                continue;
            }
            // The whole path: some begin like others.
            let answer_of = |asked: &str| if asked == path { answer.clone() } else { admin.answer(asked) };
            let failure = round(CaBundles::Used, &Memory::default(), &answer_of).0.expect_err(path);
            assert_eq!(failure.path, *path);
            let line = failure.to_string();
            assert!(says.split('|').any(|says| line.contains(says)), "{line}");
            assert!(!line.contains('\n'));
        }
    }
    let all_empty = round(CaBundles::Used, &Memory::default(), &|_| Answer::Reply(200, b"{}".into()));
    assert_eq!(all_empty.0.unwrap_err().reason, Reason::Empty);
    assert_eq!(failing("/certs", &Answer::Reply(200, vec![b' '; LARGEST_ANSWER + 1])).reason, Reason::TooLarge);
}

#[test]
fn answers_that_nobody_waits_for_and_a_round_begun_twice_do_no_harm() {
    let mut discovery = Discovery::new(CaBundles::Used);
    let known = Memory::default();
    assert_eq!(discovery.step(&known, &mut 270), Next::Idle);
    discovery.answer(Answer::TooLarge);
    discovery.parse(b"x");
    assert!(!discovery.is_running());
    discovery.begin();
    discovery.answer(Answer::TooLarge);
    assert!(matches!(discovery.step(&known, &mut 270), Next::Ask(_)));
    assert!(discovery.is_waiting());
    assert_eq!(discovery.step(&known, &mut 270), Next::Idle);
    discovery.begin();
    assert!(matches!(discovery.step(&known, &mut 0), Next::GoOn), "not without work");
    assert!(matches!(discovery.step(&known, &mut 1), Next::Ask(_)));
    assert_eq!(discovery.step(&known, &mut 270), Next::Idle);
}

#[test]
fn a_certificate_that_is_not_parsed_is_left_out() {
    let admin = everything();
    let mut discovery = Discovery::new(CaBundles::Used);
    discovery.begin();
    let found = loop {
        match discovery.step(&Memory::default(), &mut 270) {
            Next::Ask(path) => discovery.answer(admin.answer(&path)),
            Next::Done(result) => break result.unwrap(),
            // In quarantine.
            Next::Parse { .. } | Next::GoOn => {}
            Next::Idle => panic!("idle"),
        }
    };
    // All that is left is what Envoy tells of them.
    assert_eq!(lines(&found), ["0A0A0A0A0A0A0A0A0A0A0A0A00000002 ca - ", "edge server - "]);
    assert!(survey(&admin, &Memory::default()).found.iter().all(|found| !found.places.is_empty()));
}

#[test]
fn the_end_of_the_world_in_names_costs_nothing() {
    // Hundreds of names that each begin with the one before, or are nothing but hostile.
    let mut admin = everything();
    for number in 0..300_usize {
        let name = ["*", ".", "(", "\\", "\"", "&name_regex=", "é", "\u{0}"].concat().repeat(number / 8);
        admin.secret(&name, json!({ "chain": { "inline_string": "" } }));
    }
    let (result, bill) = round(CaBundles::Used, &Memory::default(), &|path| admin.answer(path));
    assert!(result.is_ok());
    assert!(bill.paths.iter().all(|path| path.bytes().all(|byte| byte.is_ascii_graphic())));
}
