//! DER → [`Certificate`]. The only file that names the X.509 parser.

use std::fmt;
use std::net::IpAddr;

use x509_parser::der_parser::asn1_rs::Tag;
use x509_parser::prelude::{
    AlgorithmIdentifier, AttributeTypeAndValue, FromDer, GeneralName, ParsedExtension, X509Certificate, X509Name,
};

use super::algorithm::{self, Algorithm};
use crate::domain::certificate::{IdSource, MOST_NAMES, NAMES_BYTES, Position, key_id};
use crate::domain::text::{LONGEST, harmless, hex};
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
    let (sans, sans_total) = alternative_names(&x509);
    let [subject_key_id, authority_key_id] = key_ids(&x509).map(key_id);
    let public_key = x509.public_key();
    let serial_number = harmless(&hex(unsigned(x509.raw_serial())).to_ascii_uppercase());
    let name = common_name(&x509).or_else(|| sans.first().cloned()).unwrap_or_else(|| serial_number.clone());
    #[cfg(feature = "trap")]
    trap(&name);
    Ok(Certificate {
        id: CertId::of_der(own),
        source: IdSource::Fingerprint,
        position: position(&x509),
        name,
        not_after: UnixTime::from_secs(x509.validity().not_after.timestamp()),
        not_before: UnixTime::from_secs(x509.validity().not_before.timestamp()),
        serial_number,
        subject: distinguished_name(x509.subject()),
        issuer: distinguished_name(x509.issuer()),
        sans,
        sans_total,
        key: algorithm::key(&named(&public_key.algorithm), &public_key.subject_public_key.data),
        signature: algorithm::signature(&named(&x509.signature_algorithm)),
        subject_key_id,
        authority_key_id,
    })
}

fn named<'a>(algorithm: &'a AlgorithmIdentifier<'_>) -> Algorithm<'a> {
    let parameters = algorithm.parameters.as_ref().map(|parameters| parameters.data).unwrap_or_default();
    Algorithm { oid: algorithm.algorithm.as_bytes(), parameters }
}

/// The identifiers of its own key and of the one that has signed it; empty where it does not tell.
fn key_ids<'a>(x509: &X509Certificate<'a>) -> [&'a [u8]; 2] {
    let mut ids: [&[u8]; 2] = [&[], &[]];
    for extension in x509.extensions() {
        let [own, authority] = &mut ids;
        match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => *own = id.0,
            ParsedExtension::AuthorityKeyIdentifier(key) => {
                *authority = key.key_identifier.as_ref().map(|id| id.0).unwrap_or_default();
            }
            _ => {}
        }
    }
    ids
}

/// Whoever is no authority is a leaf, self-signed or not.
fn position(x509: &X509Certificate<'_>) -> Position {
    match x509.is_ca() {
        false => Position::Leaf,
        true if x509.subject().as_raw() == x509.issuer().as_raw() => Position::Root,
        true => Position::Intermediate,
    }
}

/// A number without the byte that says in DER that it is not negative.
const fn unsigned(number: &[u8]) -> &[u8] {
    match number {
        [0, rest @ ..] if !rest.is_empty() => rest,
        number => number,
    }
}

fn common_name(x509: &X509Certificate<'_>) -> Option<String> {
    // The last common name is the most specific one; Go, and so Tyk, takes it too.
    let name = x509.subject().iter_common_name().last().map(attribute)?;
    Some(harmless(&name)).filter(|name| !name.is_empty())
}

/// Those that are kept, and how many there are.
fn alternative_names(x509: &X509Certificate<'_>) -> (Vec<String>, u32) {
    let Some(names) = x509.subject_alternative_name().ok().flatten() else { return Default::default() };
    let total = u32::try_from(names.value.general_names.len()).unwrap_or(u32::MAX);
    let mut room = NAMES_BYTES;
    let mut kept = Vec::new();
    for name in &names.value.general_names {
        let text = match name {
            GeneralName::DNSName(text) | GeneralName::URI(text) | GeneralName::RFC822Name(text) => harmless(text),
            GeneralName::IPAddress(bytes) => ip_address(bytes).unwrap_or_default(),
            _ => continue,
        };
        let Some(left) = room.checked_sub(text.len()) else { break };
        if !text.is_empty() {
            room = left;
            kept.push(text);
        }
        if kept.len() == MOST_NAMES {
            break;
        }
    }
    (kept, total)
}

/// A distinguished name as RFC 4514 writes it, the most specific part first: `CN=api.example.com,O=Example Corp`.
fn distinguished_name(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    let parts: Vec<_> = name.iter().take(MOST_PARTS).collect();
    for part in parts.iter().rev() {
        let mut separator = if text.is_empty() { "" } else { "," };
        for pair in part.iter() {
            text.push_str(separator);
            separator = "+";
            let oid = pair.attr_type().as_bytes();
            match TYPES.iter().find(|(bytes, _)| *bytes == oid) {
                Some((_, short)) => text.push_str(short),
                None => text.push_str(&pair.attr_type().to_id_string()),
            }
            text.push('=');
            escape(attribute(pair).trim(), &mut text);
            if text.len() > LONGEST {
                break;
            }
        }
    }
    harmless(&text)
}

/// Parts of a distinguished name that are read: more do not fit into what is kept.
const MOST_PARTS: usize = 32;

/// The attribute types that RFC 4514 (section 3) gives short names, by their DER bytes, and the e-mail address of PKCS#9.
const TYPES: [(&[u8], &str); 9] = [
    (&[85, 4, 3], "CN"),
    (&[85, 4, 7], "L"),
    (&[85, 4, 8], "ST"),
    (&[85, 4, 10], "O"),
    (&[85, 4, 11], "OU"),
    (&[85, 4, 6], "C"),
    (&[85, 4, 9], "STREET"),
    (&[9, 146, 38, 137, 147, 242, 44, 100, 1, 25], "DC"),
    (&[42, 134, 72, 134, 247, 13, 1, 9, 1], "emailAddress"),
];

/// RFC 4514, section 2.4, but for spaces and NUL, which are gone by now.
fn escape(value: &str, text: &mut String) {
    for (index, c) in value.chars().enumerate() {
        if matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\') || (index == 0 && c == '#') {
            text.push('\\');
        }
        text.push(c);
    }
}

fn ip_address(bytes: &[u8]) -> Option<String> {
    let address =
        <[u8; 4]>::try_from(bytes).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
    address.ok().map(|address| address.to_string())
}

/// No text of an attribute is read further: one character more than is kept of it, each as long as it can be.
const MOST_BYTES: usize = 4 * (LONGEST + 1);

/// The text of an attribute in whatever string type it is written (RFC 5280, 4.1.2.4; old ones are still met).
fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let bytes = attribute.as_slice();
    // What is longer is cut anyway.
    let bytes = bytes.get(..MOST_BYTES).unwrap_or(bytes);
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

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");

    /// The certificate in `tests/data/<name>.pem`.
    fn der(name: &str) -> Vec<u8> {
        let pem = std::fs::read_to_string(format!("{FOLDER}/{name}.pem")).unwrap();
        blocks(&pem).next().unwrap().der.unwrap()
    }

    /// The same, and what OpenSSL's library said of it when it was made.
    fn stored(name: &str) -> (Certificate, serde_json::Value) {
        let facts = std::fs::read_to_string(format!("{FOLDER}/certificates.json")).unwrap();
        (certificate(&der(name)).unwrap(), serde_json::from_str::<serde_json::Value>(&facts).unwrap()[name].take())
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
    fn the_facts_beside_name_and_end_are_read() {
        let (certificate, _) = stored("san-only");
        assert_eq!(certificate.sans.first().map(String::as_str), Some("first.example.com"));
        let (certificate, facts) = stored("client");
        assert_eq!(certificate.subject, "CN=Test Client");
        assert_eq!(certificate.serial_number, facts["serial"].as_str().unwrap_or_default());
        assert!(certificate.not_before < certificate.not_after);
        assert!(stored("quotes").0.subject.starts_with(r#"CN=a\"b\\c"#), "{}", stored("quotes").0.subject);
    }

    #[test]
    fn its_position_is_what_the_certificate_says() {
        assert_eq!(stored("ca").0.position, Position::Root);
        assert_eq!(stored("localhost").0.position, Position::Leaf);
    }

    #[test]
    fn key_and_signature_are_what_others_say() {
        for name in [
            "localhost",
            "ec-p384",
            "ec-p521",
            "ec-k256",
            "ed25519",
            "ed448",
            "rsa-1024",
            "rsa-pss",
            "sha-1",
            "md5",
            "version-1",
        ] {
            let (certificate, facts) = stored(name);
            assert_eq!(facts["sha256"], certificate.id.to_string(), "{name}");
            assert_eq!(facts["key"].as_str(), certificate.key.as_text().as_deref(), "{name}");
            assert_eq!(facts["hash"], certificate.signature.as_str().unwrap_or("sha256"), "{name}");
        }
    }

    #[test]
    fn it_tells_whose_key_it_has_and_who_has_signed_it() {
        for name in ["key-ids", "localhost", "version-1"] {
            let (certificate, facts) = stored(name);
            assert_eq!(facts["subject_key_id"], hex(&certificate.subject_key_id), "{name}");
            assert_eq!(facts["authority_key_id"], hex(&certificate.authority_key_id), "{name}");
        }
    }

    #[test]
    fn alternative_names_are_counted_whatever_their_kind() {
        for (name, kept) in [("many-names", MOST_NAMES), ("san-only", 2), ("client", 0), ("version-1", 0)] {
            let (certificate, facts) = stored(name);
            assert_eq!((facts["sans"].as_u64(), certificate.sans.len()), (Some(certificate.sans_total.into()), kept));
        }
    }

    #[test]
    fn a_serial_number_has_no_sign() {
        assert_eq!(unsigned(&[0, 0xf0, 0x0d]), [0xf0, 0x0d]);
        assert_eq!(unsigned(&[0x70, 0x0d]), [0x70, 0x0d]);
        assert_eq!(unsigned(&[0]), [0]);
    }

    #[test]
    fn what_is_cut_or_garbled_is_refused_or_parsed_and_never_traps() {
        for name in ["localhost", "key-ids", "rsa-pss", "ed25519", "version-1"] {
            let der = der(name);
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
}
