//! Queue items as an observer writes them.

use serde_json::json;

use super::{Certificate, Document, Instance, QUEUE, Request, seconds};
use crate::host::Host;

/// Makes items about any certificate from one that an observer has written.
pub struct Observations {
    first: Vec<u8>,
    /// Where the fingerprint stands, and behind it the length of the certificate's text, and the text.
    digest_at: usize,
}

/// The digits of a fingerprint.
const DIGITS: usize = 64;

impl Observations {
    /// Items about certificates that clients present on the route `orders`.
    pub fn of_clients() -> Self {
        Self::written(&Document::empty())
    }

    /// Items about values of `x-forwarded-client-cert` on the route `orders`.
    pub fn of_chains() -> Self {
        Self::written(&Document::empty().with("observe", json!({ "client_certificate": "xfcc" })))
    }

    /// An item about a client that was refused.
    pub fn rejection() -> Vec<u8> {
        let (host, mut observer) = Self::observer(&Document::empty());
        let failure = "TLS_error:|CERTIFICATE_VERIFY_FAILED: certificate has expired:TLS_error_end";
        let request = Request::of_client(&Certificate::stored("client")).on_route("orders");
        let request = request.with("source", "address", "10.0.0.9:4711").with("xds", "filter_chain_name", "mtls");
        observer.log(&request.with("connection", "transport_failure_reason", failure));
        host.queue_items(QUEUE).pop().expect("a rejection")
    }

    /// An observer that has seen its monitor, which has ended.
    fn observer(document: &Document) -> (Host, Instance) {
        let host = Host::new();
        let mut monitor = Instance::monitor(&host, &Document::empty());
        host.run_for(&mut [&mut monitor.vm], seconds(2));
        let mut observer = Instance::observer(&host, "worker", document);
        observer.tick();
        (host, observer)
    }

    fn written(document: &Document) -> Self {
        let (host, mut observer) = Self::observer(document);
        let certificate = Certificate::stored("client");
        let request = Request::of_client(&certificate).on_route("orders").at_listener("ingress");
        observer.request(&request.with_header("x-forwarded-client-cert", certificate.pem()));
        let first = host.queue_items(QUEUE).pop().expect("an observation");
        let text = certificate.pem().into_bytes();
        let digest_at = first.len() - text.len() - length(text.len()).len() - DIGITS;
        let observations = Self { first, digest_at };
        assert_eq!(observations.item(&certificate), observations.first, "an item ends with its fingerprint and text");
        observations
    }

    /// The item about a certificate.
    pub fn item(&self, certificate: &Certificate) -> Vec<u8> {
        self.labelled(&certificate.id(), certificate.pem())
    }

    /// An item that holds this text in place of a certificate.
    pub fn of_text(&self, text: impl AsRef<[u8]>) -> Vec<u8> {
        self.labelled(&Certificate::stored("client").id(), text)
    }

    /// An item that says of this text that this is its fingerprint.
    pub fn labelled(&self, digest: &str, text: impl AsRef<[u8]>) -> Vec<u8> {
        let text = text.as_ref();
        [&self.first[..self.digest_at], digest.as_bytes(), &length(text.len()), text].concat()
    }

    /// How many bytes stand before the certificate's text.
    pub fn head(&self) -> usize {
        self.first.len() - Certificate::stored("client").pem().len()
    }

    /// What an observer wrote about the stored client's certificate.
    pub fn first(&self) -> &[u8] {
        &self.first
    }
}

/// A length on the wire: seven bits a byte, the lowest first.
fn length(mut length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes
}
