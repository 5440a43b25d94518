//! `x-forwarded-client-cert`, which a client can send where no proxy takes it away.

use cert_expiry_monitor::decode::{observed, xfcc};
use cert_expiry_monitor::domain::CertId;

use super::certificate;

/// The fingerprint that is looked for: in the seeds it is that of the client.
pub const CLIENT: &[u8] = b"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Takes the certificates out of the input.
pub fn run(data: &[u8]) {
    let id = CertId::from_hex(CLIENT).expect("64 digits");
    let found = xfcc::certificates(data, &id);
    assert!(found.len() <= 5 && found.iter().map(String::len).sum::<usize>() <= 2 * xfcc::LARGEST, "{}", found.len());
    assert!(found.is_empty() || data.len() <= xfcc::LARGEST, "nothing is taken from what is too large");
    for text in &found {
        assert!(text.starts_with("-----BEGIN"), "{text}");
        if let Ok(read) = observed::certificate(text.as_bytes()) {
            certificate::check(&read);
        }
    }
}
