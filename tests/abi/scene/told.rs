//! What a receiver was told.

use std::time::Duration;

use serde_json::Value;

use super::{RECEIVER, START};
use crate::host::Host;

/// One request that reached [`RECEIVER`]'s cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// When it was sent, since the clock started.
    pub at: Duration,
    pub event: String,
    pub cert_id: String,
    pub role: String,
    pub api_id: Option<String>,
    /// What the header `x-id` says, as [`Document::identifying`](super::Document::identifying) has it.
    pub id: Option<String>,
}

impl Told {
    /// Everything so far.
    pub fn all(host: &Host) -> Vec<Self> {
        Self::to(host, RECEIVER)
    }

    /// Everything that was sent through a cluster so far.
    pub fn to(host: &Host, cluster: &str) -> Vec<Self> {
        let told = host.callouts_to(cluster).into_iter().map(|callout| {
            let body: Value = serde_json::from_slice(&callout.body).expect("a body of JSON");
            let text = |key: &str| body[key].as_str().map(str::to_owned);
            Self {
                at: callout.sent_at.checked_sub(START).expect("a clock that runs"),
                event: text("event").expect("an event"),
                cert_id: text("cert_id").expect("a certificate"),
                role: text("cert_role").expect("a role"),
                api_id: text("api_id"),
                id: callout.header("x-id").map(str::to_owned),
            }
        });
        told.collect()
    }
}
