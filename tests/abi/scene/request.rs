//! Requests, by what Envoy's attributes say of their connections.

use super::Certificate;

/// A request and its response.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Attributes that are there when the request's headers arrive.
    pub early: Vec<([&'static str; 2], Vec<u8>)>,
    /// Attributes that are there only when the response's headers arrive.
    pub late: Vec<([&'static str; 2], Vec<u8>)>,
    /// The headers that arrive with it.
    pub sent_headers: Vec<(&'static str, String)>,
    /// The headers that arrive with its response.
    pub answer_headers: Vec<(&'static str, String)>,
}

const DIGEST: &str = "sha256_peer_certificate_digest";
const PEM: &str = "peer_certificate";

impl Request {
    /// One over plain text, to a plain-text upstream, on no route.
    pub fn plain() -> Self {
        Self::default()
    }

    /// One whose client presents this certificate.
    pub fn of_client(certificate: &Certificate) -> Self {
        Self::plain().with("connection", DIGEST, certificate.id()).with("connection", PEM, certificate.pem())
    }

    /// The same on a route of this name.
    #[must_use]
    pub fn on_route(self, name: &str) -> Self {
        self.with("xds", "route_name", name)
    }

    /// The same through a listener whose metadata give it this name.
    #[must_use]
    pub fn at_listener(self, name: &str) -> Self {
        self.with("xds", "listener_metadata\0filter_metadata\0cert_expiry_monitor\0name", name)
    }

    /// The same, answered by an upstream that presents this certificate.
    #[must_use]
    pub fn answered_by(mut self, certificate: &Certificate) -> Self {
        self.late.push((["upstream", DIGEST], certificate.id().into_bytes()));
        self.late.push((["upstream", PEM], certificate.pem().into_bytes()));
        self
    }

    /// The same with one more attribute.
    #[must_use]
    pub fn with(mut self, object: &'static str, attribute: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.early.push(([object, attribute], value.into()));
        self
    }

    /// The same without an attribute, as an Envoy that does not know it.
    #[must_use]
    pub fn without(mut self, object: &'static str, attribute: &'static str) -> Self {
        self.early.retain(|(path, _)| *path != [object, attribute]);
        self.late.retain(|(path, _)| *path != [object, attribute]);
        self
    }

    /// The same with a header of the request.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.sent_headers.push((name, value.into()));
        self
    }

    /// The same with a header of the response.
    #[must_use]
    pub fn with_response_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.answer_headers.push((name, value.into()));
        self
    }
}
