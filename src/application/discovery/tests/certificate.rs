//! Certificates of the year 2026 that nobody signed: nobody verifies them here.

use crate::decode::x509;
use crate::domain::Certificate;

#[allow(dead_code, unreachable_pub, reason = "the tests in tests/ want more of it")]
#[path = "../../../../tests/life/certificate.rs"]
mod builder;

/// When times begin: 2026-01-01T00:00:00Z.
const BEGIN: i64 = 1_767_225_600;
const YEAR: i64 = 365 * 86_400;

/// A leaf with one name.
pub(super) fn leaf(name: &str, issuer: &str, serial: u32) -> Vec<u8> {
    leaf_of(name, issuer, serial, &[name])
}

/// A leaf with these names.
pub(super) fn leaf_of(name: &str, issuer: &str, serial: u32, sans: &[&str]) -> Vec<u8> {
    let leaf = builder::Certificate::leaf(name, 0, YEAR).numbered(serial);
    let sans = sans.iter().copied().map(str::to_owned).collect();
    builder::Certificate { issuer: issuer.to_owned(), sans, ..leaf }.der()
}

/// An authority; its own issuer, if the names are the same.
pub(super) fn authority(name: &str, issuer: &str, serial: u32) -> Vec<u8> {
    builder::Certificate::authority(name, issuer, 0, YEAR).numbered(serial).der()
}

pub(super) fn parsed(der: &[u8]) -> Certificate {
    x509::certificate(der).unwrap()
}

pub(super) fn pem(ders: &[&[u8]]) -> String {
    ders.iter().map(|der| builder::pem(der)).collect()
}
