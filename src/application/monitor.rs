//! The one instance that checks, remembers and notifies.
//!
//! [`Monitor::handle`] is all there is to it: an [`Input`] and the time go in, [`Effect`]s come out. What is due is done
//! in slices of bounded work; [`Monitor::next_wakeup`] says when there is more.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use log::{debug, error, info, warn};

use super::effect::{Answer, Call, CallId, Effect};
use super::inventory::{Admission, Inventory};
use super::ledger::{Ledger, SHARDS};
use super::metric::{Dropped, Metric, Outcome};
use super::observation::Observation;
use super::outbox::{Entry, Outbox};
use super::request;
use super::rounds::Rounds;
use crate::config::{Action, Config, Handler};
use crate::decode::observed;
use crate::domain::assessment::assess;
use crate::domain::event::largest_unit;
use crate::domain::ledger::{Debt, Notice, Verdict, decide};
use crate::domain::time::HOUR;
use crate::domain::{CertId, Certificate, Event, EventKind, Role, UnixTime, Usage};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// Time has passed.
    Tick,
    /// A blob of the ledger was found in shared data.
    Restored(Vec<u8>),
    /// Items were taken from the shared queue.
    Observed(Vec<Vec<u8>>),
    /// A call has ended.
    Answered(CallId, Answer),
}

/// Work that one tick may do, in checks of a certificate that is in order. Keeps a tick below 5 ms; tests/abi counts it.
const WORK_PER_TICK: u32 = 400;
/// What parsing an observed certificate costs, in the same unit.
const PARSING: u32 = 20;
/// What making an event costs.
const EVENT: u32 = 4;
/// What rendering and sending a request costs.
const SENDING: u32 = 30;
/// What writing a blob costs.
const STORING: u32 = 30;

/// Observations that wait to be checked together, at most; the rest stays in the queue.
pub const MOST_GATHERED: usize = 1_024;

/// See the module's text.
#[derive(Debug)]
pub struct Monitor {
    config: Config,
    lines: Vec<String>,
    started: bool,
    inventory: Inventory,
    ledger: Ledger,
    rounds: Rounds,
    outbox: Outbox,
    gathered: Vec<Vec<u8>>,
    flush_at: UnixTime,
    flushing: VecDeque<Vec<u8>>,
    upstream_apis: BTreeSet<String>,
    inventory_changed: bool,
}

/// Why a certificate is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// A round has come to it, or an observer has handed it over again: the check cooldown holds.
    Routine,
    /// It crosses a rule now: no cooldown holds.
    Crossing,
}

impl Monitor {
    /// A monitor for a document whose variables have been resolved; `missing` has a line for each webhook that lacks
    /// one.
    pub fn new(config: Config, missing: Vec<String>, now: UnixTime) -> Self {
        let mut inventory = Inventory::default();
        for configured in &config.certificates {
            inventory.configure(configured.certificate.clone(), configured.usage.clone());
        }
        Self {
            rounds: Rounds::new(config.expiry.check_interval, now),
            config,
            lines: missing,
            started: false,
            inventory,
            ledger: Ledger::default(),
            outbox: Outbox::default(),
            gathered: Vec::new(),
            flush_at: UnixTime::NEVER,
            flushing: VecDeque::new(),
            upstream_apis: BTreeSet::new(),
            inventory_changed: true,
        }
    }

    /// Takes an input in and says what is to be done.
    pub fn handle(&mut self, input: Input, now: UnixTime) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Tick => self.tick(now, &mut effects),
            Input::Restored(blob) => {
                if self.ledger.restore(&blob).is_err() {
                    warn!("A blob of the ledger in shared data is not of this release and is set aside");
                    effects.push(Effect::Count(Metric::dropped_total(Dropped::UnknownBlob), 1));
                }
            }
            Input::Observed(items) => self.gather(items, now),
            Input::Answered(call, answer) => self.settle(call, answer, now, &mut effects),
        }
        effects
    }

    /// When the next tick has something to do.
    pub fn next_wakeup(&self) -> UnixTime {
        let busy = self.rounds.current.is_some()
            || !self.flushing.is_empty()
            || self.ledger.is_changed()
            || self.outbox.is_ready();
        if busy {
            return UnixTime::default();
        }
        self.rounds.next().min(self.flush_at).min(self.inventory.next_wakeup())
    }

    /// How many more observations can be taken from the queue.
    pub fn room(&self) -> usize {
        MOST_GATHERED.saturating_sub(self.gathered.len())
    }

    fn tick(&mut self, now: UnixTime, effects: &mut Vec<Effect>) {
        if !self.started {
            self.started = true;
            self.start(now, effects);
        }
        let mut work = Work(WORK_PER_TICK);
        self.flush(now, &mut work, effects);
        self.check_due(now, &mut work, effects);
        self.check_round(now, &mut work, effects);
        self.send(now, &mut work, effects);
        self.store(now, &mut work, effects);
        self.report(now, effects);
    }

    /// Says what an accepted document means, and makes every metric exist.
    fn start(&mut self, now: UnixTime, effects: &mut Vec<Effect>) {
        self.lines.iter().for_each(|line| error!("{line}"));
        self.config.warnings.iter().for_each(|line| warn!("{line}"));
        info!("{}", self.watching(now));
        if !self.config.expiry.check_interval.is_zero() {
            info!("Starting periodic certificate check");
        }
        let usages: Vec<_> = self.inventory.usages().cloned().collect();
        usages.iter().for_each(|usage| self.announce_upstream(usage));
        effects.extend(EventKind::ALL.map(|kind| Effect::Count(Metric::events_total(kind), 0)));
        effects.extend(Role::ALL.map(|role| Effect::Count(Metric::observations_total(role), 0)));
        effects.extend(Dropped::ALL.map(|reason| Effect::Count(Metric::dropped_total(reason), 0)));
        let disabled = u64::try_from(self.lines.len()).unwrap_or_default();
        effects.push(Effect::Count(Metric::dropped_total(Dropped::WebhookDisabled), disabled));
        for handler in self.config.handlers.iter().filter(|handler| handler.webhook().is_some()) {
            let zero = |outcome| Effect::Count(Metric::deliveries_total(&handler.name, outcome), 0);
            effects.extend(Outcome::ALL.map(zero));
        }
        effects.push(Effect::Gauge(Metric::config_info(&self.config.hash), 1));
    }

    fn watching(&self, now: UnixTime) -> String {
        let roles = Role::ALL.map(|role| format!("{role} {}", self.inventory.summary(role).0)).join(", ");
        let next = self.inventory.next_to_expire(now).map_or_else(
            || "no next expiry".to_owned(),
            |next| format!("next expiry {} in {}", next.name, largest_unit(now.until(next.not_after))),
        );
        let webhooks = || self.config.handlers.iter().filter(|handler| handler.webhook().is_some());
        let (active, disabled) = (
            webhooks().filter(|webhook| webhook.is_active()).count(),
            webhooks().filter(|w| w.missing_variable).count(),
        );
        let certificates = counted(self.inventory.len(), "certificate");
        let mut line = format!("watching {certificates} ({roles}), {next}, {}", counted(active, "webhook"));
        if disabled > 0 {
            line.push_str(&format!(", {disabled} disabled"));
        }
        line
    }

    /// Once for each API.
    fn announce_upstream(&mut self, usage: &Usage) {
        if let Some(api_id) = usage.api_id().filter(|_| usage.role() == Role::Upstream)
            && !self.config.expiry.check_interval.is_zero()
            && self.upstream_apis.insert(api_id.to_owned())
        {
            info!("Starting periodic upstream certificate checking api_id={api_id}");
        }
    }

    fn gather(&mut self, items: Vec<Vec<u8>>, now: UnixTime) {
        if items.is_empty() {
            return;
        }
        debug!("Batch certificates for expiration check with {} certificates", items.len());
        if self.gathered.is_empty() {
            self.flush_at = now.after(self.config.observe.flush);
        }
        self.gathered.extend(items);
    }

    /// Takes what observers handed over into the inventory and checks it.
    fn flush(&mut self, now: UnixTime, work: &mut Work, effects: &mut Vec<Effect>) {
        if self.flush_at <= now && self.flushing.is_empty() {
            debug!("Flush certificate expiry monitor batch batch_size={}", self.gathered.len());
            self.flushing = std::mem::take(&mut self.gathered).into();
            self.flush_at = UnixTime::NEVER;
        }
        while work.is_left() {
            let Some(item) = self.flushing.pop_front() else { break };
            work.spend(PARSING);
            match self.admit(&item, now) {
                Ok(id) => {
                    self.check(&id, Cause::Routine, now, now, work, effects);
                }
                Err(reason) => effects.push(Effect::Count(Metric::dropped_total(reason), 1)),
            }
        }
    }

    fn admit(&mut self, item: &[u8], now: UnixTime) -> Result<CertId, Dropped> {
        let observation = Observation::decode(item).ok_or(Dropped::BadQueueItem)?;
        let certificate = observed::certificate(&observation.certificate).map_err(|problem| {
            debug!("An observed certificate cannot be watched: {problem} cert_role={}", observation.usage.role());
            Dropped::UnreadableCertificate
        })?;
        let id = certificate.id;
        self.announce_upstream(&observation.usage);
        self.inventory_changed = true;
        match self.inventory.observe(certificate, observation.usage, now) {
            Admission::Watched => Ok(id),
            Admission::Full => Err(Dropped::InventoryFull),
        }
    }

    /// Checks the certificates that cross a rule now.
    fn check_due(&mut self, now: UnixTime, work: &mut Work, effects: &mut Vec<Effect>) {
        while work.is_left() {
            let Some(id) = self.inventory.due(now) else { break };
            self.check(&id, Cause::Crossing, now, now, work, effects);
        }
    }

    /// Goes on with the round that is due.
    fn check_round(&mut self, now: UnixTime, work: &mut Work, effects: &mut Vec<Effect>) {
        self.rounds.begin(now);
        let Some(mut round) = self.rounds.current.take() else { return };
        while work.is_left() {
            let Some(id) = self.inventory.behind(round.cursor, 1).pop() else {
                info!("Checked {} certificates for expiry", round.checked);
                return;
            };
            round.cursor = Some(id);
            if self.check(&id, Cause::Routine, round.due, now, work, effects) {
                round.checked = round.checked.saturating_add(1);
            }
            self.forget_expired_peers(&id, now);
        }
        self.rounds.current = Some(round);
    }

    /// An expired certificate that no peer presents any more is nobody's business: nobody can use it either.
    fn forget_expired_peers(&mut self, id: &CertId, now: UnixTime) {
        let gone_after = self.config.expiry.check_cooldown.saturating_mul(2).max(HOUR);
        if self.inventory.get(id).is_some_and(|watched| watched.certificate.not_after.after(gone_after) < now) {
            self.inventory.forget_peers(id, now.before(gone_after));
            self.inventory_changed |= !self.inventory.contains(id);
        }
    }

    /// Checks one certificate in all its usages. `at` is the moment that cooldowns count from: for a round the time it
    /// was due. Whether it was checked, or the check cooldown spared it.
    fn check(
        &mut self,
        id: &CertId,
        cause: Cause,
        at: UnixTime,
        now: UnixTime,
        work: &mut Work,
        effects: &mut Vec<Effect>,
    ) -> bool {
        work.spend(1);
        let Some(watched) = self.inventory.get(id) else { return false };
        let record = self.ledger.get(id);
        let cooling = cause == Cause::Routine
            && record.and_then(|record| record.checked_at).is_some_and(|checked| {
                let cooldown = self.config.expiry.check_cooldown;
                at < checked.after(cooldown) && checked <= at.after(cooldown)
            });
        // A first report and what a webhook did not get wait for no cooldown.
        let is_pressing = |usage: &Usage| {
            let owed =
                record.and_then(|record| record.notices.get(usage)).is_some_and(|notice| !notice.owed.is_empty());
            owed || watched.usages.get(usage).is_some_and(|sighting| !sighting.checked)
        };
        let certificate = watched.certificate.clone();
        let usages: Vec<_> = watched.usages.keys().filter(|usage| !cooling || is_pressing(usage)).cloned().collect();
        if usages.is_empty() {
            debug!("Skipping certificate - cooldown active cert_id={}", id.short());
            return false;
        }
        for usage in &usages {
            self.judge(&certificate, usage, at, now, work, effects);
        }
        self.inventory.mark_checked(id);
        if !cooling {
            self.ledger.change(id).checked_at = Some(at);
        }
        if let Some(next) = assess(certificate.not_after, &self.config.expiry.rules, now).next {
            self.inventory.wake(*id, next);
        }
        true
    }

    /// Decides about one usage of a certificate, and tells whom it concerns.
    fn judge(
        &mut self,
        certificate: &Certificate,
        usage: &Usage,
        at: UnixTime,
        now: UnixTime,
        work: &mut Work,
        effects: &mut Vec<Effect>,
    ) {
        let period = self.config.expiry.period();
        let assessment = assess(certificate.not_after, &self.config.expiry.rules, now);
        let last = self.ledger.get(&certificate.id).and_then(|record| record.notices.get(usage));
        match decide(&assessment, last, period, at) {
            Verdict::Quiet(_) => {}
            Verdict::Notify(crossing, _) => {
                work.spend(EVENT);
                let event = Event::new(certificate, usage, &crossing, period, at, now);
                let notice = Notice { remaining: crossing.rule.remaining(), at, owed: Vec::new() };
                self.ledger.change(&certificate.id).notices.insert(usage.clone(), notice);
                announce(&event);
                effects.push(Effect::Count(Metric::events_total(event.kind), 1));
                self.tell(&event, at, None);
            }
            Verdict::Retry(crossing) => {
                work.spend(EVENT);
                let Some(notice) = self.ledger.change(&certificate.id).notices.get_mut(usage) else { return };
                let (owed, noticed_at) = (std::mem::take(&mut notice.owed), notice.at);
                let event = Event::new(certificate, usage, &crossing, period, noticed_at, now);
                self.tell(&event, noticed_at, Some(&owed));
            }
        }
    }

    /// Puts an event into the outbox of every handler that wants it, or of those it is owed to.
    fn tell(&mut self, event: &Event, noticed_at: UnixTime, owed: Option<&[Debt]>) {
        let debt_of = |handler: &Handler| owed.map(|owed| owed.iter().find(|debt| debt.handler == handler.name));
        let wanting: Vec<_> = (0..)
            .zip(&self.config.handlers)
            .filter(|(_, handler)| handler.wants(event) && debt_of(handler) != Some(None))
            .collect();
        let total = wanting.len();
        for (number, (index, handler)) in (1..).zip(wanting) {
            let record = self.ledger.change(&event.certificate.id);
            let key = (event.usage.clone(), event.kind, handler.name.clone());
            if !handler.cooldown.is_zero() {
                let told = record.told.get(&key).copied();
                if told.is_some_and(|told| noticed_at < told.after(handler.cooldown) && told <= noticed_at) {
                    debug!("Held back by the webhook's own cooldown webhook={}", handler.name);
                    continue;
                }
                record.told.insert(key, noticed_at);
            }
            info!("FIRING HANDLER {number}/{total} FOR EVENT {} webhook={}", event.kind, handler.name);
            match &handler.action {
                Action::Log(prefix) => warn!("{}{}", prefix_of(prefix), details(event)),
                Action::Webhook(_) => {
                    let attempt = debt_of(handler).flatten().map_or(0, |debt| debt.attempts).saturating_add(1);
                    self.outbox.push(Entry { event: event.clone(), handler: index, attempt, noticed_at });
                }
            }
        }
    }

    /// Sends what may be sent now.
    fn send(&mut self, now: UnixTime, work: &mut Work, effects: &mut Vec<Effect>) {
        while work.is_left() {
            let Some((id, entry)) = self.outbox.take() else { break };
            work.spend(SENDING);
            match self.render(&entry, id) {
                Some(call) => effects.push(Effect::Call(call)),
                None => self.finish(id, Outcome::TemplateError, None, now, effects),
            }
        }
    }

    fn render(&self, entry: &Entry, id: CallId) -> Option<Call> {
        let handler = self.config.handlers.get(entry.handler)?;
        match request::render(handler.webhook()?, &entry.event, id) {
            Ok(call) => Some(call),
            Err(problem) => {
                error!(
                    "webhook template error webhook={} line={} column={}: {}",
                    handler.name, problem.line, problem.column, problem.message
                );
                None
            }
        }
    }

    /// Takes note of a call's end.
    fn settle(&mut self, id: CallId, answer: Answer, now: UnixTime, effects: &mut Vec<Effect>) {
        let (outcome, status) = match answer {
            Answer::Status(status @ 200..=299) => (Outcome::Delivered, Some(status)),
            Answer::Status(status) => (Outcome::Status, Some(status)),
            Answer::NoResponse => (Outcome::NoResponse, None),
            Answer::NoCluster => (Outcome::NoCluster, None),
            Answer::NoHost => (Outcome::NoHost, None),
        };
        self.finish(id, outcome, status, now, effects);
    }

    fn finish(&mut self, id: CallId, outcome: Outcome, status: Option<u16>, now: UnixTime, effects: &mut Vec<Effect>) {
        let Some(entry) = self.outbox.answered(id) else { return };
        let Some(handler) = self.config.handlers.get(entry.handler) else { return };
        let name = handler.name.clone();
        effects.push(Effect::Count(Metric::deliveries_total(&name, outcome), 1));
        if outcome == Outcome::Delivered {
            debug!("Delivered webhook={name} attempt={}", entry.attempt);
            return;
        }
        let next = self.give_back(&entry, &name, now);
        let cluster = handler_cluster(self.config.handlers.get(entry.handler));
        let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        let (attempt, next) = (entry.attempt, now.until(next).as_secs());
        warn!(
            "Request to webhook failed webhook={name} status={status} attempt={attempt} next_in_seconds={next} \
             outcome={} cluster={cluster}",
            outcome.as_str()
        );
    }

    /// Gives the cooldown back to a webhook that an event could not be delivered to; returns when it is tried again.
    fn give_back(&mut self, entry: &Entry, handler: &str, now: UnixTime) -> UnixTime {
        let event = &entry.event;
        let record = self.ledger.change(&event.certificate.id);
        record.told.remove(&(event.usage.clone(), event.kind, handler.to_owned()));
        if let Some(notice) = record.notices.get_mut(&event.usage).filter(|notice| notice.at == entry.noticed_at) {
            notice.owed.push(Debt { handler: handler.to_owned(), attempts: entry.attempt });
        }
        let next = self.rounds.next();
        if next < UnixTime::NEVER {
            return next;
        }
        // Without rounds somebody has to think of it.
        let next = now.after(HOUR);
        self.inventory.wake(event.certificate.id, next);
        next
    }

    /// Writes the blobs of the ledger that changed.
    fn store(&mut self, now: UnixTime, work: &mut Work, effects: &mut Vec<Effect>) {
        let expiry = &self.config.expiry;
        let cooldowns = self.config.handlers.iter().map(|handler| handler.cooldown);
        let longest = cooldowns.chain([expiry.check_cooldown, expiry.period(), HOUR]).max().unwrap_or(HOUR);
        let (inventory, longest) = (&self.inventory, longest.saturating_mul(2));
        while work.is_left() {
            let keep =
                |id: &CertId, record: &super::ledger::Record| inventory.contains(id) || record.matters(now, longest);
            let Some((shard, value)) = self.ledger.take_changed(keep) else { break };
            work.spend(STORING);
            effects.push(Effect::Store { key: Ledger::key(shard), value });
        }
    }

    fn report(&mut self, now: UnixTime, effects: &mut Vec<Effect>) {
        let gauge = |metric, value: i64| Effect::Gauge(metric, u64::try_from(value).unwrap_or_default());
        effects.push(gauge(Metric::last_tick_seconds(), now.secs()));
        if std::mem::take(&mut self.inventory_changed) {
            for role in Role::ALL {
                let (count, earliest) = self.inventory.summary(role);
                effects.push(gauge(Metric::certificates(role), i64::try_from(count).unwrap_or(i64::MAX)));
                effects.push(gauge(Metric::not_after_seconds(role), earliest.map_or(0, UnixTime::secs)));
            }
        }
        for (index, handler) in self.config.handlers.iter().enumerate().filter(|(_, h)| h.webhook().is_some()) {
            let entries = i64::try_from(self.outbox.len_of(index)).unwrap_or(i64::MAX);
            effects.push(gauge(Metric::outbox_entries(&handler.name), entries));
        }
    }

    /// The keys of shared data that a starting monitor hands back as [`Input::Restored`].
    pub fn stored_keys() -> impl Iterator<Item = String> {
        (0..SHARDS).map(Ledger::key)
    }
}

/// What is left of a tick's work.
struct Work(u32);

impl Work {
    const fn spend(&mut self, cost: u32) {
        self.0 = self.0.saturating_sub(cost);
    }

    const fn is_left(&self) -> bool {
        self.0 > 0
    }
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn handler_cluster(handler: Option<&Handler>) -> &str {
    handler.and_then(Handler::webhook).map_or("", |webhook| webhook.cluster.as_str())
}

fn prefix_of(prefix: &str) -> String {
    if prefix.is_empty() { String::new() } else { format!("{prefix}: ") }
}

/// The line that people look for in the log.
fn announce(event: &Event) {
    let Certificate { name, not_after, .. } = &event.certificate;
    let hours = |length: Duration| length.as_secs() / HOUR.as_secs();
    let when = match event.kind {
        EventKind::CertificateExpiringSoon => format!("expires in {} hours", hours(event.timestamp.until(*not_after))),
        EventKind::CertificateExpired => format!("expired {} hours ago", hours(not_after.until(event.timestamp))),
    };
    warn!("EXPIRY EVENT FIRED for certificate '{name}' - {when} {}", labels(event));
}

fn details(event: &Event) -> String {
    format!("{} {}", event.message(), labels(event))
}

fn labels(event: &Event) -> String {
    let api_id = event.usage.api_id().map(|api_id| format!(" api_id={api_id}")).unwrap_or_default();
    format!(
        "cert_id={} cert_role={} event_type={} rule={}{api_id}",
        event.certificate.id.short(),
        event.usage.role(),
        event.kind,
        event.rule
    )
}
