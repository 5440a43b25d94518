//! The host's functions (proxy-wasm ABI 0.2.1). Every status becomes a value; none of them can make the plugin trap.
#![allow(unsafe_code)]

use std::time::Duration;

use crate::application::effect::{Answer, Call};
use crate::application::observer::Message;
use crate::application::shared_data::{SharedData, Version, Written};
use crate::domain::UnixTime;

/// Statuses of the ABI that mean something here.
const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const CAS_MISMATCH: u32 = 8;

const VM_CONFIGURATION: u32 = 6;
const PLUGIN_CONFIGURATION: u32 = 7;

const HTTP_REQUEST_HEADERS: u32 = 0;
const HTTP_RESPONSE_HEADERS: u32 = 2;
const HTTP_CALL_RESPONSE_BODY: u32 = 4;
const HTTP_CALL_RESPONSE_HEADERS: u32 = 6;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
    fn proxy_get_log_level(level: *mut u32) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_buffer_bytes(kind: u32, start: usize, max: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_header_map_value(
        kind: u32,
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_remove_header_map_value(kind: u32, key: *const u8, key_size: usize) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(key: *const u8, key_size: usize, value: *const u8, value_size: usize, cas: u32) -> u32;
    fn proxy_register_shared_queue(name: *const u8, size: usize, queue: *mut u32) -> u32;
    fn proxy_resolve_shared_queue(
        vm_id: *const u8,
        vm_id_size: usize,
        name: *const u8,
        name_size: usize,
        queue: *mut u32,
    ) -> u32;
    fn proxy_enqueue_shared_queue(queue: u32, value: *const u8, size: usize) -> u32;
    fn proxy_dequeue_shared_queue(queue: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, size: usize, id: *mut u32) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
}

/// A shared queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Queue(pub(super) u32);

/// A metric that has been defined.
#[derive(Clone, Copy, Debug)]
pub(super) struct MetricId(u32);

/// How a metric behaves.
#[derive(Clone, Copy, Debug)]
pub(super) enum MetricKind {
    Counter,
    Gauge,
}

/// Runs `call` with room for a byte string that the host allocates through `proxy_on_memory_allocate`.
fn bytes(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Option<Vec<u8>> {
    let (mut data, mut size) = (std::ptr::null_mut::<u8>(), 0_usize);
    if call(&raw mut data, &raw mut size) != OK {
        return None;
    }
    // Nothing needs no memory.
    if data.is_null() {
        return Some(Vec::new());
    }
    // SAFETY: the host got this memory from `proxy_on_memory_allocate`, which makes a `Vec<u8>` of exactly this capacity
    // and forgets it, and wrote all of it.
    #[allow(clippy::same_length_and_capacity)]
    Some(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// Writes a log line; `level` counts from trace (0) to critical (5).
pub(super) fn log(level: u32, message: &str) {
    // SAFETY: the host reads `message` within this call.
    unsafe { proxy_log(level, message.as_ptr(), message.len()) };
}

/// The level below which the host drops log lines.
pub(super) fn log_level() -> Option<u32> {
    let mut level = 0;
    // SAFETY: the host writes one word.
    (unsafe { proxy_get_log_level(&raw mut level) } == OK).then_some(level)
}

/// The proxy's clock. Without one nothing ever happens, which is what a clock that cannot be read deserves.
pub(super) fn now() -> UnixTime {
    let mut nanoseconds = 0;
    // SAFETY: the host writes one double word.
    let status = unsafe { proxy_get_current_time_nanoseconds(&raw mut nanoseconds) };
    if status == OK { UnixTime::from_millis((nanoseconds / 1_000_000).cast_signed()) } else { UnixTime::default() }
}

/// Asks for ticks of the current root context.
pub(super) fn set_tick_period(period: Duration) {
    // SAFETY: no memory is passed.
    unsafe { proxy_set_tick_period_milliseconds(u32::try_from(period.as_millis()).unwrap_or(u32::MAX)) };
}

/// `vm_config.configuration`.
pub(super) fn vm_configuration() -> Vec<u8> {
    buffer(VM_CONFIGURATION)
}

/// The plugin configuration.
pub(super) fn plugin_configuration() -> Vec<u8> {
    buffer(PLUGIN_CONFIGURATION)
}

fn buffer(kind: u32) -> Vec<u8> {
    part_of_buffer(kind, usize::MAX)
}

fn part_of_buffer(kind: u32, most: usize) -> Vec<u8> {
    // SAFETY: see `bytes`.
    bytes(|data, size| unsafe { proxy_get_buffer_bytes(kind, 0, most, data, size) }).unwrap_or_default()
}

/// The body of the answer to the callout that is being handled, which has so many bytes.
pub(super) fn answer_body(size: usize) -> Vec<u8> {
    part_of_buffer(HTTP_CALL_RESPONSE_BODY, size)
}

/// A property of the current stream, its path joined by NUL.
pub(super) fn property(path: &str) -> Option<Vec<u8>> {
    // SAFETY: the host reads `path` within this call; see `bytes`.
    bytes(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

/// A header of the answer to the callout that is being handled.
pub(super) fn answer_header(name: &str) -> Option<Vec<u8>> {
    header(HTTP_CALL_RESPONSE_HEADERS, name)
}

/// A header of a message that passes, or has passed where a log is written.
pub(super) fn message_header(message: Message, name: &str) -> Option<Vec<u8>> {
    header(map_of(message), name)
}

/// Takes a header away from a message that passes.
pub(super) fn remove_message_header(message: Message, name: &str) {
    // SAFETY: the host reads `name` within this call.
    unsafe { proxy_remove_header_map_value(map_of(message), name.as_ptr(), name.len()) };
}

const fn map_of(message: Message) -> u32 {
    match message {
        Message::Request => HTTP_REQUEST_HEADERS,
        Message::Response => HTTP_RESPONSE_HEADERS,
    }
}

fn header(map: u32, name: &str) -> Option<Vec<u8>> {
    // SAFETY: the host reads `name` within this call; see `bytes`.
    bytes(|data, size| unsafe { proxy_get_header_map_value(map, name.as_ptr(), name.len(), data, size) })
}

/// Shared data of the instance's `vm_id`.
pub(super) struct HostSharedData;

impl SharedData for HostSharedData {
    fn read(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        let mut cas = 0;
        // SAFETY: the host reads `key` and writes one word within this call; see `bytes`.
        let value =
            bytes(|data, size| unsafe { proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut cas) });
        value.map(|value| (value, Version(cas)))
    }

    fn write(&self, key: &str, value: &[u8], read: Option<Version>) -> Written {
        let cas = read.map_or(ABSENT, |version| version.0);
        // SAFETY: the host reads `key` and `value` within this call.
        match unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) } {
            OK => Written::Done,
            CAS_MISMATCH => Written::Overtaken,
            _ => Written::Refused,
        }
    }
}

/// The number of a value that is not there. The host creates a missing key whatever the number is, and compares it with
/// the number of one that somebody else has created in the meantime, which counts from 1: create if absent, although
/// the ABI does not offer that by name.
const ABSENT: u32 = u32::MAX;
/// Makes the current root context the owner of a queue of its `vm_id`, whoever was before.
pub(super) fn register_queue(name: &str) -> Option<Queue> {
    let mut queue = 0;
    // SAFETY: the host reads `name` and writes one word within this call.
    (unsafe { proxy_register_shared_queue(name.as_ptr(), name.len(), &raw mut queue) } == OK).then_some(Queue(queue))
}

/// Finds a queue that somebody of the same `vm_id` has registered.
pub(super) fn resolve_queue(name: &str) -> Option<Queue> {
    let (own_vm_id, mut queue) = ("", 0);
    // SAFETY: the host reads both names and writes one word within this call.
    let status = unsafe {
        proxy_resolve_shared_queue(own_vm_id.as_ptr(), own_vm_id.len(), name.as_ptr(), name.len(), &raw mut queue)
    };
    (status == OK).then_some(Queue(queue))
}

/// Puts an item into a queue; `false` if the queue is gone.
pub(super) fn enqueue(queue: Queue, item: &[u8]) -> bool {
    // SAFETY: the host reads `item` within this call.
    unsafe { proxy_enqueue_shared_queue(queue.0, item.as_ptr(), item.len()) == OK }
}

/// What was taken from a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Item(Vec<u8>),
    Nothing,
    /// The host knows the queue no more.
    QueueIsGone,
}

/// Takes an item from a queue.
pub(super) fn dequeue(queue: Queue) -> Taken {
    let mut status = OK;
    let item = bytes(|data, size| {
        // SAFETY: see `bytes`.
        status = unsafe { proxy_dequeue_shared_queue(queue.0, data, size) };
        status
    });
    match item {
        Some(item) => Taken::Item(item),
        None if status == NOT_FOUND => Taken::QueueIsGone,
        None => Taken::Nothing,
    }
}

/// Defines a metric. Every call allocates an id of its own, so ids are kept.
pub(super) fn define_metric(kind: MetricKind, name: &str) -> Option<MetricId> {
    let kind = match kind {
        MetricKind::Counter => 0,
        MetricKind::Gauge => 1,
    };
    let mut id = 0;
    // SAFETY: the host reads `name` and writes one word within this call.
    (unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) } == OK).then_some(MetricId(id))
}

/// Sets a gauge.
pub(super) fn record_metric(id: MetricId, value: u64) {
    // SAFETY: no memory is passed.
    unsafe { proxy_record_metric(id.0, value) };
}

/// Adds to a counter.
pub(super) fn increment_metric(id: MetricId, by: u64) {
    // SAFETY: no memory is passed.
    unsafe { proxy_increment_metric(id.0, i64::try_from(by).unwrap_or(i64::MAX)) };
}

/// Sends a request; returns the token that its answer will carry, or what became of it at once.
///
/// The one call that goes through the SDK, which has to know the token: it routes the answer, and panics on one that it
/// does not know. It also panics on statuses other than these three, which no host returns here.
pub(super) fn dispatch(call: &Call) -> Result<u32, Answer> {
    let headers = call.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    proxy_wasm::hostcalls::dispatch_http_call(&call.cluster, headers, call.body.as_deref(), Vec::new(), call.timeout)
        .map_err(|status| match status {
            proxy_wasm::types::Status::BadArgument => Answer::NoCluster,
            _ => Answer::NoHost,
        })
}
