//! What a receiver, or an authority, answers.

use cert_expiry_monitor::application::effect::{Answer, Response};
use cert_expiry_monitor::decode::{date, retry_after};
use cert_expiry_monitor::domain::backoff::LONGEST_WISH;
use cert_expiry_monitor::domain::delivery::{Fate, fate};
use cert_expiry_monitor::domain::time::MINUTE;

use super::stage::{BEGIN, Stage};

/// Two bytes of status and one that says whether Envoy made the answer; then a header in each line, and the body.
pub fn run(input: &[u8]) {
    let Some(([high, low, maker], rest)) = input.split_first_chunk() else { return };
    let mut parts = rest.splitn(5, |byte| *byte == b'\n');
    let mut header = || parts.next().map(|part| String::from_utf8_lossy(part).into_owned());
    let [retry_after, date, allowed_origin, allowed_rate] = [header(), header(), header(), header()];
    let body = parts.next().map(<[u8]>::to_vec);
    for header in [&retry_after, &date].into_iter().flatten() {
        check(header);
    }
    let status = u16::from_be_bytes([*high, *low]) % 600;
    let mut stage = Stage::new();
    stage.answer = Answer::Response(Response {
        status,
        by_envoy: *maker == b'e',
        retry_after,
        date,
        allowed_origin,
        allowed_rate,
        body,
    });
    stage.run(MINUTE, 20);
    // Whatever it has said, it cannot keep an event away for longer than its wish.
    stage.answer = Answer::status(200);
    let is_quiet = stage.run(LONGEST_WISH.saturating_mul(2), 5_000);
    assert!(is_quiet, "it has something to do all the time");
    let is_over = matches!(fate(status), Fate::Refused | Fate::Gone);
    assert!(is_over || stage.warned > 0, "an event is lost");
}

/// A wish is short, and a date is no overflow.
fn check(header: &str) {
    let wish = retry_after::retry_after(header, BEGIN);
    assert!(wish.is_none_or(|wish| wish <= LONGEST_WISH), "{header}");
    let _ = retry_after::wish(header, BEGIN);
    let _ = date::date(header);
}
