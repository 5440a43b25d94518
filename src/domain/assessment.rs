//! Which rule a certificate has crossed, and when it will cross the next one.

use super::rule::Rule;
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
    /// The end of the certificate less what the rule leaves.
    pub at: UnixTime,
}

/// Assesses a certificate that ends at `not_after` by `rules`, in any order. A rule is crossed from the very moment at
/// which exactly its `remaining` is left.
pub fn assess(not_after: UnixTime, rules: &[Rule], now: UnixTime) -> Assessment<'_> {
    let crossings = || rules.iter().map(|rule| Crossing { rule, at: not_after.before(rule.remaining()) });
    Assessment {
        crossed: crossings().filter(|crossing| crossing.at <= now).min_by_key(|crossing| crossing.rule.remaining()),
        next: crossings().map(|crossing| crossing.at).filter(|at| *at > now).min(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::DAY;

    const END: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn rules() -> Vec<Rule> {
        vec![Rule::expired(), Rule::days(7), Rule::days(30)]
    }

    fn at(offset_secs: i64) -> UnixTime {
        UnixTime::from_secs(END.secs() + offset_secs)
    }

    #[test]
    fn every_boundary_to_the_second() {
        let day = 86_400;
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
            let rules = rules();
            let assessment = assess(END, &rules, at(offset));
            assert_eq!(assessment.crossed.map(|c| c.rule.name()), crossed, "at {offset}");
            assert_eq!(assessment.next, next.map(at), "at {offset}");
        }
    }

    #[test]
    fn a_crossing_lies_where_the_rule_says() {
        let rules = rules();
        let assessment = assess(END, &rules, at(-3_600));
        assert_eq!(assessment.crossed.unwrap().at, END.before(7 * DAY));
    }
}
