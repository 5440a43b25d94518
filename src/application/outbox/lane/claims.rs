//! What goes with others, and the claims that it needs.

use super::tests::soon;
use super::*;
use crate::application::outbox::{Batch, Claim, GRACE, Outbox};

const NOW: UnixTime = UnixTime::from_secs(1_000);

/// Events of which these many are claimed until then, and the others are to be; the first goes alone if that is said.
fn lane(claimed: usize, open: usize, until: UnixTime, is_first_alone: bool) -> Lane {
    let batch = Some(Batch { max: 8, wait: Duration::from_secs(5) });
    let mut lane = Lane::new(Terms { batch, ..Terms::default() });
    let claims = std::iter::repeat_n(Claim::Held { until }, claimed);
    for (number, claim) in (1..).zip(claims.chain(std::iter::repeat_n(Claim::OPEN, open))) {
        let alone = is_first_alone && number == 1;
        lane.push(Entry { alone, claim, ..Entry::new(soon(&number.to_string()), NOW) }, NOW, number);
    }
    lane
}

fn goes(lane: &mut Lane, is_asked: bool) -> bool {
    lane.take(CallId(1), NOW, &|_| true, is_asked, &|_, _| true)
}

#[test]
fn a_batch_waits_for_the_claims_of_what_goes_with_it() {
    let until = NOW.after(GRACE);
    assert!(!goes(&mut lane(4, 2, until, false), false), "two are to be claimed");
    assert!(!goes(&mut lane(4, 0, until, false), true), "one is being claimed");
    assert!(goes(&mut lane(4, 0, until, false), false));
    assert!(goes(&mut lane(8, 9, until, false), true), "it is full");
}

#[test]
fn what_is_claimed_next_is_all_that_a_batch_waits_for() {
    let mut lane = lane(8, 3, NOW.after(GRACE), true);
    assert_eq!(lane.most_claimed(), 8);
    assert!(goes(&mut lane, false), "nobody asks for more while these wait");
}

#[test]
fn a_batch_goes_while_its_own_claims_last() {
    assert!(goes(&mut lane(4, 2, NOW.after(GRACE / 2).before(Duration::from_millis(1)), false), true));
}

#[test]
fn what_needs_no_claim_waits_for_those_of_others_until_it_is_due() {
    let mut lane = lane(0, 2, NOW, false);
    lane.push(Entry::new(soon("9"), NOW), NOW, 9);
    assert!(goes(&mut lane, true), "refreshes, for instance");
    assert_eq!(lane.in_flight().iter().map(|(_, entries)| entries.len()).sum::<usize>(), 1);
}

#[test]
fn who_cannot_send_leaves_claims_to_others() {
    let terms = Terms { max_in_flight: 1, ..Terms::default() };
    let mut outbox = Outbox { lanes: vec![Lane::new(terms)], ..Outbox::default() };
    let held = Claim::Held { until: NOW.after(GRACE) };
    for (name, claim) in [("1", held), ("2", Claim::OPEN)] {
        outbox.push(0, Entry { claim, ..Entry::new(soon(name), NOW) }, NOW);
    }
    assert!(outbox.unclaimed(NOW).is_some());
    let (call, _) = outbox.take(NOW, |_| true, |_| false, |_, _, _| true).unwrap();
    assert_eq!(outbox.unclaimed(NOW), None, "its receiver does not answer");
    outbox.answered(call);
    assert!(outbox.unclaimed(NOW).is_some());
}

#[test]
fn lanes_claim_in_turn() {
    let mut outbox = Outbox::new([Terms::default(), Terms::default(), Terms::default()].into_iter());
    for (handler, name) in [(0, "1"), (0, "2"), (0, "3"), (2, "4")] {
        outbox.push(handler, Entry { claim: Claim::OPEN, ..Entry::new(soon(name), NOW) }, NOW);
    }
    let mut asked = Vec::new();
    while let Some(next) = outbox.unclaimed(NOW) {
        outbox.pass_turn(&next);
        outbox.put(&next, NOW.after(GRACE), Claim::Asked { since: None, held: None, due: NOW });
        asked.push(next.handler);
    }
    assert_eq!(asked, [0, 2, 0, 0]);
}
