#![doc = "placeholder"]
pub mod application;
pub mod config;
pub mod decode;
pub mod domain;
pub mod render;

#[cfg(target_arch = "wasm32")]
mod host;
