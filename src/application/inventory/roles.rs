//! Which certificates are watched in each role, by their ends and by their names.

use std::collections::BTreeSet;

use super::Watched;
use super::authorities::is_authority;
use super::names::Names;
use crate::domain::{CertId, Certificate, Role, UnixTime};

/// The watched certificates of each role.
#[derive(Debug, Default)]
pub(super) struct Roles {
    /// All by their ends, in the order of [`Role::ALL`].
    pub(super) ends: [BTreeSet<(UnixTime, CertId)>; Role::ALL.len()],
    /// All by their names.
    pub(super) names: Names,
    /// The authorities by their subjects.
    pub(super) subjects: Names,
    pub(super) is_changed: bool,
}

impl Roles {
    fn of(&mut self, role: Role) -> Option<&mut BTreeSet<(UnixTime, CertId)>> {
        self.ends.get_mut(role as usize)
    }

    /// The ends behind one of them in their order, each certificate once.
    pub(super) fn behind(&self, cursor: (UnixTime, CertId)) -> impl Iterator<Item = (UnixTime, CertId)> {
        let mut roles = self.ends.each_ref().map(|ends| ends.range(cursor..).peekable());
        let next = move || {
            let next = roles.iter_mut().filter_map(|ends| ends.peek().copied()).min()?;
            for ends in &mut roles {
                ends.next_if_eq(&next);
            }
            Some(*next)
        };
        std::iter::from_fn(next).filter(move |end| *end > cursor)
    }

    pub(super) fn note(&mut self, certificate: &Certificate, role: Role) {
        let end = (certificate.not_after, certificate.id);
        if !self.of(role).is_some_and(|ends| ends.insert(end)) {
            return;
        }
        self.is_changed = true;
        self.names.insert(role, &certificate.name, end);
        if is_authority(certificate) {
            self.subjects.insert(role, &certificate.subject, end);
        }
    }

    /// Notes that a certificate may be used for less than before.
    pub(super) fn update(&mut self, watched: &Watched) {
        let certificate = &watched.certificate;
        let end = (certificate.not_after, certificate.id);
        for role in Role::ALL.into_iter().filter(|role| !watched.is_used_as(*role)) {
            if self.of(role).is_some_and(|ends| ends.remove(&end)) {
                self.is_changed = true;
                self.names.remove(role, &certificate.name, end);
                self.subjects.remove(role, &certificate.subject, end);
            }
        }
    }
}
