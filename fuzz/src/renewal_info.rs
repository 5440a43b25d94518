//! What an authority answers when it is asked for a certificate's renewal, and every form of a time in it.

use cert_expiry_monitor::decode::renewal_info;
use cert_expiry_monitor::decode::timestamp;

/// Reads the input as an answer and as a time.
pub fn run(data: &[u8]) {
    if let Some(window) = renewal_info::parse(data) {
        assert!(window.start < window.end, "{window:?}");
        let is_visible = |url: &String| url.bytes().all(|byte| byte.is_ascii_graphic());
        assert!(window.explanation_url.as_ref().is_none_or(is_visible), "{window:?}");
    }
    let text = String::from_utf8_lossy(data);
    if let Some(time) = timestamp::parse(&text) {
        assert_eq!(timestamp::with_offset(&text).filter(|_| text.len() <= 40).unwrap_or(time), time, "{text}");
    }
    let _ = timestamp::with_offset(&text);
}
