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
    /// The words are `BoringSSL`'s (`X509_verify_cert`, alerts) and Envoy's (certificate validator). Envoy 1.36 never says
    /// more than that the verification failed.
    pub fn of(role: Role, text: &str) -> Option<Self> {
        // Access logs write a space as an underscore.
        let text = text.replace('_', " ");
        let found = WORDS.iter().find(|(words, _)| text.contains(words)).map(|(_, reason)| *reason)?;
        // Any client may take our certificate for a bad one, and nothing is broken by that.
        (found != Self::Refused || role == Role::Upstream).then_some(found)
    }
}

/// The first that is found counts: a text that quotes a peer's names stands before those that could be such a name.
const WORDS: [(&str, Reason); 23] = [
    ("SAN match", Reason::NameMismatch),
    ("verify SAN", Reason::NameMismatch),
    ("SAN peer identity", Reason::NameMismatch),
    ("cert hash and spki", Reason::NameMismatch),
    ("SSLV3 ALERT CERTIFICATE ", Reason::Refused),
    ("SSLV3 ALERT BAD CERTIFICATE", Reason::Refused),
    ("SSLV3 ALERT UNSUPPORTED CERTIFICATE", Reason::Refused),
    ("SSLV3 ALERT NO CERTIFICATE", Reason::Refused),
    ("TLSV1 ALERT UNKNOWN CA", Reason::Refused),
    ("TLSV1 ALERT ACCESS DENIED", Reason::Refused),
    ("TLSV1 ALERT CERTIFICATE REQUIRED", Reason::Refused),
    ("certificate has expired", Reason::Expired),
    ("certificate is not yet valid", Reason::NotYetValid),
    ("certificate revoked", Reason::Revoked),
    ("unable to get local issuer", Reason::UnknownCa),
    ("unable to get issuer", Reason::UnknownCa),
    ("self signed certificate", Reason::UnknownCa),
    ("self-signed certificate", Reason::UnknownCa),
    ("unable to verify the first certificate", Reason::UnknownCa),
    ("no trust bundle", Reason::UnknownCa),
    ("PEER DID NOT RETURN A CERTIFICATE", Reason::Missing),
    ("no peer cert", Reason::Missing),
    ("CERTIFICATE VERIFY FAILED", Reason::Invalid),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// What real Envoys said; see `tests/e2e/test_rejections.py`.
    #[test]
    fn envoys_words_are_understood() {
        const FAILED: &str = "TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:";
        const AT: &str = "verify cert failed: X509_verify_cert: certificate verification error at depth 0: ";
        for (text, reason) in [
            (format!("{FAILED}TLS_error_end"), Some(Reason::Invalid)),
            (format!("{FAILED}{AT}certificate has expired:TLS_error_end"), Some(Reason::Expired)),
            (format!("{FAILED}{}certificate_has_expired", AT.replace(' ', "_")), Some(Reason::Expired)),
            (format!("{FAILED}{AT}certificate is not yet valid"), Some(Reason::NotYetValid)),
            (format!("{FAILED}{AT}unable to get local issuer certificate"), Some(Reason::UnknownCa)),
            (format!("{FAILED}{AT}self signed certificate"), Some(Reason::UnknownCa)),
            (
                format!("{FAILED}verify cert failed: SAN matcher, certificate SANs are [certificate has expired]"),
                Some(Reason::NameMismatch),
            ),
            (
                "TLS_error:|268436501:SSL_routines:OPENSSL_internal:SSLV3_ALERT_CERTIFICATE_EXPIRED".into(),
                Some(Reason::Refused),
            ),
            ("TLS_error:|268436504:SSL routines:OPENSSL_internal:TLSV1_ALERT_UNKNOWN_CA".into(), Some(Reason::Refused)),
            (
                "TLS_error:|268435648:SSL_routines:OPENSSL_internal:PEER_DID_NOT_RETURN_A_CERTIFICATE".into(),
                Some(Reason::Missing),
            ),
            ("TLS_error:|268435703:SSL_routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end".into(), None),
            ("delayed_connect_error:_Connection_refused".into(), None),
            (String::new(), None),
        ] {
            assert_eq!(Reason::of(Role::Upstream, &text), reason, "{text}");
        }
        assert_eq!(
            Reason::of(Role::Client, "SSLV3_ALERT_CERTIFICATE_EXPIRED"),
            None,
            "it is ours that the client refuses"
        );
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(reason));
        }
        assert_eq!(Reason::parse("other"), None);
    }
}
