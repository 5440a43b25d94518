//! What an observer hands over to the monitor: one item of the shared queue.

use serde::{Deserialize, Serialize};

use crate::decode::xfcc;
use crate::domain::text::harmless;
use crate::domain::{CertId, Role, Usage};

/// What the place of a peer begins with that is an address.
pub const ADDRESS_PLACE: &str = "address/";

/// The queue's name. Queues belong to a `vm_id`, which other plugins may share.
pub const QUEUE: &str = "cert-expiry-monitor/observations";

/// The largest certificate that is handed over, in bytes of PEM. Most have 1 to 3 KB, and one with four hundred names
/// still fits.
pub const LARGEST_CERTIFICATE: usize = 16 * 1_024;

/// The largest item: a chain of certificates, an API's name, and what stands around them.
pub const LARGEST_ITEM: usize = xfcc::LARGEST + 4 * 1_024;

/// The layout of an item. Instances of two releases can share a queue while one replaces the other.
const VERSION: u8 = 4;

/// What stands in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A certificate was seen on a connection.
    Seen(Observation),
    /// A handshake failed.
    Rejected(Rejection),
}

/// A certificate that was seen on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// What it was used for.
    pub usage: Usage,
    /// Where: `listener/ingress`, `cluster/orders`.
    pub place: Option<String>,
    /// The upstream's address.
    pub address: Option<String>,
    /// Its fingerprint, as the host computed it.
    pub id: CertId,
    /// How the certificate is written.
    pub form: Form,
    /// The certificate as the host gave it.
    pub certificate: Vec<u8>,
}

impl Observation {
    /// Where people may look for it: a cluster, and which of its servers it was.
    pub fn places(&self) -> Vec<String> {
        let mut places = Vec::new();
        places.extend(self.place.clone());
        places.extend(self.address.as_ref().map(|address| format!("{ADDRESS_PLACE}{address}")));
        places
    }
}

/// Where a peer was met, in the host's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Site<'a> {
    /// `listener/ingress`, `cluster/orders`.
    pub place: Option<&'a str>,
    /// The peer's address. Among the servers of a cluster it tells which one; one of a client that was let in tells nobody
    /// where to look.
    pub address: Option<&'a str>,
}

/// How a certificate is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// PEM, plain or URL-encoded.
    Pem,
    /// `x-forwarded-client-cert`, which may hold the chain as well.
    Xfcc,
}

impl Form {
    /// The most bytes that are handed over.
    pub const fn largest(self) -> usize {
        match self {
            Self::Pem => LARGEST_CERTIFICATE,
            Self::Xfcc => xfcc::LARGEST,
        }
    }
}

/// A handshake that failed because of a certificate. All of it may be a stranger's work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What the certificate was to be used for.
    pub usage: Usage,
    /// Where: `listener/ingress`, `cluster/orders`.
    pub place: Option<String>,
    /// The peer's address.
    pub address: Option<String>,
    /// Envoy's text about the failure.
    pub text: String,
    /// The fingerprint of the certificate that was refused, and its PEM, plain or URL-encoded; empty where the host does
    /// not show it.
    pub certificate: Option<(CertId, Vec<u8>)>,
}

#[derive(Serialize, Deserialize)]
struct Written<'a> {
    version: u8,
    role: &'a str,
    api_id: Option<&'a str>,
    place: Option<&'a str>,
    address: Option<&'a str>,
    /// Envoy's text about a handshake that failed; nothing for a certificate that was seen.
    failure: Option<&'a str>,
    form: Form,
    /// The fingerprint in hex; empty where there is no certificate.
    digest: &'a [u8],
    certificate: &'a [u8],
}

impl Item {
    /// The item to put into the queue for a certificate that was seen; `None` if it cannot be written, which only a lack
    /// of memory brings about.
    pub fn seen(usage: &Usage, site: Site<'_>, digest: &[u8], form: Form, certificate: &[u8]) -> Option<Vec<u8>> {
        write(usage, site, None, digest, form, certificate)
    }

    /// The same for a handshake that failed; `digest` is empty if there was no certificate.
    pub fn rejected(
        usage: &Usage,
        place: Option<&str>,
        (address, text): (Option<&str>, &str),
        digest: &[u8],
        certificate: &[u8],
    ) -> Option<Vec<u8>> {
        write(usage, Site { place, address }, Some(text), digest, Form::Pem, certificate)
    }

    /// Reads an item; `None` if it is not one of this version, or too large, whoever put it there.
    pub fn decode(item: &[u8]) -> Option<Self> {
        let is_ours = |item: &Written<'_>| item.version == VERSION && item.certificate.len() <= item.form.largest();
        let item: Written<'_> = postcard::from_bytes(item).ok().filter(is_ours)?;
        let role = Role::parse(item.role).filter(|role| role.has_api())?;
        let usage = Usage::new(role, item.api_id.map(harmless));
        let (place, address) = (item.place.map(harmless), item.address.map(harmless));
        let certificate = item.certificate.to_vec();
        let Some(text) = item.failure.map(harmless) else {
            let id = CertId::from_hex(item.digest)?;
            return Some(Self::Seen(Observation { usage, place, address, id, form: item.form, certificate }));
        };
        let id = if item.digest.is_empty() { None } else { Some(CertId::from_hex(item.digest)?) };
        Some(Self::Rejected(Rejection { usage, place, address, text, certificate: id.map(|id| (id, certificate)) }))
    }
}

fn write(
    usage: &Usage,
    Site { place, address }: Site<'_>,
    failure: Option<&str>,
    digest: &[u8],
    form: Form,
    certificate: &[u8],
) -> Option<Vec<u8>> {
    let (role, api_id) = (usage.role().as_str(), usage.api_id());
    let version = VERSION;
    postcard::to_allocvec(&Written { version, role, api_id, place, address, failure, form, digest, certificate }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOWHERE: Site<'_> = Site { place: None, address: None };
    const AT_A: Site<'_> = Site { place: Some("listener/a"), address: None };

    fn id() -> CertId {
        CertId::of_der(b"der")
    }

    fn seen(usage: &Usage, digest: &str) -> Vec<u8> {
        Item::seen(usage, AT_A, digest.as_bytes(), Form::Xfcc, b"pem").unwrap()
    }

    #[test]
    fn an_item_comes_back_as_it_was() {
        for (api_id, site) in [
            (None, NOWHERE),
            (Some("orders".to_owned()), AT_A),
            (None, Site { address: Some("10.0.0.1:443"), ..NOWHERE }),
        ] {
            for form in [Form::Pem, Form::Xfcc] {
                let usage = Usage::new(Role::Client, api_id.clone());
                let item = Item::seen(&usage, site, id().to_string().as_bytes(), form, b"pem").unwrap();
                let (place, address) = (site.place.map(str::to_owned), site.address.map(str::to_owned));
                let observation = Observation { usage, place, address, id: id(), form, certificate: b"pem".to_vec() };
                assert_eq!(Item::decode(&item), Some(Item::Seen(observation)));
            }
        }
    }

    #[test]
    fn the_server_of_a_cluster_is_a_place_behind_it() {
        let usage = Usage::new(Role::Upstream, None);
        for (place, address, expected) in [
            (None, None, vec![]),
            (Some("cluster/orders"), None, vec!["cluster/orders"]),
            (Some("cluster/orders"), Some("10.0.0.1:443"), vec!["cluster/orders", "address/10.0.0.1:443"]),
            (Some("cluster/orders"), Some("[::1]\u{202e}:443\n"), vec!["cluster/orders", "address/[::1]:443"]),
            (None, Some("10.0.0.1:443"), vec!["address/10.0.0.1:443"]),
        ] {
            let item = Item::seen(&usage, Site { place, address }, id().to_string().as_bytes(), Form::Pem, b"pem");
            let Some(Item::Seen(observation)) = Item::decode(&item.unwrap()) else { panic!("{expected:?}") };
            assert_eq!(observation.places(), expected);
        }
    }

    #[test]
    fn a_rejection_comes_back_as_it_was_and_its_texts_are_harmless() {
        let usage = Usage::new(Role::Upstream, Some("orders".to_owned()));
        let digest = id().to_string();
        for (digest, certificate) in [("", None), (digest.as_str(), Some((id(), b"pem".to_vec())))] {
            let place = Some("cluster/or\u{202e}ders\r\n");
            let failure = (Some("10.0.0.1:443\n"), "TLS_error:\u{0}\u{202e}expired");
            let pem = certificate.as_ref().map_or(b"".as_slice(), |(_, pem)| pem);
            let item = Item::rejected(&usage, place, failure, digest.as_bytes(), pem).unwrap();
            let Some(Item::Rejected(rejection)) = Item::decode(&item) else { panic!("{item:?}") };
            assert_eq!((rejection.usage, rejection.certificate), (usage.clone(), certificate));
            assert_eq!(rejection.place.as_deref(), Some("cluster/orders"));
            assert_eq!(rejection.address.as_deref(), Some("10.0.0.1:443"));
            assert_eq!(rejection.text, "TLS_error:expired");
        }
    }

    #[test]
    fn anything_else_is_nothing() {
        let digest = id().to_string();
        let usage = Usage::new(Role::Upstream, Some("orders".into()));
        let item = seen(&usage, &digest);
        let failure = Item::rejected(&usage, None, (None, "expired"), digest.as_bytes(), b"pem").unwrap();
        for item in [&item, &failure] {
            for length in 0..item.len() {
                assert_eq!(Item::decode(&item[..length]), None, "the first {length} bytes");
            }
        }
        let of_version = |version: u8| [&[version], &item[1..]].concat();
        assert_eq!(Item::decode(&of_version(VERSION + 1)), None);
        assert_eq!(Item::decode(&of_version(VERSION - 1)), None);
        assert!(Item::decode(&of_version(VERSION)).is_some());
        for role in [Role::Server, Role::Ca] {
            assert_eq!(
                Item::decode(&seen(&Usage::new(role, None), &digest)),
                None,
                "no observer sees a {role} certificate"
            );
        }
        for digest in ["", "0", &format!("{digest}0"), &digest.replace(|digit| digit > '1', "x")] {
            assert_eq!(Item::decode(&seen(&usage, digest)), None);
        }
        let sized = |form: Form, size| Item::seen(&usage, NOWHERE, digest.as_bytes(), form, &vec![b'x'; size]).unwrap();
        for form in [Form::Pem, Form::Xfcc] {
            assert!(Item::decode(&sized(form, form.largest())).is_some(), "{form:?}");
            assert_eq!(Item::decode(&sized(form, form.largest() + 1)), None, "{form:?}");
            assert!(sized(form, form.largest()).len() < LARGEST_ITEM);
        }
        let labelled = Item::rejected(&usage, None, (None, "expired"), b"0", b"").unwrap();
        assert_eq!(Item::decode(&labelled), None);
    }
}
