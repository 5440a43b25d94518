//! Certificates of which `/certs` alone tells stand in for those that somebody may show later.

use std::hash::{DefaultHasher, Hasher};
use std::rc::Rc;

use super::{Inventory, Sighting, Source, Watched};
use crate::domain::certificate::IdSource;
use crate::domain::{CertId, Certificate, UnixTime};

impl Inventory {
    /// A watched certificate with this serial number and validity that somebody has shown.
    pub fn twin(&self, serial_number: &str, not_before: UnixTime, not_after: UnixTime) -> Option<&Watched> {
        let mut twins = self.twins(serial_number, not_before, not_after);
        twins.find(|watched| !is_provisional(&watched.certificate))
    }

    /// The watched certificate that one stands for of which `/certs` alone has told.
    pub fn shown_twin(&self, stand_in: &Certificate) -> Option<Rc<Certificate>> {
        let Certificate { serial_number, not_before, not_after, .. } = stand_in;
        let twin = is_provisional(stand_in).then(|| self.twin(serial_number, *not_before, *not_after));
        twin.flatten().map(|watched| Rc::clone(&watched.certificate))
    }

    /// The certificate that stands for one that has been shown now.
    pub fn stand_in(&self, shown: &Certificate) -> Option<CertId> {
        if self.provisional == 0 || is_provisional(shown) {
            return None;
        }
        let mut twins = self.twins(&shown.serial_number, shown.not_before, shown.not_after);
        twins.find(|watched| is_provisional(&watched.certificate)).map(|watched| watched.certificate.id)
    }

    fn twins(&self, serial_number: &str, not_before: UnixTime, not_after: UnixTime) -> impl Iterator<Item = &Watched> {
        let (first, last) = (CertId::from_bytes([0; 32]), CertId::from_bytes([0xff; 32]));
        let mark = mark(serial_number, not_before, not_after);
        let marked = self.marks.range((mark, first)..=(mark, last)).filter_map(|(_, id)| self.get(id));
        marked.filter(move |watched| {
            let Certificate { serial_number: own, not_before: begin, not_after: end, .. } = &*watched.certificate;
            significant(own).eq_ignore_ascii_case(significant(serial_number))
                && (*begin, *end) == (not_before, not_after)
        })
    }

    /// Has a certificate that has been shown take the place of the one that stood for it.
    pub fn replace(&mut self, stand_in: &CertId, shown: &Rc<Certificate>) {
        let Some(before) = self.watched.get(stand_in) else { return };
        let usages = before.usages.clone();
        self.remove(stand_in);
        for Sighting { usage, is_listed, found_in, last_seen, places, api_ids, .. } in usages {
            let sources =
                [is_listed.then_some(Source::Config), found_in.map(Source::Admin), last_seen.map(Source::Peer)];
            for source in sources.into_iter().flatten() {
                self.enter(shown, &usage, source, &places);
            }
            for api_id in api_ids {
                self.note_api(&shown.id, &usage, &api_id);
            }
        }
    }
}

/// Whether nobody has shown a certificate yet.
pub(super) fn is_provisional(certificate: &Certificate) -> bool {
    certificate.source == IdSource::Provisional
}

/// A serial number without what its writers differ in.
fn significant(serial_number: &str) -> &str {
    serial_number.trim_start_matches('0')
}

pub(super) fn mark_of(certificate: &Certificate) -> UnixTime {
    mark(&certificate.serial_number, certificate.not_before, certificate.not_after)
}

/// A number made of serial number and validity, which are all that `/certs` tells of a certificate. It is no time, but
/// sets of times and certificates are there already, and one of another kind would be kilobytes of code.
fn mark(serial_number: &str, not_before: UnixTime, not_after: UnixTime) -> UnixTime {
    let mut hasher = DefaultHasher::new();
    for byte in significant(serial_number).bytes() {
        hasher.write_u8(byte.to_ascii_lowercase());
    }
    hasher.write_i64(not_before.millis());
    hasher.write_i64(not_after.millis());
    UnixTime::from_millis(hasher.finish().cast_signed())
}
