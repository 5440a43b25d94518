//! Whether one server of an upstream was left behind when the others got a newer certificate.

use std::rc::Rc;
use std::time::Duration;

use crate::domain::certificate::Certificate;
use crate::domain::time::UnixTime;

/// A certificate that servers of an upstream present.
#[derive(Clone, Debug)]
pub struct Shown<'a> {
    /// The certificate.
    pub certificate: &'a Rc<Certificate>,
    /// When it was first met.
    pub first_seen: UnixTime,
    /// When it was last met.
    pub last_seen: UnixTime,
    /// Whether it was ever met at the address at which the one in question was met last.
    pub is_there: bool,
    /// Whether it was found to be [`Standing::OneOfSeveral`] before.
    pub is_one_of_several: bool,
}

/// Pauses in which a certificate that several servers share is met at more than one address: which one it is, is chance.
const LONG: u32 = 4;

impl Shown<'_> {
    /// Whether it was met still when `other` had been around for so long.
    fn outlasts(&self, other: &Self, pause: Duration) -> bool {
        self.last_seen >= other.first_seen.after(pause)
    }
}

/// How a certificate that servers of an upstream present stands among others of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// Nothing is to be said of it.
    Sound,
    /// It is one of several that are presented side by side: servers have certificates of their own that are called the same.
    /// Others come and go there, and it is never left behind by them.
    OneOfSeveral,
    /// This one has taken its place everywhere but at the address at which it was met last.
    LeftBehindBy(&'a Rc<Certificate>),
}

/// How `own` stands among `others` of its name. Each is met at least once in every `pause` for as long as it is presented.
/// `is_shared` says that `own` was met at several addresses.
///
/// It is left behind if it was the only one for as long as it takes to meet all there are, and is the only one that has
/// stayed. One server alone may get a second one with a certificate of its own; so one that was met for long, and always at
/// the same address, is not left behind either.
pub fn standing<'a>(own: &Shown<'_>, others: &[Shown<'a>], is_shared: bool, pause: Duration) -> Standing<'a> {
    let follows_on = |other: &Shown<'_>, before: &Shown<'_>| {
        let is_later = other.first_seen >= before.first_seen.after(pause);
        is_later && other.certificate.not_after > before.certificate.not_after
    };
    let newer = || others.iter().filter(|other| follows_on(other, own));
    // One that was alone before may be left behind by this one.
    let is_company = |other: &Shown<'_>| other.is_one_of_several || !follows_on(own, other);
    let mut older = others.iter().filter(|other| !follows_on(other, own));
    let has_company = older.any(|other| other.outlasts(own, pause) && is_company(other));
    let newest = newer().max_by_key(|other| other.certificate.not_after);
    let follows = |other: &Shown<'_>| {
        newest.is_some_and(|newest| other.certificate.id != newest.certificate.id && other.outlasts(newest, pause))
    };
    if has_company || newer().any(follows) {
        return Standing::OneOfSeveral;
    }
    // One that was taken back at once has taken no place.
    let has_come_to_stay = |other: &Shown<'_>| newer().any(|any| any.outlasts(other, pause));
    let is_behind = newer().any(|other| own.outlasts(other, pause) && has_come_to_stay(other));
    let is_alone_there = !newer().any(|other| other.is_there);
    let long = pause.saturating_mul(LONG);
    let has_always_been_there = !is_shared && newer().all(|other| other.first_seen >= own.first_seen.after(long));
    match newest {
        Some(newest) if is_behind && is_alone_there && !has_always_been_there => {
            Standing::LeftBehindBy(newest.certificate)
        }
        _ => Standing::Sound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::CertId;
    use crate::domain::time::HOUR;

    /// A certificate in hours: its end, when it was first and last met, and whether it was met at the address in question.
    type Row = (i64, i64, i64, bool);

    /// What it was left behind by, if it was; or that it is one of several.
    type Stands = Result<Option<i64>, &'static str>;

    /// One that was one of several before has an odd end.
    const SEVERAL: i64 = 1;

    fn at(hour: i64) -> UnixTime {
        UnixTime::from_secs(hour * 3_600)
    }

    fn certificates(rows: &[Row]) -> Vec<Rc<Certificate>> {
        let certificate = |(number, row): (usize, &Row)| {
            Rc::new(Certificate::bare(CertId::of_der(&[u8::try_from(number).unwrap()]), "orders", at(row.0)))
        };
        rows.iter().enumerate().map(certificate).collect()
    }

    fn shown<'a>(certificate: &'a Rc<Certificate>, row: &Row) -> Shown<'a> {
        let (end, first, last, is_there) = *row;
        let (first_seen, last_seen, is_one_of_several) = (at(first), at(last), end % 2 == SEVERAL);
        Shown { certificate, first_seen, last_seen, is_there, is_one_of_several }
    }

    /// How the first one stands, each of which is met once in an hour: what it was left behind by, or whether it is one of
    /// several.
    fn stands(rows: &[Row], is_shared: bool) -> Stands {
        let certificates = certificates(rows);
        let all: Vec<_> = certificates.iter().zip(rows).map(|(certificate, row)| shown(certificate, row)).collect();
        match standing(&all[0], &all[1..], is_shared, HOUR) {
            Standing::Sound => Ok(None),
            Standing::OneOfSeveral => Err("one of several"),
            Standing::LeftBehindBy(newer) => Ok(Some(newer.not_after.secs() / 3_600)),
        }
    }

    #[test]
    fn only_one_that_was_alone_and_stays_behind_is_left_behind() {
        // what it shows | the certificate in question and the others of its name | how it stands
        let several = Err("one of several");
        let cases: [(&str, &[Row], Stands); 15] = [
            ("alone", &[(1_000, 0, 50, true)], Ok(None)),
            ("a roll-out is going on", &[(1_000, 0, 40, true), (2_000, 40, 41, false)], Ok(None)),
            ("just before a pause has passed", &[(1_000, 0, 40, true), (2_000, 40, 45, false)], Ok(None)),
            ("a pause later it is still there", &[(1_000, 0, 41, true), (2_000, 40, 45, false)], Ok(Some(2_000))),
            ("its server presents the newer one as well", &[(1_000, 0, 50, true), (2_000, 40, 50, true)], Ok(None)),
            ("the newer one was taken back", &[(1_000, 0, 60, true), (2_000, 40, 40, false)], Ok(None)),
            ("the other one ends earlier", &[(1_000, 0, 50, true), (500, 40, 50, false)], several),
            ("it is the newer one itself", &[(2_000, 40, 50, true), (1_000, 0, 50, false)], Ok(None)),
            ("it is beside one that was one of several", &[(2_000, 40, 50, true), (1_001, 0, 50, false)], several),
            ("two servers with certificates of their own", &[(1_000, 0, 50, true), (2_000, 0, 50, false)], several),
            (
                "three of them, one of which was renewed",
                &[(1_000, 0, 50, true), (1_100, 0, 50, false), (2_000, 40, 50, false)],
                several,
            ),
            (
                "one beside others that have come one by one",
                &[(1_000, 0, 50, true), (1_100, 20, 50, false), (2_000, 40, 50, false)],
                several,
            ),
            (
                "a predecessor that has gone in good order is no company",
                &[(1_000, 10, 50, true), (500, 0, 10, false), (2_000, 40, 50, false)],
                Ok(Some(2_000)),
            ),
            (
                "the others have been renewed once more",
                &[(1_000, 0, 50, true), (2_000, 20, 50, false), (3_000, 50, 50, false)],
                Ok(Some(3_000)),
            ),
            (
                "and some time after that",
                &[(1_000, 0, 60, true), (2_000, 20, 50, false), (3_000, 50, 60, false)],
                Ok(Some(3_000)),
            ),
        ];
        for (what, rows, expected) in cases {
            assert_eq!(stands(rows, true), expected, "{what}");
        }
    }

    #[test]
    fn one_that_was_met_at_one_address_for_long_is_that_of_one_server() {
        for (hours, is_shared, expected) in [(1, false, Some(2_000)), (3, false, Some(2_000)), (4, false, None)] {
            let rows = [(1_000, 0, 50, true), (2_000, hours, 50, false)];
            assert_eq!(stands(&rows, is_shared), Ok(expected), "{hours}");
            assert_eq!(stands(&rows, true), Ok(Some(2_000)), "{hours}");
        }
    }

    #[test]
    fn twenty_servers_with_certificates_of_their_own_are_never_told_of() {
        let own = |number: i64| (1_001 + 2 * number, number % 3, 200 + number % 5, false);
        let mut rows: Vec<Row> = (0..20).map(own).collect();
        // One after the other is renewed.
        for hour in (100..200).step_by(5) {
            let oldest = rows.remove(0);
            rows.push((oldest.0 + 1_000, hour, 202, false));
            for first in 0..rows.len() {
                let mut turned = rows.clone();
                turned.rotate_left(first);
                turned[0].3 = true;
                assert_eq!(stands(&turned, true), Err("one of several"), "{turned:?}");
            }
        }
    }
}
