//! The two sides of a connection, and where their peers' certificates are read.

use super::{Message, Proxy};
use crate::application::observation::{ADDRESS_PLACE, Form};
use crate::config::{ApiId, ClientCertificate, FILTER_STATE, Observe, RESPONSE_HEADER, UpstreamCertificate};
use crate::domain::Role;
use crate::domain::text::{LONGEST, harmless};

/// One side of a connection and the properties that tell about its peer.
pub(super) struct Side {
    pub(super) role: Role,
    digest: &'static str,
    certificate: &'static str,
    failure: &'static str,
    address: &'static str,
}

pub(super) const DOWNSTREAM: Side = Side {
    role: Role::Client,
    digest: "connection\0sha256_peer_certificate_digest",
    certificate: "connection\0peer_certificate",
    failure: "connection\0transport_failure_reason",
    address: "source\0address",
};

pub(super) const UPSTREAM: Side = Side {
    role: Role::Upstream,
    digest: "upstream\0sha256_peer_certificate_digest",
    certificate: "upstream\0peer_certificate",
    failure: "upstream\0transport_failure_reason",
    address: "upstream\0address",
};

impl Side {
    /// The fingerprint of the peer's certificate, in hex.
    pub(super) fn digest(&self, proxy: &impl Proxy) -> Option<Vec<u8>> {
        non_empty(proxy, self.digest)
    }

    /// Envoy's text about the handshake, if it has failed.
    pub(super) fn failure(&self, proxy: &impl Proxy) -> Option<Vec<u8>> {
        non_empty(proxy, self.failure)
    }

    /// The peer's address.
    pub(super) fn address(&self, proxy: &impl Proxy) -> Option<String> {
        text(proxy, self.address)
    }
}

/// A certificate as the host has shown it.
pub(super) struct Shown {
    pub(super) form: Form,
    pub(super) certificate: Vec<u8>,
}

/// Where certificates are read from.
#[derive(Debug)]
pub(super) struct Source {
    client: ClientCertificate,
    upstream: UpstreamCertificate,
    header: Header,
}

/// What is known of the response header that may hold an upstream's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Header {
    /// No upstream has presented a certificate yet.
    Unknown,
    /// It is not there, and not needed.
    Unused,
    /// It may be in any response, and no client shall see it.
    Used,
}

const XFCC: &str = "x-forwarded-client-cert";

impl Source {
    /// What the document wants.
    pub(super) fn new(observe: &Observe) -> Self {
        let upstream = observe.upstream_certificate.clone();
        let header = match upstream {
            UpstreamCertificate::Auto => Header::Unknown,
            UpstreamCertificate::Attribute => Header::Unused,
            UpstreamCertificate::ResponseHeader(_) => Header::Used,
        };
        Self { client: observe.client_certificate.clone(), upstream, header }
    }

    /// The certificate of the peer that plays this role, where the host shows it.
    pub(super) fn read(&mut self, role: Role, proxy: &impl Proxy) -> Option<Shown> {
        let (form, certificate) = match (role, &self.client) {
            // Where there are no headers, in the log of a connection, the attribute has to do.
            (Role::Client, ClientCertificate::Xfcc) => match proxy.header(Message::Request, XFCC) {
                Some(header) => (Form::Xfcc, Some(header)),
                None => (Form::Pem, self.read_client(proxy)),
            },
            (Role::Client, _) => (Form::Pem, self.read_client(proxy)),
            _ => (Form::Pem, self.read_upstream(proxy)),
        };
        // What a formatter writes where there is nothing.
        let certificate = certificate.filter(|certificate| !matches!(certificate.as_slice(), b"" | b"-"))?;
        Some(Shown { form, certificate })
    }

    fn read_client(&self, proxy: &impl Proxy) -> Option<Vec<u8>> {
        let attribute = || non_empty(proxy, DOWNSTREAM.certificate);
        match &self.client {
            ClientCertificate::Auto => attribute().or_else(|| proxy.property(FILTER_STATE)),
            ClientCertificate::Attribute | ClientCertificate::Xfcc => attribute(),
            ClientCertificate::FilterState(path) => proxy.property(path),
        }
    }

    fn read_upstream(&mut self, proxy: &impl Proxy) -> Option<Vec<u8>> {
        let attribute = || non_empty(proxy, UPSTREAM.certificate);
        let header = |name| proxy.header(Message::Response, name);
        match &self.upstream {
            UpstreamCertificate::Attribute => attribute(),
            UpstreamCertificate::ResponseHeader(name) => header(name),
            UpstreamCertificate::Auto => {
                let (attribute, header) = (attribute(), header(RESPONSE_HEADER));
                if attribute.is_none() || header.is_some() {
                    self.header = Header::Used;
                } else if self.header == Header::Unknown {
                    self.header = Header::Unused;
                }
                attribute.or(header)
            }
        }
    }

    /// The header that has to be taken away from a response; `is_encrypted` says whether its upstream has presented a
    /// certificate.
    pub(super) fn header_to_remove(&self, is_encrypted: bool) -> Option<&str> {
        let is_used = self.header == Header::Used || (self.header == Header::Unknown && is_encrypted);
        match &self.upstream {
            UpstreamCertificate::ResponseHeader(name) => Some(name),
            _ => is_used.then_some(RESPONSE_HEADER),
        }
    }
}

/// Where a certificate was shown: at a listener, or by a cluster.
pub(super) fn place(role: Role, proxy: &impl Proxy) -> Option<String> {
    const DOWNSTREAM: [(&str, &str); 3] = [
        ("listener/", "xds\0listener_metadata\0filter_metadata\0cert_expiry_monitor\0name"),
        ("filter_chain/", "xds\0filter_chain_name"),
        (ADDRESS_PLACE, "destination\0address"),
    ];
    const UPSTREAM: [(&str, &str); 1] = [("cluster/", "xds\0cluster_name")];
    let places = if role == Role::Client { DOWNSTREAM.as_slice() } else { UPSTREAM.as_slice() };
    places.iter().find_map(|(kind, path)| text(proxy, path).map(|name| format!("{kind}{name}")))
}

/// The API that a peer's certificate is used for.
pub(super) fn read_api_id(api_id: &ApiId, proxy: &impl Proxy) -> Option<String> {
    match api_id {
        ApiId::Fixed(value) => Some(value.clone()),
        ApiId::Properties(paths) => paths.iter().find_map(|path| text(proxy, path)),
    }
}

/// A property that is a text, made harmless, unless nothing is left of it.
fn text(proxy: &impl Proxy, path: &str) -> Option<String> {
    let bytes = proxy.property(path)?;
    // Long enough for every text that is kept, and no more work than that.
    let bytes = bytes.get(..LONGEST.saturating_mul(4)).unwrap_or(&bytes);
    Some(harmless(&String::from_utf8_lossy(bytes))).filter(|text| !text.is_empty())
}

fn non_empty(proxy: &impl Proxy, path: &str) -> Option<Vec<u8>> {
    proxy.property(path).filter(|value| !value.is_empty())
}
