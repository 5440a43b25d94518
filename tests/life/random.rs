//! Worlds that nobody has thought of.

use serde_json::{Value, json};

use super::scenario::{discovering, listed, scenario, telling, with};
use super::{Certificate, DAY, Deed, HOUR, MINUTE, Peer, Scenario, Slot};

/// Deeds of one world.
const DEEDS: usize = 60;

/// The same numbers for the same seed.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// `SplitMix64`.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap()).unwrap()
    }

    /// One of these.
    pub fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    /// Puts them in another order.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            things.swap(last, self.below(last + 1));
        }
    }
}

/// The world of a seed: what is served, presented and listed changes some sixty times in some weeks, and instances follow
/// one another. In every third world the clock is wrong for a while.
pub fn world(seed: u64) -> Scenario {
    let mut chance = Chance::new(seed);
    let pool = pool(&mut chance);
    let (mut now, mut ahead) = (0, 0);
    let mut deeds = Vec::new();
    for _ in 0..DEEDS {
        now += chance.of(&[1, 60, 5 * MINUTE, 10 * MINUTE, 11 * MINUTE, HOUR, 5 * HOUR, 12 * HOUR, DAY]);
        match chance.below(10) {
            0 | 1 => deeds.push((now, Deed::Serve(slots(&pool, &mut chance)))),
            2 => deeds.push((now, Deed::List(entries(&pool, &mut chance)))),
            3 => deeds.push((now, Deed::Restart)),
            4 if seed.is_multiple_of(3) => {
                let jump = if ahead == 0 { chance.of(&[2 * HOUR, 40 * DAY, 730 * DAY]) } else { -ahead };
                deeds.push((now, Deed::SetClock(now + jump)));
                (now, ahead) = (now + jump, ahead + jump);
            }
            _ => {
                let count = 1 + chance.below(4);
                deeds.extend((0..count).map(|_| (now, Deed::Present(peer(&pool, &mut chance)))));
            }
        }
    }
    let document = document(&mut chance);
    let listed = entries(&pool, &mut chance);
    Scenario { listed, deeds, ends: now + 2 * DAY, ..scenario("a world that came by chance", document) }
}

fn document(chance: &mut Chance) -> Value {
    let mut section = json!({
        "check_cooldown_seconds": chance.of(&[0, HOUR, DAY]),
        "event_cooldown_seconds": chance.of(&[0, 6 * HOUR, DAY, 7 * DAY]),
        "check_interval_seconds": chance.of(&[HOUR, 6 * HOUR, DAY]),
    });
    let (key, value) = chance.of(&[
        ("warning_threshold_days", json!(7)),
        ("warning_threshold_days", json!(30)),
        ("short_lived", json!("15%")),
        ("thresholds", json!(["30d", { "remaining": "7d", "severity": "critical" }, "20%"])),
        (
            "thresholds",
            json!([{ "remaining": "30d", "severity": "critical" }, { "remaining": "50%", "severity": "info" }]),
        ),
    ]);
    section[key] = value;
    let document = discovering(telling(&["*"]), 6 * HOUR);
    with(document, json!({ "certificate_expiry_monitor": section, "observe": { "flush_seconds": HOUR / 2 } }))
}

fn pool(chance: &mut Chance) -> Vec<Certificate> {
    let certificate = |number: u32| {
        let name = chance.of(&["edge", "orders", "shop"]);
        let ends = chance.of(&[-2 * DAY, HOUR, 3 * DAY, 10 * DAY, 29 * DAY, 31 * DAY, 45 * DAY, 100 * DAY]);
        let begins = ends - chance.of(&[DAY, 30 * DAY, 90 * DAY, 365 * DAY]);
        let precisely = i64::try_from(chance.below(7_200)).unwrap();
        Certificate::leaf(name, begins, ends + precisely).numbered(number)
    };
    (0..10).map(certificate).collect()
}

fn slots(pool: &[Certificate], chance: &mut Chance) -> Vec<Slot> {
    let names = ["front", "back"];
    names.iter().take(chance.below(3)).map(|name| Slot::of(name, chance.of(pool))).collect()
}

fn entries(pool: &[Certificate], chance: &mut Chance) -> Vec<Value> {
    (0..chance.below(4)).map(|_| listed(chance.of(&["server", "ca", "upstream"]), &[chance.of(pool)])).collect()
}

fn peer(pool: &[Certificate], chance: &mut Chance) -> Peer {
    Peer {
        is_upstream: chance.below(2) == 0,
        route: chance.of(&[None, Some("orders"), Some("billing")]).map(str::to_owned),
        at: chance.of(&[None, Some("one"), Some("two")]).map(str::to_owned),
        certificate: chance.of(pool),
    }
}
