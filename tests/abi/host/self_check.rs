//! The host is tested too: a fake that lies proves nothing.

use std::time::Duration;

use super::context::RootId;
use super::metric::{MetricIds, MetricKind, Metrics};
use super::shared_data::{CasMismatch, SharedData};
use super::shared_queue::{SharedQueues, UnknownQueue};
use super::{Answer, Dispatch, Host, Refusal, pairs};

/// The smallest plugin that can show something. The first byte of its configuration says what a tick
/// does: `l` asks for the time, `c` makes a callout, and both log the status as one digit; `t` traps,
/// `s` never ends; `?` is refused. An answer's number of headers is logged too.
const PLUGIN: &str = r#"(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_current_time_nanoseconds" (func $time (param i32) (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $period (param i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_http_call"
    (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "0123456789A")
  (data (i32.const 16) "receiver")
  (data (i32.const 32) "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00\0a\00\00\00\01\00\00\00"
                       ":method\00GET\00:path\00/\00:authority\00a\00")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
  (func $digit (param i32) (drop (call $log (i32.const 2) (local.get 0) (i32.const 1))))
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (drop (call $period (i32.const 1000)))
    (drop (call $buffer (i32.const 7) (i32.const 0) (i32.const 1) (i32.const 256) (i32.const 260)))
    (i32.ne (i32.load8_u (i32.const 1024)) (i32.const 63)))
  (func (export "proxy_on_tick") (param i32)
    (local $what i32)
    (local.set $what (i32.load8_u (i32.const 1024)))
    (if (i32.eq (local.get $what) (i32.const 108))
      (then (call $digit (call $time (i32.const 512)))))
    (if (i32.eq (local.get $what) (i32.const 99))
      (then (call $digit (call $call (i32.const 16) (i32.const 8) (i32.const 32) (i32.const 61)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 3000) (i32.const 512)))))
    (if (i32.eq (local.get $what) (i32.const 116)) (then unreachable))
    (if (i32.eq (local.get $what) (i32.const 115)) (then (loop (br 0)))))
  (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
    (call $digit (local.get 2))))"#;

fn texts(host: &Host) -> Vec<String> {
    host.take_log().into_iter().map(|line| line.text).collect()
}

#[test]
fn compare_and_swap_is_that_of_envoy() {
    let mut data = SharedData::default();
    assert_eq!(data.set("a", "k", b"1".to_vec(), 77), Ok(()), "a missing key is created");
    let (value, cas) = data.get("a", "k").expect("a value");
    assert_eq!((value, cas), (&b"1"[..], 1));
    assert_eq!(data.set("a", "k", b"2".to_vec(), 77), Err(CasMismatch));
    assert_eq!(data.set("a", "k", b"2".to_vec(), 1), Ok(()));
    assert_eq!(data.set("a", "k", b"3".to_vec(), 0), Ok(()), "zero overwrites");
    assert_eq!(data.set("a", "other", Vec::new(), 0), Ok(()));
    assert_eq!(data.get("a", "other"), Some((&b""[..], 4)), "one counter for all keys");
    assert_eq!(data.get("b", "k"), None, "each vm_id has its own space");
}

#[test]
fn a_queue_goes_to_who_registers_it_last_and_keeps_what_is_in_it() {
    let mut queues = SharedQueues::default();
    let token = queues.register("a", "q", (0, RootId(1)));
    assert_eq!(queues.enqueue(token, b"x".to_vec()), Ok(()));
    assert_eq!(queues.register("a", "q", (1, RootId(2))), token);
    assert_eq!(queues.enqueue(token, b"y".to_vec()), Ok(()));
    let owners: Vec<usize> = queues.notifications().iter().map(|waiting| waiting.vm).collect();
    assert_eq!(owners, [0, 1], "a notification goes to the owner at the time");
    assert_eq!(queues.dequeue(token), Ok(Some(b"x".to_vec())));
    assert_eq!(queues.dequeue(token), Ok(Some(b"y".to_vec())));
    assert_eq!(queues.dequeue(token), Ok(None));
    assert_eq!((queues.resolve("b", "q"), queues.dequeue(99)), (None, Err(UnknownQueue)));
    queues.forget("a");
    assert_eq!(queues.enqueue(token, Vec::new()), Err(UnknownQueue), "the token is stale");
}

#[test]
fn each_definition_of_a_metric_is_a_new_id_for_the_same_value() {
    let (mut metrics, mut one, mut two) = (Metrics::default(), MetricIds::default(), MetricIds::default());
    let a = metrics.define(&mut one, MetricKind::Counter, "c".to_owned());
    let b = metrics.define(&mut one, MetricKind::Counter, "c".to_owned());
    let c = metrics.define(&mut two, MetricKind::Counter, "c".to_owned());
    assert_ne!(a, b);
    metrics.increment(&one, a, 1);
    metrics.increment(&one, b, 2);
    metrics.increment(&two, c, 4);
    assert_eq!(metrics.get(&two, c), Ok(7));
    assert_eq!(metrics.definitions()["c"], 3);
}

#[test]
fn headers_survive_the_border() {
    let headers = pairs::headers(&[(":status", "200"), ("empty", ""), ("empty", "twice")]);
    assert_eq!(pairs::decode(&pairs::encode(&headers)), Some(headers));
    assert_eq!(pairs::decode(&[]), Some(Vec::new()));
    assert_eq!(pairs::decode(&[9, 0, 0, 0, 1]), None);
}

#[test]
fn an_import_that_envoy_does_not_offer_is_named() {
    let host = Host::with_wasm(
        r#"(module (import "env" "proxy_log" (func (param i32) (result i32)))
                   (import "env" "proxy_fly" (func)) (import "js" "now" (func)))"#,
    );
    let cause = host.vm("vm").start().expect_err("it cannot start").cause;
    for name in ["env.proxy_log", "env.proxy_fly", "js.now"] {
        assert!(cause.contains(name), "{cause}");
    }
}

#[test]
fn time_passes_in_ticks_and_a_trap_ends_only_one_vm() {
    let host = Host::with_wasm(PLUGIN);
    let mut good = host.vm("good").start().expect("a VM");
    let mut bad = host.vm("bad").start().expect("a VM");
    let root = good.create_root("l").expect("a root");
    bad.create_root("t").expect("a root");
    assert_eq!(good.tick_period(root), Some(Duration::from_secs(1)));
    let start = host.now();
    host.run_for(&mut [&mut good, &mut bad], Duration::from_millis(3500));
    assert_eq!(host.now(), start + Duration::from_millis(3500));
    assert_eq!(texts(&host), ["0", "0", "0"]);
    assert!(bad.is_dead() && !good.is_dead());
    assert_eq!(host.traps().len(), 1);
    assert_eq!(host.traps()[0].export, "proxy_on_tick");
    assert!(bad.tick(RootId(1)).is_err(), "the dead stay dead");
    assert!(bad.respawn().expect("a VM").create_root("l").is_ok());
}

#[test]
fn fuel_is_exact_and_an_endless_loop_ends() {
    let host = Host::with_wasm(PLUGIN);
    let mut vm = host.vm("vm").start().expect("a VM");
    let root = vm.create_root("l").expect("a root");
    let mut spent = Vec::new();
    for _ in 0..3 {
        vm.tick(root).expect("a tick");
        spent.push(vm.last_fuel());
    }
    assert!(spent[0] > 0 && spent.iter().all(|fuel| *fuel == spent[0]), "{spent:?}");
    assert_eq!(vm.take_most_fuel().get("proxy_on_tick"), Some(&spent[0]));
    assert_eq!(vm.take_most_fuel(), [].into());
    assert_eq!((vm.memory(), vm.calls("proxy_log"), host.calls("proxy_log")), (65_536, 3, 3));
    host.reset_calls();
    assert_eq!(host.call_counts(), [].into());
    host.set_fuel_limit(100_000);
    let mut endless = host.vm("endless").start().expect("a VM");
    let root = endless.create_root("s").expect("a root");
    assert!(endless.tick(root).is_err());
}

#[test]
fn faults_strike_when_they_should() {
    let host = Host::with_wasm(PLUGIN);
    let mut vm = host.vm("vm").start().expect("a VM");
    let root = vm.create_root("l").expect("a root");
    let time = "proxy_get_current_time_nanoseconds";
    host.fault(time).after_calls(1).for_calls(2).status(9);
    for _ in 0..4 {
        vm.tick(root).expect("a tick");
    }
    assert_eq!(texts(&host), ["0", "9", "9", "0"]);
    host.clear_faults();
    vm.fault("proxy_log").trap_after();
    assert!(vm.tick(root).expect_err("a trap").cause.contains("proxy_log traps as programmed"));
    assert_eq!(texts(&host), ["0"], "it did its work");
    let mut other = host.vm("other").start().expect("a VM");
    let root = other.create_root("l").expect("a root");
    other.tick(root).expect("the fault is the first VM's own");
    host.fault("proxy_log").on_call(2).trap_before();
    other.tick(root).expect("the first call");
    host.take_log();
    other.tick(root).expect_err("the second call");
    assert_eq!(host.take_log(), []);
}

#[test]
fn callouts_meet_what_was_declared_and_receivers_answer_in_time() {
    let host = Host::with_wasm(PLUGIN);
    let mut vm = host.vm("vm").start().expect("a VM");
    let root = vm.create_root("c").expect("a root");
    vm.tick(root).expect("a tick");
    host.cluster("receiver", Dispatch::InternalFailure);
    vm.tick(root).expect("a tick");
    assert_eq!(texts(&host), ["2", "A"], "nobody knows the cluster; nobody is there");
    assert!(host.callouts().is_empty());

    let mut asked = 0;
    host.receiver("receiver", move |callout| {
        assert_eq!((callout.header(":path"), callout.timeout.as_secs()), (Some("/"), 3));
        asked += 1;
        match asked {
            1 => Some(Answer::status(200).header("a", "b").after(Duration::from_millis(10))),
            2 => Some(Answer::reset()),
            _ => None,
        }
    });
    let answered = |count: usize| move |host: &Host| host.callouts().len() - host.pending().len() == count;
    assert!(host.run_until(&mut [&mut vm], Duration::from_secs(60), answered(2)));
    assert_eq!(texts(&host), ["0", "3", "0", "0"], "sent, three headers; sent, reset");
    let sent = host.now();
    assert!(host.run_until(&mut [&mut vm], Duration::from_secs(60), answered(3)));
    assert_eq!(host.now(), sent + Duration::from_secs(1 + 3), "the third ends with its timeout");
    assert_eq!(texts(&host).last().map(String::as_str), Some("1"), "one header");
}

#[test]
fn a_refused_configuration_is_told_from_a_trap() {
    let host = Host::with_wasm(PLUGIN);
    let mut vm = host.vm("vm").start().expect("a VM");
    assert_eq!(vm.create_root("?"), Err(Refusal::Configuration));
    vm.fault("proxy_get_buffer_bytes").trap_before();
    assert!(matches!(vm.create_root("l"), Err(Refusal::Trap(_))));
}
