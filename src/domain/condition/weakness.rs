//! What a certificate lacks by the document's policies.

use std::time::Duration;

use crate::domain::certificate::{Certificate, IdSource, Key, Position, Signature};
use crate::domain::event::time_left;

/// What a certificate must be like not to be weak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policies {
    /// The fewest bits of an RSA key; zero: any.
    pub min_rsa_bits: u16,
    /// The hashes that nothing may be signed with.
    pub forbid_signatures: Vec<Signature>,
    /// The longest lifetime of a leaf.
    pub max_lifetime: Option<Duration>,
    /// Whether a leaf must have a subject alternative name.
    pub require_san: bool,
}

/// A policy that a certificate does not live up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weakness {
    /// The policy, as the document calls it.
    pub policy: &'static str,
    /// What is wrong, for people.
    pub text: String,
}

/// All that is wrong with a certificate. One that nobody has shown is not judged.
pub fn weaknesses(certificate: &Certificate, policies: &Policies) -> Vec<Weakness> {
    let mut found = Vec::new();
    if certificate.source != IdSource::Fingerprint {
        return found;
    }
    let mut note = |policy, text| found.push(Weakness { policy, text });
    if let Key::Rsa(bits) = certificate.key
        && bits < policies.min_rsa_bits
    {
        note("min_rsa_bits", format!("RSA key of {bits} bits"));
    }
    // Nobody verifies the signature of a root: it is trusted as it stands.
    if certificate.position != Position::Root && policies.forbid_signatures.contains(&certificate.signature) {
        match certificate.signature {
            Signature::Md5 => note("forbid_signatures", "MD5 signature".to_owned()),
            Signature::Sha1 => note("forbid_signatures", "SHA-1 signature".to_owned()),
            Signature::Unknown | Signature::Other => {}
        }
    }
    if certificate.position == Position::Leaf {
        if let Some((lifetime, most)) = certificate.lifetime().zip(policies.max_lifetime)
            && lifetime > most
        {
            note("max_lifetime", too_long(lifetime, most));
        }
        if policies.require_san && certificate.sans_total == 0 {
            note("require_san", "no subject alternative name".to_owned());
        }
    }
    found
}

fn too_long(lifetime: Duration, most: Duration) -> String {
    let (lifetime, most) = (time_left(lifetime), time_left(most));
    if lifetime == most {
        format!("valid for more than {most}")
    } else {
        format!("valid for {lifetime} instead of at most {most}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::certificate::Curve;
    use crate::domain::time::{DAY, HOUR};
    use crate::domain::{CertId, UnixTime};

    fn policies() -> Policies {
        let forbid_signatures = vec![Signature::Sha1, Signature::Md5];
        Policies { min_rsa_bits: 2_048, forbid_signatures, max_lifetime: Some(398 * DAY), require_san: true }
    }

    /// A leaf that nothing is wrong with.
    fn leaf() -> Certificate {
        let begin = UnixTime::from_secs(1_700_000_000);
        Certificate {
            not_before: begin,
            position: Position::Leaf,
            key: Key::Rsa(2_048),
            signature: Signature::Other,
            sans_total: 1,
            ..Certificate::bare(CertId::of_der(b"der"), "a", begin.after(90 * DAY))
        }
    }

    fn lasting(length: Duration) -> Certificate {
        Certificate { not_after: leaf().not_before.after(length), ..leaf() }
    }

    #[test]
    fn every_policy_has_its_boundary() {
        let second = Duration::from_secs(1);
        // what it shows | the certificate | what is wrong
        for (what, certificate, expected) in [
            ("as it should be", leaf(), vec![]),
            ("a bit short", Certificate { key: Key::Rsa(2_047), ..leaf() }, vec!["RSA key of 2047 bits"]),
            ("other keys have other sizes", Certificate { key: Key::Ec(Curve::P256), ..leaf() }, vec![]),
            ("an unknown key", Certificate { key: Key::Unknown, ..leaf() }, vec![]),
            ("SHA-1", Certificate { signature: Signature::Sha1, ..leaf() }, vec!["SHA-1 signature"]),
            ("MD5", Certificate { signature: Signature::Md5, ..leaf() }, vec!["MD5 signature"]),
            ("the longest life", lasting(398 * DAY), vec![]),
            ("a second more", lasting(398 * DAY + second), vec!["valid for more than 398 days"]),
            ("ten years", lasting(3_650 * DAY), vec!["valid for 3650 days instead of at most 398 days"]),
            ("no end", Certificate { not_after: UnixTime::NEVER, ..leaf() }, vec![]),
            ("no names", Certificate { sans_total: 0, ..leaf() }, vec!["no subject alternative name"]),
        ] {
            let found: Vec<_> = weaknesses(&certificate, &policies()).into_iter().map(|weak| weak.text).collect();
            assert_eq!(found, expected, "{what}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_together_in_the_order_of_the_policies() {
        let bad = Certificate {
            key: Key::Rsa(1_024),
            signature: Signature::Sha1,
            sans_total: 0,
            ..lasting(3_650 * DAY + 5 * HOUR)
        };
        let words = |certificate: &Certificate, policies: &Policies| -> Vec<&str> {
            weaknesses(certificate, policies).into_iter().map(|weak| weak.policy).collect()
        };
        let all = ["min_rsa_bits", "forbid_signatures", "max_lifetime", "require_san"];
        assert_eq!(words(&bad, &policies()), all);
        let authority = Certificate { position: Position::Intermediate, ..bad.clone() };
        assert_eq!(words(&authority, &policies()), all[..2], "authorities live long and have no names");
        let root = Certificate { position: Position::Root, ..bad.clone() };
        assert_eq!(words(&root, &policies()), all[..1], "nobody verifies its signature");
        let lenient = Policies { min_rsa_bits: 0, forbid_signatures: vec![], max_lifetime: None, require_san: false };
        assert_eq!(words(&bad, &lenient), [""; 0]);
        for source in [IdSource::Provisional, IdSource::Unknown] {
            assert_eq!(words(&Certificate { source, ..bad.clone() }, &policies()), [""; 0], "nobody has shown it");
        }
    }
}
