//! PEM text (RFC 7468) → DER blocks.

use std::fmt;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// Some writers forget the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a block claims to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Label {
    /// A certificate, in any of the three spellings that OpenSSL reads.
    Certificate,
    /// A private key of any kind. Its contents are never looked at.
    PrivateKey,
    /// Something else, such as a certificate request.
    Other,
}

/// Why a block cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It has no `-----END …-----` of its own.
    NoEnd,
    /// What stands between the lines is not base64.
    NotBase64,
    /// It is longer than [`LONGEST_BLOCK`].
    TooLong,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEnd => "the block has no END line",
            Self::NotBase64 => "the block is not base64",
            Self::TooLong => "the block is longer than a certificate is",
        })
    }
}

/// The longest block that [`block_from`] decodes, in bytes of text.
pub const LONGEST_BLOCK: usize = 32 << 10;

/// One `BEGIN … END` block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What it claims to be.
    pub label: Label,
    /// Its DER, or why there is none. Always empty for a private key.
    pub der: Result<Vec<u8>, Broken>,
}

/// The blocks of `text`, in their order. Text around blocks is skipped, white space within them does not matter, and a
/// broken one costs only itself.
pub fn blocks(text: &str) -> impl Iterator<Item = Block> {
    text.split(BEGIN).skip(1).map(block)
}

/// The first block of `text` from the byte `from` on, and where the next one may begin: [`blocks`], one at a time.
pub fn block_from(text: &str, from: usize) -> Option<(Block, usize)> {
    let begin = from.checked_add(text.get(from..)?.find(BEGIN)?)?.checked_add(BEGIN.len())?;
    let rest = text.get(begin..)?;
    let length = rest.find(BEGIN).unwrap_or(rest.len());
    let found = match rest.get(..length)? {
        text if length <= LONGEST_BLOCK => block(text),
        _ => Block { label: Label::Other, der: Err(Broken::TooLong) },
    };
    Some((found, begin.checked_add(length)?))
}

/// One block, from behind its `BEGIN` to the next one.
fn block(text: &str) -> Block {
    let (label, rest) = text.split_once(DASHES).unwrap_or((text, ""));
    let end = format!("-----END {label}-----");
    let label = match label {
        "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => Label::Certificate,
        label if label.contains("PRIVATE KEY") => Label::PrivateKey,
        _ => Label::Other,
    };
    let der = match rest.split_once(&end) {
        _ if label == Label::PrivateKey => Ok(Vec::new()),
        None => Err(Broken::NoEnd),
        Some((base64, _)) => {
            let base64: Vec<u8> = base64.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
            BASE64.decode(base64).map_err(|_| Broken::NotBase64)
        }
    };
    Block { label, der }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(der: &[u8]) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64.encode(der))
    }

    fn ders(text: &str) -> Vec<Result<Vec<u8>, Broken>> {
        blocks(text).map(|block| block.der).collect()
    }

    fn all(text: &str) -> Vec<Block> {
        blocks(text).collect()
    }

    #[test]
    fn a_broken_block_between_two_good_ones_costs_only_itself() {
        let good = certificate(b"one");
        let no_base64 = "-----BEGIN CERTIFICATE-----\n***\n-----END CERTIFICATE-----\n";
        let no_end = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        assert_eq!(
            ders(&[&good, no_base64, &good, no_end, &good].concat()),
            [Ok(b"one".to_vec()), Err(Broken::NotBase64), Ok(b"one".to_vec()), Err(Broken::NoEnd), Ok(b"one".to_vec())]
        );
    }

    #[test]
    fn one_at_a_time_they_are_the_same() {
        let good = certificate(b"one");
        for text in
            ["", "-----BEGIN ", "text", &good, &format!("x{good}y{good}-----BEGIN CERTIFICATE-----\n"), "é-----BEGIN é"]
        {
            let mut found = Vec::new();
            let mut from = 0;
            while let Some((block, next)) = block_from(text, from) {
                found.push(block);
                from = next;
            }
            assert_eq!(found, all(text), "{text}");
            assert_eq!(block_from(text, text.len() + 1), None);
        }
        let long = certificate(&vec![7; LONGEST_BLOCK]);
        let (block, next) = block_from(&[long.as_str(), &good].concat(), 0).unwrap();
        assert_eq!((block.der, next), (Err(Broken::TooLong), long.len()));
    }

    #[test]
    fn indentation_folding_and_text_around_do_not_matter() {
        let indented = certificate(b"one").replace('\n', "\r\n    ");
        let folded = certificate(b"two").replace('\n', " ");
        assert_eq!(ders(&format!("subject=CN=x\n{indented}\nand{folded}")), [Ok(b"one".to_vec()), Ok(b"two".to_vec())]);
    }

    #[test]
    fn a_private_key_is_recognised_and_left_alone() {
        for kind in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"] {
            let text = format!("-----BEGIN {kind}-----\nc2VjcmV0\n-----END {kind}-----");
            assert_eq!(all(&text), [Block { label: Label::PrivateKey, der: Ok(vec![]) }]);
        }
    }

    #[test]
    fn anything_else_has_no_blocks_or_other_ones() {
        assert_eq!(all(""), []);
        assert_eq!(all("hello -----BEGIN"), []);
        assert_eq!(all("-----BEGIN "), [Block { label: Label::Other, der: Err(Broken::NoEnd) }]);
        assert_eq!(all("-----BEGIN X-----AAAA-----END X-----").len(), 1);
    }
}
