//! Requests, by what Envoy's attributes say of their connections.

use super::Certificate;

/// A request and its response.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Attributes that are there when the request's headers arrive.
    pub at_request: Vec<([&'static str; 2], Vec<u8>)>,
    /// Attributes that are there only when the response's headers arrive.
    pub at_response: Vec<([&'static str; 2], Vec<u8>)>,
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

    /// The same, answered by an upstream that presents this certificate.
    #[must_use]
    pub fn answered_by(mut self, certificate: &Certificate) -> Self {
        self.at_response.push((["upstream", DIGEST], certificate.id().into_bytes()));
        self.at_response.push((["upstream", PEM], certificate.pem().into_bytes()));
        self
    }

    /// The same with one more attribute.
    #[must_use]
    pub fn with(mut self, object: &'static str, attribute: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.at_request.push(([object, attribute], value.into()));
        self
    }
}
