use super::*;
use crate::domain::time::DAY;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const YEARS: i64 = 2 * 365 * 86_400;

fn at(secs: i64) -> UnixTime {
    UnixTime::from_secs(NOW.secs() + secs)
}

/// A clock, and receivers that are so many seconds ahead of it.
#[derive(Default)]
struct Scene {
    clock: Clock,
    calls: u64,
}

impl Scene {
    /// A receiver answers at once; its clock is `ahead`.
    fn hear(&mut self, receiver: usize, secs: i64, ahead: i64) -> Word {
        self.hear_late(receiver, secs, secs, ahead)
    }

    fn hear_late(&mut self, receiver: usize, asked: i64, secs: i64, ahead: i64) -> Word {
        self.calls += 1;
        self.clock.sent(CallId(self.calls), receiver, at(asked));
        self.clock.answered(CallId(self.calls), Some(at(secs + ahead)), at(secs))
    }

    fn is_in_doubt(&mut self, secs: i64) -> bool {
        self.clock.doubt(at(secs)).is_some()
    }

    /// A tick that comes as it should.
    fn wait_until(&mut self, secs: i64) -> Option<Recheck> {
        self.clock.tick(at(secs), at(secs)).recheck
    }

    /// A tick that was due at once after the last one.
    fn tick(&mut self, secs: i64) -> Option<Recheck> {
        self.clock.tick(at(secs), UnixTime::default()).recheck
    }
}

#[test]
fn five_minutes_are_no_difference_and_a_second_more_is_one() {
    for (ahead, differs) in [(0, false), (300, false), (-300, false), (301, true), (-301, true), (YEARS, true)] {
        let mut scene = Scene::default();
        let word = scene.hear(0, 0, ahead);
        assert_eq!(word == Word::Doubt(None), differs, "{ahead}");
        assert!(!scene.is_in_doubt(59), "others may say otherwise");
        assert_eq!(scene.is_in_doubt(60), differs, "{ahead}");
    }
}

#[test]
fn an_answer_may_take_its_time() {
    let mut scene = Scene::default();
    // Written at any moment between the request and the answer, by a clock that is right.
    for written in [-300, -150, 0] {
        assert_eq!(scene.hear_late(0, 0, 300, written), Word::Trust(None));
    }
    assert_eq!(scene.hear_late(0, 0, 300, -601), Word::Doubt(None));
    // So long that the clock was set in between, forth or back.
    assert_eq!(scene.hear_late(1, 0, 601, 0), Word::Nothing);
    assert_eq!(scene.hear_late(1, 601, 0, 0), Word::Nothing);
}

#[test]
fn what_says_no_time_or_was_not_asked_says_nothing() {
    let mut clock = Clock::default();
    assert_eq!(clock.answered(CallId(1), Some(at(YEARS)), NOW), Word::Nothing);
    clock.sent(CallId(2), 0, NOW);
    assert_eq!(clock.answered(CallId(2), None, NOW), Word::Nothing);
    assert_eq!(clock.answered(CallId(2), Some(at(YEARS)), NOW), Word::Nothing, "a second answer");
}

#[test]
fn the_majority_of_the_last_hour_decides() {
    /// (receiver, seconds, ahead)
    type Words<'a> = &'a [(usize, i64, i64)];
    // what it shows | what is said | whether the clock is in doubt then
    let cases: [(&str, Words<'_>, bool); 9] = [
        ("one against one", &[(0, 0, YEARS), (1, 1, 0)], false),
        ("in either order", &[(1, 0, 0), (0, 1, YEARS)], false),
        ("two against one", &[(0, 0, YEARS), (1, 1, 0), (2, 2, YEARS)], true),
        ("one that has changed its mind", &[(0, 0, YEARS), (0, 1, 0)], false),
        ("who agreed an hour ago", &[(1, 0, 0), (0, 3_600, YEARS)], false),
        ("who agreed longer ago", &[(1, 0, 0), (0, 3_601, YEARS)], true),
        ("whoever was outvoted has a clock of its own", &[(1, 0, 0), (0, 1, 900), (0, 9_000, 905)], false),
        ("unless another one has the same", &[(1, 0, 0), (0, 1, 900), (2, 2, 905)], true),
        ("or it says something else", &[(1, 0, 0), (0, 1, 900), (0, 9_000, -900)], true),
    ];
    for (shows, words, expected) in cases {
        let mut scene = Scene::default();
        for (receiver, secs, ahead) in words {
            scene.hear(*receiver, *secs, *ahead);
        }
        assert_eq!(scene.is_in_doubt(20_000), expected, "{shows}");
    }
}

#[test]
fn a_doubt_lasts_until_somebody_agrees_however_long_nobody_says_anything() {
    let mut scene = Scene::default();
    scene.hear(3, 0, -YEARS);
    let doubt = scene.clock.doubt(at(86_400)).cloned().unwrap();
    assert_eq!((doubt.is_ahead, doubt.by, doubt.receivers), (false, DAY * 730, vec![3]));
    assert_eq!(scene.hear(4, 100_000, 0), Word::Trust(None));
    assert!(!scene.is_in_doubt(100_000));
}

#[test]
fn a_jump_is_a_tick_that_comes_more_than_an_hour_after_it_was_due() {
    // seconds to the tick | seconds to when it was due | whether it is disputed what has ended since
    for (tick, due, is_jump) in [(3_600, 1, false), (3_601, 0, true), (9_000, 5_400, false), (9_001, 5_400, true)] {
        let mut clock = Clock::default();
        clock.tick(NOW, UnixTime::default());
        assert_eq!(clock.tick(at(tick), at(due)), Tick { is_after_jump: is_jump, recheck: None });
        assert_eq!(clock.disputed_since(at(tick)), is_jump.then_some(NOW), "{tick} {due}");
        assert_eq!(clock.disputed_since(at(tick + 60)), None, "for a minute");
    }
    let mut clock = Clock::default();
    clock.tick(at(YEARS), UnixTime::default());
    assert_eq!(clock.disputed_since(at(YEARS)), None, "the first tick is after nothing");
}

/// A clock that has jumped ahead by two years, and what it is at then.
fn jumped() -> Scene {
    let mut scene = Scene::default();
    scene.tick(0);
    scene.tick(YEARS);
    scene
}

const ENDS: i64 = YEARS - 86_400;

#[test]
fn after_a_jump_one_is_told_and_the_others_wait_for_a_minute() {
    let mut scene = jumped();
    assert_eq!(scene.clock.next(), UnixTime::NEVER, "nothing is held back yet");
    assert_eq!(scene.clock.hold(at(ENDS)), Hold::Tell);
    assert_eq!(scene.clock.hold(at(ENDS)), Hold::Wait(at(YEARS + 60)));
    assert_eq!(scene.clock.next(), at(YEARS + 60));
    assert_eq!(scene.tick(YEARS + 59), None);
    let recheck = scene.tick(YEARS + 60).unwrap();
    assert_eq!((recheck.after, recheck.until, recheck.because), (NOW, at(YEARS + 60), Because::Silence));
    assert_eq!(scene.tick(YEARS + 61), None, "once");
}

#[test]
fn receivers_that_agree_end_it_and_those_that_do_not_prolong_it_to_a_day() {
    let mut scene = jumped();
    scene.clock.hold(at(ENDS));
    scene.clock.hold(at(ENDS));
    let Word::Trust(Some(recheck)) = scene.hear(0, YEARS + 1, 0) else { panic!() };
    assert_eq!((recheck.after, recheck.until, recheck.because), (NOW, at(YEARS + 1), Because::Agreement));

    let mut scene = jumped();
    scene.clock.hold(at(ENDS));
    scene.clock.hold(at(ENDS));
    assert_eq!(scene.hear(0, YEARS + 1, -YEARS), Word::Doubt(None));
    assert_eq!(scene.clock.hold(at(ENDS)), Hold::Wait(at(YEARS + 86_400)));
    assert_eq!(scene.clock.hold(at(3_600)), Hold::Wait(at(YEARS + 3_600)), "by their clocks it ends in an hour");
    assert_eq!(scene.clock.disputed_since(at(YEARS + 3_600)), Some(at(3_600)));
    assert_eq!(scene.wait_until(YEARS + 86_399), None);
    assert_eq!(scene.wait_until(YEARS + 86_400).map(|recheck| recheck.because), Some(Because::Patience));
    assert_eq!(scene.hear(0, YEARS + 90_000, -YEARS), Word::Doubt(None));
    assert_eq!(scene.clock.disputed_since(at(YEARS + 90_000)), None, "it is believed once");
}

#[test]
fn a_clock_that_is_behind_holds_nothing_back() {
    let mut scene = jumped();
    scene.clock.hold(at(ENDS));
    scene.clock.hold(at(ENDS));
    assert!(matches!(scene.hear(0, YEARS + 1, YEARS), Word::Doubt(Some(_))));
    assert_eq!(scene.clock.disputed_since(at(YEARS + 1)), None);
    assert!(scene.is_in_doubt(YEARS + 61));
}

#[test]
fn a_clock_that_is_set_knows_nothing_of_what_was_said_before() {
    let mut scene = jumped();
    scene.clock.hold(at(ENDS));
    scene.clock.hold(at(ENDS));
    scene.hear(0, YEARS + 1, -YEARS);
    assert_eq!(scene.tick(YEARS - 299), None, "it is corrected by seconds all the time");
    let recheck = scene.tick(0).unwrap();
    assert_eq!((recheck.after, recheck.until, recheck.because), (NOW, UnixTime::NEVER, Because::SetBack));
    assert!(recheck.is_of_held);
    assert_eq!((scene.is_in_doubt(0), scene.clock.disputed_since(NOW), scene.tick(1)), (false, None, None));
    scene.tick(YEARS);
    scene.tick(YEARS * 2);
    assert_eq!(scene.clock.disputed_since(at(YEARS * 2)), Some(at(1)), "from the first of two jumps on");
}

#[test]
fn a_successor_goes_on_with_what_is_disputed_and_with_nothing_else() {
    let mut scene = jumped();
    scene.clock.hold(at(ENDS));
    scene.clock.hold(at(ENDS));
    let contents = scene.clock.take_changed().unwrap();
    assert_eq!(scene.clock.take_changed(), None, "it is stored");
    let heir = |secs| {
        let mut clock = Clock::default();
        assert!(clock.restore(&contents, at(secs)).is_some());
        Scene { clock, calls: 0 }
    };
    let mut next = heir(YEARS + 10);
    assert_eq!(next.clock.hold(at(ENDS)), Hold::Wait(at(YEARS + 60)), "one of them was told");
    assert_eq!((next.clock.disputed_since(at(YEARS + 10)), next.clock.take_changed()), (Some(NOW), None));
    assert_eq!(next.tick(YEARS + 59), None);
    assert_eq!(next.tick(YEARS + 60).map(|recheck| recheck.because), Some(Because::Silence));

    let mut set_back = heir(60);
    assert_eq!((set_back.clock.disputed_since(at(60)), set_back.clock.next()), (None, UnixTime::NEVER));
    let settled = set_back.clock.take_changed().unwrap();
    assert!(Clock::default().restore(&settled, at(YEARS)).is_some());
    assert!(Clock::default().restore(b"", at(YEARS)).is_none(), "nothing is no dispute");
}
