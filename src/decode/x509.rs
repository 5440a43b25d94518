//! DER → [`Certificate`]. The only file that names the X.509 parser.

use std::fmt;
use std::net::IpAddr;

use x509_parser::der_parser::asn1_rs::Tag;
use x509_parser::prelude::{AttributeTypeAndValue, FromDer, GeneralName, X509Certificate};

use crate::domain::text::{harmless, hex};
use crate::domain::{CertId, Certificate, UnixTime};

/// The DER is no X.509 certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotACertificate;

impl fmt::Display for NotACertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the contents are not an X.509 certificate")
    }
}

/// Parses one certificate. Bytes after its end are not part of it.
pub fn certificate(der: &[u8]) -> Result<Certificate, NotACertificate> {
    let (rest, x509) = X509Certificate::from_der(der).map_err(|_| NotACertificate)?;
    let own = der.len().checked_sub(rest.len()).and_then(|length| der.get(..length)).unwrap_or(der);
    let name = name(&x509);
    #[cfg(feature = "trap")]
    trap(&name);
    Ok(Certificate {
        id: CertId::of_der(own),
        name,
        not_after: UnixTime::from_secs(x509.validity().not_after.timestamp()),
    })
}

fn name(x509: &X509Certificate<'_>) -> String {
    // The last common name is the most specific one; Go, and so Tyk, takes it too.
    let common_name = x509.subject().iter_common_name().last().map(attribute);
    let serial_number = || hex(x509.raw_serial()).to_ascii_uppercase();
    common_name
        .into_iter()
        .chain(first_alternative_name(x509))
        .chain(std::iter::once_with(serial_number))
        .map(|name| harmless(&name))
        .find(|name| !name.is_empty())
        .unwrap_or_default()
}

fn first_alternative_name(x509: &X509Certificate<'_>) -> Option<String> {
    let names = x509.subject_alternative_name().ok().flatten()?;
    names.value.general_names.iter().find_map(|name| match name {
        GeneralName::DNSName(text) | GeneralName::URI(text) | GeneralName::RFC822Name(text) => Some((*text).to_owned()),
        GeneralName::IPAddress(bytes) => ip_address(bytes),
        _ => None,
    })
}

fn ip_address(bytes: &[u8]) -> Option<String> {
    let address =
        <[u8; 4]>::try_from(bytes).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
    address.ok().map(|address| address.to_string())
}

/// The text of an attribute in whatever string type it is written (RFC 5280, 4.1.2.4; old ones are still met).
fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let bytes = attribute.as_slice();
    match attribute.attr_value().tag() {
        Tag::BmpString => {
            let units =
                bytes.chunks_exact(2).map(|pair| pair.iter().fold(0, |unit, byte| unit << 8 | u16::from(*byte)));
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        Tag::T61String => bytes.iter().map(|byte| char::from(*byte)).collect(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// What a certificate would do that the parser does not survive. For tests; see `Cargo.toml`.
#[cfg(feature = "trap")]
fn trap(name: &str) {
    assert!(!name.contains("trap-the-parser"), "told to trap");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::pem::blocks;

    /// The certificate in `tests/data/<name>.pem`, and what OpenSSL's library said of it when it was made.
    fn stored(name: &str) -> (Certificate, serde_json::Value) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
        let pem = std::fs::read_to_string(format!("{folder}/{name}.pem")).unwrap();
        let facts = std::fs::read_to_string(format!("{folder}/certificates.json")).unwrap();
        let der = blocks(&pem).next().unwrap().der.unwrap();
        (certificate(&der).unwrap(), serde_json::from_str::<serde_json::Value>(&facts).unwrap()[name].take())
    }

    #[test]
    fn id_and_end_are_what_others_say() {
        for name in ["ca", "localhost", "client", "quotes", "nameless", "no-end"] {
            let (certificate, facts) = stored(name);
            assert_eq!(facts["sha256"], certificate.id.to_string(), "{name}");
            assert_eq!(facts["ends"], certificate.not_after.secs(), "{name}");
        }
    }

    #[test]
    fn a_certificate_is_called_by_its_common_name_else_by_what_it_has() {
        for (file, name) in [
            ("localhost", "localhost"),
            ("san-only", "first.example.com"),
            ("address-only", "2001:db8::1"),
            ("blank-name", "blank.example.com"),
            ("bmp-string", "Žluťoučký"),
            ("quotes", "a\"b\\cd"),
            ("right-to-left", "abcdef"),
        ] {
            assert_eq!(stored(file).0.name, name);
        }
        let (nameless, facts) = stored("nameless");
        assert_eq!(facts["serial"].as_str().unwrap(), nameless.name.trim_start_matches('0'));
        assert_eq!(stored("long").0.name.chars().count(), crate::domain::text::LONGEST);
    }

    #[test]
    fn what_is_cut_or_garbled_is_refused_or_parsed_and_never_traps() {
        let pem = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/localhost.pem")).unwrap();
        let der = blocks(&pem).next().unwrap().der.unwrap();
        for length in 0..der.len() {
            assert_eq!(certificate(&der[..length]), Err(NotACertificate));
        }
        for index in 0..der.len() {
            for bit in 0..8 {
                let mut garbled = der.clone();
                garbled[index] ^= 1 << bit;
                let _ = certificate(&garbled);
            }
        }
        let trailing = [der.clone(), b"more".to_vec()].concat();
        assert_eq!(certificate(&trailing), certificate(&der), "bytes behind the certificate do not count");
    }
}
