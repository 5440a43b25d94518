//! What holds in every world.

use std::collections::BTreeMap;
use std::ops::Range;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::random::{self, Chance};
use super::world::story;
use super::{BEGIN, DAY, Deed, EXPIRED, HOUR, RENEWED, RESOLVED, Received, SOON, Scenario, World};

/// What may differ in events with the same id: times, and who has seen it.
const OF_THE_MOMENT: [&str; 11] = [
    "proxy",
    "places",
    "first_seen",
    "last_seen",
    "timestamp",
    "message",
    "days_remaining",
    "days_since_expiry",
    "seconds_remaining",
    "source",
    "api_ids",
];

/// What ends an alert.
const CLOSING: [&str; 2] = [RESOLVED, RENEWED];

/// Plays the worlds of these seeds and checks that nothing was promised in vain.
pub fn check<W: World>(seeds: Range<u64>) {
    let mut told = 0;
    for seed in seeds {
        let world = random::world(seed);
        let story = story::<W>(&world);
        told += story.len();
        let late = W::lateness(world.grain);
        let wrong = [
            equal_ids_say_the_same(&story),
            one_event_a_period(&story, &world, late),
            severity_never_falls(&story, &world),
        ];
        let wrong: Vec<_> = wrong.into_iter().filter_map(Result::err).collect();
        assert!(wrong.is_empty(), "seed {seed}: {}\n{:#?}", wrong.join("\n"), world.document);
    }
    assert!(told > 0, "worlds in which nothing is told show nothing");
}

/// Plays the worlds of these seeds twice: what is presented at the same moment in two orders. In some of them not everybody
/// knows the API of what is presented; `but` are events that are not looked at. Where clocks disagree it matters who is asked first, so none is wrong here.
pub fn check_orders<W: World>(seeds: Range<u64>, all_know_the_api: bool, but: &[&str]) {
    for seed in seeds {
        let mut world = random::world(seed);
        if has_jumps(&world) {
            continue;
        }
        let peers = world
            .deeds
            .iter_mut()
            .filter_map(|(_, deed)| if let Deed::Present(peer) = deed { Some(peer) } else { None });
        for peer in peers.filter(|_| all_know_the_api) {
            peer.route.get_or_insert_with(|| "stock".to_owned());
        }
        let mut other = world.clone();
        let mut chance = Chance::new(seed);
        for together in other.deeds.chunk_by_mut(|(at, deed), (next, other)| at == next && are_presented(deed, other)) {
            chance.shuffle(together);
        }
        let ids = |world: &Scenario| -> BTreeMap<String, Received> {
            let events = story::<W>(world).into_iter().filter(|received| !but.contains(&received.event()));
            events.map(|received| (received.id().to_owned(), received)).collect()
        };
        let [one, two] = [ids(&world), ids(&other)];
        let [only_one, only_two] = [(&one, &two), (&two, &one)]
            .map(|(these, those)| these.iter().filter(|(id, _)| !those.contains_key(*id)).take(5).collect::<Vec<_>>());
        assert!(only_one.is_empty() && only_two.is_empty(), "seed {seed}: {only_one:#?} {only_two:#?}");
    }
}

const fn are_presented(one: &Deed, other: &Deed) -> bool {
    matches!((one, other), (Deed::Present(_), Deed::Present(_)))
}

/// Never two equal ids with different content.
fn equal_ids_say_the_same(story: &[Received]) -> Result<(), String> {
    let mut known: BTreeMap<&str, &Received> = BTreeMap::new();
    let lasting = |received: &Received| {
        let mut body = received.body.as_object().unwrap().clone();
        body.retain(|key, _| !OF_THE_MOMENT.contains(&key.as_str()));
        // The same end, before and after it.
        let end = body.remove("expires_at").or_else(|| body.remove("expired_at"));
        (body, end)
    };
    for received in story {
        let first = *known.entry(received.id()).or_insert(received);
        if lasting(first) != lasting(received) {
            return Err(format!("two events with one id: {first:#?} {received:#?}"));
        }
    }
    Ok(())
}

/// The certificate, its role and its API.
fn key(received: &Received) -> [String; 3] {
    ["cert_id", "cert_role", "api_id"].map(|key| received.text(key).to_owned())
}

/// Never more than one event about a certificate in a role and API, of a kind and rule, in a period of the event cooldown,
/// counted from the moment at which the rule was crossed. Repeated deliveries of that one event are none.
fn one_event_a_period(story: &[Received], world: &Scenario, late: i64) -> Result<(), String> {
    let section = &world.document["certificate_expiry_monitor"];
    let lengths = ["event_cooldown_seconds", "check_interval_seconds"].map(|key| section[key].as_i64().unwrap());
    let period = lengths.into_iter().find(|length| *length > 0).unwrap_or(HOUR);
    let mut groups: BTreeMap<_, Vec<&Received>> = BTreeMap::new();
    for received in story.iter().filter(|received| [SOON, EXPIRED].contains(&received.event())) {
        let group = groups.entry((key(received), received.event(), received.text("rule"))).or_default();
        if !group.iter().any(|known| known.id() == received.id()) {
            group.push(received);
        }
    }
    for ((_, _, rule), mut group) in groups {
        group.sort_by_key(|received| received.at);
        let mut last = None;
        for received in group {
            let crossed = crossed_at(received, rule);
            let number = |at: i64| (at - crossed).max(0) / period;
            // An event is counted from when it was due, and sent a little later.
            let earliest = number(received.at - late);
            let own = last.map_or(earliest, |last: i64| earliest.max(last + 1));
            if own > number(received.at) {
                let same = story.iter().filter(|other| key(other) == key(received)).collect::<Vec<_>>();
                return Err(format!("a second event in a period: {received:#?} in {same:#?}"));
            }
            last = Some(own);
        }
    }
    Ok(())
}

fn has_jumps(world: &Scenario) -> bool {
    world.deeds.iter().any(|(_, deed)| matches!(deed, Deed::SetClock(_)))
}

/// When the rule was crossed of which an event tells.
fn crossed_at(received: &Received, rule: &str) -> i64 {
    let time = |text: &str| OffsetDateTime::parse(text, &Rfc3339).unwrap().unix_timestamp() - BEGIN;
    let end = time(&[received.text("expires_at"), received.text("expired_at")].concat());
    let number = |unit: char| rule.strip_suffix(unit).and_then(|number| number.parse::<i64>().ok());
    let share = number('%').map(|percent| (end - time(received.text("not_before"))) * percent / 100);
    end - number('d').map(|days| days * DAY).or(share).unwrap_or_default()
}

/// While time passes and a certificate stays in use, alerts about it get no milder.
fn severity_never_falls(story: &[Received], world: &Scenario) -> Result<(), String> {
    if has_jumps(world) {
        return Ok(());
    }
    let rank = |received: &Received| {
        ["info", "warning", "critical"].iter().position(|word| *word == received.text("severity"))
    };
    let mut worst = BTreeMap::new();
    for received in story {
        if CLOSING.contains(&received.event()) {
            worst.remove(&key(received));
        } else if [SOON, EXPIRED].contains(&received.event())
            && worst.insert(key(received), rank(received)).is_some_and(|before| before > rank(received))
        {
            return Err(format!("an alert that got milder: {received:#?}"));
        }
    }
    Ok(())
}
