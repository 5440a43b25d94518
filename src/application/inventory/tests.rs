//! Who is watched, who counts, and who makes room.

use super::*;
use crate::domain::certificate::IdSource;

fn certificate(name: &str, not_after: i64) -> Rc<Certificate> {
    let id = CertId::of_der(name.as_bytes());
    Rc::new(Certificate::bare(id, name, UnixTime::from_secs(not_after)))
}

fn client(api_id: &str) -> Usage {
    Usage::new(Role::Client, Some(api_id.to_owned()))
}

fn in_role(inventory: &Inventory, role: Role) -> (u32, Option<i64>) {
    let (_, is) = inventory.by_role().find(|(known, _)| *known == role).unwrap();
    (is.count, is.earliest.map(UnixTime::secs))
}

#[test]
fn a_certificate_counts_once_in_each_role_however_many_apis_use_it() {
    let mut inventory = Inventory::new(20_000);
    let now = UnixTime::from_secs(1);
    for (name, end, usage) in [
        ("a", 50, client("x")),
        ("a", 50, client("y")),
        ("a", 50, client("x")),
        ("a", 50, Usage::new(Role::Upstream, None)),
        ("b", 40, client("x")),
    ] {
        inventory.enter(&certificate(name, end), &usage, Source::Peer(now), &[]);
    }
    assert_eq!(in_role(&inventory, Role::Client), (2, Some(40)));
    assert_eq!(in_role(&inventory, Role::Upstream), (1, Some(50)));
    assert_eq!(in_role(&inventory, Role::Server), (0, None));
    assert_eq!(inventory.len(), 2);
    assert!(inventory.take_changed() && !inventory.take_changed());
    inventory.enter(&certificate("a", 50), &client("x"), Source::Peer(now), &[]);
    assert!(!inventory.take_changed(), "nothing new");
}

#[test]
fn what_is_forgotten_does_not_count() {
    let mut inventory = Inventory::new(20_000);
    inventory.enter(&certificate("a", 40), &client("x"), Source::Peer(UnixTime::from_secs(1)), &[]);
    inventory.enter(&certificate("a", 40), &client("y"), Source::Peer(UnixTime::from_secs(9)), &[]);
    inventory.enter(&certificate("b", 50), &client("x"), Source::Peer(UnixTime::from_secs(9)), &[]);
    inventory.take_changed();
    let id = certificate("a", 40).id;
    inventory.forget_peers(&id, UnixTime::from_secs(5));
    assert!(!inventory.take_changed(), "it is still a client's");
    inventory.forget_peers(&id, UnixTime::from_secs(10));
    assert!(inventory.take_changed());
    assert_eq!(in_role(&inventory, Role::Client), (1, Some(50)));
}

#[test]
fn whom_nobody_has_seen_for_longest_makes_room_and_what_the_document_lists_never() {
    let mut inventory = Inventory::new(3);
    let at = UnixTime::from_secs;
    inventory.enter(&certificate("listed", 9), &client("x"), Source::Config, &[]);
    inventory.enter(&certificate("listed", 9), &client("y"), Source::Peer(at(1)), &[]);
    assert_eq!(inventory.enter(&certificate("a", 9), &client("x"), Source::Peer(at(2)), &[]), Admission::New);
    assert_eq!(inventory.enter(&certificate("b", 9), &client("x"), Source::Peer(at(3)), &[]), Admission::New);
    assert_eq!(inventory.enter(&certificate("a", 9), &client("x"), Source::Peer(at(4)), &[]), Admission::Known);
    inventory.wake(certificate("b", 9).id, at(50));
    let gone = certificate("b", 9).id;
    assert_eq!(
        inventory.enter(&certificate("c", 9), &client("x"), Source::Peer(at(5)), &[]),
        Admission::InPlaceOf(gone)
    );
    assert_eq!((inventory.len(), inventory.next_wakeup()), (3, UnixTime::NEVER));
    assert_eq!(in_role(&inventory, Role::Client).0, 3);
    inventory.forget_peers(&certificate("a", 9).id, at(9));
    inventory.forget_peers(&certificate("c", 9).id, at(9));
    for name in ["d", "e"] {
        inventory.enter(&certificate(name, 9), &client("x"), Source::Config, &[]);
    }
    assert_eq!(inventory.enter(&certificate("f", 9), &client("x"), Source::Peer(at(10)), &[]), Admission::Full);
}

#[test]
fn a_thousand_certificates_in_turn_leave_nothing_behind() {
    let mut inventory = Inventory::new(10);
    for number in 0..1_000 {
        let certificate = certificate(&number.to_string(), number);
        inventory.enter(&certificate, &client("x"), Source::Peer(UnixTime::from_secs(number)), &[]);
        inventory.wake(certificate.id, UnixTime::from_secs(number));
        inventory.wake(certificate.id, UnixTime::from_secs(number - 5));
        inventory.wake(certificate.id, UnixTime::from_secs(number + 5));
    }
    assert_eq!((inventory.len(), inventory.wakeups.len(), inventory.seen.len()), (10, 10, 10));
    assert!(inventory.take_changed());
    assert_eq!(in_role(&inventory, Role::Client), (10, Some(990)));
}

#[test]
fn a_certificate_with_too_many_usages_gets_no_more() {
    let mut inventory = Inventory::new(10);
    for number in 0..MOST_USAGES {
        let usage = client(&number.to_string());
        assert_eq!(
            inventory.enter(&certificate("a", 9), &usage, Source::Peer(UnixTime::default()), &[]),
            Admission::New
        );
    }
    let one_more = inventory.enter(&certificate("a", 9), &client("more"), Source::Peer(UnixTime::default()), &[]);
    assert_eq!(one_more, Admission::TooManyUsages);
}

#[test]
fn peers_are_forgotten_and_what_the_document_lists_is_not() {
    let mut inventory = Inventory::new(20_000);
    let listed = certificate("listed", 9);
    inventory.enter(&listed, &client("x"), Source::Config, &[]);
    inventory.enter(&listed, &client("x"), Source::Peer(UnixTime::from_secs(1)), &[]);
    inventory.enter(&listed, &client("y"), Source::Peer(UnixTime::from_secs(1)), &[]);
    inventory.forget_peers(&listed.id, UnixTime::from_secs(2));
    assert_eq!(inventory.get(&listed.id).unwrap().usages.iter().map(|s| &s.usage).collect::<Vec<_>>(), [&client("x")]);
    let seen = certificate("seen", 9);
    inventory.enter(&seen, &client("x"), Source::Peer(UnixTime::from_secs(5)), &[]);
    inventory.forget_peers(&seen.id, UnixTime::from_secs(5));
    assert!(inventory.contains(&seen.id), "seen since");
    inventory.forget_peers(&seen.id, UnixTime::from_secs(6));
    assert!(!inventory.contains(&seen.id));
}

#[test]
fn certificates_are_due_in_the_order_of_their_times() {
    let mut inventory = Inventory::new(10);
    for name in ["a", "b"] {
        inventory.enter(&certificate(name, 9), &client("x"), Source::Config, &[]);
    }
    let (a, b) = (certificate("a", 9).id, certificate("b", 9).id);
    inventory.wake(b, UnixTime::from_secs(2));
    inventory.wake(a, UnixTime::from_secs(1));
    inventory.wake(CertId::of_der(b"unknown"), UnixTime::from_secs(1));
    assert_eq!(inventory.due(UnixTime::from_millis(999)), None);
    assert_eq!(inventory.next_wakeup(), UnixTime::from_secs(1));
    let now = UnixTime::from_secs(2);
    assert_eq!([inventory.due(now), inventory.due(now), inventory.due(now)], [Some(a), Some(b), None]);
}

const fn at(secs: i64) -> UnixTime {
    UnixTime::from_secs(secs)
}

/// What stands for a certificate that only `/certs` tells of.
fn stand_in(serial_number: &str, end: i64) -> Rc<Certificate> {
    let id = CertId::of_words(&[serial_number]);
    let bare = Certificate::bare(id, "file.pem", UnixTime::from_secs(end));
    Rc::new(Certificate { source: IdSource::Provisional, serial_number: serial_number.to_owned(), ..bare })
}

fn shown(name: &str, serial_number: &str, end: i64) -> Rc<Certificate> {
    let certificate = Rc::unwrap_or_clone(certificate(name, end));
    Rc::new(Certificate { serial_number: serial_number.to_owned(), ..certificate })
}

#[test]
fn a_certificate_that_is_shown_takes_the_place_of_the_one_that_stood_for_it() {
    let mut inventory = Inventory::new(10);
    let before = stand_in("0ABC", 9);
    let places = ["file/edge.pem".to_owned()];
    inventory.enter(&before, &Usage::new(Role::Server, None), Source::Admin(3), &places);
    let edge = shown("edge", "abc", 9);
    for other in [shown("x", "0ABD", 9), shown("x", "0ABC", 8), shown("x", "0ABC0", 9)] {
        assert_eq!(inventory.stand_in(&other), None);
    }
    assert_eq!(inventory.stand_in(&edge), Some(before.id));
    inventory.replace(&before.id, &edge);
    assert!(!inventory.contains(&before.id));
    let [sighting] = inventory.get(&edge.id).unwrap().usages.as_slice() else { panic!() };
    assert_eq!((sighting.found_in, sighting.places.as_slice()), (Some(3), places.as_slice()));
    assert_eq!(inventory.stand_in(&edge), None, "there is no other one");
    assert_eq!(inventory.twin("ABC", UnixTime::from_secs(9), UnixTime::from_secs(9)).unwrap().certificate, edge);
}

#[test]
fn one_that_somebody_has_shown_is_the_better_twin() {
    let mut inventory = Inventory::new(10);
    for certificate in [stand_in("ABC", 9), shown("edge", "ABC", 9)] {
        inventory.enter(&certificate, &Usage::new(Role::Server, None), Source::Admin(1), &[]);
    }
    let twin = inventory.twin("0abc", UnixTime::from_secs(9), UnixTime::from_secs(9)).unwrap();
    assert_eq!(twin.certificate.name, "edge");
}

#[test]
fn what_a_round_did_not_find_again_is_gone_unless_somebody_else_tells_of_it() {
    let mut inventory = Inventory::new(10);
    let server = Usage::new(Role::Server, None);
    for (name, others) in [("gone", vec![]), ("listed", vec![Source::Config]), ("seen", vec![Source::Peer(at(5))])] {
        inventory.enter(&certificate(name, 9), &server, Source::Admin(1), &[]);
        for source in others {
            inventory.enter(&certificate(name, 9), &server, source, &[]);
        }
    }
    inventory.enter(&certificate("found", 9), &server, Source::Admin(1), &[]);
    inventory.enter(&certificate("found", 9), &server, Source::Admin(2), &[]);
    let mut stays = |name: &str| {
        let id = certificate(name, 9).id;
        (inventory.forget_found(&id, 2), inventory.contains(&id))
    };
    assert_eq!(stays("gone"), (true, false));
    assert_eq!(stays("listed"), (false, true));
    assert_eq!(stays("seen"), (false, true));
    assert_eq!(stays("found"), (false, true));
    // A peer may be forgotten from here on, and makes room.
    assert!(inventory.forget_peers(&certificate("seen", 9).id, at(6)));
    assert!(!inventory.forget_peers(&certificate("found", 9).id, at(6)));
}

#[test]
fn the_places_are_those_of_the_last_round_and_of_the_document() {
    let mut inventory = Inventory::new(10);
    let (edge, server) = (certificate("edge", 9), Usage::new(Role::Server, None));
    let places = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    inventory.enter(&edge, &server, Source::Config, &places(&["config/edge"]));
    inventory.enter(&edge, &server, Source::Admin(1), &places(&["secret/edge", "listener/a"]));
    inventory.enter(&edge, &server, Source::Admin(2), &places(&["secret/edge", "listener/b"]));
    let known = &inventory.get(&edge.id).unwrap().usages[0].places;
    assert_eq!(*known, places(&["config/edge", "secret/edge", "listener/b"]));
    let many: Vec<_> = (0..100).map(|number| format!("listener/{number}")).collect();
    inventory.enter(&edge, &server, Source::Admin(3), &many);
    assert_eq!(inventory.get(&edge.id).unwrap().usages[0].places.len(), MOST_PLACES);
}
