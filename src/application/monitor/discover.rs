//! Asking Envoy which certificates it holds, round by round.
//!
//! [`discovery`](crate::application::discovery) knows what to ask and what the answers mean; here its requests are sent,
//! the certificates that nobody has seen yet are parsed one by one, and what a whole round found takes the place of what
//! the last one did. A round that fails changes nothing.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;
use std::time::Duration;

use log::{info, warn};

use super::Monitor;
use super::admin::{admin_answer, request};
use super::flood::About;
use super::turn::{SENDING, Turn, parsing_der};
use crate::application::discovery::{self, Failure, Found, Known, Next, Survey};
use crate::application::effect::{Answer, CallId, Effect};
use crate::application::inventory::{Inventory, Source, Watched};
use crate::application::metric::{Dropped, Metric};
use crate::config;
use crate::domain::time::{HOUR, MINUTE};
use crate::domain::{CertId, Certificate, Role, UnixTime, Usage};

/// Envoy ends every call. Should it ever forget one, it counts as not answered after this.
const FORGOTTEN: Duration = Duration::from_secs(30);
/// The pause after a round that failed; it doubles with every further one.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The second round: what was on its way while Envoy started has arrived by then.
const SECOND_ROUND: Duration = MINUTE;
/// Usages of a certificate that are looked through by one unit of work.
const USAGES_PER_UNIT: usize = 4;
/// A failure that lasts is told again after this.
const TELL_AGAIN: Duration = HOUR;

/// The rounds of discovery.
#[derive(Debug)]
pub(super) struct Discoverer {
    cluster: String,
    interval: Duration,
    round: discovery::Discovery,
    /// Counts rounds: what an earlier one found, and the last one did not, is gone.
    number: u32,
    state: State,
    next: UnixTime,
    began: UnixTime,
    /// Rounds in a row that failed.
    failures: u32,
    /// What was last told of a failure, and when.
    told: Option<(String, UnixTime)>,
    succeeded: u32,
    has_told_of_versions: bool,
    /// How many certificates could not be read, as the log last said.
    unreadable: u32,
    /// The issuers of what was watched when the last round ended, as hashes in their order.
    issuers: Vec<u64>,
}

#[derive(Debug, Default)]
enum State {
    /// Nothing is to be done until the next round.
    #[default]
    Idle,
    /// The answers are read.
    Reading,
    /// A request is on its way since then.
    Asking(CallId, UnixTime),
    /// A certificate is noted as suspect and parsed next.
    Parsing(Vec<u8>),
    /// What was found is taken in, the last one first.
    Admitting(Survey, Counts),
    /// What is gone is looked for, behind this one.
    Sweeping(Survey, Counts, Option<CertId>),
    /// It is told where another certificate is served than the one that is held.
    Telling(Survey, Counts),
}

/// What a round found, for people.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    found: usize,
    new: usize,
}

impl Discoverer {
    /// `None` if nothing is to be discovered.
    pub(super) fn new(config: &config::Discovery) -> Option<Self> {
        Some(Self {
            cluster: config.admin_cluster.clone()?,
            interval: config.interval,
            round: discovery::Discovery::new(config.ca_bundles),
            number: 0,
            state: State::Idle,
            next: UnixTime::from_secs(0),
            began: UnixTime::default(),
            failures: 0,
            told: None,
            succeeded: 0,
            has_told_of_versions: false,
            unreadable: 0,
            issuers: Vec::new(),
        })
    }

    /// Whether no round is going on.
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Whether there is something to do at once.
    pub(super) const fn is_busy(&self) -> bool {
        !matches!(self.state, State::Idle | State::Asking(..))
    }

    /// When the next round begins.
    pub(super) fn next(&self) -> UnixTime {
        match &self.state {
            State::Idle => self.next,
            State::Asking(_, since) => since.after(FORGOTTEN),
            _ => UnixTime::NEVER,
        }
    }

    /// No round is ever more than an interval away, unless the clock ran ahead and was set back.
    pub(super) fn hasten(&mut self, now: UnixTime) {
        self.next = self.next.min(now.after(self.interval.saturating_mul(2)));
    }
}

/// What discovery wants to know of what is watched.
struct Watching<'a> {
    inventory: &'a Inventory,
    issuers: &'a [u64],
}

/// Who has issued a certificate that is in use, and not just trusted.
fn issuer_of(watched: &Watched) -> Option<u64> {
    let Certificate { subject, issuer, .. } = &*watched.certificate;
    let is_used = watched.usages.iter().any(|sighting| sighting.usage.role() != Role::Ca);
    (is_used && issuer != subject).then(|| hashed(issuer))
}

/// Two names with the same hash are one too many certificates watched, and nothing worse.
fn hashed(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

impl Known for Watching<'_> {
    fn certificate(&self, id: &CertId) -> Option<Rc<Certificate>> {
        self.inventory.get(id).map(|watched| Rc::clone(&watched.certificate))
    }

    fn twin(&self, serial_number: &str, not_before: UnixTime, not_after: UnixTime) -> Option<Rc<Certificate>> {
        self.inventory.twin(serial_number, not_before, not_after).map(|watched| Rc::clone(&watched.certificate))
    }

    fn found_before(&self, id: &CertId) -> Vec<(Usage, Vec<String>)> {
        let sightings = self.inventory.get(id).into_iter().flat_map(|watched| &watched.usages);
        let found = sightings.filter(|sighting| sighting.found_in.is_some());
        found.map(|sighting| (sighting.usage.clone(), sighting.places.clone())).collect()
    }

    fn has_issued(&self, subject: &str) -> bool {
        self.issuers.binary_search(&hashed(subject)).is_ok()
    }
}

impl Monitor {
    /// Goes on with discovery, as much as a tick has time for.
    pub(super) fn discover(&mut self, turn: &mut Turn) {
        let Some(discoverer) = &mut self.discoverer else { return };
        if let State::Asking(_, since) = discoverer.state
            && since.after(FORGOTTEN) <= turn.now
        {
            discoverer.round.answer(admin_answer(Answer::NoResponse));
            discoverer.state = State::Reading;
        }
        if matches!(discoverer.state, State::Idle) && discoverer.next <= turn.now {
            discoverer.round.begin();
            discoverer.number = discoverer.number.saturating_add(1);
            discoverer.began = turn.now;
            discoverer.state = State::Reading;
        }
        while turn.has_work_left() && self.advance(turn) {}
    }

    /// Does one step; whether another one may follow at once.
    fn advance(&mut self, turn: &mut Turn) -> bool {
        let Some(discoverer) = &mut self.discoverer else { return false };
        match std::mem::take(&mut discoverer.state) {
            State::Idle => false,
            State::Reading => self.read_on(turn),
            state @ (State::Asking(..) | State::Parsing(_)) => {
                discoverer.state = state;
                false
            }
            State::Admitting(mut survey, mut counts) => {
                let number = discoverer.number;
                let Some(found) = survey.found.pop() else {
                    discoverer.issuers.clear();
                    discoverer.state = State::Sweeping(survey, counts, None);
                    return true;
                };
                let Found { certificate, usage, places } = found;
                // A peer may have shown it since.
                let certificate = self.inventory.shown_twin(&certificate).unwrap_or(certificate);
                let is_new = !self.inventory.contains(&certificate.id);
                // It may take the place of one that stood for it.
                turn.spend(if is_new { 3 } else { 1 });
                self.admit(&certificate, &usage, Source::Admin(number), &places, turn);
                // Each of its usages is looked for among all.
                let usages = self.inventory.get(&certificate.id).map_or(0, |watched| watched.usages.len());
                turn.spend(u32::try_from(usages / USAGES_PER_UNIT).unwrap_or(u32::MAX));
                counts.new = counts.new.saturating_add(usize::from(is_new));
                self.continue_with(State::Admitting(survey, counts))
            }
            State::Sweeping(survey, counts, cursor) => {
                let number = discoverer.number;
                turn.spend(1);
                let Some(id) = self.inventory.next_behind(cursor) else {
                    self.begin_slots();
                    return self.continue_with(State::Telling(survey, counts));
                };
                // In their order at once: to sort thousands at the end would be too much for one tick.
                let issuer = self.inventory.get(&id).and_then(issuer_of);
                if let Some((issuer, Err(place))) = issuer.map(|hash| (hash, discoverer.issuers.binary_search(&hash))) {
                    discoverer.issuers.insert(place, issuer);
                }
                self.forget_missed(&id, number, turn);
                self.continue_with(State::Sweeping(survey, counts, Some(id)))
            }
            State::Telling(mut survey, counts) => {
                let number = discoverer.number;
                turn.spend(1);
                if let Some(stale) = survey.stale.pop() {
                    self.note_stale(&stale, turn);
                } else if !self.close_slot(turn) && !self.conclude_parting(number, turn) {
                    self.finish(&survey, counts, turn);
                    return false;
                }
                self.continue_with(State::Telling(survey, counts))
            }
        }
    }

    fn continue_with(&mut self, state: State) -> bool {
        if let Some(discoverer) = &mut self.discoverer {
            discoverer.state = state;
        }
        true
    }

    /// Reads on, until something is to be done that only the monitor can do.
    fn read_on(&mut self, turn: &mut Turn) -> bool {
        let Self { discoverer: Some(discoverer), inventory, .. } = self else { return false };
        let before = turn.work();
        let mut work = before;
        let known = Watching { inventory, issuers: &discoverer.issuers };
        let next = discoverer.round.step(&known, &mut work);
        turn.spend(before.saturating_sub(work));
        match next {
            Next::Idle => false,
            Next::GoOn => {
                discoverer.state = State::Reading;
                false
            }
            Next::Ask(path) => {
                let id = self.outbox.name_call();
                turn.spend(SENDING);
                turn.effect(Effect::Call(request(&discoverer.cluster, &path, id)));
                discoverer.state = State::Asking(id, turn.now);
                false
            }
            Next::Parse { id, .. } if self.quarantine.contains(&id) => {
                turn.count(Metric::dropped_total(Dropped::Quarantined), 1);
                self.continue_with(State::Reading)
            }
            Next::Parse { id, der } => {
                turn.effect(Self::suspect([id]));
                turn.effect(Effect::Inspect);
                discoverer.state = State::Parsing(der);
                false
            }
            Next::Done(Ok(survey)) => {
                let counts = Counts { found: survey.found.len(), new: 0 };
                self.continue_with(State::Admitting(survey, counts))
            }
            Next::Done(Err(failure)) => {
                self.fail(&failure, turn);
                false
            }
        }
    }

    /// Parses the certificate that was noted as suspect, and goes on; whether there was one.
    pub(super) fn inspect_found(&mut self, turn: &mut Turn) -> bool {
        let Some(discoverer) = &mut self.discoverer else { return false };
        let State::Parsing(der) = &mut discoverer.state else { return false };
        let der = std::mem::take(der);
        turn.spend(parsing_der(der.len()));
        discoverer.round.parse(&der);
        discoverer.state = State::Reading;
        turn.effect(Self::suspect([]));
        self.discover(turn);
        true
    }

    /// Takes note of an answer of Envoy's admin interface; gives it back if it is to something else.
    pub(super) fn take_admin_answer(&mut self, call: CallId, answer: Answer) -> Option<Answer> {
        let Some(discoverer) = &mut self.discoverer else { return Some(answer) };
        if !matches!(discoverer.state, State::Asking(asked, _) if asked == call) {
            return Some(answer);
        }
        discoverer.round.answer(admin_answer(answer));
        discoverer.state = State::Reading;
        None
    }

    fn finish(&mut self, survey: &Survey, counts: Counts, turn: &mut Turn) {
        self.tell_of_version(survey.partly_visible.as_deref());
        let draw = self.chance.draw();
        let roles: Vec<_> = self.inventory.by_role().map(|(role, is)| format!("{role} {}", is.count)).collect();
        let Some(discoverer) = &mut self.discoverer else { return };
        let took = turn.now.since(discoverer.began).unwrap_or_default();
        if counts.new > 0 || discoverer.succeeded == 0 {
            info!(
                "Discovered {} certificates in use, {} of them new, in {:.1} s with {} admin requests: {} watched ({})",
                counts.found,
                counts.new,
                took.as_secs_f64(),
                survey.requests,
                self.inventory.len(),
                roles.join(", ")
            );
        }
        if std::mem::replace(&mut discoverer.unreadable, survey.unreadable) < survey.unreadable {
            warn!(
                "{} certificates or bundles in Envoy's configuration cannot be read, or are too long: they are not watched",
                survey.unreadable
            );
        }
        if discoverer.told.take().is_some() {
            warn!("Discovery works again: the admin interface has answered cluster={}", discoverer.cluster);
        }
        discoverer.failures = 0;
        discoverer.succeeded = discoverer.succeeded.saturating_add(1);
        let pause = if discoverer.succeeded == 1 { discoverer.interval.min(SECOND_ROUND) } else { discoverer.interval };
        discoverer.next = turn.now.after(jittered(pause, draw));
        turn.count(Metric::discoveries_total(true), 1);
        turn.gauge(Metric::last_discovery_seconds(), turn.now.secs());
    }

    /// Says once what Envoy before 1.40 does not show.
    fn tell_of_version(&mut self, partly_visible: Option<&str>) {
        const SHOWS_ALL: (u64, u64) = (1, 40);
        let Some(discoverer) = &mut self.discoverer else { return };
        if let Some(path) = partly_visible
            && self.envoy.is_some_and(|version| version < SHOWS_ALL)
            && !std::mem::replace(&mut discoverer.has_told_of_versions, true)
        {
            warn!(
                "Envoy before 1.40 shows only the first certificate of each CA file, such as {path}: others in there may \
                 expire unseen; list them in certificates[], or hand such files over by SDS"
            );
        }
    }

    /// A round that failed changes nothing; the next one comes earlier.
    fn fail(&mut self, failure: &Failure, turn: &mut Turn) {
        let draw = self.chance.draw();
        turn.count(Metric::discoveries_total(false), 1);
        let is_admitted = self.flood.admits(About::Discovery, turn.now);
        let Some(discoverer) = &mut self.discoverer else { return };
        let doubled = 2_u32.saturating_pow(discoverer.failures.min(16));
        let pause = FIRST_PAUSE.saturating_mul(doubled).min(discoverer.interval);
        discoverer.failures = discoverer.failures.saturating_add(1);
        discoverer.next = turn.now.after(jittered(pause, draw));
        let text = failure.to_string();
        let is_told = discoverer
            .told
            .as_ref()
            .is_some_and(|(told, at)| *told == text && turn.now.since(*at).is_some_and(|age| age < TELL_AGAIN));
        if !is_told && is_admitted {
            warn!(
                "Discovery failed, what is known is kept: {text} cluster={} next_in_seconds={}",
                discoverer.cluster,
                pause.as_secs()
            );
            discoverer.told = Some((text, turn.now));
        }
    }
}

/// A length of time, up to a tenth shorter or longer by chance: not every proxy of a fleet is to ask at the same time.
fn jittered(length: Duration, draw: u64) -> Duration {
    let permille = u32::try_from(draw % 201).unwrap_or_default().saturating_add(900);
    length.saturating_mul(permille).checked_div(1_000).unwrap_or(length)
}
