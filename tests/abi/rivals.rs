//! Two candidates, one of which cannot write shared data: the fake host fails the test if both ever write under
//! one epoch, and afterwards there is one monitor.

use crate::scene::{Certificate, Crew, Document, Instance, LEASE, ROSTER, Told, receiving_host, seconds};

/// What goes wrong with shared data.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// Nothing that is written is taken.
    WriteFails(u32),
    /// Somebody else is always faster.
    WriteIsOvertaken,
}

const TROUBLES: [Trouble; 3] = [Trouble::WriteFails(2), Trouble::WriteFails(10), Trouble::WriteIsOvertaken];

impl Trouble {
    fn strike(self, instance: &Instance, key: &str) {
        const CAS_MISMATCH: u32 = 8;
        let fault = instance.vm.fault("proxy_set_shared_data").about(key);
        match self {
            Self::WriteFails(status) => fault.status(status),
            Self::WriteIsOvertaken => fault.status(CAS_MISMATCH),
        }
    }
}

fn document() -> Document {
    Document::identifying().server(&Certificate::stored("localhost")).seconds(0, 10, 10)
}

#[test]
fn one_of_two_candidates_in_trouble_does_not_keep_the_other_from_being_the_only_monitor() {
    for trouble in TROUBLES {
        for key in [LEASE, ROSTER, "cert-expiry-monitor/"] {
            for name in ["monitor", "standby"] {
                let what = format!("{trouble:?} under {key} for the {name}");
                let host = receiving_host();
                let members = [Instance::monitor(&host, &document()), Instance::standby(&host, &document())];
                let mut crew = Crew::new(&host, members);
                crew.run_for(seconds(5));
                trouble.strike(crew.member(name), key);
                crew.run_for(seconds(30));
                host.clear_faults();
                crew.run_for(seconds(10));
                let before = Told::all(&host).len();
                crew.run_for(seconds(30));
                let told = Told::all(&host).split_off(before);
                assert!((2..=4).contains(&told.len()), "{what}: {told:#?}");
                assert_eq!(host.traps(), [], "{what}");
            }
        }
    }
}

#[test]
fn candidates_that_start_in_any_order_and_at_any_distance_agree_on_one_monitor() {
    for first in ["monitor", "standby", "auto"] {
        for second in ["monitor", "standby", "auto"] {
            for pause in [0, 1, 100, 250, 499, 500, 501, 750, 751, 1_000, 1_500, 2_500] {
                let host = receiving_host();
                let start = |word: &str, name: &str| Instance::of(host.vm(name).configuration(word), &document());
                let mut crew = Crew::new(&host, [start(first, "first")]);
                crew.run_for(std::time::Duration::from_millis(pause));
                crew.members.push(start(second, "second"));
                crew.run_for(seconds(25));
                let what = format!("{first}, and {pause} ms later {second}");
                let ids: Vec<_> = Told::all(&host).into_iter().map(|told| told.id).collect();
                assert!((2..=3).contains(&ids.len()), "{what}: {ids:?}");
                assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{what}: told twice: {ids:?}");
                let holders = host.log_lines("Holding the lease").len();
                assert!(holders <= 2, "{what}: {holders} holders");
            }
        }
    }
}
