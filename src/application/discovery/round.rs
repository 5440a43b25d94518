//! One round: what is asked for in which order, and how the answers are read.

use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::gathered::{Content, Gathered, Holding, Of};
use super::request::{self, Request, Resource};
use super::survey::{Failure, Reason};
use super::{Known, Next, spend};
use crate::decode::admin::certs::{Certs, Entry};
use crate::decode::admin::dump::{Dump, Item, Side, Source};
use crate::decode::admin::{Broken, Kind};
use crate::decode::pem::{Label, block_from};
use crate::decode::x509;
use crate::domain::text::harmless;
use crate::domain::{CertId, Certificate};

/// What a byte of a PEM block costs to find, decode and hash, in instructions.
const PEM_BYTE: u32 = 260;
/// What a byte of base64 costs, and how much of it is decoded at a time.
const BASE64_BYTE: u32 = 190;
const BASE64_PART: usize = 8 << 10;
/// What noting something costs.
const NOTE: u32 = 4_000;
/// What making an entry of `/certs` of its texts, and putting it in its places, costs beside that.
const ENTRY: u32 = 40_000;

/// What Envoy calls the version of a secret that it could not load yet, but shows on 1.36.
const NOT_LOADED: &str = "uninitialized";

/// The answers so far, and what is still to be asked.
pub(super) struct Round {
    pub(super) gathered: Gathered,
    agenda: Vec<Request>,
    chapter: Chapter,
    asked: usize,
    pub(super) requests: u32,
    names: Vec<(Resource, Vec<String>)>,
    reading: Option<Reading>,
    pem: Option<Pem>,
    /// The certificates of the secret that is being read.
    secret: Option<Holding>,
    /// How many elements the answer had.
    elements: usize,
}

#[derive(Clone, Copy)]
enum Chapter {
    Names,
    Users,
    Secrets,
    Certs,
}

enum Reading {
    Dump(Box<Dump>),
    Certs(Box<Certs>),
}

/// PEM that is being read, block by block.
struct Pem {
    kind: Kind,
    side: Option<Side>,
    /// PEM in base64, and how much of it has become text.
    encoded: String,
    decoded: usize,
    text: String,
    /// How much of the text was read.
    at: usize,
    /// The blocks that should be certificates.
    blocks: u32,
    certificates: Vec<Rc<Certificate>>,
    /// Whether the first of the certificates is the first of the blocks: without its leaf a chain means nothing.
    is_led: bool,
}

impl Round {
    pub(super) fn new() -> Self {
        let mut agenda = Vec::new();
        agenda.extend(Resource::USERS.into_iter().chain(Resource::SECRETS).map(Request::Names));
        Self {
            gathered: Gathered::default(),
            agenda,
            chapter: Chapter::Names,
            asked: 0,
            requests: 0,
            names: Vec::new(),
            reading: None,
            pem: None,
            secret: None,
            elements: 0,
        }
    }

    /// The path of the next request; `None` if there is nothing left to ask.
    pub(super) fn ask(&mut self) -> Result<Option<String>, Failure> {
        while self.asked >= self.agenda.len() {
            self.agenda = match self.chapter {
                Chapter::Names => {
                    // The cluster that is asked is one itself.
                    if self.names.iter().all(|(_, names)| names.is_empty()) {
                        return Err(self.failure(Reason::Empty));
                    }
                    self.chapter = Chapter::Users;
                    request::users(&self.names)
                }
                Chapter::Users => {
                    self.chapter = Chapter::Secrets;
                    request::secrets(&self.names, &self.gathered.wanted)
                }
                Chapter::Secrets => {
                    self.chapter = Chapter::Certs;
                    self.names = Vec::new();
                    vec![Request::Certs]
                }
                Chapter::Certs => return Ok(None),
            };
            self.asked = 0;
        }
        self.requests = self.requests.saturating_add(1);
        Ok(self.request().map(Request::path))
    }

    fn request(&self) -> Option<&Request> {
        self.agenda.get(self.asked)
    }

    /// What was asked for last, and what came.
    pub(super) fn failure(&self, reason: Reason) -> Failure {
        let request = self.request().or_else(|| self.agenda.last());
        Failure { path: request.map(Request::path).unwrap_or_default(), reason }
    }

    /// Begins to read an answer.
    pub(super) fn take(&mut self, body: Vec<u8>) {
        self.elements = 0;
        self.reading = Some(match self.request() {
            Some(Request::Certs) => Reading::Certs(Box::new(Certs::new(body))),
            request => {
                if let Some(Request::Names(resource)) = request {
                    self.names.push((*resource, Vec::new()));
                }
                Reading::Dump(Box::new(Dump::new(body)))
            }
        });
    }

    /// Reads on; `None` when the answer is over.
    pub(super) fn read(&mut self, known: &dyn Known, room: &mut u32) -> Result<Option<Next>, Failure> {
        while *room > 0 {
            if let Some(pem) = &mut self.pem {
                if let Some(next) = pem.read(&mut self.gathered, known, room) {
                    return Ok(Some(next));
                }
                self.end_pem();
                continue;
            }
            let step = match &mut self.reading {
                None => return Ok(None),
                Some(Reading::Certs(certs)) => certs.next(room).map(|entry| match entry {
                    Entry::Loaded(loaded) => {
                        self.elements = self.elements.saturating_add(1);
                        self.gathered.loaded.insert(loaded);
                        spend(room, ENTRY);
                        false
                    }
                    Entry::Later => false,
                    Entry::Whole => true,
                }),
                Some(Reading::Dump(dump)) => dump.next(room).map(|item| self.note(item)),
            };
            spend(room, NOTE);
            match step {
                Ok(false) => {}
                Ok(true) => {
                    self.reading = None;
                    if self.elements == 0 && matches!(self.request(), Some(Request::Slice(..))) {
                        return Err(self.failure(Reason::Empty));
                    }
                    self.asked = self.asked.saturating_add(1);
                    return Ok(None);
                }
                Err(broken) => return Err(self.failure(unreadable(broken))),
            }
        }
        Ok(Some(Next::GoOn))
    }

    /// Notes what a dump says; whether it is over.
    fn note(&mut self, item: Item) -> bool {
        let Some(request) = self.agenda.get(self.asked) else { return true };
        match (item, request) {
            (Item::Whole, _) => return true,
            (Item::Element { name, version }, _) => {
                self.elements = self.elements.saturating_add(1);
                match request {
                    Request::Names(_) => {
                        if let Some((_, names)) = self.names.last_mut() {
                            insert_name(names, name);
                        }
                    }
                    Request::Slice(resource, _) if Resource::SECRETS.contains(resource) => {
                        if let Some(holding) = self.secret.take().filter(|_| version != NOT_LOADED) {
                            let is_dynamic = *resource == Resource::DynamicSecrets;
                            self.gathered.add_secret(name, is_dynamic, holding);
                        }
                    }
                    Request::Slice(resource, _) => self.gathered.add_element(*resource, &name),
                    Request::Certs => {}
                }
            }
            (Item::Held { kind, source: Source::File(path), side }, Request::Slice(resource, _)) => {
                if Resource::SECRETS.contains(resource) {
                    self.secret = Some(Holding::new(kind, Content::File(harmless(&path))));
                } else if let Some(number) = self.gathered.file(kind, harmless(&path)) {
                    self.gathered.note_use(kind, side, Of::Holding(number));
                }
            }
            (Item::Held { kind, source: Source::Secret(name), side }, Request::Slice(..)) => {
                self.gathered.note_use(kind, side, Of::Secret(name));
            }
            (Item::Held { kind, source: Source::Inline(text), side }, Request::Slice(..)) => {
                self.pem = Some(Pem { text, ..Pem::new(kind, side) });
            }
            (Item::Held { kind, source: Source::Encoded(encoded), side }, Request::Slice(..)) => {
                self.pem = Some(Pem { encoded, ..Pem::new(kind, side) });
            }
            (Item::Held { .. } | Item::Later, _) => {}
        }
        false
    }

    fn end_pem(&mut self) {
        let Some(Pem { kind, side, certificates, is_led, .. }) = self.pem.take() else { return };
        if certificates.is_empty() || (kind == Kind::Chain && !is_led) {
            self.gathered.unreadable = self.gathered.unreadable.saturating_add(1);
            return;
        }
        let is_secret =
            matches!(self.request(), Some(Request::Slice(resource, _)) if Resource::SECRETS.contains(resource));
        if is_secret {
            self.secret = Some(Holding::new(kind, Content::Certificates(certificates)));
        } else if let Some(number) = self.gathered.add_inline(kind, certificates) {
            self.gathered.note_use(kind, side, Of::Holding(number));
        }
    }

    /// Parses the certificate that was handed out.
    pub(super) fn parse(&mut self, der: &[u8]) {
        let Some(pem) = &mut self.pem else { return };
        match x509::certificate(der) {
            Ok(certificate) => {
                let certificate = Rc::new(certificate);
                self.gathered.pool.insert(&certificate);
                pem.push(certificate);
            }
            Err(_) => self.gathered.unreadable = self.gathered.unreadable.saturating_add(1),
        }
    }
}

impl Pem {
    fn new(kind: Kind, side: Option<Side>) -> Self {
        let (encoded, text, certificates) = (String::new(), String::new(), Vec::new());
        Self { kind, side, encoded, decoded: 0, text, at: 0, blocks: 0, certificates, is_led: false }
    }

    fn push(&mut self, certificate: Rc<Certificate>) {
        self.is_led |= self.blocks == 1;
        self.certificates.push(certificate);
    }

    /// Decodes the next part; whether there was one.
    fn decode(&mut self, room: &mut u32) -> bool {
        let rest = self.encoded.as_bytes().get(self.decoded..).unwrap_or_default();
        let part = rest.get(..BASE64_PART).unwrap_or(rest);
        spend(room, u32::try_from(part.len()).unwrap_or(u32::MAX).saturating_mul(BASE64_BYTE));
        if part.is_empty() {
            return false;
        }
        // Where it is no base64, what follows is lost.
        let bytes = STANDARD.decode(part);
        self.decoded = self.decoded.saturating_add(if bytes.is_ok() { part.len() } else { rest.len() });
        self.text.push_str(&String::from_utf8_lossy(&bytes.unwrap_or_default()));
        true
    }

    /// Reads on; `None` when all is read. A certificate that nobody knows is handed out.
    fn read(&mut self, gathered: &mut Gathered, known: &dyn Known, room: &mut u32) -> Option<Next> {
        while *room > 0 {
            if self.decode(room) {
                continue;
            }
            let (block, next) = block_from(&self.text, self.at)?;
            spend(room, NOTE);
            spend(room, u32::try_from(next.saturating_sub(self.at)).unwrap_or(u32::MAX).saturating_mul(PEM_BYTE));
            self.at = next;
            self.blocks = self.blocks.saturating_add(u32::from(block.label == Label::Certificate));
            let (Label::Certificate, Ok(der)) = (block.label, block.der) else {
                gathered.unreadable = gathered.unreadable.saturating_add(1);
                continue;
            };
            let id = CertId::of_der(&der);
            let met = gathered.pool.get(&id).cloned();
            let Some(certificate) = met.or_else(|| known.certificate(&id)) else {
                return Some(Next::Parse { id, der });
            };
            gathered.pool.insert(&certificate);
            self.push(certificate);
        }
        Some(Next::GoOn)
    }
}

fn insert_name(names: &mut Vec<String>, name: String) {
    if let Err(at) = names.binary_search(&name) {
        names.insert(at, name);
    }
}

fn unreadable(broken: Broken) -> Reason {
    Reason::Unreadable(broken.to_string())
}
