//! Certificates that nobody signed, of the size that those with RSA keys of 2,048 bits have: nobody verifies them here.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::certificate::hex;
use super::{Certificate, START};

/// The bytes of a signature, and those of a key.
const SIGNATURE: usize = 256;
const KEY: usize = 270;

/// What a certificate says. It began some days before the clock starts.
#[derive(Clone, Debug)]
pub struct Forged {
    pub name: String,
    pub issuer: String,
    pub number: u32,
    /// In Unix time.
    pub ends_at: i64,
    pub is_ca: bool,
}

/// The clock's start, in Unix time.
fn start() -> i64 {
    i64::try_from(START.as_secs()).unwrap()
}

impl Forged {
    /// A leaf that ends in a year.
    pub fn leaf(name: &str, issuer: &str, number: u32) -> Self {
        let (name, issuer) = (name.to_owned(), issuer.to_owned());
        Self { name, issuer, number, ends_at: start() + 365 * 86_400, is_ca: false }
    }

    /// An authority that ends in a year; a root, if it is its own issuer.
    pub fn authority(name: &str, issuer: &str, number: u32) -> Self {
        Self { is_ca: true, ..Self::leaf(name, issuer, number) }
    }

    /// The same with another end, in seconds since the clock's start.
    #[must_use]
    pub fn ending_in(self, seconds: i64) -> Self {
        Self { ends_at: start() + seconds, ..self }
    }

    fn starts_at() -> i64 {
        start() - 10 * 86_400
    }

    fn serial_number(&self) -> Vec<u8> {
        [&[0x0a; 12], &self.number.to_be_bytes()[..]].concat()
    }

    /// The certificate itself.
    pub fn certificate(&self) -> Certificate {
        let algorithm = tlv(0x30, &[tlv(0x06, &[vec![42, 134, 72, 134, 247, 13, 1, 1, 11]]), tlv(0x05, &[])]);
        let name = |name: &str| {
            let pair = tlv(0x30, &[tlv(0x06, &[vec![85, 4, 3]]), tlv(0x0c, &[name.into()])]);
            tlv(0x30, &[tlv(0x31, &[pair])])
        };
        let key = tlv(0x30, &[algorithm.clone(), tlv(0x03, &[vec![0; KEY + 1]])]);
        let extension = if self.is_ca {
            let value = tlv(0x04, &[tlv(0x30, &[tlv(0x01, &[vec![0xff]])])]);
            tlv(0x30, &[tlv(0x06, &[vec![85, 29, 19]]), value])
        } else {
            let names = tlv(0x30, &[tlv(0x82, &[self.name.as_str().into()])]);
            tlv(0x30, &[tlv(0x06, &[vec![85, 29, 17]]), tlv(0x04, &[names])])
        };
        let own = [
            tlv(0xa0, &[tlv(0x02, &[vec![2]])]),
            tlv(0x02, &[self.serial_number()]),
            algorithm.clone(),
            name(&self.issuer),
            tlv(0x30, &[utc(Self::starts_at()), utc(self.ends_at)]),
            name(&self.name),
            key,
            tlv(0xa3, &[tlv(0x30, &[extension])]),
        ];
        let signature = [vec![0], self.number.to_be_bytes().repeat(SIGNATURE / 4)];
        Certificate::of_der(tlv(0x30, &[tlv(0x30, &own), algorithm, tlv(0x03, &signature)]))
    }

    /// What `/certs` tells of it.
    pub fn loaded(&self, path: &str) -> Value {
        let time = |time: i64| OffsetDateTime::from_unix_timestamp(time).unwrap().format(&Rfc3339).unwrap();
        let names = if self.is_ca { json!([]) } else { json!([{ "dns": self.name }]) };
        json!({
            "path": path,
            "serial_number": hex(&self.serial_number()),
            "subject_alt_names": names,
            "days_until_expiration": "89",
            "valid_from": time(Self::starts_at()),
            "expiration_time": time(self.ends_at),
        })
    }
}

fn utc(time: i64) -> Vec<u8> {
    let time = OffsetDateTime::from_unix_timestamp(time).unwrap();
    let (date, time) = (time.date(), time.time());
    let [year, month, day] =
        [u32::try_from(date.year()).unwrap() % 100, u8::from(date.month()).into(), date.day().into()];
    let text = format!("{year:02}{month:02}{day:02}{:02}{:02}{:02}Z", time.hour(), time.minute(), time.second());
    tlv(0x17, &[text.into()])
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
