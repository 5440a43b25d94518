//! `/certs` of Envoy's admin interface, or of whatever listens in its place.

use cert_expiry_monitor::decode::admin::certs::{Certs, Entry};
use cert_expiry_monitor::domain::certificate::MOST_NAMES;
use cert_expiry_monitor::domain::text::harmless;

/// Reads an answer at once and bit by bit.
pub fn run(data: &[u8]) {
    let whole = read(data, u32::MAX);
    for entry in &whole {
        if let Ok(Entry::Loaded(loaded)) = entry {
            assert!(loaded.sans.len() <= MOST_NAMES);
            for text in loaded.sans.iter().chain([&loaded.path, &loaded.serial_number]) {
                assert_eq!(*text, harmless(text));
            }
        }
    }
    assert_eq!(whole, read(data, 5_000), "it makes no difference where the reading was interrupted");
}

type Read = Result<Entry, cert_expiry_monitor::decode::admin::Broken>;

/// All entries, with so many instructions at a time.
fn read(body: &[u8], room: u32) -> Vec<Read> {
    let mut certs = Certs::new(body.to_vec());
    let mut entries = Vec::new();
    // Every turn gets on: by a byte at least.
    for _ in 0..body.len().saturating_mul(2).saturating_add(10) {
        let entry = certs.next(&mut room.clone());
        match entry {
            Ok(Entry::Later) => {}
            Ok(Entry::Loaded(_)) => entries.push(entry),
            Ok(Entry::Whole) | Err(_) => {
                entries.push(entry);
                return entries;
            }
        }
    }
    panic!("it never ends");
}
