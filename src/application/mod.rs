//! The two parts that the plugin plays, as state machines without a clock, a log target or a network of their own.
//!
//! [`Observer`](observer::Observer) reads a connection's properties and hands new certificates over as
//! [`Observation`](observation::Observation)s. [`Monitor`](monitor::Monitor) takes [`Input`](monitor::Input)s and
//! answers with [`Effect`](effect::Effect)s: it keeps the [`inventory`], checks it in [`rounds`], remembers in the
//! [`ledger`] what was told, and sends through the [`outbox`]. Who is the monitor is decided by the [`lease`]; what it
//! knows is kept in [`shared_data`], so that a successor goes on from there; what the
//! proxies of a [`fleet`] share is in a store of theirs.

pub mod advice;
pub mod clock;
pub mod discovery;
pub mod effect;
pub mod fleet;
pub mod inventory;
pub mod lease;
pub mod ledger;
pub mod metric;
pub mod monitor;
pub mod observation;
pub mod observer;
pub mod outbox;
pub mod probe;
mod quarantine;
mod request;
pub mod rounds;
mod shards;
pub mod shared_data;
mod snapshot;
mod standing;
