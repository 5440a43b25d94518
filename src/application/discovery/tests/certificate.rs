//! Certificates that nobody signed: nobody verifies them here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::decode::x509;
use crate::domain::Certificate;

/// What a certificate says.
#[derive(Clone)]
pub(super) struct Subject<'a> {
    pub(super) name: &'a str,
    pub(super) issuer: &'a str,
    pub(super) serial: u32,
    pub(super) is_ca: bool,
    pub(super) sans: &'a [&'a str],
}

/// A leaf with one name.
pub(super) fn leaf(name: &str, issuer: &str, serial: u32) -> Vec<u8> {
    der(&Subject { name, issuer, serial, is_ca: false, sans: &[name] })
}

/// An authority; its own issuer, if the names are the same.
pub(super) fn authority(name: &str, issuer: &str, serial: u32) -> Vec<u8> {
    der(&Subject { name, issuer, serial, is_ca: true, sans: &[] })
}

pub(super) fn parsed(der: &[u8]) -> Certificate {
    x509::certificate(der).unwrap()
}

pub(super) fn pem(ders: &[&[u8]]) -> String {
    let block = |der: &&[u8]| {
        let base64 = STANDARD.encode(der);
        let lines: Vec<_> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
    };
    ders.iter().map(block).collect()
}

pub(super) fn der(subject: &Subject<'_>) -> Vec<u8> {
    let algorithm = tlv(0x30, &[tlv(0x06, &[vec![42, 134, 72, 206, 61, 4, 3, 2]])]);
    let name = |name: &str| {
        let pair = tlv(0x30, &[tlv(0x06, &[vec![85, 4, 3]]), tlv(0x0c, &[name.into()])]);
        tlv(0x30, &[tlv(0x31, &[pair])])
    };
    let time = |text: &str| tlv(0x17, &[text.into()]);
    let key = tlv(0x30, &[algorithm.clone(), tlv(0x03, &[vec![0, 1]])]);
    let mut extensions = Vec::new();
    if subject.is_ca {
        let value = tlv(0x04, &[tlv(0x30, &[tlv(0x01, &[vec![0xff]])])]);
        extensions.push(tlv(0x30, &[tlv(0x06, &[vec![85, 29, 19]]), value]));
    }
    if !subject.sans.is_empty() {
        let names: Vec<_> = subject.sans.iter().map(|name| tlv(0x82, &[(*name).into()])).collect();
        extensions.push(tlv(0x30, &[tlv(0x06, &[vec![85, 29, 17]]), tlv(0x04, &[tlv(0x30, &names)])]));
    }
    let own = tlv(
        0x30,
        &[
            tlv(0xa0, &[tlv(0x02, &[vec![2]])]),
            // A byte that is zero in front: such numbers are written differently in different places.
            tlv(0x02, &[vec![0x0a], subject.serial.to_be_bytes().to_vec()]),
            algorithm.clone(),
            name(subject.issuer),
            tlv(0x30, &[time("260101000000Z"), time("270101000000Z")]),
            name(subject.name),
            key,
            tlv(0xa3, &[tlv(0x30, &extensions)]),
        ],
    );
    tlv(0x30, &[own, algorithm, tlv(0x03, &[vec![0, 1]])])
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
