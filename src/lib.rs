//! A proxy-wasm plugin that makes Envoy tell people before a TLS certificate expires.
//!
//! ```text
//! connection ─► observer ─ shared queue ─┐
//! plugin JSON: certificates[] ───────────┼─► monitor: inventory ─► assess ─► ledger ─► event
//! Envoy's admin interface ─► discovery ──┘                                               │
//!               receiver ◄─ HTTP callout ◄─ render ◄─ outbox ◄───────────────────────────┘
//! ```
//!
//! | step | where |
//! | --- | --- |
//! | what an instance is, every call to the proxy | `host` (wasm only) |
//! | observer, discovery, monitor, inventory, rounds, ledger, outbox, what a fleet shares | [`application`] |
//! | assess, decide whether to tell, incidents, events and their ids | [`domain`] |
//! | plugin JSON, Tyk's forms, all problems at once | [`config`] |
//! | PEM and X.509, what Envoy's headers and its admin interface say | [`decode`] |
//! | bodies and headers | [`render`] |
//!
//! Dependencies point one way, host → application → config, decode, render → domain, and time is always an argument.

pub mod application;
pub mod config;
pub mod decode;
pub mod domain;
pub mod render;

#[cfg(target_arch = "wasm32")]
mod host;
