//! The default body: Tyk's fields, and what follows them.

use std::rc::Rc;

use serde_json::{Value, json};

use super::{body, format, named, parse};
use crate::domain::certificate::{Curve, IdSource, Key, Position};
use crate::domain::{Certificate, Event, EventKind, Origin, Presence, Role, UnixTime};
use crate::render::fields::Proxy;
use crate::render::format::{Context, Preset};
use crate::render::samples::sample;

/// An event of which everything is known.
fn known() -> Event {
    let mut event = named("sample");
    let certificate = Rc::make_mut(&mut event.certificate);
    (certificate.position, certificate.key, certificate.sans_total) = (Position::Leaf, Key::Ec(Curve::P256), 21);
    event.presence = Presence {
        places: vec!["listener/ingress".to_owned(), "filter_chain/mtls".to_owned()],
        api_ids: vec!["orders".to_owned(), "billing".to_owned()],
        origin: Origin::Peer,
        first_seen: Some(UnixTime::from_secs(-5_000_000)),
        last_seen: Some(UnixTime::from_secs(-2_592_001)),
    };
    event
}

/// The default body as it is sent, its white space folded.
fn folded(event: &Event, proxy: Option<&Proxy>) -> String {
    let item = format(Preset::Default, vec![]).item(event, Context { proxy, ..Context::of(event) }).unwrap();
    parse(&item);
    item.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn names(event: &Event) -> Vec<String> {
    let item = format(Preset::Default, vec![]).item(event, Context::of(event)).unwrap();
    item.lines().filter_map(|line| line.trim().split('"').nth(1)).map(str::to_owned).collect()
}

#[test]
fn the_default_body_has_exactly_these_fields_in_this_order() {
    let id = named("").certificate.id;
    let expected = [
        // Tyk's.
        r#"{ "event": "CertificateExpiringSoon","#,
        r#""message": "Certificate sample is expiring in 30 days","#,
        &format!(r#""cert_id": "{id}","#),
        r#""cert_name": "sample","#,
        r#""expires_at": "1970-01-01T00:00:00Z","#,
        r#""days_remaining": 30,"#,
        r#""cert_role": "client","#,
        r#""api_id": "sample","#,
        r#""timestamp": "1969-12-02T00:00:00Z","#,
        // Ours.
        r#""id": "00000000000000000000000000000000","#,
        r#""severity": "warning","#,
        r#""rule": "30d","#,
        r#""seconds_remaining": 2592000,"#,
        r#""serial_number": "1A2B3C","#,
        r#""issuer": "CN=sample","#,
        r#""subject": "CN=sample","#,
        r#""sans": ["sample","sample"],"#,
        r#""sans_count": 21,"#,
        r#""not_before": "1969-10-03T00:00:00Z","#,
        &format!(r#""fingerprint_sha256": "{id}","#),
        r#""key": "EC-P256","#,
        r#""position": "leaf","#,
        r#""source": "peer","#,
        r#""places": ["listener/ingress","filter_chain/mtls"],"#,
        r#""api_ids": ["orders","billing"],"#,
        r#""first_seen": "1969-11-04T03:06:40Z","#,
        r#""last_seen": "1969-12-01T23:59:59Z","#,
        r#""proxy": {"node":"edge-1","cluster":"edge"} }"#,
    ];
    assert_eq!(folded(&known(), Some(&Proxy::new(b"edge-1", b"edge"))), expected.join(" "));
}

#[test]
fn what_is_not_known_is_left_out() {
    const TYK: [&str; 8] =
        ["event", "message", "cert_id", "cert_name", "expires_at", "days_remaining", "cert_role", "timestamp"];
    let mut event = sample(EventKind::CertificateExpiringSoon, Role::Server, "sample");
    let Certificate { id, name, not_after, .. } = &*event.certificate;
    let bare = Certificate { source: IdSource::Provisional, ..Certificate::bare(*id, name, *not_after) };
    event.certificate = Rc::new(bare);
    event.presence = Presence::default();
    let ours = ["id", "severity", "rule", "seconds_remaining", "not_before", "source", "cert_id_source"];
    assert_eq!(names(&event), [&TYK[..], &ours].concat());
    assert!(!folded(&event, Some(&Proxy::default())).contains("proxy"));
    assert!(folded(&event, Some(&Proxy::new(b"", b"edge"))).contains(r#""proxy": {"cluster":"edge"}"#));
}

#[test]
fn seconds_go_on_below_zero() {
    let mut event = sample(EventKind::CertificateExpired, Role::Server, "sample");
    for (millis, days, seconds) in [(0, 0, 0), (1, 0, -1), (86_399_000, 0, -86_399), (86_400_001, 1, -86_401)] {
        event.timestamp = UnixTime::from_millis(millis);
        let body = body(&format(Preset::Default, vec![]), event.clone());
        assert_eq!((&body["days_since_expiry"], &body["seconds_remaining"]), (&json!(days), &json!(seconds)));
        assert_eq!(body["expired_at"], "1970-01-01T00:00:00Z");
    }
}

#[test]
fn long_lists_of_places_leave_room_for_the_rest() {
    let mut event = known();
    let long: Vec<String> = (0..32).map(|number| format!("{number}{}", "🔒".repeat(254))).collect();
    (event.presence.places, event.presence.api_ids) = (long.clone(), long.clone());
    let body = body(&format(Preset::Default, vec![]), event);
    for key in ["places", "api_ids"] {
        let said: Vec<_> = body[key].as_array().unwrap().iter().map(Value::as_str).collect();
        assert_eq!(said, long.iter().take(4).map(|text| Some(text.as_str())).collect::<Vec<_>>());
    }
}
