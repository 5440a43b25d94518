//! What the monitor says of itself: log lines and metrics.

use std::time::Duration;

use log::{error, info, warn};

use super::Monitor;
use super::flood::About;
use super::turn::{DEFINING, Turn};
use crate::application::metric::{Dropped, Metric, Outcome, Stored};
use crate::config::Handler;
use crate::domain::certificate::IdSource;
use crate::domain::event::largest_unit;
use crate::domain::time::HOUR;
use crate::domain::{Certificate, Event, EventKind, Role, UnixTime, Usage};

/// What the log says once.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The bounds that were reached.
    reached: Vec<Dropped>,
    /// Something in shared data was set aside.
    pub(super) set_aside: bool,
    /// The threshold is too long for some certificates.
    pub(super) short_lived: bool,
}

/// Outboxes of which one tick tells how full they are.
const MOST_NAMED: usize = 16;
/// APIs that are announced; where the API is read from requests, anybody can name more.
const MOST_ANNOUNCED: usize = 1_024;

impl Monitor {
    /// Makes the metrics of webhooks exist, each with a name for every outcome; whether all do.
    pub(super) fn define_webhooks(&mut self, turn: &mut Turn) -> bool {
        while let Some(handler) = self.config.handlers.get(self.defined) {
            if !turn.has_work_left() {
                return false;
            }
            if handler.webhook().is_some() {
                turn.spend(DEFINING);
                for outcome in Outcome::ALL {
                    turn.count(Metric::deliveries_total(&handler.name, outcome), 0);
                }
            }
            self.defined = self.defined.saturating_add(1);
        }
        true
    }

    /// Says what an accepted document means, and makes every other metric exist.
    pub(super) fn start(&mut self, turn: &mut Turn) {
        for line in &self.missing {
            error!("{line}");
        }
        let passed = self.config.expiry.passed_silences(turn.now);
        for line in self.config.warnings.iter().chain(&passed) {
            warn!("{line}");
        }
        info!("{}", self.watching(turn.now));
        if !self.config.expiry.check_interval.is_zero() {
            info!("Starting periodic certificate check");
        }
        let listed: Vec<_> = self.config.certificates.iter().map(|configured| configured.usage.clone()).collect();
        for usage in &listed {
            self.announce_upstream(usage);
        }
        self.define_metrics(turn);
        self.open_lanes();
        self.store_number(turn);
        self.test_webhooks(turn);
        if !self.config.wants(EventKind::ClockSkewSuspected) {
            // Another document has wanted to hear of it.
            self.close_doubt(turn);
        }
        if self.discoverer.is_none() {
            // Nobody looks at those places any more.
            self.begin_slots();
            while self.close_slot(turn) {}
        }
    }

    fn define_metrics(&self, turn: &mut Turn) {
        let closed = EventKind::ALL.into_iter().map(Metric::events_total);
        let closed = closed.chain(Role::ALL.into_iter().map(Metric::observations_total));
        let closed = closed.chain(Dropped::ALL.into_iter().map(Metric::dropped_total));
        for metric in closed {
            turn.count(metric, 0);
        }
        if self.config.cooldown_store.is_some() {
            for outcome in Stored::ALL {
                turn.count(Metric::cooldown_store_total(outcome), 0);
            }
        }
        if self.discoverer.is_some() {
            turn.count(Metric::discoveries_total(true), 0);
            turn.count(Metric::discoveries_total(false), 0);
            turn.gauge(Metric::last_discovery_seconds(), 0);
        }
        let disabled = u64::try_from(self.disabled()).unwrap_or_default();
        turn.count(Metric::dropped_total(Dropped::WebhookDisabled), disabled);
        turn.count(Metric::failovers_total(), 0);
        turn.gauge(Metric::config_info(self.config.hash), 1);
        self.report_inventory(turn);
    }

    fn watching(&self, now: UnixTime) -> String {
        let roles: Vec<_> = self.inventory.by_role().map(|(role, is)| format!("{role} {}", is.count)).collect();
        let roles = roles.join(", ");
        let next = self.inventory.next_to_expire(now).map_or_else(
            || "no next expiry".to_owned(),
            |next| format!("next expiry {} in {}", next.name, largest_unit(now.until(next.not_after))),
        );
        let active = self.webhooks().filter(|webhook| webhook.is_active()).count();
        let disabled = match self.disabled() {
            0 => String::new(),
            disabled => format!(", {disabled} disabled"),
        };
        let (certificates, webhooks) = (counted(self.inventory.len(), "certificate"), counted(active, "webhook"));
        format!("watching {certificates} ({roles}), {next}, {webhooks}{disabled}")
    }

    /// How many webhooks miss a variable.
    fn disabled(&self) -> usize {
        self.webhooks().filter(|webhook| webhook.enabled && webhook.is_switched_off).count()
    }

    fn webhooks(&self) -> impl Iterator<Item = &Handler> {
        self.config.handlers.iter().filter(|handler| handler.webhook().is_some())
    }

    /// Says that an API's upstreams are checked, once.
    pub(super) fn announce_upstream(&mut self, usage: &Usage) {
        if let Some(api_id) = usage.api_id().filter(|_| usage.role() == Role::Upstream)
            && !self.config.expiry.check_interval.is_zero()
            && self.upstream_apis.len() < MOST_ANNOUNCED
            && self.upstream_apis.insert(api_id.to_owned())
        {
            info!("Starting periodic upstream certificate checking api_id={api_id}");
        }
    }

    /// Says once that a bound was reached, and counts what it cost.
    pub(super) fn reach(&mut self, bound: Dropped, cost: u64, turn: &mut Turn) {
        turn.count(Metric::dropped_total(bound), cost);
        if !self.said.reached.contains(&bound) {
            self.said.reached.push(bound);
            let what = match bound {
                Dropped::InventoryFull => {
                    "As many certificates are watched as max_certificates allows: peers that nobody has seen for longest \
                     make room"
                }
                Dropped::UsagesFull => "A certificate is used for too many APIs: further ones are not watched",
                _ => "Too much is remembered of certificates that are not watched any more: the oldest is forgotten",
            };
            warn!("{what} reason={}", bound.as_str());
        }
    }

    fn report_inventory(&self, turn: &mut Turn) {
        for (role, in_role) in self.inventory.by_role() {
            turn.gauge(Metric::certificates(role), in_role.count.into());
            turn.gauge(Metric::not_after_seconds(role), in_role.earliest.map_or(0, UnixTime::secs));
        }
    }

    /// Refreshes the gauges.
    pub(super) fn report(&mut self, turn: &mut Turn) {
        turn.gauge(Metric::last_tick_seconds(), turn.now.secs());
        let held_back = self.flood.take_held_back();
        if held_back > 0 {
            turn.count(Metric::dropped_total(Dropped::LogLine), held_back);
        }
        if self.inventory.take_changed() {
            self.report_inventory(turn);
        }
        // Naming a metric is what costs, so only what is new is said, and not all at once.
        let mut left = MOST_NAMED;
        for ((index, handler), reported) in (0..).zip(&self.config.handlers).zip(&mut self.waiting_reported) {
            let entries = self.outbox.len_of(index);
            if left > 0 && handler.webhook().is_some() && reported.replace(entries) != Some(entries) {
                turn.gauge(Metric::outbox_entries(&handler.name), i64::try_from(entries).unwrap_or(i64::MAX));
                left = left.saturating_sub(1);
            }
        }
    }

    /// The line that people look for in the log, and its counter.
    pub(super) fn announce_event(&mut self, event: &Event, turn: &mut Turn) {
        turn.count(Metric::events_total(event.kind), 1);
        if event.kind == EventKind::WebhookTest || !self.flood.admits(About::Event, turn.now) {
            return;
        }
        if !EventKind::OF_TYK.contains(&event.kind) {
            return warn!("{} {}", event.message(), labels(event));
        }
        let Certificate { name, not_after, .. } = &*event.certificate;
        let hours = |length: Duration| length.as_secs() / HOUR.as_secs();
        let when = if event.timestamp < *not_after {
            format!("expires in {} hours", hours(event.timestamp.until(*not_after)))
        } else {
            format!("expired {} hours ago", hours(not_after.until(event.timestamp)))
        };
        warn!("EXPIRY EVENT FIRED for certificate '{name}' - {when} {}", labels(event));
    }
}

/// What names an event in the log.
pub(super) fn labels(event: &Event) -> String {
    let cert_id = match event.certificate.source {
        IdSource::Unknown => "unknown".to_owned(),
        _ => event.certificate.id.short(),
    };
    let api_id = event.usage.api_id().map(|api_id| format!(" api_id={api_id}")).unwrap_or_default();
    format!(
        "cert_id={} cert_role={} event_type={} rule={}{api_id}",
        cert_id,
        event.usage.role(),
        event.kind,
        event.rule
    )
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
