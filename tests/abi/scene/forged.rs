//! Certificates that say what a test wants, of the size that those with RSA keys of 2,048 bits have.
#![allow(clippy::duplicate_mod, reason = "times count from another moment than in the table of lives")]

use serde_json::{Value, json};

use super::{Certificate, START};

#[allow(dead_code, reason = "other tests want more of it")]
#[path = "../../life/certificate.rs"]
mod builder;

pub use builder::{hex, pem};

/// When times begin: with the clock.
const BEGIN: i64 = START.as_secs().cast_signed();
const DAY: i64 = 86_400;

/// What a certificate says. It began some days before the clock starts.
#[derive(Clone, Debug)]
pub struct Forged(builder::Certificate);

impl Forged {
    /// A leaf that ends in a year.
    pub fn leaf(name: &str, issuer: &str, number: u32) -> Self {
        let leaf = builder::Certificate::leaf(name, -10 * DAY, 365 * DAY).numbered(number);
        Self(builder::Certificate { issuer: issuer.to_owned(), rsa_bits: Some(2_048), ..leaf })
    }

    /// An authority that ends in a year; a root, if it is its own issuer.
    pub fn authority(name: &str, issuer: &str, number: u32) -> Self {
        let Self(leaf) = Self::leaf(name, issuer, number);
        Self(builder::Certificate { is_ca: true, sans: Vec::new(), ..leaf })
    }

    /// The same with another end, in seconds since the clock's start.
    #[must_use]
    pub fn ending_in(self, seconds: i64) -> Self {
        Self(builder::Certificate { ends: seconds, ..self.0 })
    }

    /// The same with another begin, in seconds since the clock's start.
    #[must_use]
    pub fn beginning_in(self, seconds: i64) -> Self {
        Self(builder::Certificate { begins: seconds, ..self.0 })
    }

    /// The same, which names the key that has signed it.
    #[must_use]
    pub fn signed_with(self, key_id: &[u8]) -> Self {
        Self(builder::Certificate { authority_key_id: Some(key_id.to_vec()), ..self.0 })
    }

    /// The certificate itself.
    pub fn certificate(&self) -> Certificate {
        Certificate::of_der(self.0.der())
    }

    /// What `/certs` tells of it.
    pub fn loaded(&self, path: &str) -> Value {
        let mut loaded = self.0.loaded();
        loaded["path"] = json!(path);
        loaded
    }
}
