//! Queue items as an observer writes them.

use super::{Certificate, Document, Instance, QUEUE, Request};
use crate::host::Host;

/// Makes items for any certificate from one that an observer has written.
pub struct Observations {
    item: Vec<u8>,
    position: usize,
    length: usize,
}

impl Observations {
    /// Items about relatives of this certificate, presented by clients on the route `orders`.
    pub fn of_clients(certificate: &Certificate) -> Self {
        let host = Host::new();
        let mut monitor = Instance::monitor(&host, &Document::empty());
        monitor.tick();
        let mut observer = Instance::observer(&host, "worker", &Document::empty());
        observer.request(&Request::of_client(certificate).on_route("orders"));
        let item = host.queue_items(QUEUE).pop().expect("an observation");
        let pem = certificate.pem().into_bytes();
        let position = item.windows(pem.len()).position(|window| window == pem).expect("the certificate in the item");
        Self { item, position, length: pem.len() }
    }

    /// The item about a certificate whose PEM is as long as that of the first.
    pub fn item(&self, certificate: &Certificate) -> Vec<u8> {
        self.with_pem(certificate.pem().as_bytes())
    }

    /// The item with another text of the same length in place of the certificate.
    pub fn with_pem(&self, pem: &[u8]) -> Vec<u8> {
        assert_eq!(pem.len(), self.length, "the item says how long the text is");
        let mut item = self.item.clone();
        item[self.position..self.position + self.length].copy_from_slice(pem);
        item
    }

    /// The very first item.
    pub fn first(&self) -> &[u8] {
        &self.item
    }
}
