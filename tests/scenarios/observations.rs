//! What observers hand over.

use cert_expiry_monitor::application::observation::Site;
use cert_expiry_monitor::domain::Role;
use serde_json::{Value, json};

use crate::world::{DAY, HOUR, MINUTE, World, pem, webhook};

fn world(start: i64) -> World {
    let mut world = World::starting(start, json!({ "observe": { "flush_seconds": 5 } }));
    world.run_until(start + 2);
    world
}

#[test]
fn what_is_handed_over_is_checked_with_the_next_batch() {
    let mut world = world(-DAY);
    // The queue was found empty at the start.
    world.observe(Role::Client, Some("orders"), "client");
    world.run_until(-DAY + 4);
    assert_eq!(world.received(), []);
    world.run_until(-DAY + 7);
    let [received] = world.received().try_into().unwrap();
    assert_eq!((received.at, received.role.as_str(), received.api_id.as_deref()), (-DAY + 5, "client", Some("orders")));
    assert_eq!(received.name, "Test Client");
}

#[test]
fn however_often_it_is_handed_over_it_is_one_event() {
    let mut world = world(-DAY);
    for second in 3..60 {
        world.observe(Role::Client, Some("orders"), "client");
        world.run_until(-DAY + second);
    }
    world.run_until(-DAY + 2 * MINUTE);
    assert_eq!(world.received().len(), 1);
}

#[test]
fn a_known_certificate_that_turns_up_elsewhere_is_reported_inside_the_check_cooldown() {
    let mut world = world(-DAY);
    world.observe(Role::Client, Some("orders"), "client");
    world.run_until(-DAY + MINUTE);
    world.observe(Role::Client, Some("billing"), "client");
    world.run_until(-DAY + 2 * MINUTE);
    let apis: Vec<_> = world.received().into_iter().map(|received| received.api_id.unwrap()).collect();
    assert_eq!(apis, ["orders", "billing"]);
}

#[test]
fn a_certificate_that_peers_go_on_presenting_is_told_of_when_it_crosses() {
    let mut world = world(-40 * DAY);
    for day in -40..=0 {
        world.observe(Role::Upstream, Some("orders"), "upstream");
        world.run_until(day * DAY + HOUR);
    }
    let events = world.events();
    assert_eq!(events.first().unwrap(), &(-30 * DAY, "CertificateExpiringSoon".to_owned()));
    assert_eq!(events.last().unwrap(), &(0, "CertificateExpired".to_owned()));
}

#[test]
fn one_that_nobody_presents_any_more_is_forgotten_until_somebody_does() {
    for interval in [HOUR, 0] {
        let document = json!({ "certificate_expiry_monitor": { "check_interval_seconds": interval } });
        let mut world = World::starting(-33 * DAY, document);
        world.run_until(-33 * DAY + 2);
        world.observe(Role::Client, Some("orders"), "client");
        world.run_until(-29 * DAY);
        assert_eq!(world.received(), [], "it is gone when it crosses the threshold");
        assert_eq!(world.metric("certificates;.;role=.=client"), 0);

        world.observe(Role::Client, Some("orders"), "client");
        world.run_until(-29 * DAY + MINUTE);
        assert_eq!(world.received().len(), 1);
    }
}

#[test]
fn an_expired_one_is_repeated_only_while_it_is_presented() {
    let mut world = world(-MINUTE);
    world.observe(Role::Client, Some("orders"), "client");
    world.run_until(7 * DAY);
    let told: Vec<_> = world.events().into_iter().map(|(at, _)| at / DAY).collect();
    assert_eq!(told, [0, 0, 1], "soon, expired, and once more within twice the check cooldown");
}

#[test]
fn what_cannot_be_used_is_counted_and_costs_nothing_else() {
    let mut world = world(-DAY);
    for item in [b"garbage".to_vec(), Vec::new(), vec![0xff; 100_000]] {
        world.enqueue(item);
    }
    world.observe(Role::Client, Some("orders"), "client");
    world.run_until(-DAY + MINUTE);
    assert_eq!(world.metric("dropped_total;.;reason=.=bad_queue_item"), 2);
    assert_eq!(world.metric("dropped_total;.;reason=.=oversized_certificate"), 1);
    assert_eq!(world.received().len(), 1);
}

#[test]
fn url_encoded_and_plain_certificates_are_the_same() {
    use cert_expiry_monitor::application::observation::{Form, Item};
    use cert_expiry_monitor::decode::observed;
    use cert_expiry_monitor::domain::Usage;
    let mut world = world(-DAY);
    let usage = Usage::new(Role::Client, Some("orders".to_owned()));
    let encoded = pem("client").replace('\n', "%0A").replace(' ', "%20").replace('+', "%2B").replace('/', "%2F");
    for text in [pem("client"), encoded] {
        let digest = observed::certificate(text.as_bytes()).unwrap().id.to_string();
        world.enqueue(Item::seen(&usage, Site::default(), digest.as_bytes(), Form::Pem, text.as_bytes()).unwrap());
    }
    world.run_until(-DAY + HOUR);
    assert_eq!(world.received().len(), 1);
    assert_eq!(world.metric("certificates;.;role=.=client"), 1);
}

#[test]
fn one_that_is_seen_without_its_api_waits_two_flushes_for_somebody_who_knows_it() {
    let mut world = World::starting(-10 * DAY, json!({ "observe": { "flush_seconds": 5 } }));
    world.run_until(-10 * DAY + 60);
    world.observe_at("listener/ingress", Role::Client, None, "client");
    world.run_until(-10 * DAY + 69);
    assert_eq!(world.received().len(), 0);
    world.run_until(-10 * DAY + 80);
    let told = world.received();
    assert_eq!(told.iter().map(|event| event.api_id.clone()).collect::<Vec<_>>(), [None], "nobody knew more");
}

#[test]
fn one_that_is_seen_with_and_without_its_api_is_one_event_whoever_comes_first() {
    for named_first in [true, false] {
        let mut world = World::starting(-10 * DAY, json!({ "observe": { "flush_seconds": 5 } }));
        world.run_until(-10 * DAY + 60);
        for is_named in [named_first, !named_first] {
            let (place, api_id) = if is_named { ("listener/a", Some("orders")) } else { ("listener/ingress", None) };
            world.observe_at(place, Role::Client, api_id, "client");
            world.run_for(6);
        }
        world.run_until(-10 * DAY + HOUR);
        let told: Vec<_> = world.received().into_iter().map(|event| event.api_id).collect();
        assert_eq!(told, [Some("orders".to_owned())], "named first: {named_first}");
        assert_eq!(world.metric("certificates;.;role=.=client"), 1);
    }
}

#[test]
fn an_alert_without_an_api_is_closed_when_the_api_is_known() {
    let mut hooks = webhook("hooks");
    hooks["send_resolved"] = json!(true);
    let mut world = World::starting(-10 * DAY, json!({ "webhooks": [hooks] }));
    world.observe(Role::Client, None, "client");
    world.run_until(-10 * DAY + 60);
    assert_eq!(world.received().len(), 1);
    world.observe(Role::Client, Some("orders"), "client");
    world.run_until(-10 * DAY + 120);
    let told: Vec<_> = world.received().into_iter().map(|event| (event.event, event.api_id)).collect();
    assert_eq!(
        told,
        [("CertificateResolved".to_owned(), None), ("CertificateExpiringSoon".to_owned(), Some("orders".to_owned())),]
    );
}

#[test]
fn an_upstream_is_told_with_its_cluster_and_with_every_server_that_has_shown_it() {
    let mut world = world(-30 * DAY - 4 * HOUR);
    for address in ["10.0.0.1:443", "10.0.0.2:443", "10.0.0.1:443"] {
        let site = Site { place: Some("cluster/orders"), address: Some(address) };
        world.observe_at_site(site, Role::Upstream, Some("orders"), "upstream");
        world.run_for(HOUR);
    }
    world.run_until(-30 * DAY + MINUTE);
    let [told] = world.calls().try_into().unwrap();
    let body: Value = serde_json::from_slice(&told.body.unwrap()).unwrap();
    assert_eq!(
        body["places"],
        json!(["cluster/orders", "address/10.0.0.2:443", "address/10.0.0.1:443"]),
        "the latest last"
    );
}
