//! What is true of a certificate beside its end.

use serde_json::json;

use super::certificate::rfc3339;
use super::lifetimes::monitor;
use super::scenario::{event, listed, scenario, telling, with};
use super::{Certificate, DAY, Deed, HOUR, NOT_YET, Peer, RESOLVED, Scenario};

const DISCOVERED: &str = "CertificateDiscovered";
const CHAIN: &str = "ChainExpiresFirst";
const WEAK: &str = "CertificateWeak";

pub fn rows() -> Vec<Scenario> {
    vec![not_begun(), chain_ends_first(), weak(), met_once()]
}

fn not_begun() -> Scenario {
    Scenario {
        listed: vec![listed("server", &[Certificate::leaf("edge", 2 * HOUR, 300 * DAY)])],
        expected: vec![
            event(1, NOT_YET, "edge").saying(json!({ "rule": "not_yet_valid" })),
            event(2 * HOUR, RESOLVED, "edge"),
        ],
        ends: 12 * HOUR,
        ..scenario("one that is not valid yet is told of until it is", telling(&[NOT_YET]))
    }
}

fn chain_ends_first() -> Scenario {
    let root = Certificate::authority("Root", "Root", -900 * DAY, 900 * DAY);
    let middle = Certificate::authority("Middle", "Root", -300 * DAY, 60 * DAY);
    let [outlives, is_fine] = [("edge", 80), ("shop", 50)]
        .map(|(name, days)| Certificate::leaf(name, -10 * DAY, days * DAY).issued_by(&middle));
    Scenario {
        listed: vec![
            listed("ca", &[root]),
            listed("server", &[outlives.clone(), middle.clone()]),
            listed("server", &[is_fine]),
        ],
        expected: vec![event(1, CHAIN, "edge").within(HOUR).saying(json!({
            "rule": "chain",
            "cert_id": outlives.id(),
            "ends_first": { "cert_id": middle.id(), "cert_name": "Middle", "expires_at": rfc3339(60 * DAY) },
        }))],
        ends: 20 * HOUR,
        ..scenario("of two leaves the one that outlives its intermediate is told of", telling(&[CHAIN]))
    }
}

fn weak() -> Scenario {
    let leaf = |name: &str, days: i64| Certificate::leaf(name, -DAY, days * DAY);
    let short = Certificate { rsa_bits: Some(1_024), ..leaf("short", 90) };
    let nameless = Certificate { sans: Vec::new(), ..leaf("nameless", 90) };
    let all = [short, nameless, leaf("long", 900), leaf("fine", 90)];
    let told = |name: &str, rule: &str| event(1, WEAK, name).saying(json!({ "rule": rule }));
    let section = json!({ "policies": { "max_lifetime": "398d" } });
    Scenario {
        listed: all.iter().map(|certificate| listed("server", std::slice::from_ref(certificate))).collect(),
        expected: vec![told("short", "min_rsa_bits"), told("nameless", "require_san"), told("long", "max_lifetime")],
        ends: 20 * HOUR,
        ..scenario(
            "each that breaks a policy is told of by the policy's name",
            with(telling(&[WEAK]), monitor(&section)),
        )
    }
}

fn met_once() -> Scenario {
    let [edge, shop] = ["edge", "shop"].map(|name| Certificate::leaf(name, 0, 90 * DAY));
    Scenario {
        listed: vec![listed("server", &[edge])],
        deeds: vec![
            (HOUR, Deed::Present(Peer::client("orders", &shop))),
            (2 * HOUR, Deed::Restart),
            (3 * HOUR, Deed::Present(Peer::client("orders", &shop))),
        ],
        expected: vec![
            event(1, DISCOVERED, "edge").saying(json!({ "cert_role": "server" })),
            event(HOUR, DISCOVERED, "shop").within(10).saying(json!({ "cert_role": "client", "api_id": "orders" })),
        ],
        ends: 3 * DAY,
        ..scenario("what is met for the first time is told of once, whoever comes next", telling(&[DISCOVERED]))
    }
}
