//! `/config_dump` of Envoy's admin interface, or of whatever listens in its place.

use cert_expiry_monitor::decode::admin::Broken;
use cert_expiry_monitor::decode::admin::dump::{Dump, Item};

/// Reads an answer at once and bit by bit.
pub fn run(data: &[u8]) {
    assert_eq!(read(data, u32::MAX), read(data, 5_000), "it makes no difference where the reading was interrupted");
}

/// All items, with so many instructions at a time.
fn read(body: &[u8], room: u32) -> Vec<Result<Item, Broken>> {
    let mut dump = Dump::new(body.to_vec());
    let mut items = Vec::new();
    // Every turn gets on: by a byte at least.
    for _ in 0..body.len().saturating_mul(2).saturating_add(10) {
        let item = dump.next(&mut room.clone());
        match item {
            Ok(Item::Later) => {}
            Ok(Item::Held { .. } | Item::Element { .. }) => items.push(item),
            Ok(Item::Whole) | Err(_) => {
                items.push(item);
                return items;
            }
        }
    }
    panic!("it never ends");
}
