use super::*;
const END: UnixTime = UnixTime::from_secs(1_800_000_000);

fn event(offset_secs: i64, rule: &Rule) -> Event {
    let certificate = Rc::new(Certificate::bare(CertId::of_der(b"der"), "localhost", END));
    let usage = Usage::new(Role::Client, Some("orders".into()));
    let now = UnixTime::from_secs(END.secs() + offset_secs);
    let remaining = rule.remaining_of(None).unwrap();
    let crossing = Crossing { rule, remaining, at: END.before(remaining), severity: rule.severity() };
    Event::new(&certificate, &usage, Presence::default(), &crossing, DAY, now, now)
}

#[test]
fn the_message_names_the_largest_units_that_people_need() {
    let (minute, hour, day) = (60, 3_600, 86_400);
    for (left, words) in [
        (30 * day, "in 30 days"),
        (2 * day + 5 * hour, "in 2 days and 5 hours"),
        (2 * day + hour, "in 2 days and 1 hour"),
        (2 * day + hour - 1, "in 2 days"),
        (day + 23 * hour, "in 1 day and 23 hours"),
        (day, "in 1 day"),
        (day - 1, "in 23 hours"),
        (hour, "in 1 hour"),
        (hour - 1, "in 59 minutes"),
        (minute, "in 1 minute"),
        (minute - 1, "in less than a minute"),
        (1, "in less than a minute"),
    ] {
        let message = event(-left, &Rule::days(30)).message();
        assert_eq!(message, format!("Certificate localhost is expiring {words}"));
    }
    for (gone, words) in [
        (0, "less than a minute ago"),
        (minute - 1, "less than a minute ago"),
        (minute, "1 minute ago"),
        (2 * minute, "2 minutes ago"),
        (hour - 1, "59 minutes ago"),
        (hour, "1 hour ago"),
        (day - 1, "23 hours ago"),
        (day, "1 day ago"),
        (3 * day + 5 * hour, "3 days ago"),
    ] {
        let message = event(gone, &Rule::expired()).message();
        assert_eq!(message, format!("Certificate localhost expired {words}"));
    }
}

#[test]
fn days_are_rounded_down() {
    assert_eq!(event(-2 * 86_400 - 86_399, &Rule::days(30)).days_remaining(), 2);
    assert_eq!(event(86_399, &Rule::expired()).days_since_expiry(), 0);
    assert_eq!(event(86_400, &Rule::expired()).days_since_expiry(), 1);
}

#[test]
fn seconds_are_rounded_down_and_go_on_below_zero() {
    for (millis, seconds) in [(-1_500, 1), (-1_000, 1), (-1, 0), (0, 0), (1, -1), (1_000, -1), (1_001, -2)] {
        let mut event = event(0, &Rule::expired());
        event.timestamp = UnixTime::from_millis(END.millis() + millis);
        assert_eq!(event.seconds_remaining(), seconds, "{millis} ms after the end");
    }
}

#[test]
fn what_closes_an_alert_is_about_what_the_alert_was_about() {
    let mut event = event(0, &Rule::expired());
    for (closed, is_of_certificate) in [(EventKind::CertificateWeak, true), (EventKind::ClockSkewSuspected, false)] {
        event.kind = EventKind::CertificateResolved;
        event.closes = Some(Alert { kind: closed, severity: Severity::Warning, warned: Vec::new() });
        assert_eq!(event.is_of_certificate(), is_of_certificate, "{closed}");
    }
    event.closes = None;
    for kind in EventKind::ALL {
        event.kind = kind;
        assert_eq!(event.is_of_certificate(), kind.is_of_certificate(), "{kind}");
    }
}

#[test]
fn the_id_is_the_same_all_through_a_period_and_another_in_the_next() {
    let (start, day) = (-20 * 86_400, 86_400);
    let rule = Rule::days(20);
    assert_eq!(event(start, &rule).id, event(start + day - 1, &rule).id);
    assert_ne!(event(start, &rule).id, event(start + day, &rule).id);
    assert_ne!(event(start, &rule).id, event(start, &Rule::days(30)).id);
    assert_eq!(event(start, &rule).id.len(), 32);
}

#[test]
fn the_id_tells_usages_apart() {
    let rule = Rule::days(20);
    let of = |usage: Usage| {
        let event = event(-86_400, &rule);
        id(event.about, &usage, &[event.kind.as_str(), rule.name()], 0)
    };
    let ids = [
        of(Usage::new(Role::Client, None)),
        of(Usage::new(Role::Client, Some("orders".into()))),
        of(Usage::new(Role::Upstream, Some("orders".into()))),
        of(Usage::new(Role::Server, None)),
    ];
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len());
}

/// The id of what closes an alert of a kind whose rule was crossed, or that began, at `since`, and that was told at `at`:
/// in days before the end.
fn closing_id(kind: EventKind, rule: &str, since: i64, at: f64, successor: Option<&[u8]>, period: Duration) -> String {
    let named = |der: &[u8]| Rc::new(Certificate::bare(CertId::of_der(der), "localhost", END));
    #[allow(clippy::cast_possible_truncation)]
    let millis = |days: f64| UnixTime::from_millis(END.millis() - (days * 86_400_000.0) as i64);
    let told = Event {
        kind,
        rule: rule.to_owned(),
        since: END.before(DAY * u32::try_from(since).unwrap()),
        ..event(0, &Rule::days(30))
    };
    let notice = Notice::of(&told, Duration::ZERO, millis(at), None);
    let successor = successor.map(named);
    Event::closing(told.about, &notice, successor.as_ref(), &told.usage, period, END).id
}

#[test]
fn the_id_of_an_end_is_derived_from_that_of_what_it_ends() {
    use EventKind::{CertificateExpiringSoon as Soon, CertificateWeak as Weak};
    let first = || closing_id(Soon, "30d", 30, 30.0, None, DAY);
    // what | the id of the end | whether it is the first one's
    for (what, id, is_same) in [
        ("another proxy has told it a little later", closing_id(Soon, "30d", 30, 29.9, None, DAY), true),
        ("it was told again in the next period", closing_id(Soon, "30d", 30, 29.0, None, DAY), false),
        ("another rule was crossed", closing_id(Soon, "20d", 30, 30.0, None, DAY), false),
        ("it is renewed", closing_id(Soon, "30d", 30, 30.0, Some(b"new"), DAY), false),
        ("it is something else that ends", closing_id(Weak, "30d", 30, 30.0, None, DAY), false),
    ] {
        assert_eq!(id == first(), is_same, "{what}");
    }
    let renewed = |by: &[u8]| closing_id(Soon, "30d", 30, 30.0, Some(by), DAY);
    assert_eq!(renewed(b"new"), renewed(b"new"));
    assert_ne!(renewed(b"new"), renewed(b"newer"), "the same alert, and another successor");
    // What each proxy notices on its own is numbered by the day, whenever it was noticed first.
    assert_eq!(closing_id(Weak, "rsa", 9, 4.0, None, DAY), closing_id(Weak, "rsa", 7, 4.0, None, DAY));
    assert_ne!(closing_id(Weak, "rsa", 9, 4.0, None, DAY), closing_id(Weak, "rsa", 9, 3.0, None, DAY));
}
