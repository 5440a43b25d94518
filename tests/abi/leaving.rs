//! The host ends an instance in an orderly way, as when a listener has drained: nobody has to wait until it is silent.

use std::time::Duration;

use crate::host::{Answer, Host};
use crate::scene::{Certificate, Crew, Document, Instance, RECEIVER, Request, Told, metric, seconds};

fn document() -> Document {
    Document::identifying().server(&Certificate::stored("localhost")).seconds(0, 86_400, 60)
}

fn receiving() -> Host {
    let host = Host::new();
    host.receiver(RECEIVER, |_| Some(Answer::status(200).after(Duration::from_millis(30))));
    host
}

/// Ends a member's root context, and with it the member.
fn end(crew: &mut Crew, name: &str) {
    let position = crew.members.iter().position(|member| member.vm.name() == name).expect("a member of that name");
    let mut member = crew.members.remove(position);
    member.vm.delete(member.root).unwrap_or_else(|trap| panic!("{trap}"));
    assert!(member.vm.is_gone(member.root));
}

fn holds(name: &'static str) -> impl Fn(&Host) -> bool {
    move |host| host.log_lines("Holding the lease").iter().any(|line| line.vm == name)
}

#[test]
fn an_instance_that_is_ended_gives_the_lease_back_and_the_next_one_holds_within_two_seconds() {
    for name in ["monitor", "auto"] {
        let host = receiving();
        let first = match name {
            "monitor" => Instance::monitor(&host, &document()),
            _ => Instance::auto(&host, "auto", &document()),
        };
        let mut crew = Crew::new(&host, [first]);
        crew.until_holds(name);
        crew.run_for(seconds(2));
        crew.members.push(Instance::auto(&host, "next", &document()));
        crew.run_for(seconds(3));
        end(&mut crew, name);
        assert!(host.logged("because=the instance ends"), "{name}");
        let start = host.now();
        assert!(crew.run_until(seconds(10), holds("next")), "{name}");
        let pause = host.now().saturating_sub(start);
        println!("the next one holds {pause:?} after the {name} was ended");
        assert!(pause <= seconds(2), "{name}: {pause:?}");
        crew.run_for(seconds(70));
        assert_eq!(Told::all(&host).len(), 1, "{name}: what was told is known");
        assert_eq!((metric(&host, "failovers_total"), host.traps().len()), (0, 0), "{name}");
    }
}

#[test]
fn what_an_instance_learned_since_its_last_tick_is_stored_before_it_ends() {
    let host = receiving();
    let mut crew = Crew::new(&host, [Instance::monitor(&host, &document())]);
    let is_answered = |host: &Host| host.logged("Request to webhook succeeded");
    assert!(crew.run_until(seconds(5), is_answered), "{:#?}", host.log());
    end(&mut crew, "monitor");
    crew.members.push(Instance::standby(&host, &document()));
    crew.run_for(seconds(60));
    assert!(holds("standby")(&host));
    assert_eq!(Told::all(&host).len(), 1, "its successor knows that it was delivered");
}

#[test]
fn peers_that_it_watched_are_watched_by_its_successor_although_nobody_shows_them_again() {
    let host = receiving();
    let members = [Instance::monitor(&host, &document()), Instance::standby(&host, &document())];
    let mut crew = Crew::new(&host, members);
    crew.members.push(Instance::observer(&host, "worker", &document()));
    crew.run_for(seconds(3));
    for number in 0..50 {
        let client = Certificate::stored("client").numbered(number);
        crew.member("worker").request(&Request::of_client(&client).on_route("orders"));
    }
    crew.run_for(seconds(20));
    end(&mut crew, "monitor");
    assert!(crew.run_until(seconds(2), holds("standby")));
    crew.run_for(seconds(20));
    assert_eq!(metric(&host, "certificates;.;role=.=client"), 50);
    assert_eq!(Told::all(&host).len(), 51);
}

#[test]
fn an_instance_that_only_waited_leaves_without_a_trace() {
    let host = receiving();
    let members = [Instance::monitor(&host, &document()), Instance::standby(&host, &document())];
    let mut crew = Crew::new(&host, members);
    crew.run_for(seconds(5));
    let keys = host.shared_keys();
    end(&mut crew, "standby");
    assert_eq!(host.shared_keys(), keys);
    crew.run_for(seconds(60));
    assert_eq!(host.log_lines("Holding the lease").len(), 1);
    assert!(!host.logged("Releasing"));
}

#[test]
fn an_instance_that_was_overtaken_writes_nothing_when_it_ends() {
    let host = receiving();
    host.receiver(RECEIVER, |_| Some(Answer::status(200).after(seconds(8))));
    // The successor has no reason to write what it has read: the check cooldown holds.
    let document = Document::identifying().server(&Certificate::stored("localhost"));
    let mut sleeper = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut sleeper.vm], seconds(2));
    assert_eq!(host.callouts().len(), 1, "it waits for an answer");
    let mut crew = Crew::new(&host, [Instance::standby(&host, &document)]);
    crew.until_holds("standby");
    crew.run_for(seconds(1));
    // Its answer comes, but no tick that would tell it that it was overtaken.
    let waiting = host.pending().into_iter().find(|callout| callout.vm == "monitor").expect("a request");
    sleeper.vm.answer(&waiting, Answer::status(200)).unwrap();
    let before = host.writes(&sleeper.vm);
    sleeper.vm.delete(sleeper.root).unwrap();
    assert_eq!(host.writes(&sleeper.vm), before);
}

#[test]
fn a_monitor_that_is_ended_while_it_still_reads_what_was_left_writes_nothing_but_the_lease() {
    let host = receiving();
    let mut crew = Crew::new(&host, [Instance::monitor(&host, &document())]);
    crew.until_holds("monitor");
    let before = host.writes(&crew.members[0].vm);
    end(&mut crew, "monitor");
    assert!(host.logged("because=the instance ends"));
    let shards = |keys: Vec<String>| keys.into_iter().filter(|key| key.contains("certificates")).count();
    assert_eq!((shards(before.into_keys().collect()), shards(host.shared_keys())), (0, 0));
    crew.members.push(Instance::monitor(&host, &document()));
    crew.run_for(seconds(20));
    assert_eq!(Told::all(&host).len(), 1);
}
