//! A round outlives nobody: whoever comes next begins anew, and nobody is told twice.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{document, holding, name, watched};
use crate::host::{Answer, Host};
use crate::scene::{
    ADMIN, Certificate, Crew, Document, Envoy, Forged, Instance, SUSPECT, Told, by_secret, chain_of, metric,
    patient_host, seconds,
};

const SECRETS: u32 = 20;

fn expiring(number: u32) -> Forged {
    Forged::leaf(&format!("{number}.example.com"), "ca", number).ending_in(86_400)
}

/// An Envoy whose secrets expire within a day.
fn expiring_soon() -> Envoy {
    let mut envoy = Envoy::new();
    envoy.listener("all", (0..SECRETS).map(|number| by_secret(&name(number))));
    for number in 0..SECRETS {
        envoy.static_secret(&name(number), &chain_of(&[expiring(number).certificate()]));
        envoy.load(&[expiring(number).loaded("<inline>")], &[]);
    }
    envoy
}

fn identifying() -> Document {
    Document::identifying().discovering()
}

/// Every secret is told of, under one id.
fn all_are_told(what: &str, host: &Host) {
    let told = Told::all(host);
    let certificates: BTreeSet<_> = told.iter().map(|told| told.cert_id.clone()).collect();
    let ids: BTreeSet<_> = told.iter().map(|told| told.id.clone()).collect();
    assert_eq!((certificates.len(), ids.len()), (SECRETS as usize, SECRETS as usize), "{what}: {:#?}", host.log());
}

#[test]
fn a_monitor_that_dies_anywhere_in_a_round_is_followed_by_one_that_finds_everything() {
    let mut requests = 0;
    for dies_at in 1..=11_usize {
        let host = patient_host();
        let envoy = expiring_soon().answer_on(&host);
        let members = [Instance::monitor(&host, &identifying()), Instance::standby(&host, &identifying())];
        let mut crew = Crew::new(&host, members);
        let asked = std::rc::Rc::clone(&envoy);
        let has_asked = |_: &Host| asked.borrow().asked.len() >= dies_at;
        if !crew.run_until(seconds(30), has_asked) {
            break;
        }
        requests = dies_at;
        crew.kill("monitor");
        crew.run_for(seconds(60));
        assert_eq!(host.traps().len(), 1, "after {dies_at} requests");
        all_are_told(&format!("after {dies_at} requests"), &host);
        assert_eq!(watched(&host, "server"), u64::from(SECRETS), "after {dies_at} requests");
    }
    assert!(requests >= 9, "a round has {requests} requests");
}

#[test]
fn an_answer_that_comes_after_its_monitor_was_replaced_is_nobodys() {
    let host = patient_host();
    let envoy = expiring_soon();
    host.receiver(ADMIN, move |callout| {
        let body = envoy.answer(callout.header(":path").unwrap());
        Some(Answer::status(200).body(body).after(seconds(4)))
    });
    let newer = identifying().seconds(3_600, 86_400, 600);
    let mut crew = Crew::new(&host, [Instance::monitor(&host, &identifying())]);
    crew.run_for(seconds(2));
    assert_eq!(host.pending().len(), 1, "a request is out");
    crew.members.push(Instance::standby(&host, &newer));
    crew.until_holds("standby");
    assert_eq!(host.traps(), []);
    crew.run_for(seconds(120));
    assert_eq!(host.traps(), []);
    all_are_told("replaced", &host);
}

#[test]
fn a_monitor_that_is_removed_while_a_request_is_out_harms_nobody() {
    let host = patient_host();
    host.receiver(ADMIN, |_| Some(Answer::status(200).body("{}").after(seconds(4))));
    let mut monitor = Instance::monitor(&host, &identifying());
    host.run_for(&mut [&mut monitor.vm], seconds(2));
    assert_eq!(host.pending().len(), 1, "a request is out");
    monitor.vm.delete(monitor.root).expect("an end");
    host.run_for(&mut [&mut monitor.vm], seconds(10));
    expiring_soon().answer_on(&host);
    let mut next = Instance::monitor(&host, &identifying());
    host.run_for(&mut [&mut monitor.vm, &mut next.vm], seconds(30));
    assert_eq!(host.traps(), []);
    all_are_told("removed", &host);
}

#[test]
fn what_was_found_is_watched_by_a_successor_whose_envoy_does_not_answer() {
    let host = patient_host();
    holding(100, 0).answer_on(&host);
    let mut crew = Crew::new(&host, [Instance::monitor(&host, &document()), Instance::standby(&host, &document())]);
    crew.run_for(seconds(30));
    assert_eq!(watched(&host, "server"), 300);
    host.receiver(ADMIN, |_| Some(Answer::status(500)));
    crew.kill("monitor");
    crew.run_for(seconds(7_200));
    assert_eq!(watched(&host, "server"), 300, "the last good inventory is kept");
    assert_eq!(host.traps().len(), 1);
}

#[test]
fn a_found_certificate_that_ends_the_monitor_is_quarantined_by_its_successor() {
    let host = patient_host();
    let poison: Certificate = expiring(7).certificate();
    host.fault("proxy_set_shared_data").about(SUSPECT).ending(poison.fingerprint()).trap_after();
    expiring_soon().answer_on(&host);
    let members = [Instance::monitor(&host, &identifying()), Instance::standby(&host, &identifying())];
    let mut crew = Crew::new(&host, members);
    crew.until_holds("standby");
    crew.run_for(Duration::from_secs(3_000));
    let dead: Vec<_> = host.traps().into_iter().map(|trap| trap.vm).collect();
    assert_eq!(dead, ["monitor"]);
    assert_eq!(host.log_lines("A certificate is quarantined").len(), 1);
    let told: BTreeSet<_> = Told::all(&host).into_iter().map(|told| told.cert_id).collect();
    assert!(!told.contains(&poison.id()), "it is never parsed");
    assert_eq!(told.len(), SECRETS as usize, "what /certs tells of it is watched: {:#?}", host.log());
    assert!(metric(&host, "dropped_total;.;reason=.=quarantined") >= 2);
}
