//! Certificates and their usages in their stored form.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::application::inventory::MOST_PLACES;
use crate::application::shared_data::fingerprint;
use crate::domain::certificate::{IdSource, MOST_NAMES, Position};
use crate::domain::text::{harmless, is_harmless};
use crate::domain::{CertId, Certificate, Role, UnixTime, Usage};

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
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredUsage {
    /// Its place in [`Role::ALL`].
    role: u8,
    api_id: Option<String>,
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
    pub(super) fn of(certificate: &Certificate) -> Self {
        let Certificate { id, source, position, name, not_after, not_before, serial_number, subject, issuer, sans } =
            certificate;
        Self {
            id: *id,
            source: *source as u8,
            position: *position as u8,
            name: name.clone(),
            not_after: not_after.millis(),
            not_before: not_before.millis(),
            serial_number: serial_number.clone(),
            subject: subject.clone(),
            issuer: issuer.clone(),
            sans: sans.clone(),
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
        })
    }
}

impl StoredUsage {
    pub(super) fn of(usage: &Usage) -> Self {
        Self { role: usage.role() as u8, api_id: usage.api_id().map(str::to_owned) }
    }

    pub(super) fn into_usage(self) -> Option<Usage> {
        let role = Role::ALL.get(usize::from(self.role))?;
        Some(Usage::new(*role, self.api_id.map(cleaned)))
    }

    pub(super) fn to_usage(&self) -> Option<Usage> {
        Self { role: self.role, api_id: self.api_id.clone() }.into_usage()
    }
}
