//! A monitor dies and another takes its place: what it left in shared data rules.

use crate::host::{Answer, Host, Level};
use crate::scene::{
    Certificate, Document, HEADER, Instance, LEASE, QUEUE, RECEIVER, ROSTER, Request, SHARD, SHARDS, Told, metric,
    seconds,
};

fn document() -> Document {
    Document::telling().server(&Certificate::stored("localhost")).seconds(0, 86_400, 60)
}

/// The receiver answers with this status from now on.
fn receiver_answers(host: &Host, status: u16) {
    host.receiver(RECEIVER, move |_| Some(Answer::status(status)));
}

/// Lets this instance die.
fn kill(host: &Host, mut monitor: Instance) {
    monitor.vm.fault("proxy_get_current_time_nanoseconds").trap_before();
    assert!(monitor.vm.tick(monitor.root).is_err());
    assert_eq!(host.traps().len(), 1);
}

#[test]
fn a_successor_does_not_repeat_what_was_told() {
    let host = Host::new();
    receiver_answers(&host, 200);
    let mut monitor = Instance::monitor(&host, &document());
    host.run_for(&mut [&mut monitor.vm], seconds(5));
    assert_eq!(Told::all(&host).len(), 1);
    kill(&host, monitor);
    let mut successor = Instance::monitor(&host, &document());
    host.run_for(&mut [&mut successor.vm], seconds(3_600));
    assert_eq!(Told::all(&host).len(), 1);
    host.advance(seconds(86_400));
    host.run_for(&mut [&mut successor.vm], seconds(60));
    assert_eq!(Told::all(&host).len(), 2, "when the cooldown is over it is told again");
}

#[test]
fn a_successor_tells_what_could_not_be_delivered() {
    let host = Host::new();
    receiver_answers(&host, 500);
    let mut monitor = Instance::monitor(&host, &document());
    host.run_for(&mut [&mut monitor.vm], seconds(5));
    kill(&host, monitor);
    receiver_answers(&host, 200);
    let mut successor = Instance::monitor(&host, &document());
    host.run_for(&mut [&mut successor.vm], seconds(5));
    assert_eq!(Told::all(&host).len(), 2);
    // The second try was counted when it was planned: nobody knows whether it was made.
    assert!(host.logged("Request to webhook succeeded webhook=ops attempt=3"), "{:#?}", host.log());
}

#[test]
fn a_successor_tells_what_was_on_its_way() {
    let host = Host::new();
    host.receiver(RECEIVER, |_| None);
    let certificates: Vec<_> = (0..200).map(|number| Certificate::stored("localhost").numbered(number)).collect();
    let document = certificates.iter().fold(Document::telling(), Document::server);
    let document = document.seconds(0, 86_400, 60);
    let mut monitor = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut monitor.vm], seconds(3));
    let before = Told::all(&host).len();
    assert_eq!(metric(&host, "outbox_entries;.;webhook=.=ops"), 200);
    assert!((1..10).contains(&before), "some wait for an answer and some for their turn: {before}");
    kill(&host, monitor);
    receiver_answers(&host, 200);
    let mut successor = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut successor.vm], seconds(120));
    let told: Vec<_> = Told::all(&host).into_iter().skip(before).map(|told| told.cert_id).collect();
    for certificate in certificates {
        assert!(
            told.contains(&certificate.id()),
            "{} of 200 were told: nobody has answered for the others",
            told.len()
        );
    }
}

#[test]
fn an_event_that_was_not_noted_because_the_monitor_died_is_told_by_its_successor() {
    let host = Host::new();
    receiver_answers(&host, 200);
    let mut monitor = Instance::monitor(&host, &document());
    monitor.vm.fault("proxy_set_shared_data").about(SHARD).trap_before();
    host.run_for(&mut [&mut monitor.vm], seconds(5));
    assert!(monitor.vm.is_dead());
    assert_eq!(host.callouts().len(), 0, "what is not noted is not sent");
    let mut successor = Instance::monitor(&host, &document());
    host.run_for(&mut [&mut successor.vm], seconds(10));
    assert!(host.logged("Request to webhook succeeded webhook=ops"), "{:#?}", host.log());
}

#[test]
fn a_successor_takes_the_queue_over_with_what_is_in_it() {
    let host = Host::new();
    receiver_answers(&host, 200);
    let mut monitor = Instance::monitor(&host, &Document::telling());
    host.run_for(&mut [&mut monitor.vm], seconds(2));
    let mut worker = Instance::observer(&host, "worker", &Document::telling());
    worker.tick();
    kill(&host, monitor);
    let client = Certificate::stored("client");
    worker.request(&Request::of_client(&client).on_route("orders"));
    assert_eq!(host.queue_items(QUEUE).len(), 1);
    let mut successor = Instance::monitor(&host, &Document::telling());
    host.run_for(&mut [&mut successor.vm], seconds(10));
    let told: Vec<_> = Told::all(&host).into_iter().map(|told| told.cert_id).collect();
    assert_eq!(told, [client.id()]);
}

#[test]
fn shared_data_has_a_fixed_number_of_keys() {
    let host = Host::new();
    receiver_answers(&host, 200);
    let document = (0..1_000).fold(Document::telling(), |document, number| {
        document.server(&Certificate::stored("localhost").numbered(number))
    });
    let mut monitor = Instance::monitor(&host, &document);
    host.run_for(&mut [&mut monitor.vm], seconds(30));
    let keys: Vec<_> = host.shared_keys().into_iter().filter(|key| ![LEASE, ROSTER].contains(&key.as_str())).collect();
    let shards: Vec<u16> = keys.iter().map(|key| key.strip_prefix(SHARD).unwrap().parse().unwrap()).collect();
    assert!(shards.len() > 500 && shards.iter().all(|shard| *shard < SHARDS), "{shards:?}");
}

#[test]
fn a_blob_that_is_not_of_this_release_is_set_aside_with_one_line_and_the_monitor_goes_on() {
    let host = Host::new();
    receiver_answers(&host, 200);
    let mut monitor = Instance::monitor(&host, &document());
    host.run_for(&mut [&mut monitor.vm], seconds(5));
    let key = host.shared_keys().into_iter().find(|key| key.starts_with(SHARD)).expect("a blob");
    let good = host.shared_data(&key).unwrap();
    kill(&host, monitor);
    let mut other_version = good.clone();
    other_version[0] += 1;
    let mut endless = good.clone();
    endless.splice(HEADER..=HEADER, [0xff, 0xff, 0xff, 0xff, 0x0f]);
    let broken = [
        ("another release's", other_version),
        ("cut", good[..good.len() - 1].to_vec()),
        ("cut to its layout", good[..1].to_vec()),
        ("cut to who wrote it", good[..HEADER].to_vec()),
        ("claiming four billion records", endless),
        ("text", b"another plugin's text".to_vec()),
        ("garbage", vec![0xff; 1_000]),
        ("a megabyte of zeros", vec![0; 1 << 20]),
        ("a megabyte that begins well", [&good[..HEADER], &vec![0xfe; 1 << 20]].concat()),
    ];
    for (what, blob) in broken {
        host.set_shared_data(&key, blob);
        host.take_log();
        let dropped = metric(&host, "dropped_total;.;reason=.=unknown_blob");
        let told = Told::all(&host).len();
        let mut successor = Instance::monitor(&host, &document());
        host.run_for(&mut [&mut successor.vm], seconds(10));
        assert!(successor.vm.trap().is_none(), "{what}: {:?}", successor.vm.trap());
        let lines = host.log_lines("What stands in shared data is not of this release: it is set aside");
        assert_eq!(lines.len(), 1, "{what}: {lines:?}");
        assert_eq!(lines[0].level, Level::Warn, "{what}");
        assert_eq!(metric(&host, "dropped_total;.;reason=.=unknown_blob"), dropped + 1, "{what}");
        assert_eq!(Told::all(&host).len(), told + 1, "{what}: what it said is unknown, so it is told again");
        // It has been written anew, and the next one reads it.
        host.take_log();
        let mut next = Instance::monitor(&host, &document());
        host.run_for(&mut [&mut next.vm], seconds(10));
        assert!(!host.logged("set aside"), "{what}");
        assert_eq!(Told::all(&host).len(), told + 1, "{what}");
    }
}
