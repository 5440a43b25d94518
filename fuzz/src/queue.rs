//! What stands in the queue: an observer's words, or anybody's.

use std::time::Duration;

use cert_expiry_monitor::application::observation::{Item, LARGEST_ITEM, Observation, Site};
use cert_expiry_monitor::domain::time::HOUR;

use super::stage::Stage;

/// Reads the input as an item, writes it again, and has a monitor take it out of its queue.
pub fn run(data: &[u8]) {
    if let Some(item) = Item::decode(data) {
        let written = write(&item).expect("there is memory");
        assert!(written.len() <= LARGEST_ITEM, "{}", written.len());
        assert_eq!(Item::decode(&written), Some(item), "it comes back as it was");
    }
    let mut stage = Stage::new();
    stage.run(Duration::from_secs(5), 10);
    stage.queue.push_back(data.to_vec());
    stage.queue.push_back(data.to_vec());
    stage.run(HOUR, 30);
    assert!(stage.queue.is_empty(), "what nobody can read stops nobody");
}

fn write(item: &Item) -> Option<Vec<u8>> {
    match item {
        Item::Seen(seen) => {
            let Observation { usage, place, address, id, form, certificate } = seen;
            let site = Site { place: place.as_deref(), address: address.as_deref() };
            Item::seen(usage, site, id.to_string().as_bytes(), *form, certificate)
        }
        Item::Rejected(rejected) => {
            let (id, certificate) = rejected
                .certificate
                .clone()
                .map_or_else(Default::default, |(id, certificate)| (id.to_string(), certificate));
            let text = (rejected.address.as_deref(), rejected.text.as_str());
            Item::rejected(&rejected.usage, rejected.place.as_deref(), text, id.as_bytes(), &certificate)
        }
    }
}
