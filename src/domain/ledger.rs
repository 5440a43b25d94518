//! What was sent before, and whether the same is worth sending again. The answer always has a reason.

use std::rc::Rc;
use std::time::Duration;

use super::assessment::{Assessment, Crossing};
use super::certificate::Certificate;
use super::event::{Alert, Detail, Event, EventKind, Severity};
use super::incident::Incident;
use super::presence::Presence;
use super::time::UnixTime;

/// The last event about one usage of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The certificate, so that there is something to say when it is gone.
    pub certificate: Rc<Certificate>,
    /// The kind of event that it was.
    pub kind: EventKind,
    /// How bad it was.
    pub severity: Severity,
    /// How bad the warnings were that came before, about the same end.
    pub warned: Vec<Severity>,
    /// The name of the rule that was crossed, or of what is wrong.
    pub rule: String,
    /// When it was crossed, or began.
    pub since: UnixTime,
    /// What was left when its rule was crossed: tells which rule it was, and which ones are tighter.
    pub remaining: Duration,
    /// Where and when this proxy had met the certificate.
    pub presence: Presence,
    /// What else there was to say.
    pub detail: Detail,
    /// When it was made; the event cooldown counts from here.
    pub at: UnixTime,
    /// The handlers whose cooldown was given back: they did not get it, and nobody is at it.
    pub owed: Vec<String>,
}

impl Notice {
    /// The notice of an event that is told now. `at` is the time that its cooldown counts from, and `last` the notice
    /// before it.
    pub fn of(event: &Event, remaining: Duration, at: UnixTime, last: Option<&Self>) -> Self {
        let Event { kind, severity, rule, since, presence, detail, .. } = event.clone();
        let warned = last.map(Self::warnings).unwrap_or_default();
        let (certificate, owed) = (Rc::clone(&event.certificate), Vec::new());
        Self { certificate, kind, severity, warned, rule, since, remaining, presence, detail, at, owed }
    }

    /// Whether it tells of what is true of its certificate for as long as that is used like this. What happened at a place
    /// does not end with a certificate.
    pub fn is_of_condition(&self) -> bool {
        let is_split = self.kind == EventKind::CertificateStale && self.rule == Incident::SPLIT;
        is_split || EventKind::CONDITIONS.contains(&self.kind)
    }

    /// What was told, as long as it is true.
    pub fn alert(&self) -> Alert {
        Alert { kind: self.kind, severity: self.severity, warned: self.warned.clone() }
    }

    /// The severities of the warnings that come before whatever is told next about the same end.
    pub fn warnings(&self) -> Vec<Severity> {
        let mut warned = self.warned.clone();
        if self.kind == EventKind::CertificateExpiringSoon && !warned.contains(&self.severity) {
            warned.push(self.severity);
        }
        warned
    }
}

/// Whether an assessment is worth an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// Tell every handler.
    Notify(Crossing<'a>, Because),
    /// Tell those who did not get the last event that very event again.
    Retry(Crossing<'a>),
    /// Tell nobody.
    Quiet(Because),
}

/// The reason of a [`Verdict`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// No rule is crossed.
    NothingCrossed,
    /// Nothing was ever sent about this usage.
    First,
    /// A tighter rule is crossed than the last event told of. No cooldown holds this back.
    Tighter,
    /// The event cooldown has passed.
    CooldownOver,
    /// The event cooldown has not passed yet.
    CooldownActive,
    /// The last event seems to lie far in the future: the clock was set back, and the cooldown means nothing.
    ClockSetBack,
}

/// Whether an incident that lasts, or happens again, is worth an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repetition {
    /// Tell every handler.
    Notify,
    /// Tell those who did not get the last event that very event again.
    Retry,
    /// Tell nobody.
    Quiet,
}

/// Decides by what was sent before about the same incident, like [`decide`].
pub fn repeat(last: Option<&Notice>, period: Duration, at: UnixTime, now: UnixTime) -> Repetition {
    match last {
        Some(last) if is_of_another_clock(last, period, now) || at >= last.at.after(period) => Repetition::Notify,
        Some(last) if last.owed.is_empty() => Repetition::Quiet,
        Some(_) => Repetition::Retry,
        None => Repetition::Notify,
    }
}

/// Decides by what was sent before and by the event cooldown, called `period` here because a cooldown of zero still
/// numbers its events by some period. Cooldowns count from `at`: for a round that is when it was due.
pub fn decide<'a>(
    assessment: &Assessment<'a>,
    last: Option<&Notice>,
    period: Duration,
    at: UnixTime,
    now: UnixTime,
) -> Verdict<'a> {
    let Some(crossing) = assessment.crossed.clone() else {
        return Verdict::Quiet(Because::NothingCrossed);
    };
    let Some(last) = last else {
        return Verdict::Notify(crossing, Because::First);
    };
    if crossing.remaining < last.remaining {
        return Verdict::Notify(crossing, Because::Tighter);
    }
    if is_of_another_clock(last, period, now) {
        return Verdict::Notify(crossing, Because::ClockSetBack);
    }
    if at >= last.at.after(period) {
        return Verdict::Notify(crossing, Because::CooldownOver);
    }
    if !last.owed.is_empty() {
        return Verdict::Retry(crossing);
    }
    Verdict::Quiet(Because::CooldownActive)
}

/// Whether an event lies so far in the future that it was made before the clock was set back. What was told since a round
/// was due does not: that is a matter of the clock alone.
fn is_of_another_clock(last: &Notice, period: Duration, now: UnixTime) -> bool {
    last.at > now.after(period)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::CertId;
    use crate::domain::assessment::assess;
    use crate::domain::rule::{Plan, Rule};
    use crate::domain::time::DAY;

    const END: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn at(days: f64) -> UnixTime {
        #[allow(clippy::cast_possible_truncation)]
        UnixTime::from_secs(END.secs() + (days * 86_400.0) as i64)
    }

    fn notice(rule: &Rule, at: UnixTime, owed: &[&str]) -> Notice {
        let certificate = Rc::new(Certificate::bare(CertId::of_der(b"der"), "localhost", END));
        let owed = owed.iter().map(|name| (*name).to_owned()).collect();
        let remaining = rule.remaining_of(None).unwrap();
        let since = END.before(remaining);
        let (kind, rule) = (EventKind::of(rule), rule.name().to_owned());
        let (severity, warned) = (kind.severity(), Vec::new());
        let (presence, detail) = (Presence::default(), Detail::Nothing);
        Notice { certificate, kind, severity, warned, rule, since, remaining, presence, detail, at, owed }
    }

    #[test]
    fn every_reason_has_its_case() {
        use Because::{ClockSetBack, CooldownActive, CooldownOver, First, NothingCrossed, Tighter};
        let soon = Rule::days(30);
        let expired = Rule::expired();
        // what it shows | days from the end | the last event | told | why; None for a retry
        let cases = [
            ("a healthy certificate is nobody's business", -31.0, None, false, Some(NothingCrossed)),
            ("the first crossing is told", -30.0, None, true, Some(First)),
            (
                "inside the cooldown it is not repeated",
                -29.1,
                Some(notice(&soon, at(-30.0), &[])),
                false,
                Some(CooldownActive),
            ),
            ("exactly one cooldown later it is", -29.0, Some(notice(&soon, at(-30.0), &[])), true, Some(CooldownOver)),
            ("expiry is told inside the cooldown", 0.0, Some(notice(&soon, at(-0.1), &[])), true, Some(Tighter)),
            (
                "expiry is repeated like everything else",
                0.5,
                Some(notice(&expired, at(0.0), &[])),
                false,
                Some(CooldownActive),
            ),
            ("a debt is paid inside the cooldown", -29.9, Some(notice(&soon, at(-30.0), &["ops"])), true, None),
            ("a debt of a rule that is past is not", 0.0, Some(notice(&soon, at(-0.1), &["ops"])), true, Some(Tighter)),
            (
                "after a clock that ran ahead it is told",
                -20.0,
                Some(notice(&soon, at(700.0), &[])),
                true,
                Some(ClockSetBack),
            ),
            (
                "a looser rule waits for the cooldown",
                -20.0,
                Some(notice(&expired, at(-20.5), &[])),
                false,
                Some(CooldownActive),
            ),
        ];
        for (what, days, last, told, why) in cases {
            let plan = Plan { rules: vec![Rule::expired(), Rule::days(30)], short_lived: None };
            let certificate = Certificate::bare(CertId::of_der(b"der"), "localhost", END);
            let now = at(days);
            let verdict = decide(&assess(&certificate, &plan, now), last.as_ref(), DAY, now, now);
            match (verdict, why) {
                (Verdict::Notify(_, because), Some(why)) if told => assert_eq!(because, why, "{what}"),
                (Verdict::Quiet(because), Some(why)) if !told => assert_eq!(because, why, "{what}"),
                (Verdict::Retry(_), None) => {}
                (verdict, _) => panic!("{what}: {verdict:?}"),
            }
        }
    }
    #[test]
    fn what_a_crossing_has_told_since_a_round_was_due_is_told() {
        let plan = Plan { rules: vec![Rule::expired(), Rule::days(30)], short_lived: None };
        let certificate = Certificate::bare(CertId::of_der(b"der"), "localhost", END);
        let (due, now, minute) = (at(-30.0), at(-29.9), Duration::from_secs(60));
        let last = notice(&Rule::days(30), now, &[]);
        let verdict = decide(&assess(&certificate, &plan, now), Some(&last), minute, due, now);
        assert_eq!(verdict, Verdict::Quiet(Because::CooldownActive));
        assert_eq!(repeat(Some(&last), minute, due, now), Repetition::Quiet);
    }
}
