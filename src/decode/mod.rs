//! Bytes from outside → domain values. Everything here is hostile input until it has passed.

pub mod admin;
mod algorithm;
pub mod date;
pub mod observed;
pub mod pem;
pub mod renewal_info;
pub mod retry_after;
pub mod timestamp;
pub mod webdis;
pub mod x509;
pub mod xfcc;
