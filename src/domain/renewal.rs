//! Renewals: which certificate takes another one's place, when that is usual where it sits, and when it is late.

use std::time::Duration;

use super::certificate::{CertId, Certificate};
use super::time::UnixTime;

/// The certificates of one slot that are remembered: four renewals lie between them.
const MOST_LIVES: usize = 5;
/// Renewals from which a habit is learned.
const LEAST_RENEWALS: usize = 2;
/// One that begins within this part of another one's life, in permille, stands beside it and does not renew it: an RSA and
/// an ECDSA certificate are often issued together.
const BESIDE: u16 = 50;
/// Certificates of peers with one name in one usage are a set from this many on: two may be the old one and the new one.
pub const CROWD: usize = 3;

/// Whether `new` takes the place of `old` where both belong to the same slot: it has the same name and position, and ends
/// later.
pub fn succeeds(new: &Certificate, old: &Certificate) -> bool {
    new.id != old.id && new.name == old.name && new.position == old.position && new.not_after > old.not_after
}

/// The validity of a certificate that a slot has held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// The certificate.
    pub id: CertId,
    /// When it begins.
    pub begin: UnixTime,
    /// When it ends.
    pub end: UnixTime,
}

impl Life {
    /// The life of a certificate; `None` where it is not known.
    pub fn of(certificate: &Certificate) -> Option<Self> {
        let Certificate { id, not_before, not_after, .. } = *certificate;
        certificate.lifetime().map(|_| Self { id, begin: not_before, end: not_after })
    }

    fn length(&self) -> Duration {
        self.begin.until(self.end)
    }

    /// The part of it that had passed when the next one began, in permille. `None`: the next one stands beside it, or came
    /// when it had ended, which is nothing to wait for.
    fn share_until(&self, next: &Self) -> Option<u16> {
        let passed = next.begin.since(self.begin)?;
        let permille = passed.as_millis().saturating_mul(1_000).checked_div(self.length().as_millis())?;
        u16::try_from(permille).ok().filter(|share| (BESIDE..=1_000).contains(share))
    }

    /// When so much of it has passed.
    fn after_share(&self, permille: u16) -> UnixTime {
        self.begin.after(part(self.length(), permille.into(), 1_000))
    }
}

/// When the certificates of a slot were renewed so far. It is made of the certificates alone: in whatever order they are
/// met, and by whichever proxy, the same is learned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Habit {
    /// The last of them, by their ends.
    lives: Vec<Life>,
}

impl Habit {
    /// The habit of a slot that has held these.
    pub fn of(lives: impl Iterator<Item = Life>) -> Self {
        let mut habit = Self::default();
        for life in lives {
            habit.note(life);
        }
        habit
    }

    /// Notes a certificate that the slot holds; whether that is something new.
    pub fn note(&mut self, life: Life) -> bool {
        let order = |life: &Life| (life.end, life.begin, life.id);
        let index = self.lives.partition_point(|known| order(known) < order(&life));
        let is_known = self.lives.get(index) == Some(&life);
        if is_known || life.begin >= life.end || (index == 0 && self.lives.len() >= MOST_LIVES) {
            return false;
        }
        // Most slots only ever see one.
        self.lives.reserve_exact(1);
        self.lives.insert(index, life);
        if self.lives.len() > MOST_LIVES {
            self.lives.remove(0);
        }
        true
    }

    /// Those that are remembered, the one that ends last at the end.
    pub fn lives(&self) -> &[Life] {
        &self.lives
    }

    /// The latest share of life, in permille, after which one was renewed; `None` if too few renewals are known.
    pub fn share(&self) -> Option<u16> {
        let pairs = self.lives.iter().zip(self.lives.iter().skip(1));
        let shares = || pairs.clone().filter_map(|(old, new)| old.share_until(new));
        shares().max().filter(|_| shares().count() >= LEAST_RENEWALS)
    }

    /// Whether the last of them has ended for longer than it lived: nobody remembers such a slot.
    pub fn is_outdated(&self, now: UnixTime) -> bool {
        self.lives.last().is_none_or(|last| last.end.after(last.length()) < now)
    }
}

/// When a renewal is expected, and from when on it is late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// When the renewal is usual.
    pub at: UnixTime,
    /// When it is late.
    pub late: UnixTime,
}

/// The part of what is left after the expected moment that is patience, as one of so many. Clients renew in a cron job of
/// the next night, spread their requests, and try again when an authority is down: none of that is anybody's page, and with
/// three quarters left there is time to act.
const PATIENCE: u32 = 4;

/// When the renewal of a certificate is expected that is usual after a share of its life, in permille; `None` if it is not
/// known how long it lives.
pub fn expected(certificate: &Certificate, permille: u16) -> Option<Expected> {
    let life = Life::of(certificate)?;
    let at = life.after_share(permille);
    Some(Expected { at, late: at.after(part(at.until(life.end), 1, PATIENCE)) })
}

/// `numerator` of `denominator` parts of a length.
fn part(length: Duration, numerator: u32, denominator: u32) -> Duration {
    // Divided first, so that no length is too long.
    length.checked_div(denominator).unwrap_or_default().saturating_mul(numerator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::certificate::Position;
    use crate::domain::time::{DAY, HOUR};

    const START: UnixTime = UnixTime::from_secs(1_700_000_000);

    /// A certificate that begins and ends so many days after the start.
    fn certificate(begin: u32, end: u32) -> Certificate {
        let id = CertId::of_words(&[&begin.to_string(), &end.to_string()]);
        Certificate {
            not_before: START.after(DAY * begin),
            position: Position::Leaf,
            ..Certificate::bare(id, "edge", START.after(DAY * end))
        }
    }

    fn habit(lives: &[(u32, u32)]) -> Habit {
        Habit::of(lives.iter().filter_map(|(begin, end)| Life::of(&certificate(*begin, *end))))
    }

    #[test]
    fn one_succeeds_another_that_is_like_it_and_ends_before_it() {
        let old = certificate(0, 90);
        for (new, succeeds_it) in [
            (certificate(60, 150), true),
            (certificate(60, 91), true),
            (certificate(60, 90), false),
            (certificate(60, 80), false),
            (old.clone(), false),
            (Certificate { name: "other".to_owned(), ..certificate(60, 150) }, false),
            (Certificate { position: Position::Root, ..certificate(60, 150) }, false),
        ] {
            assert_eq!(succeeds(&new, &old), succeeds_it, "{new:?}");
        }
    }

    #[test]
    fn habits_are_learned_from_two_renewals_on() {
        // lives in days | the latest share of life at which one was renewed
        for (lives, share) in [
            (&[][..], None),
            (&[(0, 90)], None),
            (&[(0, 90), (60, 150)], None),
            (&[(0, 90), (60, 150), (120, 210)], Some(666)),
            // One of them was late.
            (&[(0, 100), (60, 160), (140, 240), (200, 300)], Some(800)),
            // An RSA and an ECDSA certificate are issued one after the other.
            (&[(0, 100), (1, 101), (60, 160), (61, 161)], None),
            (&[(0, 100), (1, 101), (61, 161), (62, 162), (122, 222)], Some(600)),
            // One came when the one before had ended: that is no habit.
            (&[(0, 100), (60, 160), (170, 270), (230, 330)], Some(600)),
            // In place of one that was taken back comes one that ends earlier: it stands before it, and renews nothing.
            (&[(0, 100), (60, 160), (70, 150), (120, 250)], Some(700)),
        ] {
            assert_eq!(habit(lives).share(), share, "{lives:?}");
        }
    }

    #[test]
    fn what_is_learned_does_not_depend_on_the_order_and_is_bounded() {
        let lives = [(0, 90), (50, 140), (110, 200), (170, 260), (230, 320), (290, 380), (350, 440)];
        let expected = habit(&lives);
        assert_eq!((expected.lives().len(), expected.share()), (MOST_LIVES, Some(666)));
        let mut order = lives;
        for rotation in 0..lives.len() {
            order.rotate_left(1);
            assert_eq!(habit(&order), expected, "{rotation}");
            let mut reversed = order;
            reversed.reverse();
            assert_eq!(habit(&reversed), expected, "{rotation}");
        }
        let mut habit = expected.clone();
        for (begin, end) in lives {
            assert!(!habit.note(Life::of(&certificate(begin, end)).unwrap()), "nothing new");
        }
        assert_eq!(habit, expected);
    }

    #[test]
    fn what_never_lived_teaches_nothing() {
        let end = START.after(DAY);
        let life = |begin, end| Life { id: CertId::of_der(b"der"), begin, end };
        assert!(!Habit::default().note(life(end, end)));
        assert!(!Habit::default().note(life(end, START)));
        assert_eq!(Life::of(&certificate(90, 90)), None);
        let forever = life(UnixTime::from_secs(i64::MIN), UnixTime::NEVER);
        assert!(Habit::default().note(forever));
        assert_eq!(Habit::of([forever, life(START, end)].into_iter()).share(), None);
    }

    #[test]
    fn a_slot_is_forgotten_when_its_last_certificate_is_gone_for_longer_than_it_lived() {
        let habit = habit(&[(0, 90), (60, 150)]);
        assert!(!habit.is_outdated(START.after(DAY * 240)));
        assert!(habit.is_outdated(START.after(DAY * 240 + HOUR)));
        assert!(Habit::default().is_outdated(START));
    }

    #[test]
    fn a_renewal_is_late_when_a_quarter_of_what_is_left_has_passed_too() {
        // lifetime in days | share in permille | expected and late, in hours from the begin
        for (lifetime, permille, hours) in
            [(90, 666, (1_438, 1_618)), (90, 660, (1_425, 1_609)), (1, 500, (12, 15)), (100, 1_000, (2_400, 2_400))]
        {
            let expected = expected(&certificate(0, lifetime), permille).unwrap();
            let hours_until = |at: UnixTime| START.until(at).as_secs() / 3_600;
            assert_eq!((hours_until(expected.at), hours_until(expected.late)), hours, "{lifetime} {permille}");
        }
        assert_eq!(expected(&certificate(90, 90), 500), None);
    }
}
