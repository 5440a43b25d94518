//! How webhooks stand with their receivers under this configuration. Kept in shared data, because a successor must know:
//! who is gone is not asked again, and who was tested is not tested again.

use serde::{Deserialize, Serialize};

use super::shared_data::{decode, encode};
use crate::config::{DocumentHash, Handler};

/// Where they are kept.
pub(super) const STANDINGS: &str = "cert-expiry-monitor/webhooks";

/// How one webhook stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Standing {
    /// The receiver has answered 410: nothing is sent under this configuration any more.
    pub(super) is_gone: bool,
    /// `WebhookTest` was made.
    pub(super) is_tested: bool,
    /// The receiver takes events from this plugin, so many requests a minute; zero: as many as there are.
    pub(super) consent: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    document: u32,
    webhooks: Vec<(String, Standing)>,
}

/// How all webhooks stand, in the order of the document's handlers, in their stored form.
pub(super) fn stored(standings: &[Standing], document: DocumentHash, handlers: &[Handler]) -> Vec<u8> {
    let named = |(handler, standing): (&Handler, &Standing)| (handler.name.clone(), standing.clone());
    let webhooks = handlers.iter().zip(standings).filter(|(handler, _)| handler.webhook().is_some()).map(named);
    encode(&Stored { document: document.number(), webhooks: webhooks.collect() })
}

/// How all webhooks stood under the same document; `None` if the contents are none. Another document begins anew.
pub(super) fn restored(contents: &[u8], document: DocumentHash, handlers: &[Handler]) -> Option<Vec<Standing>> {
    let mut stored: Stored = decode(contents)?;
    if stored.document != document.number() {
        stored.webhooks.clear();
    }
    let of = |handler: &Handler| {
        let known = stored.webhooks.iter().find(|(name, _)| *name == handler.name);
        known.map(|(_, standing)| standing.clone()).unwrap_or_default()
    };
    Some(handlers.iter().map(of).collect())
}
