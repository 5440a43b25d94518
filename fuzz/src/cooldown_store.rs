//! What the store of a fleet answers, or whatever listens in its place.

use cert_expiry_monitor::application::effect::{Answer, Response};
use cert_expiry_monitor::decode::webdis::{Reply, reply};
use cert_expiry_monitor::domain::text::harmless;
use cert_expiry_monitor::domain::time::MINUTE;

use super::stage::Stage;

/// A byte that says whether the status is 200, and behind it the bodies of answers, a line each, which come in turn.
pub fn run(data: &[u8]) {
    let Some((status, bodies)) = data.split_first() else { return };
    let status = if status % 4 == 0 { 503 } else { 200 };
    let mut stage = Stage::of_fleet();
    let mut may_be_told = false;
    for body in bodies.split(|byte| *byte == b'\n') {
        match reply(body) {
            Some(Reply::Text(_)) => may_be_told = true,
            Some(Reply::Error(error)) => assert!(error.chars().count() <= 80 && error == harmless(&error), "{error}"),
            Some(Reply::Nothing | Reply::Done) | None => {}
        }
        stage.store.push_back(Answer::Response(Response { status, body: Some(body.to_vec()), ..Response::default() }));
    }
    stage.run(MINUTE.saturating_mul(10), 2_000);
    // Only one who says that somebody has told it, or is about to, keeps an event back.
    assert!(may_be_told || stage.warned > 0, "an event is lost");
}
