//! The plugin as Envoy sees it: root contexts, streams, and every call to the host.
//!
//! The SDK dispatches callbacks and registers callouts. Everything else goes through [`calls`], because the SDK's own
//! wrappers panic on statuses that they do not expect.

mod calls;
mod log;
mod metrics;
mod observer;
mod root;
mod service;
#[cfg(feature = "trap")]
mod trap;

proxy_wasm::main! {{
    log::install();
    proxy_wasm::set_root_context(|_| Box::new(root::Root::default()));
}}
