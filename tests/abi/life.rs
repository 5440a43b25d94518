//! The table of lives, through the released `.wasm`.

#[path = "../life/mod.rs"]
mod table;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use self::table::envoy::ADMIN;
use self::table::{BEGIN, Peer, Received, Slot, boundaries, properties, world};
use crate::host::{Answer, Callout, Host, Vm};
use crate::scene::{Certificate, Document, Instance, Request, seconds};

/// Rounds are due a second after the instances began: ticks come at each step and so long after it.
const AFTERWARDS: Duration = seconds(2);
/// What peers present is told within this time, whoever else may know more of it, and what a clock brings about that was
/// set.
const TAKEN_IN: Duration = seconds(20);
/// Whoever is next is the monitor within this time.
const SUCCESSION: Duration = seconds(60);
/// A tick that was asked for later than this is a sign of life and no more.
const BUSY: Duration = Duration::from_millis(100);

/// The plugin in an Envoy whose ticks are as far apart as a row allows.
struct Proxy {
    host: Host,
    document: Document,
    monitor: Instance,
    observer: Instance,
    holdings: Rc<RefCell<BTreeMap<&'static str, String>>>,
    grain: i64,
    /// Something was presented, or the clock was set, since time last passed.
    is_fresh: bool,
    /// How far ahead the proxy's clock is.
    ahead: Rc<Cell<i64>>,
    received: Vec<Received>,
}

/// The same document. Others of these tests have the guard of short-lived certificates off where they say nothing of it.
fn document(value: &Value) -> Document {
    let mut value = value.clone();
    let section = &mut value["certificate_expiry_monitor"];
    if ["thresholds", "short_lived", "warning_threshold_days"].iter().all(|key| section[*key].is_null()) {
        section["short_lived"] = json!("20%");
    }
    let keys = value.as_object().unwrap().iter();
    keys.fold(Document::empty(), |document, (key, value)| document.with(key, value.clone()))
}

/// A time as the host counts.
fn moment(at: i64) -> Duration {
    seconds(u64::try_from(BEGIN + at).unwrap())
}

impl Proxy {
    fn now(&self) -> i64 {
        self.host.unix_time() - BEGIN
    }

    /// Lets time pass as it does, with a tick whenever one is asked for.
    fn run_for(&mut self, span: Duration) {
        self.host.run_for(&mut [&mut self.monitor.vm, &mut self.observer.vm], span);
        self.note();
    }

    /// Moves the clock, and lets the monitor do all that is due by then.
    fn leap_to(&mut self, time: Duration) {
        if time > self.host.now() {
            self.host.set_time(time);
        }
        let is_busy = |vm: &Vm, now: Duration| vm.next_tick().is_some_and(|next| next <= now + BUSY);
        loop {
            self.run_for(Duration::from_millis(20));
            if !is_busy(&self.monitor.vm, self.host.now()) {
                break;
            }
        }
    }

    /// Takes note of what was received.
    fn note(&mut self) {
        self.host.take_log();
        if !self.host.pending().is_empty() {
            return;
        }
        let told = self.host.take_callouts().into_iter().filter(|callout| callout.cluster == "hooks");
        self.received.extend(told.map(|callout: Callout| {
            let at = i64::try_from(callout.sent_at.as_secs()).unwrap() - BEGIN;
            Received::of(at, &callout.body)
        }));
    }

    /// Ends the monitor in good order, and has one in a listener take its place: what those are configured with is newer
    /// than what the process began with.
    fn succeed(&mut self) {
        self.monitor.vm.delete(self.monitor.root).unwrap();
        self.note();
        self.monitor = Instance::auto(&self.host, "listener", &self.document);
        let vms = &mut [&mut self.monitor.vm, &mut self.observer.vm];
        assert!(
            self.host.run_until(vms, SUCCESSION, |host| host.logged("Holding the lease")),
            "{:#?}",
            self.host.log()
        );
        self.run_for(AFTERWARDS);
    }
}

impl table::World for Proxy {
    fn starting(value: &Value, at: i64, grain: i64) -> Self {
        let host = Host::new();
        host.set_time(moment(at));
        let ahead = Rc::new(Cell::new(0));
        let (others, clock) = (Rc::clone(&ahead), host.clone());
        host.receiver("hooks", move |_| {
            let secs = u64::try_from(clock.unix_time() - others.get()).unwrap();
            let date = httpdate::fmt_http_date(UNIX_EPOCH + seconds(secs));
            Some(Answer::status(200).header("date", &date))
        });
        let holdings = Rc::new(RefCell::new(table::envoy::bodies(&[])));
        let answering = Rc::clone(&holdings);
        host.receiver(ADMIN, move |callout| {
            let path = callout.header(":path").expect("a path");
            Some(Answer::status(200).body(table::envoy::answer(&answering.borrow(), path)))
        });
        let document = document(value);
        let monitor = Instance::monitor(&host, &document);
        let observer = Instance::observer(&host, "worker", &document);
        Self { host, document, monitor, observer, holdings, grain, is_fresh: false, ahead, received: Vec::new() }
    }

    fn advance_to(&mut self, at: i64) {
        if std::mem::take(&mut self.is_fresh) {
            self.run_for(TAKEN_IN.min(moment(at).saturating_sub(self.host.now())));
        }
        while self.now() < at {
            let next = ((self.now() / self.grain + 1) * self.grain).min(at);
            self.leap_to(moment(next));
            self.leap_to(moment(next) + AFTERWARDS);
        }
    }

    fn look_at(&mut self, at: i64) {
        let span = moment(at).saturating_sub(self.host.now());
        self.run_for(span);
    }

    fn serve(&mut self, slots: &[Slot]) {
        *self.holdings.borrow_mut() = table::envoy::bodies(slots);
    }

    fn present(&mut self, peer: &Peer) {
        let Peer { is_upstream, route, at, certificate } = peer;
        let certificate = Certificate::of_der(certificate.der());
        let request = if *is_upstream {
            let request = Request::plain().answered_by(&certificate);
            at.iter().fold(request, |request, name| request.with("xds", "cluster_name", name.as_str()))
        } else {
            at.iter().fold(Request::of_client(&certificate), |request, name| request.at_listener(name))
        };
        let request = route.iter().fold(request, |request, name| request.on_route(name));
        self.observer.request(&request);
        self.is_fresh = true;
    }

    fn replace(&mut self, value: &Value) {
        self.document = document(value);
        self.succeed();
    }

    fn set_clock(&mut self, at: i64) {
        self.ahead.set(self.ahead.get() + at - self.now());
        self.host.set_clock(&mut [&mut self.monitor.vm, &mut self.observer.vm], moment(at));
        self.is_fresh = true;
    }

    fn restart(&mut self) {
        self.succeed();
    }

    fn received(&mut self) -> Vec<Received> {
        self.note();
        std::mem::take(&mut self.received)
    }

    fn lateness(grain: i64) -> i64 {
        grain + 5
    }
}

#[test]
fn every_row_of_the_table() {
    world::play_all::<Proxy>(&table::rows());
}

#[test]
fn every_boundary_to_the_second() {
    boundaries::check::<Proxy>();
}

#[test]
fn every_begin_to_the_second() {
    boundaries::check_begin::<Proxy>();
}

#[test]
fn no_world_breaks_a_promise() {
    properties::check::<Proxy>(0..10);
}
