//! Certificates that a peer has shown together: decoded, looked up and parsed one by one, in as many ticks as that takes.

use std::rc::Rc;

use super::Monitor;
use super::turn::{Turn, parsing, scanning};
use crate::application::effect::Effect;
use crate::application::inventory::Source;
use crate::application::metric::Dropped;
use crate::application::observation::Observation;
use crate::decode::observed::{self, Unreadable};
use crate::decode::{x509, xfcc};
use crate::domain::{CertId, Usage};

/// The largest certificate of a chain, in bytes of PEM.
const LARGEST: usize = 8 * 1_024;

/// A chain that is being taken in.
#[derive(Debug)]
pub(super) struct Chain {
    usage: Usage,
    places: Vec<String>,
    /// What the first certificate must be. Only Envoy's own digest vouches for the peer, and the peer for the rest.
    leaf: Option<CertId>,
    /// What is left, as PEM, the last one first.
    certificates: Vec<String>,
    /// What is parsed next, and has been noted as suspect.
    parsing: Option<(CertId, Vec<u8>)>,
}

impl Chain {
    /// What the header of an observation says.
    pub(super) fn of(observation: Observation, turn: &mut Turn) -> Self {
        let (places, Observation { usage, id, certificate, .. }) = (observation.places(), observation);
        turn.spend(scanning(certificate.len()));
        let mut certificates = xfcc::certificates(&certificate, &id);
        certificates.reverse();
        Self { usage, places, leaf: Some(id), certificates, parsing: None }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }
}

impl Monitor {
    /// Takes the next certificate of a chain in; whether it must be parsed first.
    pub(super) fn take_link(&mut self, mut chain: Chain, turn: &mut Turn) -> bool {
        let Some(text) = chain.certificates.pop() else { return false };
        turn.spend(parsing(text.len()));
        match (text.len() <= LARGEST).then(|| observed::der(text.as_bytes())) {
            None => Self::refuse(Dropped::OversizedCertificate, turn),
            Some(Err(_)) => Self::refuse(Dropped::UnreadableCertificate, turn),
            Some(Ok(der)) => {
                let id = CertId::of_der(&der);
                if chain.leaf.take_if(|leaf| *leaf == id).is_none() && chain.leaf.is_some() {
                    Self::refuse(Dropped::BadQueueItem, turn);
                } else if let Some(watched) = self.inventory.get(&id) {
                    let certificate = Rc::clone(&watched.certificate);
                    self.admit(&certificate, &chain.usage, Source::Peer(turn.now), &chain.places, turn);
                } else if self.quarantine.contains(&id) {
                    Self::refuse(Dropped::Quarantined, turn);
                } else {
                    turn.effect(Self::suspect([id]));
                    turn.effect(Effect::Inspect);
                    chain.parsing = Some((id, der));
                    self.batch.chain = Some(chain);
                    return true;
                }
            }
        }
        // The rest of one whose first certificate is another, or none, belongs to nobody that is known.
        self.batch.chain = Some(chain).filter(|chain| chain.leaf.is_none());
        false
    }

    /// Parses the certificate of a chain that was noted as suspect.
    pub(super) fn parse_link(&mut self, turn: &mut Turn) {
        let Some(mut chain) = self.batch.chain.take() else { return };
        if let Some((id, der)) = chain.parsing.take() {
            turn.spend(parsing(der.len()));
            let parsed = x509::certificate(&der).map_err(Unreadable::Contents);
            self.take_parsed(parsed, id, &chain.usage, &chain.places, turn);
        }
        self.batch.chain = Some(chain);
    }
}
