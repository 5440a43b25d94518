//! `certificate_expiry_monitor`: when a certificate is worth an event, and how often.
//!
//! `thresholds` reads the rules, `overrides` what holds for some certificates only, `silence` when warnings wait,
//! `renewal` and `policies` what else is looked for; `matching` is what the exceptions have in common.

mod matching;
mod overrides;
mod policies;
mod renewal;
mod silence;
mod thresholds;

use std::rc::Rc;
use std::time::Duration;

use super::duration::{CENTURY, YEAR, read_length};
use super::reader::{Node, Object};
use crate::domain::rule::{Plan, Share};
use crate::domain::time::{DAY, HOUR};
use crate::domain::{Certificate, EventKind, Presence, Severity, UnixTime, Usage};

use super::effort::Effort;
pub use crate::domain::condition::Policies;
pub use matching::Match;
use matching::{Reach, Subject};
pub use overrides::{Effect, Override};
pub use renewal::{NotifyRenewals, RenewalInfo};
pub use silence::{QuietHours, Silence};

pub(super) use thresholds::read_plan;

/// Thresholds, cooldowns, the interval, and what else is told of certificates. The names and defaults of the first keys
/// are Tyk's.
#[derive(Clone, Debug, PartialEq)]
pub struct Expiry {
    /// The rules of every certificate without an override.
    pub plan: Rc<Plan>,
    /// What holds for some certificates in its place: the first one that matches counts. Those of `certificates[]` come
    /// before those of `overrides`.
    pub overrides: Vec<Override>,
    /// `warning_threshold_days` as written, where no guard of short-lived certificates is on it.
    pub literal_threshold: Option<Duration>,
    /// A certificate is not checked again before this has passed.
    pub check_cooldown: Duration,
    /// The same event is not repeated before this has passed.
    pub event_cooldown: Duration,
    /// The time between periodic checks; zero: none.
    pub check_interval: Duration,
    /// The most certificates that are watched. Peers that nobody has seen for longest make room for new ones.
    pub max_certificates: usize,
    /// A certificate that ended longer ago is not reported any more.
    pub expired_max_age: Duration,
    /// The time between events about a certificate that has ended; `None`: like everything else.
    pub expired_repeat: Option<Duration>,
    /// What shares an event.
    pub group_by: GroupBy,
    /// The time over which events are gathered into one; `None`: each goes by itself.
    pub digest: Option<Duration>,
    /// Which warnings are kept back, and until when.
    pub silences: Vec<Silence>,
    /// Hours during which all warnings are kept back.
    pub quiet_hours: Option<QuietHours>,
    /// Which renewals are told.
    pub notify_renewals: NotifyRenewals,
    /// The share of the lifetime after which certificates are renewed; `None`: learned from what is seen.
    pub renewal_expected_at: Option<Share>,
    /// The CAs that are asked when their certificates should be renewed. The first one whose pattern matches counts.
    pub renewal_info: Vec<RenewalInfo>,
    /// What makes a certificate weak.
    pub policies: Policies,
    /// How many certificates that end within a day are a storm; zero: no number is.
    pub expiry_storm: usize,
    /// The time between signs of life; zero: none.
    pub heartbeat: Duration,
    /// What `overrides` and `silences` ask.
    effort: Effort,
}

/// What of one certificate shares an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// The places of one role and API.
    Api,
    /// Everything in one role.
    Certificate,
    /// Nothing: each place has an event of its own.
    Place,
}

impl Expiry {
    /// The length of the periods that number repeated events: the event cooldown; where that is zero the check interval,
    /// and where both are, an hour.
    pub fn period(&self) -> Duration {
        [self.event_cooldown, self.check_interval].into_iter().find(|length| !length.is_zero()).unwrap_or(HOUR)
    }

    /// The length of the periods in which events of `kind` are told once: what has expired may have its own.
    pub fn period_of(&self, kind: Option<EventKind>) -> Duration {
        let own = self.expired_repeat.filter(|_| kind == Some(EventKind::CertificateExpired));
        own.unwrap_or_else(|| self.period())
    }

    /// The rules of a certificate in this usage, which is known like this.
    pub fn plan_for(&self, certificate: &Certificate, usage: &Usage, presence: &Presence) -> Rc<Plan> {
        match self.effect_on(certificate, usage, &presence.places, &presence.api_ids) {
            Some(Effect::Thresholds(plan)) => Rc::clone(plan),
            Some(Effect::Ignore) | None => Rc::clone(&self.plan),
        }
    }

    /// Whether nobody wants to hear of a certificate in this usage, which sits at `places`. Where its APIs have become
    /// one, `api_ids` are all of them.
    pub fn ignores(&self, certificate: &Certificate, usage: &Usage, places: &[String], api_ids: &[String]) -> bool {
        matches!(self.effect_on(certificate, usage, places, api_ids), Some(Effect::Ignore))
    }

    fn effect_on(
        &self,
        certificate: &Certificate,
        usage: &Usage,
        places: &[String],
        api_ids: &[String],
    ) -> Option<&Effect> {
        let subject = Subject::new(certificate, usage, places, api_ids);
        let is_meant = |entry: &&Override| {
            let reach = if entry.effect == Effect::Ignore { Reach::All } else { Reach::Any };
            entry.matching.matches(&subject, reach)
        };
        self.overrides.iter().find(is_meant).map(|entry| &entry.effect)
    }

    /// How much is compared to find out what holds for a certificate in this usage, which sits at `places` and is used for
    /// `api_ids` where APIs are not told apart: in bytes, at most.
    pub fn effort(&self, certificate: &Certificate, usage: &Usage, places: &[String], api_ids: &[String]) -> usize {
        self.effort.on(certificate, usage, places, api_ids)
    }

    /// Whether there is anything that nobody wants to hear of.
    pub fn ignores_any(&self) -> bool {
        self.overrides.iter().any(|entry| entry.effect == Effect::Ignore)
    }

    /// Has those of `certificates[]` come before the other overrides.
    pub(super) fn prefer(&mut self, overrides: Vec<Override>) {
        self.overrides.splice(0..0, overrides);
        let matches = self.overrides.iter().map(|entry| &entry.matching);
        let matches = matches.chain(self.silences.iter().map(|silence| &silence.matching));
        self.effort = matches.map(Match::effort).fold(Effort::default(), Effort::and);
    }

    /// Until when silences and quiet hours keep an event of `severity` back; `None` if it may go at `now`. What is
    /// critical always may. It is the end of all of them: quiet hours that begin before a silence is over count, too.
    pub fn held_until(
        &self,
        certificate: &Certificate,
        usage: &Usage,
        presence: &Presence,
        severity: Severity,
        now: UnixTime,
    ) -> Option<UnixTime> {
        if severity == Severity::Critical {
            return None;
        }
        let lasting = self.silences.iter().filter(|silence| silence.until > now);
        let subject = Subject::new(certificate, usage, &presence.places, &presence.api_ids);
        let is_meant = |silence: &&Silence| silence.matching.matches(&subject, Reach::All);
        let silent = lasting.filter(is_meant).map(|silence| silence.until).max();
        let quiet = self.quiet_hours.and_then(|hours| hours.until(silent.unwrap_or(now)));
        quiet.or(silent)
    }

    /// Until when quiet hours keep something of `severity` back that no silence is for; `None` if it may go at `now`.
    pub fn quiet_until(&self, severity: Severity, now: UnixTime) -> Option<UnixTime> {
        self.quiet_hours.filter(|_| severity != Severity::Critical)?.until(now)
    }

    /// One line for each silence that keeps nothing back any more.
    pub fn passed_silences(&self, now: UnixTime) -> Vec<String> {
        silence::passed(&self.silences, now)
    }
}

/// The most that `max_certificates` allows, and what it is if nothing is said.
const MOST_CERTIFICATES: (u32, u32) = (100_000, 20_000);
/// How many seconds of a week a digest may take.
const WEEK_SECS: u32 = 604_800;
const YEAR_SECS: u32 = YEAR * 86_400;

const GROUPS: [(&str, GroupBy); 3] =
    [("api", GroupBy::Api), ("certificate", GroupBy::Certificate), ("place", GroupBy::Place)];

const KEYS: [&str; 20] = [
    "warning_threshold_days",
    "check_cooldown_seconds",
    "event_cooldown_seconds",
    "check_interval_seconds",
    "thresholds",
    "short_lived",
    "overrides",
    "expired_max_age",
    "expired_repeat",
    "group_by",
    "digest",
    "silences",
    "quiet_hours",
    "notify_renewals",
    "renewal_expected_at",
    "renewal_info",
    "policies",
    "expiry_storm",
    "heartbeat_seconds",
    "max_certificates",
];

/// The section, and the guard of other lists of thresholds.
pub(super) fn read(root: &Object<'_>) -> (Expiry, Option<Share>) {
    let section = section(root).and_then(|node| node.object(&KEYS));
    let section = section.as_ref();
    let get = |key| section.and_then(|section| section.get(key));
    let integer = |key, allowed, default| get(key).and_then(|node| node.integer(allowed)).unwrap_or(default);
    let seconds = |key, default| Duration::from_secs(integer(key, 0..=YEAR_SECS, default).into());
    let or_zero = |key, allowed, default| get(key).and_then(|node| node.integer_or_zero(allowed)).unwrap_or(default);
    let length = |key, days| get(key).and_then(|node| read_length(&node, days));
    let count = |number| usize::try_from(number).unwrap_or(usize::MAX);
    let thresholds = thresholds::read(section);
    let expiry = Expiry {
        plan: thresholds.plan,
        overrides: overrides::read(section, thresholds.guard),
        literal_threshold: thresholds.literal,
        check_cooldown: seconds("check_cooldown_seconds", 86_400),
        event_cooldown: seconds("event_cooldown_seconds", 86_400),
        check_interval: seconds("check_interval_seconds", 3_600),
        max_certificates: count(integer("max_certificates", 1..=MOST_CERTIFICATES.0, MOST_CERTIFICATES.1)),
        expired_max_age: length("expired_max_age", CENTURY).unwrap_or(DAY.saturating_mul(30)),
        expired_repeat: length("expired_repeat", YEAR),
        group_by: get("group_by").and_then(|node| node.word(&GROUPS)).unwrap_or(GroupBy::Api),
        digest: get("digest").and_then(|node| read_digest(&node)),
        silences: silence::read_silences(section),
        quiet_hours: get("quiet_hours").and_then(|node| silence::read_quiet_hours(&node)),
        notify_renewals: get("notify_renewals")
            .and_then(|node| node.word(&renewal::NOTIFY))
            .unwrap_or(NotifyRenewals::Alerted),
        renewal_expected_at: get("renewal_expected_at").and_then(|node| thresholds::read_share(&node)),
        renewal_info: renewal::read(section),
        policies: policies::read(section),
        // One that ends is no storm.
        expiry_storm: count(or_zero("expiry_storm", 2..=MOST_CERTIFICATES.0, 10)),
        heartbeat: Duration::from_secs(or_zero("heartbeat_seconds", 10..=YEAR_SECS, 0).into()),
        effort: Effort::default(),
    };
    (expiry, thresholds.guard)
}

fn read_digest(node: &Node<'_>) -> Option<Duration> {
    let interval = node.object(&["interval_seconds"])?.require("interval_seconds")?;
    interval.integer(60..=WEEK_SECS).map(|seconds| Duration::from_secs(seconds.into()))
}

/// The section itself, or as it stands in a pasted `tyk.conf`, below `security`.
fn section<'a>(root: &Object<'a>) -> Option<Node<'a>> {
    let own = root.get("certificate_expiry_monitor");
    let tyks = root
        .get("security")
        .and_then(|node| node.object(&["certificate_expiry_monitor"]))
        .and_then(|security| security.get("certificate_expiry_monitor"));
    if let (Some(_), Some(tyks)) = (&own, &tyks) {
        tyks.refuse("is there already as certificate_expiry_monitor at top level; keep one of them");
    }
    own.or(tyks)
}
