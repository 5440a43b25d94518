//! A certificate that a stranger shows: DER, or PEM with whatever stands around it.

use cert_expiry_monitor::decode::pem::{LONGEST_BLOCK, block_from, blocks};
use cert_expiry_monitor::decode::{observed, renewal_info, x509};
use cert_expiry_monitor::domain::Certificate;
use cert_expiry_monitor::domain::certificate::{LONGEST_KEY_ID, MOST_NAMES, NAMES_BYTES};
use cert_expiry_monitor::domain::text::{LONGEST, harmless};

/// Reads the input as DER and as text.
pub fn run(data: &[u8]) {
    if let Ok(certificate) = x509::certificate(data) {
        check(&certificate);
    }
    if let Ok(certificate) = observed::certificate(data) {
        check(&certificate);
    }
    let text = String::from_utf8_lossy(data);
    if text.len() <= LONGEST_BLOCK {
        let mut from = 0;
        for expected in blocks(&text) {
            let (block, next) = block_from(&text, from).expect("as many, one at a time");
            assert!(block == expected && next > from, "the same, one at a time");
            from = next;
        }
        assert!(block_from(&text, from).is_none(), "no more");
    }
}

/// Whatever a certificate says, what is kept of it is harmless and takes little room.
pub fn check(certificate: &Certificate) {
    let Certificate { name, serial_number, subject, issuer, sans, subject_key_id, authority_key_id, .. } = certificate;
    for text in [name, serial_number, subject, issuer].into_iter().chain(sans) {
        assert!(*text == harmless(text) && text.chars().count() <= LONGEST, "{text:?}");
    }
    assert!(sans.len() <= MOST_NAMES && sans.iter().map(String::len).sum::<usize>() <= NAMES_BYTES);
    assert!(subject_key_id.len().max(authority_key_id.len()) <= LONGEST_KEY_ID);
    if let Some(identifier) = renewal_info::identifier(certificate) {
        let stands_in_a_path = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        assert!(identifier.bytes().all(stands_in_a_path), "{identifier}");
    }
}
