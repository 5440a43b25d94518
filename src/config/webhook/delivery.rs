//! How hard a webhook is tried, and how much it bears.

use std::time::Duration;

use super::super::duration::read_duration;
use super::super::reader::{Node, Object};
use crate::domain::backoff::Schedule;

/// How the events of one webhook are delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// When a failed one is tried again.
    pub schedule: Schedule,
    /// Events that may wait; the default where nothing is said.
    pub max_pending: Option<usize>,
    /// Requests that may wait for their answers.
    pub max_in_flight: Option<usize>,
    /// After how many failures in a row nothing is sent, and for how long.
    pub breaker: (Option<u32>, Option<Duration>),
    /// How many events go together, and how long one waits for others.
    pub batch: Option<(usize, Duration)>,
    /// The webhook that gets what this one does not take.
    pub on_failure: Option<String>,
}

pub(super) const KEYS: [&str; 7] =
    ["retry_attempts", "retry_schedule", "max_pending", "max_in_flight", "circuit_breaker", "batch", "on_failure"];

/// Pauses that a schedule may have.
const MOST_PAUSES: usize = 20;

pub(super) fn read(entry: &Object<'_>) -> Delivery {
    let integer = |key, allowed| entry.get(key).and_then(|node| node.integer(allowed));
    let size = |key, allowed| integer(key, allowed).and_then(|number| usize::try_from(number).ok());
    let mut schedule = Schedule::default();
    if let Some(pauses) = entry.get("retry_schedule").and_then(|node| read_schedule(&node)) {
        schedule.pauses = pauses;
    }
    if let Some(retries) = integer("retry_attempts", 0..=10) {
        schedule.retries = retries;
    }
    Delivery {
        schedule,
        max_pending: size("max_pending", 1..=20_000),
        max_in_flight: size("max_in_flight", 1..=64),
        breaker: entry.get("circuit_breaker").map(|node| read_breaker(&node)).unwrap_or_default(),
        batch: entry.get("batch").and_then(|node| read_batch(&node)),
        on_failure: entry.get("on_failure").and_then(|node| node.non_empty_text()).map(str::to_owned),
    }
}

fn read_schedule(node: &Node<'_>) -> Option<Vec<Duration>> {
    let items = node.list()?;
    if items.is_empty() || items.len() > MOST_PAUSES {
        node.refuse(format!("holds {} pauses; expected 1 to {MOST_PAUSES}", items.len()));
        return None;
    }
    let read = |item: &Node<'_>| {
        let pause = read_duration(item)?;
        if pause.is_zero() {
            item.refuse_value("a pause that is longer than nothing");
        }
        Some(pause)
    };
    Some(items.iter().filter_map(read).collect())
}

fn read_breaker(node: &Node<'_>) -> (Option<u32>, Option<Duration>) {
    let Some(entry) = node.object(&["failures", "open"]) else { return (None, None) };
    let failures = entry.get("failures").and_then(|node| node.integer(0..=1_000));
    (failures, entry.get("open").and_then(|node| read_duration(&node)))
}

fn read_batch(node: &Node<'_>) -> Option<(usize, Duration)> {
    let entry = node.object(&["max", "wait_seconds"])?;
    let max = entry.get("max").and_then(|node| node.integer(1..=50)).unwrap_or(50);
    let wait = entry.get("wait_seconds").and_then(|node| node.integer(0..=300)).unwrap_or(5);
    Some((usize::try_from(max).ok()?, Duration::from_secs(wait.into())))
}
