//! The table of lives in simulated time.

#[path = "../life/mod.rs"]
mod table;

use cert_expiry_monitor::application::observation::{Form, Item, Site};
use cert_expiry_monitor::domain::{Role, Usage};
use serde_json::Value;

use self::table::{BEGIN, Peer, Received, Slot, boundaries, properties, world};
use crate::admin::Admin;
use crate::world::{END, World};

/// What the clock of these worlds counts from, in seconds from [`BEGIN`].
const ZERO: i64 = END.secs() - BEGIN;

/// The monitor alone.
struct Native {
    world: World,
    /// How far ahead the proxy's clock is.
    ahead: i64,
}

impl table::World for Native {
    fn starting(document: &Value, at: i64, _: i64) -> Self {
        let mut world = World::as_written(at - ZERO, document.clone());
        world.admin = Some(Admin::of("1.40.0"));
        world.is_punctual = true;
        let mut native = Self { world, ahead: 0 };
        native.serve(&[]);
        native
    }

    fn advance_to(&mut self, at: i64) {
        self.world.run_until(at - ZERO);
    }

    fn look_at(&mut self, at: i64) {
        self.advance_to(at);
    }

    fn serve(&mut self, slots: &[Slot]) {
        self.world.admin.as_mut().unwrap().bodies = Some(table::envoy::bodies(slots));
    }

    fn present(&mut self, peer: &Peer) {
        let Peer { is_upstream, route, at, certificate } = peer;
        let (role, kind) = if *is_upstream { (Role::Upstream, "cluster") } else { (Role::Client, "listener") };
        let usage = Usage::new(role, route.clone());
        let place = at.as_ref().map(|name| format!("{kind}/{name}"));
        let (digest, pem) = (certificate.id(), certificate.pem());
        let site = Site { place: place.as_deref(), address: None };
        self.world.enqueue(Item::seen(&usage, site, digest.as_bytes(), Form::Pem, pem.as_bytes()).unwrap());
    }

    fn replace(&mut self, document: &Value) {
        self.world.replace_as_written(document.clone());
    }

    fn set_clock(&mut self, at: i64) {
        self.ahead += at - (self.world.now.secs() - BEGIN);
        self.world.receiver_clock_offset("hooks", -self.ahead);
        self.world.set_clock(at - ZERO);
        // A host ticks once a second, whatever the monitor waits for.
        self.world.run_for(0);
    }

    fn restart(&mut self) {
        self.world.restart();
    }

    fn received(&mut self) -> Vec<Received> {
        let told = self.world.timed_calls().into_iter().filter(|(_, call)| call.cluster == "hooks");
        told.map(|(at, call)| Received::of(at.secs() - BEGIN, call.body.as_deref().unwrap())).collect()
    }

    fn lateness(_: i64) -> i64 {
        5
    }
}

#[test]
fn every_row_of_the_table() {
    world::play_all::<Native>(&table::rows());
}

#[test]
fn every_boundary_to_the_second() {
    boundaries::check::<Native>();
}

#[test]
fn every_begin_to_the_second() {
    boundaries::check_begin::<Native>();
}

/// Worlds of which one test takes as many, so that they share the machine's cores.
const WORLDS: u64 = 100;

#[test]
fn no_world_breaks_a_promise() {
    properties::check::<Native>(0..WORLDS);
}

#[test]
fn no_other_world_breaks_a_promise() {
    properties::check::<Native>(WORLDS..2 * WORLDS);
}

#[test]
fn no_further_world_breaks_a_promise() {
    properties::check::<Native>(2 * WORLDS..3 * WORLDS);
}

#[test]
fn the_order_of_what_is_handed_over_together_means_nothing() {
    properties::check_orders::<Native>(1_000..1_075, true, &[]);
}

#[test]
fn the_order_means_nothing_where_not_everybody_knows_the_api() {
    properties::check_orders::<Native>(1_000..1_075, false, &[]);
}
