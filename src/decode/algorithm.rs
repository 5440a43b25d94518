//! Algorithms of keys and signatures by their object identifiers, and the little of their parameters that matters.

use crate::domain::certificate::{Curve, Key, Signature};

/// An algorithm as X.509 names it (RFC 5280, 4.1.1.2).
pub(super) struct Algorithm<'a> {
    /// The contents of its object identifier.
    pub(super) oid: &'a [u8],
    /// The contents of its parameters; empty if it has none.
    pub(super) parameters: &'a [u8],
}

const RSA: &[u8] = &[42, 134, 72, 134, 247, 13, 1, 1, 1];
/// RSA with a padding of which the parameters say the hash (RFC 4055), as the algorithm of a key and of a signature.
const RSA_PSS: &[u8] = &[42, 134, 72, 134, 247, 13, 1, 1, 10];
const EC: &[u8] = &[42, 134, 72, 206, 61, 2, 1];

/// Keys without a size of their own (RFC 3279, 8410).
const KEYS: [(&[u8], Key); 3] =
    [(&[43, 101, 112], Key::Ed25519), (&[43, 101, 113], Key::Ed448), (&[42, 134, 72, 206, 56, 4, 1], Key::Dsa)];

/// RFC 5480, 2.1.1.1.
const CURVES: [(&[u8], Curve); 4] = [
    (&[42, 134, 72, 206, 61, 3, 1, 7], Curve::P256),
    (&[43, 129, 4, 0, 33], Curve::P224),
    (&[43, 129, 4, 0, 34], Curve::P384),
    (&[43, 129, 4, 0, 35], Curve::P521),
];

/// Signatures with a broken hash: of RSA, ECDSA and DSA (RFC 3279), and what they were called before (OIW).
const BROKEN: [(&[u8], Signature); 14] = [
    (&[42, 134, 72, 134, 247, 13, 1, 1, 2], Signature::Md5),
    (&[42, 134, 72, 134, 247, 13, 1, 1, 3], Signature::Md5),
    (&[42, 134, 72, 134, 247, 13, 1, 1, 4], Signature::Md5),
    (&[42, 134, 72, 134, 247, 13, 1, 1, 5], Signature::Sha1),
    (&[42, 134, 72, 206, 61, 4, 1], Signature::Sha1),
    (&[42, 134, 72, 206, 56, 4, 3], Signature::Sha1),
    (&[43, 14, 3, 2, 2], Signature::Md5),
    (&[43, 14, 3, 2, 3], Signature::Md5),
    (&[43, 14, 3, 2, 4], Signature::Md5),
    (&[43, 14, 3, 2, 13], Signature::Sha1),
    (&[43, 14, 3, 2, 15], Signature::Sha1),
    (&[43, 14, 3, 2, 27], Signature::Sha1),
    (&[43, 14, 3, 2, 28], Signature::Sha1),
    (&[43, 14, 3, 2, 29], Signature::Sha1),
];

/// The hashes themselves, as parameters name them: MD2, MD4, MD5; SHA-1 is what is meant where none is named.
const BROKEN_HASHES: [(&[u8], Signature); 4] = [
    (&[42, 134, 72, 134, 247, 13, 2, 2], Signature::Md5),
    (&[42, 134, 72, 134, 247, 13, 2, 4], Signature::Md5),
    (&[42, 134, 72, 134, 247, 13, 2, 5], Signature::Md5),
    (&[43, 14, 3, 2, 26], Signature::Sha1),
];

// The tags of DER that lead to what is looked for.
const INTEGER: u8 = 0x02;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const FIRST_FIELD: u8 = 0xa0;

/// The key of which a certificate holds these bytes.
pub(super) fn key(algorithm: &Algorithm<'_>, bytes: &[u8]) -> Key {
    match algorithm.oid {
        RSA | RSA_PSS => within(bytes, &[SEQUENCE, INTEGER]).map(bits).map(Key::rsa).unwrap_or_default(),
        EC => Key::Ec(find(&CURVES, algorithm.parameters).unwrap_or(Curve::Other)),
        oid => find(&KEYS, oid).unwrap_or_default(),
    }
}

/// What a signature of this algorithm is made of.
pub(super) fn signature(algorithm: &Algorithm<'_>) -> Signature {
    if algorithm.oid != RSA_PSS {
        return find(&BROKEN, algorithm.oid).unwrap_or(Signature::Other);
    }
    match within(algorithm.parameters, &[FIRST_FIELD, SEQUENCE, OBJECT_IDENTIFIER]) {
        Some(hash) => find(&BROKEN_HASHES, hash).unwrap_or(Signature::Other),
        None => Signature::Sha1,
    }
}

fn find<T: Copy>(known: &[(&[u8], T)], oid: &[u8]) -> Option<T> {
    known.iter().find(|(own, _)| *own == oid).map(|(_, value)| *value)
}

/// The bits of a number. The byte that says that it is not negative has none, and those that should have it and lack it
/// are meant to be positive.
fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let Some([first, rest @ ..]) = number.get(zeros..) else { return 0 };
    let first = u8::BITS.saturating_sub(first.leading_zeros());
    rest.len().saturating_mul(8).saturating_add(usize::try_from(first).unwrap_or_default())
}

/// The contents of the first element of DER, of the first element in these, and so on, if their tags are these.
fn within<'a>(mut der: &'a [u8], tags: &[u8]) -> Option<&'a [u8]> {
    for tag in tags {
        let (own, rest) = der.split_first()?;
        let (length, rest) = match rest.split_first()? {
            (short @ 0..=0x7f, rest) => (usize::from(*short), rest),
            // Three bytes: what Envoy hands over has no more.
            (long @ 0x81..=0x83, rest) => {
                let (length, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
                (length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        der = rest.get(..length).filter(|_| own == tag)?;
    }
    Some(der)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rsa(bytes: &[u8]) -> Key {
        key(&Algorithm { oid: RSA, parameters: &[] }, bytes)
    }

    #[test]
    fn the_size_of_an_rsa_key_is_that_of_its_modulus() {
        for (bytes, expected) in [
            ([0x30, 6, 2, 1, 0x7f, 2, 1, 3].as_slice(), Key::Rsa(7)),
            (&[0x30, 7, 2, 2, 0, 0x80, 2, 1, 3], Key::Rsa(8)),
            (&[0x30, 7, 2, 2, 1, 0, 2, 1, 3], Key::Rsa(9)),
            (&[0x30, 0x81, 8, 2, 0x82, 0, 1, 0xff, 2, 1, 3], Key::Rsa(8)),
            (&[0x30, 3, 2, 1, 0], Key::Unknown),
            (&[0x30, 2, 2, 0], Key::Unknown),
            (&[0x30, 3, 4, 1, 9], Key::Unknown),
            (&[0x31, 3, 2, 1, 9], Key::Unknown),
            (&[0x30, 3, 2, 2, 9], Key::Unknown),
            (&[0x30, 0x80, 2, 1, 9], Key::Unknown),
            (&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 2, 1, 9], Key::Unknown),
            (&[0x30, 0x83, 0xff, 0xff, 0xff, 2, 1, 9], Key::Unknown),
            (&[0x30, 0x82, 1], Key::Unknown),
            (&[0x30], Key::Unknown),
            (&[], Key::Unknown),
        ] {
            assert_eq!(rsa(bytes), expected, "{bytes:?}");
        }
        let modulus = vec![0xff; 0xffff];
        let bytes = [&[0x30, 0x83, 1, 0, 4, 2, 0x83, 0, 0xff, 0xff], modulus.as_slice()].concat();
        assert_eq!(rsa(&bytes), Key::Rsa(crate::domain::certificate::LARGEST_RSA), "it has 524,280 bits");
    }

    #[test]
    fn a_curve_that_nobody_knows_is_still_a_curve() {
        for (parameters, curve) in
            [([43, 129, 4, 0, 34].as_slice(), Curve::P384), (&[43, 129, 4, 0, 10], Curve::Other), (&[], Curve::Other)]
        {
            assert_eq!(key(&Algorithm { oid: EC, parameters }, &[]), Key::Ec(curve));
        }
        assert_eq!(key(&Algorithm { oid: &[42], parameters: &[] }, &[]), Key::Unknown);
    }

    #[test]
    fn a_padding_that_names_no_hash_means_sha_1() {
        let sha256 = [0xa0, 13, 0x30, 11, 6, 9, 96, 134, 72, 1, 101, 3, 4, 2, 1];
        let md5 = [0xa0, 12, 0x30, 10, 6, 8, 42, 134, 72, 134, 247, 13, 2, 5];
        for (parameters, expected) in [
            (sha256.as_slice(), Signature::Other),
            (&md5, Signature::Md5),
            (&[0xa0, 9, 0x30, 7, 6, 5, 43, 14, 3, 2, 26], Signature::Sha1),
            (&[0xa2, 3, 2, 1, 20], Signature::Sha1),
            (&[], Signature::Sha1),
        ] {
            assert_eq!(signature(&Algorithm { oid: RSA_PSS, parameters }), expected, "{parameters:?}");
        }
    }

    #[test]
    fn each_object_identifier_stands_in_its_table_once() {
        let oids = BROKEN.map(|(oid, _)| oid);
        for (index, oid) in oids.iter().enumerate() {
            assert!(!oids[..index].contains(oid), "{oid:?}");
        }
    }
}
