//! Many places, many peers, many certificates.

use serde_json::json;

use super::scenario::{discovering, event, listed, scenario, telling};
use super::{Certificate, DAY, Deed, EXPIRED, Expected, HOUR, MINUTE, Peer, SOON, Scenario, Slot};

const STORM: &str = "ExpiryStorm";

pub fn rows() -> Vec<Scenario> {
    vec![
        wildcard_in_twenty_listeners(),
        wildcard_of_twenty_upstreams(),
        client_of_three_apis(),
        ending_on_one_day(),
        storm(),
    ]
}

fn wildcard_in_twenty_listeners() -> Scenario {
    let wildcard = Certificate::leaf("*.example.com", -60 * DAY, 10 * DAY);
    let listeners: Vec<_> = (0..20).map(|number| format!("site-{number:02}")).collect();
    let places = listeners.iter().map(|name| format!("listener/{name}")).chain(["secret/wildcard".to_owned()]);
    let facts = json!({ "places": places.collect::<Vec<_>>(), "cert_role": "server" });
    let slot = Slot { secret: "wildcard".to_owned(), listeners, chain: vec![wildcard] };
    Scenario {
        deeds: vec![(0, Deed::Serve(vec![slot]))],
        expected: vec![event(0, SOON, "*.example.com").within(HOUR).saying(facts)],
        ends: 23 * HOUR,
        ..scenario(
            "a wildcard in twenty listeners is one event that names them all",
            discovering(telling(&[SOON, EXPIRED]), HOUR),
        )
    }
}

fn wildcard_of_twenty_upstreams() -> Scenario {
    let wildcard = Certificate::leaf("*.internal", -60 * DAY, 10 * DAY);
    let present = |number: i64| Deed::Present(Peer::upstream("shop", &wildcard).at(&format!("backend-{number:02}")));
    Scenario {
        deeds: (0..20).map(|number| (5 * MINUTE * number, present(number))).collect(),
        expected: vec![event(0, SOON, "*.internal").within(10).saying(json!({ "api_id": "shop" }))],
        ends: 23 * HOUR,
        grain: MINUTE,
        ..scenario("one that twenty upstreams of an API present is one event", telling(&[SOON, EXPIRED]))
    }
}

fn client_of_three_apis() -> Scenario {
    let told =
        |api: &&str| event(0, SOON, "orders").within(MINUTE).saying(json!({ "api_id": *api, "cert_role": "client" }));
    Scenario {
        deeds: calls(),
        expected: ROUTES.iter().map(told).collect(),
        ends: 20 * HOUR,
        grain: MINUTE,
        ..scenario("a client that calls three APIs again and again is one event for each", telling(&[SOON, EXPIRED]))
    }
}

const ROUTES: [&str; 3] = ["orders", "billing", "stock"];

/// A client that calls them in turn for a quarter of an hour.
pub fn calls() -> Vec<(i64, Deed)> {
    let client = Certificate::leaf("orders", -60 * DAY, 10 * DAY);
    let calls = (0..90).zip(ROUTES.iter().cycle());
    calls.map(|(turn, route)| (turn * 10, Deed::Present(Peer::client(route, &client)))).collect()
}

/// So many certificates that end on one day, minutes apart.
pub fn crowd(count: i64, first_end: i64) -> Vec<Certificate> {
    (0..count)
        .map(|number| Certificate::leaf(&format!("tenant-{number:03}"), 0, first_end + number * 2 * MINUTE))
        .collect()
}

fn ending_on_one_day() -> Scenario {
    let crowd = crowd(500, 90 * DAY);
    let told = |certificate: &Certificate| -> Expected {
        event(certificate.ends - 30 * DAY, SOON, &certificate.name).saying(json!({ "cert_id": certificate.id() }))
    };
    Scenario {
        expected: crowd.iter().map(told).collect(),
        listed: vec![listed("server", &crowd)],
        starts: 59 * DAY,
        ends: 61 * DAY - HOUR,
        grain: HOUR / 2,
        ..scenario("of 500 certificates that end on one day each is told of once", telling(&[SOON, EXPIRED]))
    }
}

fn storm() -> Scenario {
    Scenario {
        listed: vec![listed("server", &crowd(500, 90 * DAY))],
        expected: vec![event(1, STORM, "").within(HOUR).saying(json!({ "certificates_count": 500 }))],
        ends: 20 * DAY,
        ..scenario("500 certificates that end on one day are one storm", telling(&[STORM]))
    }
}
