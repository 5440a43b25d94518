//! Certificates that nobody signed: nobody verifies them here. Who includes this file says when times begin.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::BEGIN;

/// What a certificate says. Its begin and its end are seconds from [`BEGIN`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    pub name: String,
    pub issuer: String,
    /// Tells it from another one that says the same.
    pub number: u32,
    pub begins: i64,
    pub ends: i64,
    pub is_ca: bool,
    /// The length of its RSA key, and of the one that signed it; nothing: both are on the curve P-256.
    pub rsa_bits: Option<u16>,
    pub sans: Vec<String>,
    pub subject_key_id: Option<Vec<u8>>,
    pub authority_key_id: Option<Vec<u8>>,
}

impl Certificate {
    /// A leaf with one name.
    pub fn leaf(name: &str, begins: i64, ends: i64) -> Self {
        Self {
            name: name.to_owned(),
            issuer: "Some CA".to_owned(),
            number: 1,
            begins,
            ends,
            is_ca: false,
            rsa_bits: None,
            sans: vec![name.to_owned()],
            subject_key_id: None,
            authority_key_id: None,
        }
    }

    /// An authority; a root, if it is its own issuer.
    pub fn authority(name: &str, issuer: &str, begins: i64, ends: i64) -> Self {
        Self { issuer: issuer.to_owned(), is_ca: true, sans: Vec::new(), ..Self::leaf(name, begins, ends) }
    }

    /// Another one that says the same.
    #[must_use]
    pub fn numbered(self, number: u32) -> Self {
        Self { number, ..self }
    }

    /// The same, issued by this authority.
    #[must_use]
    pub fn issued_by(self, issuer: &Self) -> Self {
        Self { issuer: issuer.name.clone(), authority_key_id: issuer.subject_key_id.clone(), ..self }
    }

    /// Its DER.
    pub fn der(&self) -> Vec<u8> {
        let name = |name: &str| {
            let pair = tlv(0x30, &[oid(&[85, 4, 3]), tlv(0x0c, &[name.into()])]);
            tlv(0x30, &[tlv(0x31, &[pair])])
        };
        let (algorithm, signature) = match self.rsa_bits {
            Some(bits) => (vec![oid(&[42, 134, 72, 134, 247, 13, 1, 1, 11]), tlv(0x05, &[])], usize::from(bits / 8)),
            None => (vec![oid(&[42, 134, 72, 206, 61, 4, 3, 2])], 64),
        };
        let algorithm = tlv(0x30, &algorithm);
        let own = [
            tlv(0xa0, &[tlv(0x02, &[vec![2]])]),
            tlv(0x02, &[self.serial_number()]),
            algorithm.clone(),
            name(&self.issuer),
            tlv(0x30, &[moment(self.begins), moment(self.ends)]),
            name(&self.name),
            self.key(),
            tlv(0xa3, &[tlv(0x30, &self.extensions())]),
        ];
        let signature = [vec![0], self.number.to_be_bytes().repeat(signature / 4)];
        tlv(0x30, &[tlv(0x30, &own), algorithm, tlv(0x03, &signature)])
    }

    /// It begins with a zero in hex: such numbers are written differently in different places.
    fn serial_number(&self) -> Vec<u8> {
        [&[0x0a; 12], &self.number.to_be_bytes()[..]].concat()
    }

    fn key(&self) -> Vec<u8> {
        let Some(bits) = self.rsa_bits else {
            let curve = tlv(0x30, &[oid(&[42, 134, 72, 206, 61, 2, 1]), oid(&[42, 134, 72, 206, 61, 3, 1, 7])]);
            return tlv(0x30, &[curve, tlv(0x03, &[vec![0, 4], vec![0x5a; 64]])]);
        };
        let modulus = tlv(0x02, &[vec![0], vec![0xc5; usize::from(bits / 8)]]);
        let pair = tlv(0x30, &[modulus, tlv(0x02, &[vec![1, 0, 1]])]);
        let rsa = tlv(0x30, &[oid(&[42, 134, 72, 134, 247, 13, 1, 1, 1]), tlv(0x05, &[])]);
        tlv(0x30, &[rsa, tlv(0x03, &[vec![0], pair])])
    }

    fn extensions(&self) -> Vec<Vec<u8>> {
        let extension = |arc: u8, value: Vec<u8>| tlv(0x30, &[oid(&[85, 29, arc]), tlv(0x04, &[value])]);
        let mut extensions = Vec::new();
        if self.is_ca {
            extensions.push(extension(19, tlv(0x30, &[tlv(0x01, &[vec![0xff]])])));
        }
        if !self.sans.is_empty() {
            let names: Vec<_> = self.sans.iter().map(|name| tlv(0x82, &[name.as_str().into()])).collect();
            extensions.push(extension(17, tlv(0x30, &names)));
        }
        extensions.extend(self.subject_key_id.iter().map(|id| extension(14, tlv(0x04, std::slice::from_ref(id)))));
        let authority = self.authority_key_id.iter();
        extensions.extend(authority.map(|id| extension(35, tlv(0x30, &[tlv(0x80, std::slice::from_ref(id))]))));
        extensions
    }

    /// Its PEM.
    pub fn pem(&self) -> String {
        pem(&self.der())
    }

    /// Its SHA-256 fingerprint in hex.
    pub fn id(&self) -> String {
        hex(&Sha256::digest(self.der()))
    }

    /// What `/certs` tells of it.
    pub fn loaded(&self) -> Value {
        let names: Vec<_> = self.sans.iter().map(|name| json!({ "dns": name })).collect();
        json!({
            "path": "<inline>",
            "serial_number": hex(&self.serial_number()),
            "subject_alt_names": names,
            "days_until_expiration": "89",
            "valid_from": rfc3339(self.begins),
            "expiration_time": rfc3339(self.ends),
        })
    }
}

/// The PEM of this DER.
pub fn pem(der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// A time as bodies write it.
pub fn rfc3339(secs: i64) -> String {
    OffsetDateTime::from_unix_timestamp(BEGIN + secs).unwrap().format(&Rfc3339).unwrap()
}

/// Bytes in lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// RFC 5280, 4.1.2.5: two digits for years before 2050, four from then on.
fn moment(secs: i64) -> Vec<u8> {
    let digits: String = rfc3339(secs).chars().filter(|c| c.is_ascii_digit() || *c == 'Z').collect();
    let is_near = ("1950".."2050").contains(&digits.get(..4).unwrap());
    if is_near { tlv(0x17, &[digits.get(2..).unwrap().into()]) } else { tlv(0x18, &[digits.into()]) }
}

fn oid(bytes: &[u8]) -> Vec<u8> {
    tlv(0x06, &[bytes.to_vec()])
}

fn tlv(tag: u8, contents: &[Vec<u8>]) -> Vec<u8> {
    let contents = contents.concat();
    let length = u16::try_from(contents.len()).unwrap();
    let [high, low] = length.to_be_bytes();
    let length = match length {
        0..=0x7f => vec![low],
        0x80..=0xff => vec![0x81, low],
        _ => vec![0x82, high, low],
    };
    [vec![tag], length, contents].concat()
}
