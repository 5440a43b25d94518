//! What is remembered of renewals in its stored form.

use serde::{Deserialize, Serialize};

use crate::application::advice::Advice;
use crate::application::shared_data::fingerprint;
use crate::decode::renewal_info::Window;
use crate::domain::renewal::{Habit, Life};
use crate::domain::text::is_harmless;
use crate::domain::{CertId, UnixTime};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredLife {
    #[serde(with = "fingerprint")]
    id: CertId,
    begin: i64,
    end: i64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredAdvice {
    window: Option<(i64, i64)>,
    explanation_url: Option<String>,
    moved_from: Option<i64>,
    ask_at: i64,
    failures: u32,
}

impl StoredLife {
    pub(super) fn of_all(habit: &Habit) -> Vec<Self> {
        let mut lives = Vec::new();
        let stored = |Life { id, begin, end }: &Life| Self { id: *id, begin: begin.millis(), end: end.millis() };
        lives.extend(habit.lives().iter().map(stored));
        lives
    }

    pub(super) fn into_habit(lives: Vec<Self>) -> Option<Box<Habit>> {
        let life = |Self { id, begin, end }: Self| Life {
            id,
            begin: UnixTime::from_millis(begin),
            end: UnixTime::from_millis(end),
        };
        let is_known = !lives.is_empty();
        is_known.then(|| Box::new(Habit::of(lives.into_iter().map(life))))
    }
}

impl StoredAdvice {
    pub(super) fn of(advice: &Advice) -> Self {
        let Advice { window, moved_from, ask_at, failures } = advice;
        Self {
            window: window.as_ref().map(|window| (window.start.millis(), window.end.millis())),
            explanation_url: window.as_ref().and_then(|window| window.explanation_url.clone()),
            moved_from: moved_from.map(UnixTime::millis),
            ask_at: ask_at.millis(),
            failures: *failures,
        }
    }

    pub(super) fn into_advice(self) -> Advice {
        let Self { window, explanation_url, moved_from, ask_at, failures } = self;
        let explanation_url = explanation_url.filter(|url| is_harmless(url));
        let window = window.map(|(start, end)| Window {
            start: UnixTime::from_millis(start),
            end: UnixTime::from_millis(end),
            explanation_url,
        });
        Advice {
            window,
            moved_from: moved_from.map(UnixTime::from_millis),
            ask_at: UnixTime::from_millis(ask_at),
            failures,
        }
    }
}
