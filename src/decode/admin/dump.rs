//! `/config_dump`: which certificates listeners, clusters and secrets hold.

use std::borrow::Cow;

use super::key::Key;
pub use super::reader::Side;
use super::reader::{Part, Reader};
use super::{Broken, Kind};

/// Where the certificates are that something holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In a file of this name.
    File(String),
    /// In the secret of this name.
    Secret(String),
    /// Here, as PEM.
    Inline(String),
    /// Here, as PEM in base64.
    Encoded(String),
}

/// What comes next in an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Item {
    /// The element that comes next holds certificates.
    Held {
        /// What for.
        kind: Kind,
        /// For which connections, where the type of the TLS context says it.
        side: Option<Side>,
        /// Where they are.
        source: Source,
    },
    /// A listener, a cluster or a secret, all of whose certificates have come.
    Element {
        /// Its name; empty if it has none.
        name: String,
        /// Envoy's word for the version of its contents, if that was asked for.
        version: String,
    },
    /// The answer is over, and it was whole.
    Whole,
    /// There is no room left.
    Later,
}

/// An answer that is being read.
pub struct Dump {
    body: Vec<u8>,
    reader: Reader,
    name: String,
    version: String,
}

impl Dump {
    /// Begins to read an answer.
    pub fn new(body: Vec<u8>) -> Self {
        Self { body, reader: Reader::new(), name: String::new(), version: String::new() }
    }

    /// The next item.
    pub fn next(&mut self, room: &mut u32) -> Result<Item, Broken> {
        loop {
            match self.reader.next(&self.body, room)? {
                Part::Text(Key::Name, text) if is_own_name(&self.reader) => {
                    if self.name.is_empty() {
                        self.name = text.into_owned();
                    }
                }
                Part::Text(Key::VersionInfo, text) if self.reader.around(0) == Key::Configs => {
                    self.version = text.into_owned();
                }
                Part::Text(key, text) => {
                    if let Some((kind, source)) = held(&self.reader, key, text) {
                        return Ok(Item::Held { kind, side: self.reader.side(), source });
                    }
                }
                Part::End(Key::Configs) if self.reader.depth() == 2 => {
                    let (name, version) = (std::mem::take(&mut self.name), std::mem::take(&mut self.version));
                    return Ok(Item::Element { name, version });
                }
                Part::End(_) => {}
                Part::Whole => return Ok(Item::Whole),
                Part::Later => return Ok(Item::Later),
            }
        }
    }
}

/// The element's own name, or that of the listener or cluster in it: of what is below, everything may have names.
fn is_own_name(reader: &Reader) -> bool {
    match reader.around(0) {
        Key::Configs => reader.depth() == 3,
        Key::Listener | Key::Cluster => reader.depth() <= 5,
        _ => false,
    }
}

/// Where certificates are, if that is what a text says.
fn held(reader: &Reader, key: Key, text: Cow<'_, str>) -> Option<(Kind, Source)> {
    // What Envoy refused is in service nowhere.
    if !reader.is_below(&[Key::CommonTlsContext, Key::Secret]) || reader.is_below(&[Key::ErrorState]) {
        return None;
    }
    let kind = match (reader.around(1), reader.around(0), key) {
        (_, Key::ChainSecret, Key::Name) => return Some((Kind::Chain, Source::Secret(text.into_owned()))),
        (_, Key::BundleSecret, Key::Name) => return Some((Kind::Bundle, Source::Secret(text.into_owned()))),
        (Key::TlsCertificates | Key::TlsCertificate, Key::CertificateChain, _) => Kind::Chain,
        (Key::ValidationContext, Key::TrustedCa, _) => Kind::Bundle,
        _ => return None,
    };
    let source = match key {
        Key::Filename => Source::File(text.into_owned()),
        Key::InlineString => Source::Inline(text.into_owned()),
        Key::InlineBytes => Source::Encoded(text.into_owned()),
        _ => return None,
    };
    Some((kind, source))
}
