//! What stands in shared data when a monitor begins: a predecessor's words, or anybody's.

use cert_expiry_monitor::application::monitor::Monitor;
use cert_expiry_monitor::domain::time::MINUTE;

use super::stage::Stage;

/// The first two bytes say under which key the rest is found: the notes come first, then the shards.
pub fn run(data: &[u8]) {
    let Some((number, contents)) = data.split_first_chunk() else { return };
    let Some(key) = Monitor::stored_keys().nth(usize::from(u16::from_be_bytes(*number))) else { return };
    let mut stage = Stage::new();
    stage.shared_data.insert(key, contents.to_vec());
    stage.restart();
    let is_quiet = stage.run(MINUTE.saturating_mul(2), 500);
    let set_aside = std::mem::take(&mut stage.set_aside);
    // What it has made of it, its successor can read; and nobody is warned twice. Planted alerts may end.
    stage.warned = 0;
    stage.restart();
    stage.run(MINUTE, 500);
    assert!(stage.set_aside <= set_aside, "what was stored comes back");
    assert!(!is_quiet || stage.warned == 0, "what was told is told again");
}
