use std::rc::Rc;
use std::time::Duration;

use super::detail::StoredDetail;
use super::*;
use crate::application::advice::Advice;
use crate::application::inventory::Source;
use crate::application::outbox::Terms;
use crate::application::shards::shard_of;
use crate::config::Config;
use crate::decode::renewal_info::Window;
use crate::domain::event::{Counts, Listed, ListedEvent, Listing, Report};
use crate::domain::ledger::Notice;
use crate::domain::renewal::{Habit, Life};
use crate::domain::{
    Alert, CertId, Certificate, Detail, Event, EventKind, Origin, Presence, Reason, Rejection, Role, Severity, Usage,
};

struct Known {
    inventory: Inventory,
    ledger: Ledger,
    outbox: Outbox,
    handlers: Vec<Handler>,
    certificate: Rc<Certificate>,
    usage: Usage,
}

fn presence() -> Presence {
    Presence {
        places: vec!["listener/ingress".into()],
        api_ids: vec!["orders".into()],
        origin: Origin::Admin,
        first_seen: Some(UnixTime::from_secs(3)),
        last_seen: Some(UnixTime::from_secs(4)),
    }
}

fn known() -> Known {
    let config = r#"{ "webhooks": [{ "name": "ops", "cluster": "c", "url": "https://hooks.example.com/x" }] }"#;
    let handlers = Config::load(config.as_bytes()).unwrap().handlers;
    let mut certificate = Certificate::bare(CertId::of_der(b"der"), "näme", UnixTime::from_secs(50));
    certificate.sans = vec!["a.example.com".to_owned()];
    let certificate = Rc::new(certificate);
    let usage = Usage::new(Role::Client, Some("orders".into()));
    let (mut inventory, mut ledger, mut outbox) =
        (Inventory::new(10), Ledger::default(), Outbox::new(std::iter::once(Terms::default())));
    inventory.enter(&certificate, &usage, Source::Peer(UnixTime::from_secs(3)), &[]);
    inventory.enter(&certificate, &usage, Source::Admin(7), &["cluster/orders".to_owned()]);
    inventory.enter(&certificate, &Usage::new(Role::Ca, None), Source::Config, &[]);
    let record = ledger.change(&certificate.id);
    record.checked_at = Some(UnixTime::from_secs(7));
    record.first_seen = Some(UnixTime::from_secs(3));
    record.discovered = vec![usage.clone()];
    record.is_one_of_several = true;
    let notice = Notice {
        certificate: Rc::clone(&certificate),
        kind: EventKind::CertificateExpiringSoon,
        severity: Severity::Critical,
        warned: vec![Severity::Info, Severity::Warning],
        rule: "30d".into(),
        since: UnixTime::from_secs(1),
        remaining: Duration::from_secs(5),
        presence: presence(),
        detail: Detail::Due { at: UnixTime::from_secs(2), text: "näme".into() },
        at: UnixTime::from_millis(1_500),
        owed: vec!["dev".into()],
    };
    record.notices.insert(usage.clone(), Box::new(notice));
    record.advice = Some(Box::new(Advice {
        window: Some(Window {
            start: UnixTime::from_secs(10),
            end: UnixTime::from_secs(20),
            explanation_url: Some("https://acme.example/why".into()),
        }),
        moved_from: Some(UnixTime::from_secs(15)),
        ask_at: UnixTime::from_millis(16_500),
        failures: 3,
    }));
    let life =
        |begin, end| Life { id: certificate.id, begin: UnixTime::from_secs(begin), end: UnixTime::from_secs(end) };
    record.habit = Some(Box::new(Habit::of([life(0, 90), life(60, 150)].into_iter())));
    record.told.insert((usage.clone(), EventKind::CertificateExpired, "ops".into()), UnixTime::from_secs(9));
    let event = Event {
        id: "0123456789abcdef0123456789abcdef".into(),
        kind: EventKind::CertificateExpiringSoon,
        severity: Severity::Critical,
        closes: Some(Alert {
            kind: EventKind::CertificateExpired,
            severity: Severity::Critical,
            warned: vec![Severity::Warning],
        }),
        about: certificate.id,
        certificate: certificate.clone(),
        usage: usage.clone(),
        presence: presence(),
        detail: Detail::Rejection(Rc::new(Rejection {
            reason: Reason::Expired,
            text: "näme".into(),
            address: Some("10.0.0.1:443".into()),
        })),
        rule: "30d".into(),
        since: UnixTime::from_secs(6),
        timestamp: UnixTime::from_secs(8),
    };
    let entry = Entry { tries: 2, ..Entry::new(event, UnixTime::from_millis(1_500)) };
    outbox.push(0, entry, UnixTime::from_secs(60));
    Known { inventory, ledger, outbox, handlers, certificate, usage }
}

fn key_of(known: &Known) -> String {
    key(shard_of(&known.certificate.id))
}

fn stored(known: &Known, is_retiring: bool) -> Vec<u8> {
    Snapshot::of(
        shard_of(&known.certificate.id),
        &known.inventory,
        &known.ledger,
        &known.outbox,
        &known.handlers,
        is_retiring,
        UnixTime::from_secs(60),
    )
}

#[test]
fn a_successor_knows_what_was_known() {
    let known = known();
    let (mut inventory, mut ledger) = (Inventory::new(10), Ledger::default());
    let snapshot = Snapshot::decode(&key_of(&known), &stored(&known, false)).unwrap();
    let undelivered = snapshot.restore(&mut inventory, &mut ledger, true);
    assert_eq!(ledger.get(&known.certificate.id), known.ledger.get(&known.certificate.id));
    let watched = inventory.get(&known.certificate.id).unwrap();
    assert_eq!(watched.certificate, known.certificate);
    assert_eq!(
        watched.usages.iter().map(|s| &s.usage).collect::<Vec<_>>(),
        [&known.usage],
        "the document lists the other one"
    );
    let [one] = undelivered.as_slice() else { panic!("{undelivered:?}") };
    assert_eq!((one.webhook.as_str(), one.tries), ("ops", 3), "the next try is counted before it is made");
    let retired = Snapshot::decode(&key_of(&known), &stored(&known, true)).unwrap();
    assert_eq!(retired.entries[0].tries, 2, "unless nobody makes it");
    let (_, _, entry) = known.outbox.shard(shard_of(&known.certificate.id)).next().unwrap();
    assert_eq!(one.event, entry.event);
    assert_eq!(one.noticed_at, entry.noticed_at);
}

#[test]
fn part_of_a_shard_is_nothing() {
    let (key, stored) = (key_of(&known()), stored(&known(), false));
    for length in 0..stored.len() {
        assert!(Snapshot::decode(&key, &stored[..length]).is_none(), "the first {length} bytes");
    }
    assert!(Snapshot::decode(&key, b"another plugin's text").is_none());
}

#[test]
fn what_belongs_to_another_shard_is_not_taken_over() {
    let known = known();
    let other = key(shard_of(&known.certificate.id).wrapping_add(1));
    let snapshot = Snapshot::decode(&other, &stored(&known, false)).unwrap();
    assert!(snapshot.peers.is_empty() && snapshot.records.is_empty() && snapshot.entries.is_empty());
    for key in ["", "cert-expiry-monitor/certificates/", "cert-expiry-monitor/certificates/65536", "another"] {
        assert!(Snapshot::decode(key, &stored(&known, false)).is_none(), "{key}");
    }
}

#[test]
fn every_detail_is_read_back_as_it_was() {
    let known = known();
    let listed = |event| Listed {
        id: known.certificate.id,
        name: "näme".into(),
        usage: known.usage.clone().at(Some("secret/edge".into())),
        not_after: UnixTime::from_secs(5),
        event,
    };
    let event = ListedEvent {
        id: "0".repeat(32),
        kind: EventKind::CertificateExpired,
        severity: Severity::Critical,
        rule: "expired".into(),
        message: "Certificate näme expired 1 day ago".into(),
    };
    let mut report = Report {
        configuration: "0".repeat(64),
        next: Some(("näme".into(), UnixTime::from_secs(5))),
        ..Report::default()
    };
    report.roles[2] = Counts { total: 3, expiring: 2, expired: 1 };
    for detail in [
        Detail::Nothing,
        Detail::Other(Rc::clone(&known.certificate)),
        Detail::Text("näme".into()),
        Detail::Due { at: UnixTime::from_millis(5), text: "näme".into() },
        Detail::Listing(Rc::new(Listing { total: 7, certificates: vec![listed(None), listed(Some(event))] })),
        Detail::Report(Rc::new(report)),
    ] {
        assert_eq!(StoredDetail::of(&detail).into_detail(), Some(detail));
    }
}
