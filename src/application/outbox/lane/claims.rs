//! What goes with others, and the claims that it needs.

use super::tests::soon;
use super::*;
use crate::application::outbox::{Batch, Claim, GRACE};

const NOW: UnixTime = UnixTime::from_secs(1_000);

/// Events of which these many are claimed until then, and the others are to be; the first goes alone if that is said.
fn lane(claimed: usize, open: usize, until: UnixTime, is_first_alone: bool) -> Lane {
    let batch = Some(Batch { max: 8, wait: Duration::from_secs(5) });
    let mut lane = Lane::new(Terms { batch, ..Terms::default() });
    let claims = std::iter::repeat_n(Claim::Held { until }, claimed);
    for (number, claim) in (1..).zip(claims.chain(std::iter::repeat_n(Claim::Open { since: None }, open))) {
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
