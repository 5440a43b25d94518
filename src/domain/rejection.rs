//! A handshake that failed because of a certificate.

use super::role::Role;

/// What is known of a handshake that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What was wrong.
    pub reason: Reason,
    /// What Envoy says about it.
    pub text: String,
    /// The peer's address.
    pub address: Option<String>,
}

/// What was wrong with the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It has ended.
    Expired,
    /// It has not begun.
    NotYetValid,
    /// Nobody who is trusted has issued it.
    UnknownCa,
    /// It bears another name, or its hash or key is not the one that is pinned.
    NameMismatch,
    /// Its issuer has withdrawn it.
    Revoked,
    /// There was none.
    Missing,
    /// The upstream takes ours for one of these.
    Refused,
    /// Something else.
    Invalid,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::Expired,
        Self::NotYetValid,
        Self::UnknownCa,
        Self::NameMismatch,
        Self::Revoked,
        Self::Missing,
        Self::Refused,
        Self::Invalid,
    ];

    /// The word of bodies and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::UnknownCa => "unknown_ca",
            Self::NameMismatch => "name_mismatch",
            Self::Revoked => "revoked",
            Self::Missing => "missing",
            Self::Refused => "refused",
            Self::Invalid => "invalid",
        }
    }

    /// The reason of that word, if it is one.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }

    /// What Envoy's text about a failed handshake with a peer in this role means; `None` if no certificate is to blame.
    /// The words are `BoringSSL`'s (`x509_vfy`, alerts) and Envoy's (certificate validator).
    pub fn of(role: Role, text: &str) -> Option<Self> {
        let found = WORDS.iter().find(|(words, _)| text.contains(words)).map(|(_, reason)| *reason)?;
        // Any client may take our certificate for a bad one, and nothing is broken by that.
        (found != Self::Refused || role == Role::Upstream).then_some(found)
    }
}

/// The first that is found counts: what says more stands first.
const WORDS: [(&str, Reason); 22] = [
    ("ALERT_CERTIFICATE", Reason::Refused),
    ("ALERT_BAD_CERTIFICATE", Reason::Refused),
    ("ALERT_UNKNOWN_CA", Reason::Refused),
    ("ALERT_UNSUPPORTED_CERTIFICATE", Reason::Refused),
    ("ALERT_NO_CERTIFICATE", Reason::Refused),
    ("ALERT_ACCESS_DENIED", Reason::Refused),
    ("certificate has expired", Reason::Expired),
    ("certificate is not yet valid", Reason::NotYetValid),
    ("certificate revoked", Reason::Revoked),
    ("unable to get local issuer", Reason::UnknownCa),
    ("unable to get issuer", Reason::UnknownCa),
    ("self signed certificate", Reason::UnknownCa),
    ("self-signed certificate", Reason::UnknownCa),
    ("unable to verify the first certificate", Reason::UnknownCa),
    ("no trusted", Reason::UnknownCa),
    ("SAN matcher", Reason::NameMismatch),
    ("SAN match", Reason::NameMismatch),
    ("ostname mismatch", Reason::NameMismatch),
    ("hash", Reason::NameMismatch),
    ("PEER_DID_NOT_RETURN_A_CERTIFICATE", Reason::Missing),
    ("no peer cert", Reason::Missing),
    ("CERTIFICATE_VERIFY_FAILED", Reason::Invalid),
];
