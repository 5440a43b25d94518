//! Whatever stands in shared data: other plugins of the same `vm_id` can write there, and so can other releases.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use crate::host::{Answer, Host, Level};
use crate::scene::{
    Certificate, Crew, Document, HEADER, Instance, LEASE, QUARANTINE, RECEIVER, ROSTER, Request, SHARD, SHARDS,
    STANDINGS, SUSPECT, Told, noise, receiving_host, seconds, shard_of,
};

const SET_ASIDE: &str = "What stands in shared data is not of this release";
const NO_LEASE: &str = "What stands in shared data in place of the lease is not of this release";

/// Another plugin's key, which begins like ours or does not.
const STRANGERS: [&str; 3] = ["other-plugin/state", "cert-expiry-monitor", "cert-expiry-monitor/certificates/1024"];

fn document() -> Document {
    let webhook = json!({ "headers": { "x-id": "{{ id }}" }, "test_on_start": true });
    Document::empty().webhook(webhook).server(&Certificate::stored("localhost")).seconds(0, 86_400, 60)
}

/// All keys of the plugin.
fn keys() -> Vec<String> {
    let fixed = [LEASE, ROSTER, SUSPECT, QUARANTINE, STANDINGS].map(str::to_owned);
    fixed.into_iter().chain((0..SHARDS).map(|shard| format!("{SHARD}{shard}"))).collect()
}

fn crew(host: &Host) -> Crew {
    Crew::new(
        host,
        [
            Instance::monitor(host, &document()),
            Instance::standby(host, &document()),
            Instance::observer(host, "worker", &document()),
        ],
    )
}

/// Lives on: the server and a new client are told of, and nothing traps.
fn goes_on(what: &str, crew: &mut Crew, number: u32) {
    let host = crew.host.clone();
    let client = Certificate::stored("client").numbered(number);
    crew.run_for(seconds(9));
    crew.member("worker").request(&Request::of_client(&client).on_route("orders"));
    crew.run_for(seconds(10));
    assert_eq!(host.traps(), [], "{what}");
    let told: BTreeSet<_> = Told::all(&host).into_iter().map(|told| told.cert_id).collect();
    assert!(told.contains(&Certificate::stored("localhost").id()), "{what}: {:#?}", host.log());
    assert!(told.contains(&client.id()), "{what}: {:#?}", host.log());
}

/// Starts with what is planted. Returns the host.
fn starts_with(what: &str, plant: impl Fn(&Host)) -> Host {
    let host = receiving_host();
    plant(&host);
    goes_on(what, &mut crew(&host), 1);
    host
}

/// What a monitor that has something of everything leaves behind.
fn real_values() -> Vec<(String, Vec<u8>)> {
    let host = Host::new();
    host.receiver(RECEIVER, |_| Some(Answer::status(503)));
    let mut crew = crew(&host);
    crew.run_for(seconds(3));
    let known = Certificate::stored("client").numbered(1);
    crew.member("worker").request(&Request::of_client(&known).on_route("orders"));
    crew.run_for(seconds(10));
    crew.member("worker").request(&Request::of_client(&Certificate::stored("client")).on_route("orders"));
    crew.member("monitor").vm.fault("proxy_set_shared_data").about(SUSPECT).on_call(1).trap_after();
    crew.run_for(seconds(20));
    crew.member("worker").request(&Request::of_client(&Certificate::stored("upstream")).on_route("orders"));
    crew.member("standby").vm.fault("proxy_set_shared_data").about(SUSPECT).on_call(1).trap_after();
    crew.run_for(seconds(20));
    assert_eq!(host.traps().len(), 2, "one certificate is in quarantine, and one is a suspect");
    let keys = host.shared_keys().into_iter();
    let values: Vec<_> = keys.map(|key| (key.clone(), host.shared_data(&key).unwrap())).collect();
    for key in [LEASE, ROSTER, SUSPECT, QUARANTINE, STANDINGS] {
        assert!(values.iter().any(|(there, _)| there == key), "{key}");
    }
    values
}

#[test]
fn noise_under_every_key_is_set_aside_with_one_line() {
    for seed in 1..=12_u64 {
        let host = starts_with(&format!("noise {seed}"), |host| {
            for (number, key) in (seed..).zip(keys()) {
                let length = usize::try_from(number * seed % 300 + 1).unwrap();
                host.set_shared_data(&key, noise(number * 1_000 + seed, length));
            }
        });
        let lines = host.log_lines(SET_ASIDE);
        assert_eq!(lines.len(), 1, "noise {seed}: {lines:#?}");
        assert_eq!((lines[0].level, lines[0].vm.as_str()), (Level::Warn, "monitor"), "noise {seed}");
        let lines = host.log_lines(NO_LEASE);
        assert!(lines.len() <= 2, "once from each that stands: noise {seed}: {lines:#?}");
    }
}

#[test]
fn values_of_another_layout_are_set_aside_with_one_line() {
    let values = real_values();
    for layout in [0, 1, 2, 255] {
        let host = starts_with(&format!("layout {layout}"), |host| {
            for (key, value) in &values {
                host.set_shared_data(key, [&[layout], &value[1..]].concat());
            }
        });
        assert_eq!(host.log_lines(SET_ASIDE).len(), 1, "layout {layout}");
    }
}

#[test]
fn values_that_are_cut_anywhere_harm_nobody() {
    let values = real_values();
    let longest = values.iter().map(|(_, value)| value.len()).max().unwrap();
    println!("{} values of at most {longest} bytes", values.len());
    for length in 0..longest {
        let host = receiving_host();
        for (key, value) in values.iter().filter(|(_, value)| length < value.len()) {
            host.set_shared_data(key, &value[..length]);
        }
        let mut monitor = Instance::monitor(&host, &document());
        host.run_for(&mut [&mut monitor.vm], seconds(7));
        assert_eq!(host.traps(), [], "cut to {length} bytes");
        let told: Vec<_> = Told::all(&host).into_iter().map(|told| told.cert_id).collect();
        assert!(told.contains(&Certificate::stored("localhost").id()), "cut to {length} bytes: {:#?}", host.log());
        assert!(host.log_lines(SET_ASIDE).len() <= 1, "cut to {length} bytes");
    }
}

#[test]
fn what_claims_to_be_written_by_a_holder_and_is_nonsense_is_set_aside() {
    let epochs = [0, 1, 2, 77, u64::from(u32::MAX), 1 << 40, 1 << 48, u64::MAX];
    for epoch in epochs {
        for contents in [Vec::new(), vec![0], vec![0; 500], vec![0xff; 500], noise(epoch, 300)] {
            let what = format!("epoch {epoch}, {} bytes", contents.len());
            starts_with(&what, |host| {
                for key in keys() {
                    let header = [&[2][..], &epoch.to_le_bytes(), &7_u64.to_le_bytes()].concat();
                    assert_eq!(header.len(), HEADER);
                    host.set_shared_data(&key, [header, contents.clone()].concat());
                }
            });
        }
    }
}

#[test]
fn an_epoch_after_which_there_is_none_is_set_aside() {
    for epoch in [(1_u64 << 48) - 1, (1 << 48) - 2] {
        for key in [LEASE, SUSPECT] {
            starts_with(&format!("epoch {epoch} under {key}"), |host| {
                let header = [&[2][..], &epoch.to_le_bytes(), &7_u64.to_le_bytes()].concat();
                host.set_shared_data(key, [header, vec![0; 50]].concat());
            });
        }
    }
}

#[test]
fn noise_planted_under_any_key_at_any_time_stops_nothing() {
    let host = receiving_host();
    let mut crew = crew(&host);
    crew.run_for(seconds(3));
    let shard = |certificate: &Certificate| format!("{SHARD}{}", shard_of(&certificate.fingerprint()));
    let server = shard(&Certificate::stored("localhost"));
    for (number, key) in (1_u32..).zip([LEASE, ROSTER, SUSPECT, QUARANTINE, &server, LEASE, ROSTER]) {
        for pause in [0, 333, 777] {
            crew.run_for(Duration::from_millis(pause));
            host.set_shared_data(key, noise(u64::from(number) * 1_000 + pause, 100));
        }
        goes_on(&format!("noise under {key}"), &mut crew, number);
    }
    let lines = host.log_lines(NO_LEASE);
    assert!(lines.len() <= 2, "once from each that stands: {lines:#?}");
    for key in keys() {
        host.set_shared_data(&key, noise(key.len() as u64, 64));
    }
    goes_on("noise under all keys", &mut crew, 1_000);
    crew.kill("monitor");
    crew.run_for(seconds(10));
    assert!(host.logged("Holding the lease kind=standby"), "{:#?}", host.log());
    let is_of_server = |told: &Told| told.role == "server" && told.event != "WebhookTest";
    let told: Vec<_> = Told::all(&host).into_iter().filter(is_of_server).collect();
    let holders = host.log_lines("Holding the lease").len();
    assert!(told.len() <= holders, "told {} times by {holders} holders", told.len());
    assert!(told.iter().all(|other| other.id == told[0].id), "{told:#?}");
}

#[test]
fn a_stale_lease_that_is_put_back_again_and_again_leaves_one_holder_at_a_time() {
    let host = receiving_host();
    let mut crew = crew(&host);
    crew.run_for(seconds(3));
    let stale = host.shared_data(LEASE).unwrap();
    for _ in 0..5 {
        crew.run_for(seconds(2));
        host.set_shared_data(LEASE, &stale);
    }
    goes_on("a stale lease", &mut crew, 1);
}

#[test]
fn what_belongs_to_other_plugins_is_left_alone() {
    let host = receiving_host();
    for key in STRANGERS {
        host.set_shared_data(key, key);
    }
    let mut crew = crew(&host);
    goes_on("strangers", &mut crew, 1);
    for key in STRANGERS {
        assert_eq!(host.shared_data(key).as_deref(), Some(key.as_bytes()));
    }
    assert!(!host.logged("set aside"));
}
