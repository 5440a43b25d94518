//! Which rule a certificate has crossed, and when it will cross the next one.

use std::time::Duration;

use super::certificate::Certificate;
use super::event::Severity;
use super::rule::{Plan, Rule};
use super::time::UnixTime;

/// A certificate's standing at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment<'a> {
    /// The tightest rule that was crossed, and when; looser ones count as passed.
    pub crossed: Option<Crossing<'a>>,
    /// When the next tighter rule will be crossed; `None` once expired.
    pub next: Option<UnixTime>,
}

/// A rule and the moment at which a certificate crosses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crossing<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// What is left of this certificate's life when it is crossed.
    pub remaining: Duration,
    /// The end of the certificate less what the rule leaves.
    pub at: UnixTime,
    /// The severity of the rule, or of a looser one that is worse: nothing gets better by time passing.
    pub severity: Severity,
}

/// Assesses a certificate by the rules of a plan, in any order. A rule is crossed from the very moment at which exactly
/// what it leaves is left.
pub fn assess<'a>(certificate: &Certificate, plan: &'a Plan, now: UnixTime) -> Assessment<'a> {
    let lifetime = certificate.lifetime();
    let crossings = || {
        plan.rules_of(lifetime).map(|(rule, remaining)| {
            let at = certificate.not_after.before(remaining);
            Crossing { rule, remaining, at, severity: rule.severity() }
        })
    };
    let crossed = crossings().filter(|crossing| crossing.at <= now).min_by_key(|crossing| crossing.remaining);
    let worst = crossings().filter(|crossing| crossing.at <= now).map(|crossing| crossing.severity).max();
    Assessment {
        crossed: crossed.zip(worst).map(|(crossing, severity)| Crossing { severity, ..crossing }),
        next: crossings().map(|crossing| crossing.at).filter(|at| *at > now).min(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::CertId;
    use crate::domain::rule::{Share, Threshold};
    use crate::domain::time::{DAY, HOUR};

    const END: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn certificate(lifetime: Duration) -> Certificate {
        let bare = Certificate::bare(CertId::of_der(b"der"), "localhost", END);
        Certificate { not_before: END.before(lifetime), ..bare }
    }

    fn plan(rules: &[Rule], short_lived: Option<u8>) -> Plan {
        let share = |percent| Threshold::Share(Share::new(percent).unwrap());
        let short_lived =
            short_lived.map(|percent| Rule::new(&format!("{percent}%"), share(percent), Severity::Warning));
        Plan { rules: [&[Rule::expired()], rules].concat(), short_lived }
    }

    fn rule(days: u32, severity: Severity) -> Rule {
        Rule::new(&format!("{days}d"), Threshold::Remaining(DAY * days), severity)
    }

    fn at(offset_secs: i64) -> UnixTime {
        UnixTime::from_secs(END.secs() + offset_secs)
    }

    #[test]
    fn every_boundary_to_the_second() {
        let day = 86_400;
        let plan = plan(&[Rule::days(7), Rule::days(30)], Some(20));
        let certificate = certificate(365 * DAY);
        // seconds from the end | rule crossed | seconds from the end of the next crossing
        for (offset, crossed, next) in [
            (-30 * day - 1, None, Some(-30 * day)),
            (-30 * day, Some("30d"), Some(-7 * day)),
            (-30 * day + 1, Some("30d"), Some(-7 * day)),
            (-7 * day - 1, Some("30d"), Some(-7 * day)),
            (-7 * day, Some("7d"), Some(0)),
            (-7 * day + 1, Some("7d"), Some(0)),
            (-1, Some("7d"), Some(0)),
            (0, Some("expired"), None),
            (1, Some("expired"), None),
        ] {
            let assessment = assess(&certificate, &plan, at(offset));
            assert_eq!(assessment.crossed.map(|c| c.rule.name()), crossed, "at {offset}");
            assert_eq!(assessment.next, next.map(at), "at {offset}");
        }
    }

    #[test]
    fn a_crossing_lies_where_the_rule_says() {
        let plan = plan(&[Rule::days(7), Rule::days(30)], None);
        let crossed = assess(&certificate(365 * DAY), &plan, at(-3_600)).crossed.unwrap();
        assert_eq!((crossed.at, crossed.remaining), (END.before(7 * DAY), 7 * DAY));
    }

    #[test]
    fn a_rule_that_is_longer_than_half_a_life_does_not_apply_to_it() {
        let plan = plan(&[Rule::days(30)], Some(20));
        // lifetime | what is left when somebody is told first | by which rule
        for (lifetime, left, name) in [
            (DAY, DAY / 5, "20%"),
            (3 * DAY, 3 * DAY / 5, "20%"),
            (59 * DAY, 59 * DAY / 5, "20%"),
            (60 * DAY, 30 * DAY, "30d"),
            (90 * DAY, 30 * DAY, "30d"),
            (365 * DAY, 30 * DAY, "30d"),
        ] {
            let certificate = certificate(lifetime);
            let first = assess(&certificate, &plan, certificate.not_before).next.unwrap();
            assert_eq!(first, END.before(left), "{lifetime:?}");
            assert_eq!(assess(&certificate, &plan, first).crossed.unwrap().rule.name(), name, "{lifetime:?}");
        }
    }

    #[test]
    fn without_the_guard_a_rule_means_what_it_says() {
        let certificate = certificate(3 * DAY);
        let plan = plan(&[Rule::days(30)], None);
        assert_eq!(assess(&certificate, &plan, certificate.not_before).crossed.unwrap().rule.name(), "30d");
    }

    #[test]
    fn a_rule_that_applies_makes_the_guard_needless() {
        let six_hours = Rule::new("6h", Threshold::Remaining(6 * HOUR), Severity::Warning);
        let plan = plan(&[Rule::days(30), six_hours], Some(20));
        let certificate = certificate(DAY);
        assert_eq!(assess(&certificate, &plan, at(-6 * 3_600 - 1)).crossed, None);
        assert_eq!(assess(&certificate, &plan, at(-6 * 3_600)).crossed.unwrap().rule.name(), "6h");
        assert_eq!(assess(&certificate, &plan, at(-3_600)).crossed.unwrap().rule.name(), "6h");
    }

    #[test]
    fn severity_never_falls_while_time_passes() {
        let plan = plan(&[rule(30, Severity::Critical), rule(7, Severity::Info), rule(14, Severity::Warning)], None);
        let certificate = certificate(365 * DAY);
        for day in -30..5 {
            let crossed = assess(&certificate, &plan, at(day * 86_400)).crossed.unwrap();
            assert_eq!(crossed.severity, Severity::Critical, "day {day}: {}", crossed.rule.name());
        }
    }

    #[test]
    fn a_share_of_an_unknown_life_is_never_crossed_before_the_end() {
        let share = Rule::new("20%", Threshold::Share(Share::new(20).unwrap()), Severity::Warning);
        let plan = plan(&[share], Some(20));
        let unknown = Certificate::bare(CertId::of_der(b"der"), "localhost", END);
        assert_eq!(assess(&unknown, &plan, at(-1)).crossed, None);
        assert_eq!(assess(&unknown, &plan, at(0)).crossed.unwrap().rule.name(), "expired");
    }
}
