//! The certificates of a round, by id and by what `/certs` tells of them.

use std::cmp::Ordering;
use std::rc::Rc;

use crate::decode::admin::certs::Loaded;
use crate::domain::{CertId, Certificate, UnixTime};

/// Lists of pointers are kept in order: putting one in its place is cheap, and no step has to sort them all.
#[derive(Default)]
pub(super) struct Pool {
    /// By id.
    all: Vec<Rc<Certificate>>,
    /// By serial number and validity.
    stamped: Vec<Rc<Certificate>>,
    /// One certificate for each name that has issued one in service, by that name.
    issued: Vec<Rc<Certificate>>,
}

impl Pool {
    pub(super) fn get(&self, id: &CertId) -> Option<&Rc<Certificate>> {
        self.all.binary_search_by(|known| known.id.cmp(id)).ok().and_then(|at| self.all.get(at))
    }

    /// Forgets one certificate; whether there was one.
    pub(super) fn pop(&mut self) -> bool {
        self.issued.pop();
        self.stamped.pop();
        self.all.pop().is_some()
    }

    pub(super) fn insert(&mut self, certificate: &Rc<Certificate>) {
        let Err(at) = self.all.binary_search_by(|known| known.id.cmp(&certificate.id)) else { return };
        self.all.insert(at, Rc::clone(certificate));
        let Certificate { not_before, not_after, serial_number, .. } = &**certificate;
        let stamp = (bare(serial_number), *not_before, *not_after);
        if let Err(at) = self.stamped.binary_search_by(|known| compare(known, stamp)) {
            self.stamped.insert(at, Rc::clone(certificate));
        }
    }

    /// The certificate that is loaded, if its PEM stands anywhere.
    pub(super) fn twin(&self, loaded: &Loaded) -> Option<&Rc<Certificate>> {
        let stamp = (bare(&loaded.serial_number), loaded.not_before, loaded.not_after);
        self.stamped.binary_search_by(|known| compare(known, stamp)).ok().and_then(|at| self.stamped.get(at))
    }

    /// Notes that a certificate is in service; whether its issuer is a new one.
    pub(super) fn note_service(&mut self, certificate: &Rc<Certificate>) -> bool {
        let issuer = certificate.issuer.as_str();
        let place = self.issued.binary_search_by(|known| known.issuer.as_str().cmp(issuer));
        place.map_err(|at| self.issued.insert(at, Rc::clone(certificate))).is_err()
    }

    /// Whether a certificate in service was issued by this name.
    pub(super) fn has_issued(&self, subject: &str) -> bool {
        self.issued.binary_search_by(|known| known.issuer.as_str().cmp(subject)).is_ok()
    }
}

type Stamp<'a> = (&'a str, UnixTime, UnixTime);

fn compare(certificate: &Certificate, stamp: Stamp<'_>) -> Ordering {
    let Certificate { not_before, not_after, serial_number, .. } = certificate;
    (bare(serial_number), *not_before, *not_after).cmp(&stamp)
}

/// A serial number without leading zeros: DER has them where the number would be negative, and Envoy leaves them out.
pub(super) fn bare(serial_number: &str) -> &str {
    serial_number.trim_start_matches('0')
}
