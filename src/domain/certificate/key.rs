//! The public key of a certificate, and what its signature is made of: as much as says whether they are weak.

/// The kind of a public key, and its size where the kind leaves that open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Key {
    /// None of those below, or nobody has shown the certificate itself.
    #[default]
    Unknown,
    /// RSA for whatever padding, and the bits of its modulus; made by [`Key::rsa`].
    Rsa(u16),
    /// A point on an elliptic curve.
    Ec(Curve),
    /// RFC 8410.
    Ed25519,
    /// RFC 8410.
    Ed448,
    /// RFC 3279, of whatever size.
    Dsa,
}

/// A named curve (RFC 5480, 2.1.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// secp224r1.
    P224,
    /// secp256r1.
    P256,
    /// secp384r1.
    P384,
    /// secp521r1.
    P521,
    /// Any other, with a name or without.
    Other,
}

/// The most bits of an RSA key that are told apart: far beyond what any TLS library takes.
pub const LARGEST_RSA: u16 = 0xfeff;

/// Keys that their kind describes, and what bodies call them. A stored one is named by its place in here, counted from
/// behind [`LARGEST_RSA`]: new ones are appended.
const NAMED: [(Key, &str); 8] = [
    (Key::Ec(Curve::Other), "EC"),
    (Key::Ec(Curve::P224), "EC-P224"),
    (Key::Ec(Curve::P256), "EC-P256"),
    (Key::Ec(Curve::P384), "EC-P384"),
    (Key::Ec(Curve::P521), "EC-P521"),
    (Key::Ed25519, "Ed25519"),
    (Key::Ed448, "Ed448"),
    (Key::Dsa, "DSA"),
];
const FIRST_NAMED: u16 = LARGEST_RSA + 1;

impl Key {
    /// An RSA key whose modulus has so many bits; one without any is no key.
    pub fn rsa(bits: usize) -> Self {
        match u16::try_from(bits).unwrap_or(LARGEST_RSA).min(LARGEST_RSA) {
            0 => Self::Unknown,
            bits => Self::Rsa(bits),
        }
    }

    /// The word of bodies, such as `RSA-2048` and `EC-P256`; `None` where it is not known.
    pub fn as_text(self) -> Option<String> {
        match self {
            Self::Rsa(bits) => Some(format!("RSA-{bits}")),
            _ => NAMED.iter().find(|(key, _)| *key == self).map(|(_, name)| (*name).to_owned()),
        }
    }

    /// The number that stands for it where it is stored.
    pub fn to_code(self) -> u16 {
        match self {
            Self::Rsa(bits) => bits.min(LARGEST_RSA),
            _ => NAMED.iter().zip(FIRST_NAMED..).find(|((key, _), _)| *key == self).map_or(0, |(_, code)| code),
        }
    }

    /// The key that a stored number stands for. One that stands for none, written by whomever, is not known.
    pub fn from_code(code: u16) -> Self {
        match code.checked_sub(FIRST_NAMED) {
            None => Self::rsa(code.into()),
            Some(place) => NAMED.get(usize::from(place)).map(|(key, _)| *key).unwrap_or_default(),
        }
    }
}

/// The hash in a certificate's signature, as far as it is broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signature {
    /// Nobody has shown the certificate itself.
    #[default]
    Unknown,
    /// MD5, or one of the still older MD2 and MD4.
    Md5,
    /// SHA-1.
    Sha1,
    /// Any other.
    Other,
}

impl Signature {
    /// Every signature; a stored one is named by its place in here.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Md5, Self::Sha1, Self::Other];

    /// The word of the configuration; `None` for what needs none.
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Md5 => Some("md5"),
            Self::Sha1 => Some("sha1"),
            Self::Unknown | Self::Other => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_names_that_people_know() {
        for (key, text) in [
            (Key::Unknown, None),
            (Key::rsa(0), None),
            (Key::rsa(2_048), Some("RSA-2048")),
            (Key::rsa(1_023), Some("RSA-1023")),
            (Key::rsa(usize::MAX), Some("RSA-65279")),
            (Key::Ec(Curve::P256), Some("EC-P256")),
            (Key::Ec(Curve::Other), Some("EC")),
            (Key::Ed25519, Some("Ed25519")),
            (Key::Dsa, Some("DSA")),
        ] {
            assert_eq!(key.as_text().as_deref(), text, "{key:?}");
        }
    }

    #[test]
    fn every_key_comes_back_from_its_number_and_every_number_is_one_key_at_most() {
        for code in 0..=u16::MAX {
            let key = Key::from_code(code);
            assert!(key.to_code() == code || key == Key::Unknown, "{code} {key:?}");
        }
        for (key, _) in NAMED {
            assert_eq!(Key::from_code(key.to_code()), key);
        }
        assert_eq!(Key::from_code(2_048), Key::Rsa(2_048));
        // What others have stored stays what it was.
        assert_eq!([Key::Ec(Curve::Other), Key::Ec(Curve::P256), Key::Dsa].map(Key::to_code), [0xff00, 0xff02, 0xff07]);
    }

    #[test]
    fn a_stored_signature_is_named_by_its_place() {
        for (place, signature) in Signature::ALL.into_iter().enumerate() {
            assert_eq!(signature as usize, place);
        }
    }
}
