//! What is watched, beside what the document lists, in its stored form.

use serde::{Deserialize, Serialize};

use super::certificate::{StoredCertificate, StoredUsage, cleaned_places};
use crate::application::inventory::{Sighting, Watched};
use crate::domain::UnixTime;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredPeer {
    pub(super) certificate: StoredCertificate,
    pub(super) usages: Vec<StoredSighting>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredSighting {
    usage: StoredUsage,
    first_seen: Option<i64>,
    last_seen: Option<i64>,
    is_found: bool,
    places: Vec<String>,
    api_ids: Vec<String>,
}

impl StoredSighting {
    /// What somebody has told of, beside the document.
    pub(super) fn of(sighting: &Sighting) -> Option<Self> {
        let Sighting { usage, first_seen, last_seen, found_in, places, api_ids, .. } = sighting;
        (last_seen.is_some() || found_in.is_some()).then(|| Self {
            usage: StoredUsage::of(usage),
            first_seen: first_seen.map(UnixTime::millis),
            last_seen: last_seen.map(UnixTime::millis),
            is_found: found_in.is_some(),
            places: places.clone(),
            api_ids: api_ids.clone(),
        })
    }

    /// What was found is kept until the next round of discovery, if there will be one.
    pub(super) fn into_sighting(self, discovers: bool) -> Option<Sighting> {
        let mut sighting = Sighting::new(self.usage.into_usage()?);
        sighting.first_seen = self.first_seen.map(UnixTime::from_millis);
        sighting.last_seen = self.last_seen.map(UnixTime::from_millis);
        sighting.found_in = (self.is_found && discovers).then_some(BEFORE);
        sighting.places = cleaned_places(self.places);
        sighting.api_ids = cleaned_places(self.api_ids);
        (!sighting.is_of_peer() || sighting.last_seen.is_some()).then_some(sighting)
    }
}

/// The number of a predecessor's rounds of discovery.
pub(super) const BEFORE: u32 = 0;

impl StoredPeer {
    pub(super) fn of(watched: &Watched) -> Option<Self> {
        let usages: Vec<_> = watched.usages.iter().filter_map(StoredSighting::of).collect();
        (!usages.is_empty()).then(|| Self { certificate: StoredCertificate::of(&watched.certificate), usages })
    }
}
