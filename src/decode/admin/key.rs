//! The keys that matter, of all that stand in an answer.

/// A key. Its name is Envoy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Other,
    // /certs
    Certificates,
    CaCert,
    CertChain,
    Path,
    SerialNumber,
    SubjectAltNames,
    Dns,
    Uri,
    IpAddress,
    ValidFrom,
    ExpirationTime,
    // /config_dump
    Configs,
    Type,
    Name,
    VersionInfo,
    ErrorState,
    Listener,
    Cluster,
    Secret,
    CommonTlsContext,
    TlsCertificates,
    TlsCertificate,
    CertificateChain,
    ChainSecret,
    ValidationContext,
    TrustedCa,
    BundleSecret,
    Filename,
    InlineString,
    InlineBytes,
}

impl Key {
    pub(super) fn of(text: &str) -> Self {
        match text {
            "certificates" => Self::Certificates,
            "ca_cert" => Self::CaCert,
            "cert_chain" => Self::CertChain,
            "path" => Self::Path,
            "serial_number" => Self::SerialNumber,
            "subject_alt_names" => Self::SubjectAltNames,
            "dns" => Self::Dns,
            "uri" => Self::Uri,
            "ip_address" => Self::IpAddress,
            "valid_from" => Self::ValidFrom,
            "expiration_time" => Self::ExpirationTime,
            "configs" => Self::Configs,
            "@type" => Self::Type,
            "name" => Self::Name,
            "version_info" => Self::VersionInfo,
            "error_state" => Self::ErrorState,
            "listener" => Self::Listener,
            "cluster" => Self::Cluster,
            "secret" => Self::Secret,
            "common_tls_context" => Self::CommonTlsContext,
            "tls_certificates" => Self::TlsCertificates,
            "tls_certificate" => Self::TlsCertificate,
            "certificate_chain" => Self::CertificateChain,
            "tls_certificate_sds_secret_configs" => Self::ChainSecret,
            "validation_context" | "default_validation_context" => Self::ValidationContext,
            "trusted_ca" => Self::TrustedCa,
            "validation_context_sds_secret_config" => Self::BundleSecret,
            "filename" => Self::Filename,
            "inline_string" => Self::InlineString,
            "inline_bytes" => Self::InlineBytes,
            _ => Self::Other,
        }
    }
}
