//! Who is watched, who counts, and who makes room.

use super::*;

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
