//! Whether something that a certificate depends on ends before it.

use std::rc::Rc;

use crate::domain::certificate::{CertId, Certificate, Position};

/// Steps from a certificate to the top that are followed: real chains have three.
const MOST_STEPS: usize = 8;
/// Authorities that are looked at on all ways to the top.
const MOST_LOOKED_AT: usize = 32;

/// Knows authorities.
pub trait Issuers {
    /// Those that may have issued a certificate, as [`has_issued`] says.
    fn of(&self, certificate: &Certificate) -> Vec<Rc<Certificate>>;
}

/// Whether an authority may have issued a certificate: the names say so, and the identifiers of the key where both have
/// one (RFC 5280, 4.2.1.1). Nobody verifies a signature here.
pub fn has_issued(authority: &Certificate, certificate: &Certificate) -> bool {
    let (own, wanted) = (&authority.subject_key_id, &certificate.authority_key_id);
    matches!(authority.position, Position::Intermediate | Position::Root)
        && authority.id != certificate.id
        && !certificate.issuer.is_empty()
        && authority.subject == certificate.issuer
        && (own.is_empty() || wanted.is_empty() || own == wanted)
}

/// A way up from a certificate.
struct Way {
    top: Rc<Certificate>,
    /// The one that ends first on it.
    first: Rc<Certificate>,
    steps: usize,
}

/// The authority that a leaf depends on and that ends before it. There may be several ways to the top, where authorities
/// are cross-signed or were renewed; the one that lasts longest counts, because verifiers take any that is valid.
pub fn ends_first(leaf: &Certificate, issuers: &dyn Issuers) -> Option<Rc<Certificate>> {
    if leaf.position != Position::Leaf || leaf.issuer == leaf.subject {
        return None;
    }
    let mut looked_at: Vec<CertId> = Vec::new();
    let mut open = Vec::new();
    open.extend(issuers.of(leaf).into_iter().map(|top| Way { first: Rc::clone(&top), top, steps: 1 }));
    // The way that lasts longest is followed first: once it has reached the top, no other one can last longer.
    while let Some(best) = (0..open.len()).max_by_key(|index| open.get(*index).map(|way: &Way| way.first.not_after)) {
        let Way { top, first, steps } = open.swap_remove(best);
        if looked_at.contains(&top.id) {
            continue;
        }
        looked_at.push(top.id);
        let mut above = issuers.of(&top);
        above.retain(|issuer| !looked_at.contains(&issuer.id));
        let is_top = top.position == Position::Root || above.is_empty();
        if is_top || steps >= MOST_STEPS || looked_at.len() >= MOST_LOOKED_AT {
            return Some(first).filter(|first| first.not_after < leaf.not_after);
        }
        open.extend(above.into_iter().map(|top| {
            let is_sooner = top.not_after < first.not_after;
            Way { first: Rc::clone(if is_sooner { &top } else { &first }), top, steps: steps.saturating_add(1) }
        }));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::UnixTime;

    struct Known(Vec<Rc<Certificate>>);

    impl Issuers for Known {
        fn of(&self, certificate: &Certificate) -> Vec<Rc<Certificate>> {
            self.0.iter().filter(|authority| has_issued(authority, certificate)).cloned().collect()
        }
    }

    /// A certificate that ends on this day; an authority whose name is its issuer's is a root.
    fn certificate(name: &str, issuer: &str, end: i64) -> Certificate {
        let id = CertId::of_words(&[name, issuer, &end.to_string()]);
        let position = match name {
            "leaf" => Position::Leaf,
            _ if name == issuer => Position::Root,
            _ => Position::Intermediate,
        };
        let (subject, issuer) = (name.to_owned(), issuer.to_owned());
        Certificate { position, subject, issuer, ..Certificate::bare(id, name, UnixTime::from_secs(end * 86_400)) }
    }

    fn known(authorities: &[(&str, &str, i64)]) -> Known {
        Known(authorities.iter().map(|(name, issuer, end)| Rc::new(certificate(name, issuer, *end))).collect())
    }

    #[test]
    fn the_way_that_lasts_longest_counts() {
        // what it shows | authorities with their issuers and ends | who ends before the leaf, which ends on day 100
        for (what, authorities, expected) in [
            ("no issuer is known", vec![("other", "other", 1)], None),
            ("a chain in order", vec![("ca", "root", 200), ("root", "root", 300)], None),
            ("on the same day is not before", vec![("ca", "root", 100), ("root", "root", 100)], None),
            ("the issuer ends first", vec![("ca", "root", 99), ("root", "root", 300)], Some(("ca", 99))),
            ("the root ends first", vec![("ca", "root", 200), ("root", "root", 50)], Some(("root", 50))),
            ("the first of two that do", vec![("ca", "root", 60), ("root", "root", 50)], Some(("root", 50))),
            ("the root is not known", vec![("ca", "root", 99)], Some(("ca", 99))),
            ("the issuer was renewed", vec![("ca", "root", 99), ("ca", "root", 200), ("root", "root", 300)], None),
            (
                "an expired root beside one that has taken its place",
                vec![("ca", "root", 200), ("root", "root", 1), ("root", "root", 300)],
                None,
            ),
            (
                "cross-signed: the later end leads to an expired root, the other one is long enough",
                vec![("ca", "old", 200), ("ca", "new", 150), ("old", "old", 1), ("new", "new", 300)],
                None,
            ),
            (
                "cross-signed: no way is long enough, and the better one is named",
                vec![("ca", "old", 200), ("ca", "new", 90), ("old", "old", 1), ("new", "new", 300)],
                Some(("ca", 90)),
            ),
            ("two that have signed each other", vec![("ca", "cb", 200), ("cb", "ca", 90)], Some(("cb", 90))),
        ] {
            let found = ends_first(&certificate("leaf", "ca", 100), &known(&authorities));
            let found = found.as_ref().map(|found| (found.name.as_str(), found.not_after.secs() / 86_400));
            assert_eq!(found, expected, "{what}");
        }
    }

    #[test]
    fn only_what_depends_on_another_one_is_judged() {
        let known = known(&[("ca", "root", 1), ("root", "root", 1), ("leaf", "leaf", 1)]);
        assert!(ends_first(&certificate("leaf", "ca", 100), &known).is_some());
        for other in
            [certificate("ca", "root", 100), certificate("root", "root", 100), certificate("leaf", "leaf", 100)]
        {
            assert_eq!(ends_first(&other, &known), None, "{}", other.name);
        }
        let unknown = Certificate { position: Position::Unknown, ..certificate("leaf", "ca", 100) };
        assert_eq!(ends_first(&unknown, &known), None);
    }

    #[test]
    fn a_key_that_is_another_one_has_not_signed() {
        let leaf = |key: &[u8]| Certificate { authority_key_id: key.into(), ..certificate("leaf", "ca", 100) };
        let authority = |key: &[u8]| Certificate { subject_key_id: key.into(), ..certificate("ca", "ca", 1) };
        for (own, wanted, is_issuer) in
            [(&b"a"[..], &b"a"[..], true), (b"a", b"b", false), (b"", b"b", true), (b"a", b"", true), (b"", b"", true)]
        {
            assert_eq!(has_issued(&authority(own), &leaf(wanted)), is_issuer, "{own:?} {wanted:?}");
        }
        let nameless = Certificate { issuer: String::new(), ..certificate("leaf", "ca", 100) };
        assert!(!has_issued(&Certificate { subject: String::new(), ..certificate("ca", "ca", 1) }, &nameless));
    }

    #[test]
    fn hostile_chains_come_to_an_end() {
        let names: Vec<_> = (0..200).map(|number| format!("a{number}")).collect();
        let long: Vec<_> = names.iter().zip(names.iter().skip(1)).map(|(a, b)| (a.as_str(), b.as_str(), 90)).collect();
        let found = ends_first(&certificate("leaf", "a0", 100), &known(&long));
        assert_eq!(found.map(|found| found.name.clone()), Some("a0".to_owned()));
        // Each has issued each.
        let wide: Vec<_> = (0..20).flat_map(|a| (0..20).map(move |b| (a, b))).filter(|(a, b)| a != b).collect();
        let wide: Vec<_> = wide.iter().map(|(a, b)| (names[*a].as_str(), names[*b].as_str(), 90)).collect();
        assert!(ends_first(&certificate("leaf", "a0", 100), &known(&wide)).is_some());
    }
}
