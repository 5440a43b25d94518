//! Somebody else's plugin in the same Envoy, with the same empty `vm_id`: it shares shared data and queues with ours.
//!
//! By itself it is a good neighbour with values and a queue of its own, and counts what became of them. The header
//! `x-foreign` of a request makes it a bad one; see [`Deed`].

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MetricType};

const TICK: Duration = Duration::from_millis(100);
const HEADER: &str = "x-foreign";

/// Names that are almost those of the neighbour.
const QUEUES: [&str; 3] = ["foreign/items", "cert-expiry-monitor", "cert-expiry-monitor/observations/foreign"];
const ITEM: &[u8] = b"foreign item ";
const VALUE: usize = 1 << 20;

/// What the neighbour's memory is made of.
const THEIRS: [&str; 6] = ["lease", "roster", "suspect", "quarantine", "webhooks", "clock"];
const THEIR_SHARDS: u32 = 1_024;
const THEIR_QUEUE: &str = "cert-expiry-monitor/observations";
const STUFFED: usize = 2_000;

/// What it does to its neighbour.
#[derive(Clone, Copy, Default, PartialEq)]
enum Deed {
    #[default]
    Peace,
    /// Garbage under each of its keys, at every tick.
    Spoil,
    /// Becomes the owner of its queue, and takes what comes.
    Steal,
    /// Claims to be a monitor of a later release.
    Hold,
}

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

#[derive(Default)]
struct Root {
    own: Option<Own>,
    deed: Rc<Cell<Deed>>,
    stolen: Option<u32>,
    beat: u8,
}

/// What there is once it has begun: not for the instance that only tries the configuration.
struct Own {
    key: String,
    written: Vec<u8>,
    queues: Vec<u32>,
    number: u64,
    taken: u32,
    strays: u32,
}

impl Own {
    fn new() -> Self {
        let queue = |name: &&str| hostcalls::register_shared_queue(name).unwrap();
        let metric = |name| hostcalls::define_metric(MetricType::Counter, name).unwrap();
        // Threads do not share the values, so that each knows what it has to find.
        let key = format!("foreign/{}", RandomState::new().hash_one(0));
        Self {
            key,
            written: Vec::new(),
            queues: QUEUES.iter().map(queue).collect(),
            number: 0,
            taken: metric("foreign_taken"),
            strays: metric("foreign_strays"),
        }
    }

    /// Looks after what it has written, and writes something new.
    fn work(&mut self) {
        let (found, _) = hostcalls::get_shared_data(&self.key).unwrap();
        count(self.strays, found.unwrap_or_default() != self.written);
        self.number += 1;
        self.written = self.number.to_le_bytes().repeat(VALUE / 8);
        hostcalls::set_shared_data(&self.key, Some(&self.written), None).unwrap();
        for queue in &self.queues {
            let item = [ITEM, &self.number.to_le_bytes()].concat();
            hostcalls::enqueue_shared_queue(*queue, Some(&item)).unwrap();
        }
    }

    fn take(&self, queue: u32) {
        while let Ok(Some(item)) = hostcalls::dequeue_shared_queue(queue) {
            count(self.taken, true);
            count(self.strays, item.len() != ITEM.len() + 8 || !item.starts_with(ITEM));
        }
    }
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        self.set_tick_period(TICK);
        true
    }

    fn on_tick(&mut self) {
        self.own.get_or_insert_with(Own::new).work();
        match self.deed.get() {
            Deed::Peace => {}
            Deed::Spoil => spoil(),
            Deed::Steal => {
                let queue = *self.stolen.get_or_insert_with(|| hostcalls::register_shared_queue(THEIR_QUEUE).unwrap());
                empty(queue);
            }
            Deed::Hold => {
                self.beat = self.beat.wrapping_add(1);
                let lease = [&[0xff], &100_u64.to_le_bytes()[..], &[7; 8], &[self.beat]].concat();
                hostcalls::set_shared_data("cert-expiry-monitor/lease", Some(&lease), None).unwrap();
            }
        }
    }

    fn on_queue_ready(&mut self, queue: u32) {
        if self.stolen != Some(queue) {
            self.own.iter().for_each(|own| own.take(queue));
        } else if self.deed.get() == Deed::Steal {
            empty(queue);
        }
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream(Rc::clone(&self.deed))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream(Rc<Cell<Deed>>);

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        match self.get_http_request_header(HEADER).as_deref() {
            Some("spoil once") => spoil(),
            Some("stuff") => stuff(),
            Some("spoil") => self.0.set(Deed::Spoil),
            Some("steal") => self.0.set(Deed::Steal),
            Some("hold") => self.0.set(Deed::Hold),
            Some("peace") => self.0.set(Deed::Peace),
            _ => {}
        }
        Action::Continue
    }
}

/// Garbage of several kinds and sizes under each key of the neighbour.
fn spoil() {
    let shards = (0..THEIR_SHARDS).map(|shard| format!("certificates/{shard}"));
    for (number, key) in THEIRS.iter().map(|key| (*key).to_owned()).chain(shards).enumerate() {
        let garbage = match number % 4 {
            0 => vec![0xff; 1_000],
            1 => Vec::new(),
            2 => vec![5; 17],
            _ => b"garbage".repeat(1_000),
        };
        hostcalls::set_shared_data(&format!("cert-expiry-monitor/{key}"), Some(&garbage), None).unwrap();
    }
}

/// Garbage of several kinds and sizes into the queue of the neighbour.
fn stuff() {
    let Ok(Some(queue)) = hostcalls::resolve_shared_queue("", THEIR_QUEUE) else { return };
    for number in 0..STUFFED {
        let garbage = match number % 4 {
            0 => vec![0xff; 100],
            1 => Vec::new(),
            2 => vec![4; 17],
            _ => b"garbage".repeat(number),
        };
        hostcalls::enqueue_shared_queue(queue, Some(&garbage)).unwrap();
    }
}

/// Takes everything out of a queue.
fn empty(queue: u32) {
    while let Ok(Some(_)) = hostcalls::dequeue_shared_queue(queue) {}
}

fn count(metric: u32, happened: bool) {
    if happened {
        hostcalls::increment_metric(metric, 1).unwrap();
    }
}
