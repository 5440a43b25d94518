//! What is true of certificates beside their ends: told while it is true, closed when it is not, and news of new ones.

use cert_expiry_monitor::application::effect::Answer;
use cert_expiry_monitor::application::observation::Site;
use cert_expiry_monitor::domain::Role;
use serde_json::{Value, json};

use crate::forged::Certificate;
use crate::world::{DAY, END, HOUR, MINUTE, World, log_lines, pem, webhook};

const NOT_YET_VALID: &str = "CertificateNotYetValid";
const WEAK: &str = "CertificateWeak";
const CHAIN: &str = "ChainExpiresFirst";
const DISCOVERED: &str = "CertificateDiscovered";
const RESOLVED: &str = "CertificateResolved";

/// A receiver that is told of events of these kinds, and of the ends of those that have one.
fn hooks(events: &[&str]) -> Value {
    let mut hooks = webhook("hooks");
    (hooks["events"], hooks["send_resolved"]) = (json!(events), json!(true));
    hooks
}

fn document(certificates: &[(&str, String)], webhook: &Value) -> Value {
    let listed: Vec<_> = certificates.iter().map(|(role, pem)| json!({ "role": role, "pem": pem })).collect();
    json!({ "certificates": listed, "webhooks": [webhook] })
}

/// When which event about which certificate was received since the last call.
fn told(world: &mut World) -> Vec<(i64, String, String)> {
    world.received().into_iter().map(|received| (received.at, received.event, received.name)).collect()
}

fn messages(world: &mut World) -> Vec<String> {
    let bodies = world.calls().into_iter().map(|call| serde_json::from_slice::<Value>(&call.body.unwrap()).unwrap());
    bodies.map(|body| body["message"].as_str().unwrap().to_owned()).collect()
}

fn event(at: i64, event: &str, name: &str) -> (i64, String, String) {
    (at, event.to_owned(), name.to_owned())
}

#[test]
fn a_certificate_that_has_not_begun_is_told_of_until_its_very_first_second() {
    let begin = 10 * DAY;
    let early = ("server", Certificate::leaf("early", begin, 90 * DAY).pem());
    // seconds from its begin at which it is looked at first | what is told, in seconds from there
    for (offset, expected) in [
        (-HOUR, vec![event(begin - HOUR, NOT_YET_VALID, "early"), event(begin, RESOLVED, "early")]),
        (-1, vec![event(begin - 1, NOT_YET_VALID, "early"), event(begin, RESOLVED, "early")]),
        (0, vec![]),
        (1, vec![]),
    ] {
        let mut world =
            World::starting(begin + offset - 1, document(std::slice::from_ref(&early), &hooks(&[NOT_YET_VALID])));
        world.run_until(begin + DAY);
        assert_eq!(told(&mut world), expected, "{offset}");
    }
}

#[test]
fn what_lasts_is_told_once_in_a_cooldown_however_often_it_is_looked_at() {
    let early = ("server", Certificate::leaf("early", 10 * DAY, 90 * DAY).pem());
    let weak = ("server", pem("sha-1"));
    let mut world = World::starting(0, document(&[early, weak], &hooks(&[NOT_YET_VALID, WEAK])));
    world.run_until(MINUTE);
    let first: Vec<_> = world.received();
    assert_eq!(first.len(), 2, "{first:#?}");
    for hour in 1..23 {
        world.run_until(hour * HOUR);
        if hour % 7 == 0 {
            world.restart();
        }
    }
    assert_eq!(world.received(), []);
    world.run_until(DAY + MINUTE);
    let again = world.received();
    assert_eq!(again.len(), 2, "{again:#?}");
    assert!(again.iter().all(|event| first.iter().all(|before| before.id != event.id)), "{again:#?}");
}

#[test]
fn a_weak_certificate_is_told_of_with_all_that_is_wrong_until_it_is_gone() {
    let weak = || ("server", pem("sha-1"));
    let long = Certificate { rsa_bits: Some(1_024), sans: Vec::new(), ..Certificate::leaf("old", -DAY, 90 * DAY) };
    let sound = Certificate { rsa_bits: Some(2_048), ..Certificate::leaf("sound", -DAY, 90 * DAY) };
    let all = [weak(), ("server", long.pem()), ("server", sound.pem())];
    let mut world = World::starting(0, document(&all, &hooks(&[WEAK])));
    world.run_until(MINUTE);
    let mut texts = messages(&mut world);
    texts.sort_unstable();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert_eq!(texts[0], "Certificate old is weak: RSA key of 1024 bits; no subject alternative name");
    assert!(texts[1].contains("; SHA-1 signature; "), "{texts:?}");
    world.received();
    world.replace(document(&[weak(), ("server", sound.pem())], &hooks(&[WEAK])));
    world.run_until(2 * MINUTE);
    let closed = told(&mut world);
    assert_eq!(
        closed.iter().map(|(_, event, name)| (event.as_str(), name.as_str())).collect::<Vec<_>>(),
        [(RESOLVED, "old")]
    );
    assert_eq!(messages(&mut world), ["Certificate old is not weak, or not in use any more"]);
}

#[test]
fn a_leaf_that_outlives_what_it_depends_on_is_told_of_until_that_is_renewed() {
    let root = Certificate::authority("Root", "Root", -DAY, 900 * DAY);
    let ca = Certificate::authority("CA", "Root", -DAY, 50 * DAY);
    let renewed = Certificate::authority("CA", "Root", -DAY, 500 * DAY).numbered(2);
    let leaf = Certificate::leaf("leaf", -DAY, 90 * DAY).issued_by(&ca);
    let own = |authorities: &[&Certificate]| -> Value {
        let mut all = vec![("server", leaf.pem())];
        all.extend(authorities.iter().map(|authority| ("ca", authority.pem())));
        document(&all, &hooks(&[CHAIN]))
    };
    let mut world = World::starting(0, own(&[]));
    world.run_until(DAY);
    assert_eq!(told(&mut world), [], "its issuer is not known");
    world.replace(own(&[&root, &ca]));
    world.run_until(DAY + MINUTE);
    assert_eq!(messages(&mut world), ["Certificate leaf depends on CA, which ends 40 days before it"]);
    world.received();
    // An observer meets the renewed authority: the next round takes note, whatever the check cooldown says.
    world.observe_text(Site::default(), Role::Upstream, None, &renewed.pem());
    world.run_until(DAY + 30 * MINUTE);
    assert_eq!(told(&mut world), []);
    world.run_until(DAY + HOUR + MINUTE);
    let closed: Vec<_> = told(&mut world).into_iter().map(|(_, event, name)| (event, name)).collect();
    assert_eq!(closed, [(RESOLVED.to_owned(), "leaf".to_owned())]);
    assert_eq!(messages(&mut world), ["Certificate leaf does not outlive what it depends on any more"]);
}

#[test]
fn what_clients_show_as_authorities_counts_for_clients_alone() {
    let issued = |name: &str, issuer: &Certificate| Certificate::leaf(name, -DAY, 90 * DAY).issued_by(issuer);
    let authority = |name: &str, ends: i64| Certificate::authority(name, "Root", -DAY, ends * DAY);
    // An issuer that nobody watches, and one that is watched and ends early.
    let (unknown, early) = (authority("Unknown", 50), authority("Early", 50));
    let servers = [("server", issued("a", &unknown).pem()), ("server", issued("b", &early).pem()), ("ca", early.pem())];
    let mut world = World::starting(0, document(&servers, &hooks(&[CHAIN])));
    world.run_until(MINUTE);
    assert_eq!(told(&mut world), [event(1, CHAIN, "b")]);
    // A client shows what would raise the one alert, and close the other one.
    let client = issued("client", &authority("Theirs", 50));
    let mut shown = vec![client, authority("Theirs", 50), unknown];
    shown.extend((2..20).map(|number| authority("Early", 900).numbered(number)));
    for shown in &shown {
        world.observe_text(Site::default(), Role::Client, None, &shown.pem());
    }
    world.run_until(2 * HOUR);
    let all: Vec<_> = told(&mut world).into_iter().map(|(_, event, name)| (event, name)).collect();
    assert_eq!(all, [(CHAIN.to_owned(), "client".to_owned())]);
    // And it takes nothing from what is known otherwise.
    let late =
        document(&[servers[1].clone(), servers[2].clone(), ("ca", authority("Early", 500).pem())], &hooks(&[CHAIN]));
    world.replace(late);
    world.run_until(4 * HOUR);
    assert!(told(&mut world).iter().any(|(_, event, name)| (event.as_str(), name.as_str()) == (RESOLVED, "b")));
}

#[test]
fn what_is_true_of_a_peer_ends_when_the_peer_is_gone() {
    let mut world = World::starting(0, document(&[], &hooks(&[WEAK])));
    world.observe(Role::Client, Some("orders"), "sha-1");
    world.observe(Role::Client, Some("billing"), "sha-1");
    world.run_until(MINUTE);
    assert_eq!(world.received().len(), 2, "in each usage");
    world.run_until(DAY);
    world.observe(Role::Client, Some("orders"), "sha-1");
    world.run_until(2 * DAY + 2 * HOUR);
    let events: Vec<_> = world.received().into_iter().map(|event| (event.event, event.api_id.unwrap())).collect();
    let again = (WEAK.to_owned(), "orders".to_owned());
    let expected =
        [again.clone(), (WEAK.to_owned(), "billing".to_owned()), (RESOLVED.to_owned(), "billing".to_owned())];
    assert!(expected.iter().all(|event| events.contains(event)), "{events:?}");
    world.run_until(4 * DAY);
    assert_eq!(told(&mut world).last().map(|(_, event, _)| event.as_str()), Some(RESOLVED));
    world.run_until(8 * DAY);
    assert_eq!(told(&mut world), []);
}

#[test]
fn of_what_nobody_wants_to_hear_nothing_is_made_and_what_was_told_of_it_is_closed() {
    let all = [("server", pem("sha-1")), ("server", Certificate::leaf("early", 10 * DAY, 90 * DAY).pem())];
    let expiries = hooks(&["CertificateExpired", RESOLVED]);
    let mut world = World::starting(0, document(&all, &expiries));
    log_lines();
    world.run_until(2 * DAY);
    let lines = log_lines();
    assert!(!lines.iter().any(|(_, line)| [WEAK, NOT_YET_VALID, DISCOVERED].iter().any(|kind| line.contains(kind))));
    world.received();
    world.replace(document(&all, &hooks(&[WEAK, NOT_YET_VALID])));
    world.run_until(2 * DAY + MINUTE);
    assert_eq!(world.received().len(), 2);
    world.replace(document(&all, &expiries));
    world.run_until(2 * DAY + 2 * MINUTE);
    let closed = world.received();
    assert!(closed.len() == 2 && closed.iter().all(|event| event.event == RESOLVED), "{closed:#?}");
    world.replace(document(&all, &hooks(&[WEAK, NOT_YET_VALID])));
    world.run_until(2 * DAY + 3 * MINUTE);
    assert_eq!(world.received().len(), 2, "what comes back is told again");
}

#[test]
fn a_dead_receiver_costs_no_alert() {
    let mut ops = hooks(&[WEAK]);
    ops["retry_attempts"] = json!(0);
    for interval in [HOUR, 0] {
        let mut document = document(&[("server", pem("sha-1"))], &ops);
        document["certificate_expiry_monitor"] = json!({ "check_interval_seconds": interval });
        let mut world = World::starting(0, document);
        world.answers.insert("hooks".into(), Some(Answer::NoHost));
        world.run_until(10 * MINUTE);
        assert_eq!(world.received(), []);
        world.answers.clear();
        world.run_until(2 * HOUR);
        assert_eq!(world.received().len(), 1, "{interval}");
    }
}

#[test]
fn whoever_keeps_alerts_hears_of_one_that_lasts_in_every_round() {
    let mut alerts = json!({
        "name": "am", "cluster": "am", "url": "https://am/api/v2/alerts", "format": "alertmanager", "events": [WEAK]
    });
    alerts["send_resolved"] = json!(true);
    let mut world = World::starting(0, document(&[("server", pem("sha-1"))], &alerts));
    world.run_until(MINUTE);
    assert_eq!(world.calls().len(), 1);
    for hour in 1..5 {
        world.run_until(hour * HOUR + MINUTE);
        assert_eq!(world.calls().len(), 1, "hour {hour}");
    }
    assert_eq!(world.metric("events_total;.;event=.=CertificateWeak"), 1);
}

#[test]
fn whoever_keeps_alerts_hears_at_night_of_one_that_lasts_though_its_cooldown_is_over() {
    let keeper = json!({
        "name": "am", "cluster": "am", "url": "https://am/api/v2/alerts", "format": "alertmanager", "events": [WEAK]
    });
    let mut document = document(&[("server", pem("sha-1"))], &keeper);
    document["certificate_expiry_monitor"] =
        json!({ "event_cooldown_seconds": 2 * HOUR, "quiet_hours": { "from": "12:00", "to": "11:00" } });
    // Seconds from the end of the certificates, which is at 13:51:52.
    let noon = -(HOUR + 51 * MINUTE + 52);
    let mut world = World::starting(noon - HOUR, document);
    world.run_until(noon + 10 * HOUR + MINUTE);
    let hours: Vec<_> =
        world.timed_calls().iter().map(|(at, _)| (at.secs() - END.secs() - noon).div_euclid(HOUR)).collect();
    assert!((-1..=10).all(|hour| hours.contains(&hour)), "{hours:?}");
}

#[test]
fn one_that_ended_long_ago_is_left_in_peace() {
    let dead = Certificate { sans: Vec::new(), ..Certificate::leaf("dead", -900 * DAY, -500 * DAY) };
    let fresh = Certificate { sans: Vec::new(), ..Certificate::leaf("fresh", -90 * DAY, -DAY) };
    let mut monitor = document(&[("server", dead.pem()), ("server", fresh.pem())], &hooks(&[WEAK]));
    monitor["certificate_expiry_monitor"] = json!({ "expired_max_age": "30d" });
    let mut world = World::starting(0, monitor);
    world.run_until(MINUTE);
    let names: Vec<_> = world.received().into_iter().map(|event| event.name).collect();
    assert_eq!(names, ["fresh"]);
}

#[test]
fn a_certificate_is_news_once() {
    let leaf = |name: &str| ("server", Certificate::leaf(name, -DAY, 900 * DAY).pem());
    let mut world = World::starting(0, document(&[leaf("a")], &hooks(&[DISCOVERED])));
    world.observe(Role::Client, Some("orders"), "client");
    world.run_until(MINUTE);
    let mut names: Vec<_> = told(&mut world).into_iter().map(|(_, event, name)| (event, name)).collect();
    names.sort_unstable();
    let news = |name: &str| (DISCOVERED.to_owned(), name.to_owned());
    assert_eq!(names, [news("Test Client"), news("a")]);
    world.restart();
    world.observe(Role::Client, Some("orders"), "client");
    world.run_until(DAY);
    world.hand_over();
    world.run_until(2 * DAY);
    assert_eq!(told(&mut world), [], "a successor knows them");
    world.replace(document(&[leaf("a"), leaf("b")], &hooks(&[DISCOVERED])));
    world.run_until(9 * DAY);
    let names: Vec<_> = told(&mut world).into_iter().map(|(_, event, name)| (event, name)).collect();
    assert_eq!(names, [news("b")], "nor is it closed when a peer is gone");
}

#[test]
fn each_usage_is_news_once_whoever_comes_first() {
    let mut usages = [(Role::Client, "orders"), (Role::Client, "billing"), (Role::Upstream, "orders")];
    let document = |events: &[&str]| {
        let mut document = document(&[], &hooks(events));
        document["certificate_expiry_monitor"] = json!({ "check_cooldown_seconds": HOUR });
        document
    };
    let observe = |world: &mut World, usages: &[(Role, &str)]| {
        for (role, api_id) in usages {
            world.observe(*role, Some(api_id), "client");
        }
        world.run_for(MINUTE);
        let told = world.received().into_iter().map(|received| (received.role, received.api_id.unwrap()));
        let mut told: Vec<_> = told.collect();
        told.sort_unstable();
        told
    };
    let told = |role: &str, api_id: &str| (role.to_owned(), api_id.to_owned());
    let all = [told("client", "billing"), told("client", "orders"), told("upstream", "orders")];
    for _ in 0..usages.len() {
        usages.rotate_left(1);
        let mut world = World::starting(0, document(&[DISCOVERED]));
        assert_eq!(observe(&mut world, &usages), all);
        world.restart();
        assert_eq!(observe(&mut world, &usages), []);
        // Nobody presents it for longer than it counts as there.
        world.run_for(4 * HOUR);
        assert_eq!(observe(&mut world, &usages), [], "it comes back, and is not new");
    }
    let mut world = World::starting(0, document(&[WEAK]));
    observe(&mut world, &usages[..1]);
    world.replace(document(&[DISCOVERED]));
    assert_eq!(observe(&mut world, &usages[..1]), [], "it was met when nobody wanted to know");
    assert_eq!(observe(&mut world, &usages[..2]).len(), 1);
}

#[test]
fn the_id_of_news_is_the_same_for_every_proxy_whenever_it_comes() {
    let id = |start: i64| {
        let leaf = Certificate::leaf("a", -DAY, 900 * DAY).pem();
        let mut world = World::starting(start, document(&[("server", leaf)], &hooks(&[DISCOVERED])));
        world.run_until(start + MINUTE);
        world.received().remove(0).id
    };
    assert_eq!(id(0), id(100 * DAY));
}
