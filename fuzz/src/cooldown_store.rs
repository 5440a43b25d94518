//! What the store of a fleet answers, or whatever listens in its place.

use cert_expiry_monitor::application::effect::{Answer, Response};
use cert_expiry_monitor::application::fleet::command::TOLD;
use cert_expiry_monitor::decode::webdis::{Reply, reply};
use cert_expiry_monitor::domain::text::harmless;
use cert_expiry_monitor::domain::time::MINUTE;

use super::stage::Stage;

/// A byte that says whether the status is 200, and behind it the bodies of answers, a line each, which come in turn.
pub fn run(data: &[u8]) {
    let Some((status, bodies)) = data.split_first() else { return };
    let status = if status % 4 == 0 { 503 } else { 200 };
    let mut stage = Stage::of_fleet();
    let mut is_told = false;
    for body in bodies.split(|byte| *byte == b'\n') {
        match reply(body) {
            Some(Reply::Text(text)) if text == TOLD => is_told = true,
            Some(Reply::Error(error)) => {
                assert!(error.chars().count() <= 80 && error == harmless(&error), "{error}");
            }
            _ => {}
        }
        stage.store.push_back(Answer::Response(Response { status, body: Some(body.to_vec()), ..Response::default() }));
    }
    let has_time = stage.run(MINUTE.saturating_mul(10), 2_000);
    assert!(has_time, "it does not rest");
    // Who is at an event is waited for as long as five claims last. Nothing else keeps it back.
    assert!((status == 200 && is_told) || stage.warned > 0, "an event is lost");
}
