//! Queue items as an observer writes them.

use super::{Certificate, Document, Instance, QUEUE, Request, seconds};
use crate::host::Host;

/// Makes items about any certificate from one that an observer has written.
pub struct Observations {
    first: Vec<u8>,
    /// Where the length of the certificate's text stands, and behind it the text.
    length_at: usize,
}

impl Observations {
    /// Items about certificates that clients present on the route `orders`.
    pub fn of_clients() -> Self {
        let host = Host::new();
        let mut monitor = Instance::monitor(&host, &Document::empty());
        host.run_for(&mut [&mut monitor.vm], seconds(2));
        let mut observer = Instance::observer(&host, "worker", &Document::empty());
        let certificate = Certificate::stored("client");
        observer.request(&Request::of_client(&certificate).on_route("orders"));
        let first = host.queue_items(QUEUE).pop().expect("an observation");
        let text = certificate.pem().into_bytes();
        let length_at = first.len() - text.len() - length(text.len()).len();
        let observations = Self { first, length_at };
        assert_eq!(observations.item(&certificate), observations.first, "an item ends with its text");
        observations
    }

    /// The item about a certificate.
    pub fn item(&self, certificate: &Certificate) -> Vec<u8> {
        self.of_text(certificate.pem())
    }

    /// An item that holds this text in place of a certificate.
    pub fn of_text(&self, text: impl AsRef<[u8]>) -> Vec<u8> {
        let text = text.as_ref();
        [&self.first[..self.length_at], &length(text.len()), text].concat()
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
