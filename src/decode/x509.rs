//! DER → [`Certificate`]. The only file that names the X.509 parser.

use std::fmt;
use std::net::IpAddr;

use x509_parser::der_parser::asn1_rs::Tag;
use x509_parser::prelude::{AttributeTypeAndValue, FromDer, GeneralName, X509Certificate};

use crate::domain::text::harmless;
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
    Ok(Certificate {
        id: CertId::of_der(own),
        name: name(&x509),
        not_after: UnixTime::from_secs(x509.validity().not_after.timestamp()),
    })
}

fn name(x509: &X509Certificate<'_>) -> String {
    // The last common name is the most specific one; Go, and so Tyk, takes it too.
    let common_name = x509.subject().iter_common_name().last().map(attribute);
    let serial_number = || x509.raw_serial().iter().map(|byte| format!("{byte:02X}")).collect::<String>();
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
