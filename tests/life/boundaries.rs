//! To the second: when something is told, and in which words.

use super::scenario::{listed, telling};
use super::{Certificate, DAY, EXPIRED, HOUR, MINUTE, NOT_YET, RESOLVED, SOON, World};

/// When the certificate ends that all of these are about. It has lived for a year by then.
const END: i64 = 400 * DAY;
/// What is left when somebody is warned, where the document says nothing.
const THRESHOLD: i64 = 30 * DAY;

/// Seconds that are left at the first look | what is told | in which words.
const FIRST_LOOKS: [(i64, Option<(&str, &str)>); 23] = [
    (THRESHOLD + 1, None),
    (THRESHOLD, Some((SOON, "is expiring in 30 days"))),
    (THRESHOLD - 1, Some((SOON, "is expiring in 29 days and 23 hours"))),
    (DAY + HOUR, Some((SOON, "is expiring in 1 day and 1 hour"))),
    (DAY + 1, Some((SOON, "is expiring in 1 day"))),
    (DAY, Some((SOON, "is expiring in 1 day"))),
    (DAY - 1, Some((SOON, "is expiring in 23 hours"))),
    (HOUR, Some((SOON, "is expiring in 1 hour"))),
    (HOUR - 1, Some((SOON, "is expiring in 59 minutes"))),
    (MINUTE, Some((SOON, "is expiring in 1 minute"))),
    (MINUTE - 1, Some((SOON, "is expiring in less than a minute"))),
    (1, Some((SOON, "is expiring in less than a minute"))),
    (0, Some((EXPIRED, "expired less than a minute ago"))),
    (-1, Some((EXPIRED, "expired less than a minute ago"))),
    (1 - MINUTE, Some((EXPIRED, "expired less than a minute ago"))),
    (-MINUTE, Some((EXPIRED, "expired 1 minute ago"))),
    (-MINUTE - 1, Some((EXPIRED, "expired 1 minute ago"))),
    (1 - HOUR, Some((EXPIRED, "expired 59 minutes ago"))),
    (-HOUR, Some((EXPIRED, "expired 1 hour ago"))),
    (-HOUR - 1, Some((EXPIRED, "expired 1 hour ago"))),
    (1 - DAY, Some((EXPIRED, "expired 23 hours ago"))),
    (-DAY, Some((EXPIRED, "expired 1 day ago"))),
    (-DAY - 1, Some((EXPIRED, "expired 1 day ago"))),
];

/// Seconds that are left when something is told of a certificate that was watched before.
const CROSSINGS: [(i64, &str); 2] = [(THRESHOLD, SOON), (0, EXPIRED)];

/// Seconds until the validity begins at the first look | whether it is told.
const BEGINS: [(i64, bool); 3] = [(1, true), (0, false), (-1, false)];

/// A proxy that started at this time, and whose first look comes a second later.
fn watching<W: World>(starts: i64) -> W {
    let mut document = telling(&[SOON, EXPIRED]);
    document["certificates"] = vec![listed("server", &[Certificate::leaf("edge", END - 365 * DAY, END)])].into();
    W::starting(&document, starts, 1)
}

/// What was told since the last time: the event, and what its message says of the certificate.
fn told(world: &mut impl World) -> Vec<(String, String)> {
    let received = world.received().into_iter();
    let words = |message: &str| message.strip_prefix("Certificate edge ").expect("a name").to_owned();
    received.map(|received| (received.event().to_owned(), words(received.text("message")))).collect()
}

/// Checks them all.
pub fn check<W: World>() {
    for (left, expected) in FIRST_LOOKS {
        let mut world = watching::<W>(END - left - 1);
        world.look_at(END - left);
        let expected: Vec<_> =
            expected.iter().map(|(event, words)| ((*event).to_owned(), (*words).to_owned())).collect();
        assert_eq!(told(&mut world), expected, "first looked at with {left} seconds left");
    }
    for (left, event) in CROSSINGS {
        let mut world = watching::<W>(END - left - 100);
        world.look_at(END - left - 50);
        told(&mut world);
        for (offset, count) in [(-1, 0), (0, 1), (1, 0)] {
            world.look_at(END - left + offset);
            let events: Vec<_> = told(&mut world).into_iter().map(|(event, _)| event).collect();
            assert_eq!(events, vec![event; count], "{offset} s from where {left} seconds are left");
        }
    }
}

/// Checks when a certificate is not valid yet, and when it has become valid.
pub fn check_begin<W: World>() {
    const BEGIN: i64 = 10 * DAY;
    let watching = |starts: i64| {
        let mut document = telling(&[NOT_YET]);
        document["certificates"] = vec![listed("server", &[Certificate::leaf("edge", BEGIN, END)])].into();
        W::starting(&document, starts, 1)
    };
    for (until, is_told) in BEGINS {
        let mut world = watching(BEGIN - until - 1);
        world.look_at(BEGIN - until);
        let events: Vec<_> = told(&mut world).into_iter().map(|(event, _)| event).collect();
        assert_eq!(events, vec![NOT_YET; usize::from(is_told)], "first looked at {until} seconds before it begins");
    }
    let mut world = watching(BEGIN - 100);
    for (offset, expected) in [(-50, vec![NOT_YET]), (-1, vec![]), (0, vec![RESOLVED]), (1, vec![])] {
        world.look_at(BEGIN + offset);
        let events: Vec<_> = told(&mut world).into_iter().map(|(event, _)| event).collect();
        assert_eq!(events, expected, "{offset} s from the begin");
    }
}
