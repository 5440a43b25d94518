//! Elections: several candidates on one shared data, second by second.

use super::*;
use crate::application::lease::ROSTER;
use crate::application::shared_data::tests::Memory;
use crate::application::shared_data::{LAYOUT, seal};
use crate::config::Config;

fn document(number: u32) -> DocumentHash {
    let text = format!(r#"{{"certificate_expiry_monitor": {{"warning_threshold_days": {number}}}}}"#);
    Config::load(text.as_bytes()).unwrap().hash
}

/// Several candidates on one shared data, a tick of each in every second.
struct Election {
    shared: Memory,
    candidates: Vec<(Candidate, bool)>,
    second: i64,
}

impl Election {
    fn new() -> Self {
        Self { shared: Memory::default(), candidates: Vec::new(), second: 0 }
    }

    fn join(&mut self, kind: Kind, document: DocumentHash) -> usize {
        let id = u64::try_from(self.candidates.len()).unwrap() + 1;
        self.candidates.push((Candidate::new(id, kind, document), true));
        self.candidates.len() - 1
    }

    fn stop(&mut self, index: usize) {
        self.candidates[index].1 = false;
    }

    fn second(&mut self) {
        self.second += 1;
        for (candidate, _) in self.candidates.iter_mut().filter(|(_, lives)| *lives) {
            candidate.tick(&self.shared, UnixTime::from_secs(self.second));
            if let Some(because) = candidate.wanted() {
                candidate.release(&self.shared, because);
            }
        }
        let holding = self.candidates.iter().filter(|(c, lives)| *lives && c.standing == Standing::Holding);
        assert!(holding.count() <= 1, "one at a time");
    }

    fn run(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.second();
        }
    }

    fn holder(&self) -> Option<usize> {
        self.candidates.iter().position(|(candidate, lives)| *lives && candidate.standing == Standing::Holding)
    }

    /// The seconds until this one holds the lease.
    fn until(&mut self, index: usize) -> u32 {
        for seconds in 0..60 {
            if self.holder() == Some(index) {
                return seconds;
            }
            self.second();
        }
        panic!("{index} never holds the lease: {:?}", self.candidates);
    }

    fn epoch(&self) -> u64 {
        Lease::decode(&self.shared.read(LEASE).unwrap().0).unwrap().tenure.epoch
    }
}

#[test]
fn the_best_candidate_gets_the_lease_and_the_next_one_takes_over_in_time() {
    let mut election = Election::new();
    let [auto, standby, monitor] = [Kind::Auto, Kind::Standby, Kind::Monitor].map(|k| election.join(k, document(1)));
    assert!(election.until(monitor) <= 2);
    assert_eq!(election.epoch(), 1, "nobody was faster");
    election.run(20);
    assert_eq!(election.holder(), Some(monitor));
    election.stop(monitor);
    assert!(election.until(standby) <= 6);
    assert!(election.candidates[standby].0.follows_a_silent_holder());
    election.stop(standby);
    assert!(election.until(auto) <= 6);
    assert_eq!(election.epoch(), 3);
    election.candidates[standby].1 = true;
    assert!(election.until(standby) <= 4, "a better one takes over politely");
    assert!(!election.candidates[standby].0.follows_a_silent_holder());
}

#[test]
fn an_instance_that_sees_no_streams_is_better_than_one_that_does() {
    let mut election = Election::new();
    let (busy, quiet) = (election.join(Kind::Auto, document(1)), election.join(Kind::Auto, document(1)));
    election.run(5);
    assert_eq!(election.holder(), Some(busy), "it was first");
    election.candidates[busy].0.has_streams = true;
    assert!(election.until(quiet) <= 4);
}

#[test]
fn a_new_document_rules_at_once_and_a_reloaded_old_one_does_not_turn_the_clock_back() {
    let mut election = Election::new();
    let old = election.join(Kind::Monitor, document(1));
    election.until(old);
    let new = election.join(Kind::Standby, document(2));
    assert!(election.until(new) <= 3);
    let reloaded = election.join(Kind::Standby, document(1));
    election.run(60);
    assert_eq!(election.holder(), Some(new));
    election.stop(new);
    let seconds = election.until(old);
    assert!((8..=14).contains(&seconds), "rather an old configuration than silence, but only then: {seconds}");
    let newer = election.join(Kind::Auto, document(3));
    assert!(election.until(newer) <= 3);
    assert!(!matches!(election.holder(), Some(holder) if holder == reloaded));
}

#[test]
fn a_roll_back_takes_effect_when_the_newer_document_is_gone() {
    let mut election = Election::new();
    let old = election.join(Kind::Standby, document(1));
    election.until(old);
    let new = election.join(Kind::Standby, document(2));
    election.until(new);
    election.stop(old);
    let rolled_back = election.join(Kind::Auto, document(1));
    election.run(30);
    assert_eq!(election.holder(), Some(new));
    let (candidate, lives) = &mut election.candidates[new];
    candidate.release(&election.shared, Because::End);
    *lives = false;
    election.until(rolled_back);
    election.run(10);
    let roster = Roster::decode(&election.shared.read(ROSTER).unwrap().0).unwrap();
    assert_eq!(roster.current, document(1));
}

#[test]
fn the_services_document_never_supersedes_one_of_a_listener() {
    let mut election = Election::new();
    let listener = election.join(Kind::Standby, document(2));
    election.second();
    let service = election.join(Kind::Monitor, document(1));
    election.run(60);
    assert_eq!(election.holder(), Some(listener));
    election.stop(listener);
    election.until(service);
}

#[test]
fn whoever_wished_and_died_costs_one_election_and_no_more() {
    let mut election = Election::new();
    let auto = election.join(Kind::Auto, document(1));
    election.until(auto);
    let standby = election.join(Kind::Standby, document(1));
    election.second();
    election.stop(standby);
    election.run(10);
    assert_eq!(election.holder(), Some(auto));
    let epoch = election.epoch();
    election.run(30);
    assert_eq!((election.holder(), election.epoch()), (Some(auto), epoch));
}

#[test]
fn garbage_in_place_of_lease_and_roster_is_set_aside() {
    for garbage in [b"".as_slice(), b"garbage", &[2; 40], &[255; 1_000]] {
        let mut election = Election::new();
        election.shared.put(LEASE, garbage);
        election.shared.put(ROSTER, garbage);
        let (one, other) = (election.join(Kind::Monitor, document(1)), election.join(Kind::Standby, document(1)));
        assert!(election.until(one) <= 6, "{garbage:?}");
        election.shared.put(LEASE, garbage);
        election.shared.put(ROSTER, garbage);
        election.run(6);
        assert_eq!(election.holder(), Some(one), "{garbage:?}");
        election.stop(one);
        assert!(election.until(other) <= 6, "{garbage:?}");
    }
}

#[test]
fn a_holder_that_meets_a_newer_epoch_writes_nothing_and_comes_back_behind_it() {
    let mut election = Election::new();
    let only = election.join(Kind::Monitor, document(1));
    election.until(only);
    let newer = seal(Tenure { epoch: 70, holder: 99 }, b"of somebody else");
    election.shared.put("key", &newer);
    let (candidate, _) = &mut election.candidates[only];
    assert_eq!(candidate.store(&election.shared, "key", b"mine"), Store::Superseded);
    assert_eq!(candidate.store(&election.shared, "other", b"mine"), Store::Superseded);
    assert_eq!(election.shared.read("key").unwrap().0, newer);
    assert_eq!(election.shared.read("other"), None);
    assert!(election.until(only) <= 6);
    assert_eq!(election.epoch(), 71);
    let (candidate, _) = &mut election.candidates[only];
    assert_eq!(candidate.store(&election.shared, "key", b"mine"), Store::Done);
}

#[test]
fn a_clock_that_is_set_does_not_unseat_the_holder() {
    let mut election = Election::new();
    let (holder, _) = (election.join(Kind::Monitor, document(1)), election.join(Kind::Standby, document(1)));
    election.until(holder);
    for jump in [3_600, -7_200, 1_000_000] {
        election.second += jump;
        election.run(10);
        assert_eq!((election.holder(), election.epoch()), (Some(holder), 1), "{jump} s");
    }
}

#[test]
fn a_holder_of_a_later_release_is_left_alone_while_it_lives() {
    let mut election = Election::new();
    let ours = election.join(Kind::Monitor, document(1));
    election.until(ours);
    let later = |beat: u8| {
        let mut value = seal(Tenure { epoch: 2, holder: 99 }, &[beat]);
        value[0] = LAYOUT + 1;
        value
    };
    for beat in 0..20 {
        election.shared.put(LEASE, &later(beat));
        election.second();
        assert_eq!(election.holder(), None);
        assert_eq!(election.shared.read(LEASE).unwrap().0, later(beat));
    }
    assert!(election.until(ours) <= 6, "when it is silent, an earlier release is better than none");
    assert_eq!(election.epoch(), 3);
}

#[test]
fn when_the_ruling_document_is_gone_the_best_of_the_others_holds_within_seconds_of_the_first() {
    let mut election = Election::new();
    let old: Vec<_> = [Kind::Auto, Kind::Standby, Kind::Monitor].map(|kind| election.join(kind, document(1))).into();
    election.until(old[2]);
    let newer: Vec<_> = (2..8).map(|number| election.join(Kind::Standby, document(number))).collect();
    election.run(20);
    for index in newer {
        election.stop(index);
    }
    let mut silent = 0;
    while election.holder().is_none() {
        election.second();
        silent += 1;
    }
    assert!(silent <= 13, "{silent} s of silence");
    assert!(election.until(old[2]) <= 4);
}

#[test]
fn more_documents_than_are_remembered_do_not_fight_for_ever() {
    let mut election = Election::new();
    let all: Vec<_> = (0..25)
        .map(|number| {
            let index = election.join(Kind::Standby, document(number));
            election.run(4);
            index
        })
        .collect();
    let newest = *all.last().unwrap();
    election.until(newest);
    let roster = |election: &Election| Roster::decode(&election.shared.read(ROSTER).unwrap().0).unwrap();
    election.run(60);
    assert_eq!((roster(&election).current, election.holder()), (document(24), Some(newest)));
}
