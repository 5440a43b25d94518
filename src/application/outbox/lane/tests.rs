use super::*;
use crate::application::outbox::Batch;
use crate::render::fields::samples;

/// An event about a certificate of that name.
fn event(kind: EventKind, name: &str) -> Event {
    let mut event = samples().into_iter().find(|event| event.kind == kind).unwrap();
    let certificate = std::rc::Rc::make_mut(&mut event.certificate);
    certificate.id = CertId::of_der(name.as_bytes());
    name.clone_into(&mut certificate.name);
    event.about = event.certificate.id;
    event
}

pub(super) fn soon(name: &str) -> Event {
    event(EventKind::CertificateExpiringSoon, name)
}

fn expired(name: &str) -> Event {
    event(EventKind::CertificateExpired, name)
}

#[test]
fn the_least_severe_makes_room_the_oldest_of_these_and_nobody_for_something_milder() {
    let mut lane = Lane::new(Terms::default());
    let now = UnixTime::from_secs(1_000);
    // One that has failed stands behind those that came after it, and is older all the same.
    let entries = [(expired("d"), 4), (soon("c"), 3), (soon("b"), 2), (expired("a"), 1)];
    for (number, (event, seconds)) in (1..).zip(entries) {
        lane.push(Entry::new(event, now.after(Duration::from_secs(seconds))), now, number);
    }
    let names = |yielded: Option<Entry>| yielded.map(|entry| entry.event.certificate.name.clone());
    let mut yielded = Vec::new();
    for newcomer in [expired("x"), soon("y"), soon("z"), expired("x"), expired("y"), expired("z")] {
        yielded.push(names(lane.yield_to(&Entry::new(newcomer, now.after(Duration::from_secs(9))))));
    }
    let expected = [Some("b"), Some("c"), None, Some("a"), Some("d"), None];
    assert_eq!(yielded, expected.map(|name| name.map(str::to_owned)));
}

#[test]
fn a_receiver_that_asks_for_a_pause_gets_one_at_a_time_and_more_with_every_good_answer() {
    let mut lane = Lane::new(Terms { max_in_flight: 3, ..Terms::default() });
    let now = UnixTime::from_secs(1_000);
    for (number, name) in (1..).zip(["a", "b", "c", "d", "e", "f"]) {
        lane.push(Entry::new(soon(name), now), now, number);
    }
    let mut calls = 0;
    let mut take = |lane: &mut Lane| {
        let mut taken = 0;
        while lane.next() <= now {
            calls += 1;
            assert!(lane.take(CallId(calls), now, &|_| true, false, &|_, _| true));
            taken += 1;
        }
        taken
    };
    assert_eq!(take(&mut lane), 3);
    for call in 1..=3 {
        lane.answered(CallId(call));
    }
    lane.throttle(now, Duration::ZERO);
    assert_eq!(take(&mut lane), 1);
    lane.answered(CallId(4));
    lane.relax();
    assert_eq!(take(&mut lane), 2);
}

#[test]
fn what_was_noticed_later_is_never_replaced_and_takes_the_place_of_what_fails() {
    let mut lane = Lane::new(Terms::default());
    let now = UnixTime::from_secs(1_000);
    let (older, newer) = (Entry::new(soon("a"), now), Entry::new(expired("a"), now.after(Duration::from_secs(1))));
    lane.push(newer.clone(), now, 1);
    lane.push(older.clone(), now.after(Duration::from_secs(1)), 2);
    assert_eq!(lane.take_back().map(|entry| entry.event.kind), Some(EventKind::CertificateExpired));
    assert!(lane.take_back().is_none());

    lane.push(older.clone(), now, 3);
    assert!(lane.take(CallId(1), now, &|_| true, false, &|_, _| true));
    lane.push(newer, now, 4);
    assert!(lane.take(CallId(2), now, &|_| true, false, &|_, _| true));
    lane.push(older, now.after(Duration::from_secs(1)), 5);
    assert!(lane.take_back().is_none(), "what is being sent was noticed later");
    assert!(lane.answered(CallId(2)).is_some_and(|entries| !entries[0].is_superseded));
    assert!(
        lane.answered(CallId(1)).is_some_and(|entries| entries[0].is_superseded),
        "also when that one is delivered"
    );
}

#[test]
fn those_that_cannot_go_together_do_not_keep_each_other_waiting_once_there_are_enough() {
    let batch = Some(Batch { max: 2, wait: Duration::from_secs(300) });
    let mut lane = Lane::new(Terms { batch, ..Terms::default() });
    let now = UnixTime::from_secs(1_000);
    let due = now.after(Duration::from_secs(300));
    lane.push(Entry::new(soon("a"), now), due, 1);
    lane.push(Entry::new(expired("b"), now), due, 2);
    let same_kind = |a: &Event, b: &Event| a.kind == b.kind;
    let mut calls = 0;
    while lane.next() <= now {
        calls += 1;
        assert!(lane.take(CallId(calls), now, &|_| true, false, &same_kind), "nothing to do, and no time to do it");
    }
    assert_eq!(calls, 1);
}

#[test]
fn what_waits_since_before_the_clock_was_set_back_is_looked_at_one_by_one_and_comes_to_an_end() {
    let mut lane = Lane::new(Terms::default());
    let (now, hour) = (UnixTime::from_secs(1_000_000), Duration::from_secs(3_600));
    let soonest = now.after(hour);
    let future = now.after(1_000 * hour);
    for (number, (name, due)) in (1..).zip([("soon", soonest), ("late", future), ("held", future), ("last", future)]) {
        lane.push(Entry { not_before: due, ..Entry::new(soon(name), now) }, due, number);
    }
    let mut asked = Vec::new();
    // Silence lasts for longer than any pause.
    let morning = now.after(10 * hour);
    let mut held_until = |event: &Event| {
        asked.push(event.certificate.name.clone());
        if event.certificate.name == "held" { morning } else { UnixTime::default() }
    };
    let mut looked_at = 0;
    assert!(!lane.hasten_next(now, 2 * hour, &mut held_until), "the clock goes on");
    lane.hasten(now);
    while lane.hasten_next(now, 2 * hour, &mut held_until) {
        looked_at += 1;
        assert!(looked_at < 10 && lane.is_hastening());
    }
    assert!(!lane.is_hastening());
    assert_eq!(asked, ["last", "held", "late", "held"]);
    let mut due: Vec<_> = lane.waiting().map(|(due, entry)| (entry.event.certificate.name.clone(), due)).collect();
    due.sort_unstable();
    assert_eq!(
        due,
        [("held", morning), ("last", now), ("late", now), ("soon", soonest)].map(|(n, at)| (n.to_owned(), at))
    );
}
