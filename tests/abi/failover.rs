//! The holder of the lease dies, is replaced or comes back: there is one monitor at a time, and one again within seconds.
//! That no two holders write under one epoch, and that epochs never fall, the fake host sees to in every test.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use crate::host::{Answer, Host};
use crate::scene::{Certificate, Crew, Document, Instance, RECEIVER, Request, Told, metric, seconds};

/// The time after which there is a monitor again.
const SOON: Duration = seconds(10);

fn document() -> Document {
    Document::identifying().server(&Certificate::stored("localhost")).seconds(0, 86_400, 60)
}

fn receiving() -> Host {
    let host = Host::new();
    host.receiver(RECEIVER, |_| Some(Answer::status(200).after(Duration::from_millis(50))));
    host
}

/// A monitor, a standby, two filters that stand as well, and an observer.
fn crew(host: &Host) -> Crew {
    Crew::new(
        host,
        [
            Instance::monitor(host, &document()),
            Instance::standby(host, &document()),
            Instance::auto(host, "auto_0", &document()),
            Instance::auto(host, "auto_1", &document()),
            Instance::observer(host, "worker", &document()),
        ],
    )
}

/// How often each event was sent.
fn sent(host: &Host) -> BTreeMap<(String, String), usize> {
    let mut sent = BTreeMap::new();
    for told in Told::all(host) {
        *sent.entry((told.cert_id, told.id.expect("an id"))).or_default() += 1;
    }
    sent
}

#[test]
fn whoever_holds_the_lease_and_traps_is_followed_by_the_next_best_within_ten_seconds() {
    let host = receiving();
    let mut crew = crew(&host);
    crew.until_holds("monitor");
    crew.run_for(seconds(5));
    let mut expected = BTreeSet::from([Certificate::stored("localhost").id()]);
    let mut before = "monitor";
    for (number, next) in (1..).zip(["standby", "auto_0", "auto_1"]) {
        crew.kill(before);
        let client = Certificate::stored("client").numbered(number);
        crew.member("worker").request(&Request::of_client(&client).on_route("orders"));
        let pause = crew.until_holds(next);
        println!("{next} holds {pause:?} after {before} trapped");
        assert!(pause < SOON, "{next}: {pause:?}");
        crew.run_for(seconds(15));
        expected.insert(client.id());
        let told: BTreeSet<_> = Told::all(&host).into_iter().map(|told| told.cert_id).collect();
        assert_eq!(told, expected, "{next}");
        before = next;
    }
    assert!(sent(&host).values().all(|count| *count == 1), "{:#?}", sent(&host));
    assert_eq!((host.traps().len(), metric(&host, "failovers_total")), (3, 3));
}

#[test]
fn what_waited_when_the_monitor_trapped_is_delivered_and_only_what_was_in_flight_twice_with_the_same_id() {
    let host = Host::new();
    // The first four are never answered: they are in flight, and twenty wait behind them.
    host.receiver(RECEIVER, |_| None);
    let certificates: Vec<_> = (0..24).map(|number| Certificate::stored("localhost").numbered(number)).collect();
    let document = certificates.iter().fold(Document::identifying(), Document::server);
    let mut crew = Crew::new(&host, [Instance::monitor(&host, &document), Instance::standby(&host, &document)]);
    crew.run_for(seconds(4));
    let in_flight: BTreeSet<_> = Told::all(&host).into_iter().map(|told| told.id).collect();
    assert_eq!(in_flight.len(), 4);
    crew.kill("monitor");
    host.receiver(RECEIVER, |_| Some(Answer::status(200).after(Duration::from_millis(50))));
    assert!(crew.until_holds("standby") < SOON);
    crew.run_for(seconds(20));
    let sent = sent(&host);
    let certificates: BTreeSet<_> = certificates.iter().map(Certificate::id).collect();
    assert_eq!(sent.keys().map(|(certificate, _)| certificate.clone()).collect::<BTreeSet<_>>(), certificates);
    assert_eq!(sent.len(), 24, "each has one id");
    for ((_, id), count) in sent {
        assert_eq!(count, if in_flight.contains(&Some(id)) { 2 } else { 1 });
    }
    assert_eq!(metric(&host, "outbox_entries;.;webhook=.=ops"), 0);
}

#[test]
fn a_better_instance_that_comes_back_is_given_the_lease_and_nothing_is_told_twice() {
    let host = receiving();
    let mut crew = Crew::new(&host, [Instance::standby(&host, &document())]);
    crew.until_holds("standby");
    crew.run_for(seconds(5));
    crew.members.push(Instance::monitor(&host, &document()));
    let pause = crew.until_holds("monitor");
    println!("the monitor holds {pause:?} after it was configured");
    assert!(pause < seconds(5), "{pause:?}");
    assert!(host.logged("Releasing the lease kind=standby epoch=1 because=a better instance stands ready"));
    crew.run_for(seconds(60));
    assert_eq!(sent(&host).into_values().collect::<Vec<_>>(), [1]);
    let holder = |kind: &str| metric(&host, &format!("holder;.;kind=.={kind}"));
    assert_eq!((holder("monitor"), holder("standby"), metric(&host, "failovers_total")), (1, 0, 0));
}

#[test]
fn a_standby_that_is_loaded_again_after_each_trap_takes_over_every_time() {
    let host = receiving();
    let mut crew = Crew::new(&host, [Instance::standby(&host, &document())]);
    crew.until_holds("standby");
    for _ in 0..4 {
        crew.kill("standby");
        crew.members = vec![Instance::standby(&host, &document())];
        assert!(crew.until_holds("standby") < SOON);
        crew.run_for(seconds(2));
    }
    assert_eq!(sent(&host).into_values().collect::<Vec<_>>(), [1]);
}

#[test]
fn an_instance_that_slept_through_a_takeover_stops_at_once_and_writes_nothing() {
    let host = receiving();
    let mut sleeper = Crew::new(&host, [Instance::monitor(&host, &document())]);
    sleeper.until_holds("monitor");
    sleeper.run_for(seconds(5));
    let writes = host.writes(&sleeper.members[0].vm);
    let mut others = Crew::new(&host, [Instance::standby(&host, &document())]);
    assert!(others.until_holds("standby") < SOON);
    let sleeper = &mut sleeper.members[0];
    sleeper.tick();
    let mut after = host.writes(&sleeper.vm);
    for writes in [&mut after.clone(), &mut after] {
        writes.remove("cert-expiry-monitor/roster");
    }
    assert!(after.iter().all(|(key, count)| writes.get(key) == Some(count)), "{after:?}");
    assert_eq!(host.traps(), []);
}

#[test]
fn a_new_configuration_rules_within_seconds_although_instances_of_the_old_one_live_on() {
    let host = receiving();
    let old = document();
    let headers = json!({ "x-id": "{{ id }}" });
    let added = json!({ "name": "added", "headers": headers });
    let new = document().server(&Certificate::stored("localhost").numbered(1)).webhook(added);
    let mut crew = Crew::new(&host, [Instance::monitor(&host, &old), Instance::standby(&host, &old)]);
    crew.until_holds("monitor");
    crew.run_for(seconds(5));
    crew.members.push(Instance::auto(&host, "auto", &new));
    let pause = crew.until_holds("auto");
    println!("the new configuration rules after {pause:?}");
    assert!(pause < seconds(6), "{pause:?}");
    assert!(host.logged("because=the configuration was replaced"));
    crew.run_for(seconds(60));
    let told: Vec<_> = Told::all(&host).into_iter().map(|told| told.cert_id).collect();
    let new_one = Certificate::stored("localhost").numbered(1).id();
    assert_eq!(told.iter().filter(|id| **id == new_one).count(), 2, "both webhooks are told of what is new");
    assert_eq!(sent(&host).len(), 2);
    let last = host.log_lines("Holding the lease").pop().unwrap();
    assert_eq!(last.vm, "auto", "it stays");
}

#[test]
fn an_old_configuration_is_better_than_silence() {
    let host = receiving();
    let new = document().server(&Certificate::stored("localhost").numbered(1));
    let mut crew = Crew::new(&host, [Instance::standby(&host, &document()), Instance::auto(&host, "auto", &new)]);
    crew.until_holds("auto");
    crew.run_for(seconds(5));
    crew.kill("auto");
    let pause = crew.until_holds("standby");
    println!("the old configuration holds {pause:?} after the new one trapped");
    assert!((seconds(10)..seconds(15)).contains(&pause), "{pause:?}");
    crew.run_for(seconds(60));
    assert!(sent(&host).values().all(|count| *count == 1), "{:#?}", sent(&host));
}
