//! Which certificates are watched in each role, by their ends.

use std::collections::BTreeSet;

use super::Watched;
use crate::domain::{CertId, Certificate, Role, UnixTime};

/// The watched certificates of each role by their ends.
#[derive(Debug, Default)]
pub(super) struct Roles {
    /// In the order of [`Role::ALL`].
    pub(super) ends: [BTreeSet<(UnixTime, CertId)>; Role::ALL.len()],
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
        self.is_changed |= self.of(role).is_some_and(|ends| ends.insert(end));
    }

    /// Notes that a certificate may be used for less than before.
    pub(super) fn update(&mut self, watched: &Watched) {
        let Certificate { id, not_after, .. } = *watched.certificate;
        for role in Role::ALL.into_iter().filter(|role| !watched.is_used_as(*role)) {
            self.is_changed |= self.of(role).is_some_and(|ends| ends.remove(&(not_after, id)));
        }
    }
}
