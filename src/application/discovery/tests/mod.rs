//! Rounds over Envoys in memory and over recorded ones.
// `json!` makes values that are handed on as they are.
#![allow(clippy::needless_pass_by_value)]

mod admin;
mod certificate;
mod joining;
mod recorded;
mod rounds;
mod scale;
mod slicing;
