//! Thresholds: how much of a certificate's life may be left before somebody is told.

use std::time::Duration;

use super::event::Severity;
use super::time::DAY;

/// A part of a certificate's lifetime in percent, 1 to 99.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u8);

impl Share {
    /// A share of `percent`; `None` where that is nothing or everything.
    pub const fn new(percent: u8) -> Option<Self> {
        if percent >= 1 && percent <= 99 { Some(Self(percent)) } else { None }
    }

    /// The percentage.
    pub const fn percent(self) -> u8 {
        self.0
    }

    /// So much of `length`, exact where that is whole milliseconds.
    pub fn of(self, length: Duration) -> Duration {
        // Divided first, so that no length is too long; a hundredth of a millisecond is whole nanoseconds still.
        length.checked_div(100).unwrap_or_default().saturating_mul(self.0.into())
    }
}

/// How much is left when a rule is crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// This much, whatever the certificate's lifetime; zero is the expiry itself.
    Remaining(Duration),
    /// This part of the certificate's lifetime.
    Share(Share),
}

/// A rule is crossed when its threshold or less is left. The rule with nothing left is the expiry itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    name: String,
    threshold: Threshold,
    severity: Severity,
}

impl Rule {
    /// A rule that is called `name`, as people write it: `36h`, `20%`. With nothing left it is the expiry, whatever else
    /// is said.
    pub fn new(name: &str, threshold: Threshold, severity: Severity) -> Self {
        let rule = Self { name: name.to_owned(), threshold, severity };
        if rule.is_expiry() { Self::expired() } else { rule }
    }

    /// The rule that every certificate has: it ends.
    pub fn expired() -> Self {
        let threshold = Threshold::Remaining(Duration::ZERO);
        Self { name: "expired".to_owned(), threshold, severity: Severity::Critical }
    }

    /// A warning of whole days, such as `30d`. Zero days is the expiry itself.
    pub fn days(days: u32) -> Self {
        Self::new(&format!("{days}d"), Threshold::Remaining(DAY.saturating_mul(days)), Severity::Warning)
    }

    /// A warning when so much of the lifetime is left, such as `20%`.
    pub fn share(share: Share) -> Self {
        Self::new(&format!("{}%", share.percent()), Threshold::Share(share), Severity::Warning)
    }

    /// What logs and events call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How much is left when it is crossed.
    pub const fn threshold(&self) -> Threshold {
        self.threshold
    }

    /// How bad it is that it was crossed.
    pub const fn severity(&self) -> Severity {
        self.severity
    }

    /// The time that is left when a certificate that lives for `lifetime` crosses it; `None` for a share where nobody
    /// knows the lifetime. Less is tighter, and zero is the expiry.
    pub fn remaining_of(&self, lifetime: Option<Duration>) -> Option<Duration> {
        match self.threshold {
            Threshold::Remaining(remaining) => Some(remaining),
            Threshold::Share(share) => lifetime.map(|lifetime| share.of(lifetime)),
        }
    }

    /// Whether this is the expiry itself.
    pub const fn is_expiry(&self) -> bool {
        matches!(self.threshold, Threshold::Remaining(remaining) if remaining.is_zero())
    }
}

/// The rules that hold for a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The rules, in any order, the expiry itself among them.
    pub rules: Vec<Rule>,
    /// The guard of short-lived certificates: lengths of more than half of a certificate's lifetime do not apply to it,
    /// and where no rule but the expiry does, this one applies. `None`: every rule applies.
    pub short_lived: Option<Rule>,
}

impl Plan {
    /// `rules` and the expiry, guarded by a share of the lifetime if there is one.
    pub fn new(rules: Vec<Rule>, guard: Option<Share>) -> Self {
        let mut all = vec![Rule::expired()];
        all.extend(rules.into_iter().filter(|rule| !rule.is_expiry()));
        Self { rules: all, short_lived: guard.map(Rule::share) }
    }

    /// The rules that apply to a certificate that lives for `lifetime`, and what is left of its life at each.
    pub fn rules_of(&self, lifetime: Option<Duration>) -> impl Iterator<Item = (&Rule, Duration)> {
        // Of an unknown lifetime nobody can say that it is short.
        let guard = self.short_lived.as_ref().zip(lifetime);
        let longest = guard.map_or(Duration::MAX, |(_, lifetime)| lifetime.checked_div(2).unwrap_or_default());
        let applies = move |rule: &Rule| match rule.threshold {
            Threshold::Remaining(remaining) => remaining <= longest,
            Threshold::Share(_) => lifetime.is_some(),
        };
        let is_bare = !self.rules.iter().any(|rule| !rule.is_expiry() && applies(rule));
        let rules = self.rules.iter().filter(move |rule| applies(rule));
        let rules = rules.chain(guard.map(|(rule, _)| rule).filter(|_| is_bare));
        rules.filter_map(move |rule| Some((rule, rule.remaining_of(lifetime)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::HOUR;

    #[test]
    fn a_share_is_neither_nothing_nor_everything() {
        for (percent, is_one) in [(0, false), (1, true), (20, true), (99, true), (100, false), (255, false)] {
            assert_eq!(Share::new(percent).map(Share::percent), is_one.then_some(percent));
        }
    }

    #[test]
    fn shares_are_exact_and_never_overflow() {
        let share = |percent| Share::new(percent).unwrap();
        for (percent, length, part) in [
            (20, 90 * DAY, 18 * DAY),
            (33, DAY, Duration::from_secs(28_512)),
            (1, Duration::from_millis(1), Duration::from_micros(10)),
            (99, Duration::ZERO, Duration::ZERO),
        ] {
            assert_eq!(share(percent).of(length), part, "{percent} % of {length:?}");
        }
        assert!(share(99).of(Duration::MAX) < Duration::MAX);
    }

    #[test]
    fn rules_are_called_as_people_write_them() {
        let rules = [
            Rule::expired(),
            Rule::days(0),
            Rule::new("0s", Threshold::Remaining(Duration::ZERO), Severity::Info),
            Rule::days(30),
            Rule::share(Share::new(20).unwrap()),
            Rule::new("36h", Threshold::Remaining(36 * HOUR), Severity::Info),
        ];
        let told: Vec<_> = rules.iter().map(|rule| (rule.name(), rule.is_expiry(), rule.severity().as_str())).collect();
        let expired = ("expired", true, "critical");
        let others = [("30d", false, "warning"), ("20%", false, "warning"), ("36h", false, "info")];
        assert_eq!(told, [&[expired; 3][..], &others].concat());
    }

    #[test]
    fn what_is_left_depends_on_the_lifetime_for_shares_alone() {
        let share = Rule::share(Share::new(20).unwrap());
        assert_eq!(share.remaining_of(Some(10 * DAY)), Some(2 * DAY));
        assert_eq!(share.remaining_of(None), None);
        for lifetime in [None, Some(DAY), Some(Duration::MAX)] {
            assert_eq!(Rule::days(30).remaining_of(lifetime), Some(30 * DAY));
            assert_eq!(Rule::expired().remaining_of(lifetime), Some(Duration::ZERO));
        }
    }

    #[test]
    fn a_plan_has_the_expiry_once() {
        let plan = Plan::new(vec![Rule::days(30), Rule::days(0)], Share::new(15));
        assert_eq!(plan.rules, [Rule::expired(), Rule::days(30)]);
        assert_eq!(plan.short_lived.as_ref().map(Rule::name), Some("15%"));
        assert_eq!(Plan::new(Vec::new(), None), Plan { rules: vec![Rule::expired()], short_lived: None });
    }
}
