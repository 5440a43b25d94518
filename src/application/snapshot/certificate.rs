//! Certificates and their usages in their stored form.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::application::inventory::MOST_PLACES;
use crate::application::shared_data::fingerprint;
use crate::domain::certificate::{IdSource, Key, MOST_NAMES, Position, Signature};
use crate::domain::text::{harmless, is_harmless};
use crate::domain::{CertId, Certificate, Origin, Presence, Role, UnixTime, Usage};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredCertificate {
    #[serde(with = "fingerprint")]
    id: CertId,
    /// Its place in [`IdSource::ALL`].
    source: u8,
    /// Its place in [`Position::ALL`].
    position: u8,
    name: String,
    not_after: i64,
    not_before: i64,
    serial_number: String,
    subject: String,
    issuer: String,
    sans: Vec<String>,
    sans_total: u32,
    /// What [`Key::to_code`] says.
    key: u16,
    /// Its place in [`Signature::ALL`].
    signature: u8,
    #[serde(with = "key_id")]
    subject_key_id: Box<[u8]>,
    #[serde(with = "key_id")]
    authority_key_id: Box<[u8]>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredUsage {
    /// Its place in [`Role::ALL`].
    role: u8,
    api_id: Option<String>,
    place: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredPresence {
    places: Vec<String>,
    api_ids: Vec<String>,
    /// Its place in [`Origin::ALL`].
    origin: u8,
    first_seen: Option<i64>,
    last_seen: Option<i64>,
}

impl StoredPresence {
    pub(super) fn of(presence: &Presence) -> Self {
        let Presence { places, api_ids, origin, first_seen, last_seen } = presence;
        Self {
            places: places.clone(),
            api_ids: api_ids.clone(),
            origin: *origin as u8,
            first_seen: first_seen.map(UnixTime::millis),
            last_seen: last_seen.map(UnixTime::millis),
        }
    }

    pub(super) fn into_presence(self) -> Presence {
        Presence {
            places: cleaned_places(self.places),
            api_ids: cleaned_places(self.api_ids),
            origin: Origin::ALL.get(usize::from(self.origin)).copied().unwrap_or_default(),
            first_seen: self.first_seen.map(UnixTime::from_millis),
            last_seen: self.last_seen.map(UnixTime::from_millis),
        }
    }
}

/// Text that anybody may have put there. Nearly always it is what we have written, and need not be written again.
pub(super) fn cleaned(text: String) -> String {
    if is_harmless(&text) { text } else { harmless(&text) }
}

pub(super) fn cleaned_places(stored: Vec<String>) -> Vec<String> {
    let mut places = Vec::new();
    places.extend(stored.into_iter().take(MOST_PLACES).map(cleaned));
    places
}

impl StoredCertificate {
    pub(super) const fn id(&self) -> &CertId {
        &self.id
    }

    pub(super) fn of(certificate: &Certificate) -> Self {
        let Certificate { name, serial_number, subject, issuer, sans, subject_key_id, authority_key_id, .. } =
            certificate;
        Self {
            id: certificate.id,
            source: certificate.source as u8,
            position: certificate.position as u8,
            name: name.clone(),
            not_after: certificate.not_after.millis(),
            not_before: certificate.not_before.millis(),
            serial_number: serial_number.clone(),
            subject: subject.clone(),
            issuer: issuer.clone(),
            sans: sans.clone(),
            sans_total: certificate.sans_total,
            key: certificate.key.to_code(),
            signature: certificate.signature as u8,
            subject_key_id: subject_key_id.clone(),
            authority_key_id: authority_key_id.clone(),
        }
    }

    pub(super) fn into_certificate(self) -> Rc<Certificate> {
        let mut sans = Vec::new();
        sans.extend(self.sans.into_iter().take(MOST_NAMES).map(cleaned));
        Rc::new(Certificate {
            id: self.id,
            source: IdSource::ALL.get(usize::from(self.source)).copied().unwrap_or_default(),
            position: Position::ALL.get(usize::from(self.position)).copied().unwrap_or_default(),
            name: cleaned(self.name),
            not_after: UnixTime::from_millis(self.not_after),
            not_before: UnixTime::from_millis(self.not_before),
            serial_number: cleaned(self.serial_number),
            subject: cleaned(self.subject),
            issuer: cleaned(self.issuer),
            sans,
            sans_total: self.sans_total,
            key: Key::from_code(self.key),
            signature: Signature::ALL.get(usize::from(self.signature)).copied().unwrap_or_default(),
            subject_key_id: self.subject_key_id,
            authority_key_id: self.authority_key_id,
        })
    }
}

impl StoredUsage {
    pub(super) fn of(usage: &Usage) -> Self {
        Self {
            role: usage.role() as u8,
            api_id: usage.api_id().map(str::to_owned),
            place: usage.place().map(str::to_owned),
        }
    }

    pub(super) fn into_usage(self) -> Option<Usage> {
        let role = Role::ALL.get(usize::from(self.role))?;
        Some(Usage::new(*role, self.api_id.map(cleaned)).at(self.place.map(cleaned)))
    }

    pub(super) fn to_usage(&self) -> Option<Usage> {
        Self { role: self.role, api_id: self.api_id.clone(), place: self.place.clone() }.into_usage()
    }
}

/// For `#[serde(with)]`: the identifier of a key as one piece, kept as that of a certificate is that somebody has shown.
mod key_id {
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(id: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<[u8]>, D::Error> {
        struct Bytes;

        impl Visitor<'_> for Bytes {
            type Value = Box<[u8]>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Box<[u8]>, E> {
                Ok(crate::domain::certificate::key_id(bytes))
            }
        }

        deserializer.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::shared_data::{decode, encode};
    use crate::domain::certificate::{Curve, LONGEST_KEY_ID};

    fn certificate() -> Certificate {
        Certificate {
            source: IdSource::Provisional,
            position: Position::Intermediate,
            not_before: UnixTime::from_secs(-1),
            serial_number: "1A2B".to_owned(),
            subject: "CN=a".to_owned(),
            issuer: "CN=b".to_owned(),
            sans: vec!["a.example.com".to_owned(), "b.example.com".to_owned()],
            sans_total: 100,
            key: Key::Ec(Curve::P384),
            signature: Signature::Sha1,
            subject_key_id: [7; LONGEST_KEY_ID].into(),
            authority_key_id: [0, 255].into(),
            ..Certificate::bare(CertId::of_der(b"der"), "a", UnixTime::from_secs(50))
        }
    }

    fn read_back(stored: &StoredCertificate) -> Rc<Certificate> {
        decode::<StoredCertificate>(&encode(stored)).unwrap().into_certificate()
    }

    #[test]
    fn every_fact_comes_back() {
        let bare = Certificate::bare(CertId::of_der(b"der"), "a", UnixTime::NEVER);
        for certificate in [certificate(), Certificate { key: Key::rsa(2_048), ..certificate() }, bare] {
            assert_eq!(*read_back(&StoredCertificate::of(&certificate)), certificate);
        }
    }

    #[test]
    fn what_somebody_else_has_put_there_is_bounded() {
        let stored = StoredCertificate {
            source: 200,
            position: 200,
            signature: 200,
            key: u16::MAX,
            sans: vec!["\u{202e}x".to_owned(); 1_000],
            subject_key_id: vec![7; 1 << 20].into(),
            authority_key_id: vec![7; LONGEST_KEY_ID + 1].into(),
            ..StoredCertificate::of(&certificate())
        };
        let certificate = read_back(&stored);
        let Certificate { source, position, key, signature, .. } = *certificate;
        assert_eq!(
            (source, position, key, signature),
            (IdSource::default(), Position::Unknown, Key::Unknown, Signature::Unknown)
        );
        assert_eq!(certificate.sans, vec!["x"; MOST_NAMES]);
        assert!(certificate.subject_key_id.is_empty() && certificate.authority_key_id.is_empty());
    }
}
