//! Traps on order, so that tests on a real proxy can end any instance. In no released artifact: the feature `trap` is
//! for tests alone.
#![allow(clippy::panic)]

use super::calls::{self, Queue};
use crate::application::observer::Message;

const ORDER: &str = "x-cert-expiry-trap";
/// A queue item that ends who takes it.
const ITEM: &[u8] = b"cert-expiry-monitor/trap";

/// A request orders the end of this VM, or of the monitor.
pub(super) fn on_request(queue: Option<Queue>) {
    match calls::message_header(Message::Request, ORDER).as_deref() {
        Some(b"observer") => panic!("told to trap"),
        Some(b"monitor") => {
            // Where there is no queue there is no monitor to end.
            let _ = queue.map(|queue| calls::enqueue(queue, ITEM));
        }
        _ => {}
    }
}

/// The monitor has taken an item from the queue.
pub(super) fn on_item(item: &[u8]) {
    assert_ne!(item, ITEM, "told to trap");
}
