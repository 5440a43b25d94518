//! A peer certificate as Envoy's properties give it → [`Certificate`].

use std::fmt;

use percent_encoding::percent_decode;

use super::pem::{Broken, Label, blocks};
use super::x509::{self, NotACertificate};
use crate::domain::Certificate;

/// Blocks that are looked at for a certificate. Envoy gives one.
const MOST_BLOCKS: usize = 8;

/// Why an observed certificate cannot be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// The text holds no certificate block.
    NoBlock,
    /// The block is broken.
    Block(Broken),
    /// The block holds something else.
    Contents(NotACertificate),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBlock => f.write_str("there is no certificate block"),
            Self::Block(broken) => broken.fmt(f),
            Self::Contents(error) => error.fmt(f),
        }
    }
}

/// The first certificate of `text`: PEM, plain or URL-encoded (Envoy's attributes gave plain text when tried, its
/// formatters and XFCC the other).
pub fn certificate(text: &[u8]) -> Result<Certificate, Unreadable> {
    x509::certificate(&der(text)?).map_err(Unreadable::Contents)
}

/// The DER of the first certificate of `text`.
pub fn der(text: &[u8]) -> Result<Vec<u8>, Unreadable> {
    // PEM holds no percent sign, so decoding plain text changes nothing.
    let text = percent_decode(text).decode_utf8_lossy();
    let mut blocks = blocks(&text).take(MOST_BLOCKS);
    let block = blocks.find(|block| block.label == Label::Certificate).ok_or(Unreadable::NoBlock)?;
    block.der.map_err(Unreadable::Block)
}
