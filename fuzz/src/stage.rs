//! A monitor in simulated time, with shared data, a queue, and receivers that all answer the same.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Once;
use std::time::Duration;

use cert_expiry_monitor::application::effect::{Answer, Call, Effect};
use cert_expiry_monitor::application::metric::{Dropped, Metric};
use cert_expiry_monitor::application::monitor::{Input, Monitor};
use cert_expiry_monitor::config::Config;
use cert_expiry_monitor::domain::UnixTime;
use cert_expiry_monitor::domain::delivery::{Fate, fate};
use log::{LevelFilter, Log, Metadata, Record};
use serde_json::{Value, json};

/// Two days before the certificate of [`document`] ends.
pub const BEGIN: UnixTime = UnixTime::from_secs(1_768_657_912 - 172_800);

/// One certificate that is about to end, an authority that is asked for it, and two receivers.
fn document() -> Value {
    json!({
        "certificate_expiry_monitor": {
            "thresholds": ["30d", "7d"], "short_lived": "off", "notify_renewals": "all", "heartbeat_seconds": 86_400,
            "renewal_info": [{ "issuer": "*", "cluster": "authority", "path": "/renewal-info" }],
            "policies": { "min_rsa_bits": 2_048, "require_san": true },
        },
        "webhooks": [
            { "name": "plain", "cluster": RECEIVER, "url": "https://hooks.example.com/x", "events": ["*"] },
            { "name": "polite", "cluster": "polite", "url": "https://hooks.example.com/y", "format": "cloudevents",
              "handshake": true, "signing": { "scheme": "standard-webhooks", "secrets": ["${SECRET}"] } },
        ],
        "certificates": [
            { "role": "server", "name": "edge", "pem": include_str!("../../tests/data/localhost.pem") },
        ],
    })
}

/// The same of a proxy that is not alone.
fn document_of_fleet() -> Value {
    let mut document = document();
    document["cooldown_store"] =
        json!({ "type": "redis", "cluster": STORE, "authorization": { "bearer": "${SECRET}" } });
    document
}

/// The cluster of the store that a fleet shares.
const STORE: &str = "store";

/// The cluster of the receiver that takes events without being asked first.
const RECEIVER: &str = "receiver";

/// What a variable of the environment says.
const SECRET: &str = "whsec_c2VjcmV0IHRoYXQgbm9ib2R5IHNlZXM=";

/// See the module's text.
pub struct Stage {
    monitor: Monitor,
    config: Rc<Config>,
    pub now: UnixTime,
    pub shared_data: BTreeMap<String, Vec<u8>>,
    pub queue: VecDeque<Vec<u8>>,
    /// What every receiver answers.
    pub answer: Answer,
    /// What the store answers, in turn.
    pub store: VecDeque<Answer>,
    /// How many requests the first receiver has taken.
    pub delivered: usize,
    /// How many of them warn of an end.
    pub warned: usize,
    /// How often something in shared data was set aside.
    pub set_aside: u64,
}

impl Stage {
    /// A monitor that has begun under the document of this file.
    pub fn new() -> Self {
        thread_local! {
            static CONFIG: Rc<Config> = read(&document());
        }
        Self::of(CONFIG.with(Rc::clone))
    }

    /// The same of a proxy that asks a store.
    pub fn of_fleet() -> Self {
        thread_local! {
            static CONFIG: Rc<Config> = read(&document_of_fleet());
        }
        Self::of(CONFIG.with(Rc::clone))
    }

    /// A monitor that has begun under this document.
    pub fn under(config: Config) -> Self {
        Self::of(resolved(config))
    }

    fn of(config: Rc<Config>) -> Self {
        listen();
        Self {
            monitor: Monitor::new(Rc::clone(&config), Vec::new(), BEGIN, BEGIN, 1),
            config,
            now: BEGIN,
            shared_data: BTreeMap::new(),
            queue: VecDeque::new(),
            answer: Answer::status(200),
            store: VecDeque::new(),
            delivered: 0,
            warned: 0,
            set_aside: 0,
        }
    }

    /// Puts a successor in the place of the monitor, who finds what stands in shared data.
    pub fn restart(&mut self) {
        self.monitor = Monitor::new(Rc::clone(&self.config), Vec::new(), BEGIN, self.now, 1);
        for key in Monitor::stored_keys() {
            if let Some(contents) = self.shared_data.get(&key).cloned() {
                self.input(Input::Restored { key, contents });
            }
        }
    }

    /// Lets time pass, in so many ticks at most; whether they were enough.
    pub fn run(&mut self, length: Duration, ticks: usize) -> bool {
        let end = self.now.after(length);
        for _ in 0..ticks {
            let next = self.monitor.next_wakeup().max(self.now).after(Duration::from_millis(5));
            if next > end {
                self.now = end;
                return true;
            }
            self.now = next;
            self.input(Input::Tick);
        }
        false
    }

    fn input(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for effect in self.monitor.handle(input, self.now) {
                inputs.extend(self.perform(effect));
            }
        }
    }

    fn perform(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Call(call) => return Some(self.answer(&call)),
            Effect::Store { key, contents } => {
                self.shared_data.insert(key, contents);
            }
            Effect::Dequeue => return Some(Input::Dequeued(self.queue.pop_front())),
            Effect::Inspect => return Some(Input::Inspect),
            Effect::Count(metric, by) if metric == Metric::dropped_total(Dropped::UnknownBlob) => self.set_aside += by,
            Effect::Gauge(..) | Effect::Count(..) => {}
        }
        None
    }

    fn answer(&mut self, call: &Call) -> Input {
        for (name, value) in &call.headers {
            // Envoy answers any other with a status of its own.
            assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{name}: {value:?}");
        }
        if call.cluster == STORE {
            self.store.rotate_left(1.min(self.store.len()));
            return Input::Answered(call.id, self.store.back().cloned().unwrap_or(Answer::NoResponse));
        }
        let is_taken = matches!(&self.answer, Answer::Response(response) if fate(response.status) == Fate::Delivered);
        if is_taken && call.cluster == RECEIVER {
            let body = String::from_utf8_lossy(call.body.as_deref().unwrap_or_default());
            self.delivered += 1;
            self.warned += usize::from(body.contains(r#""event": "CertificateExpiringSoon""#));
        }
        Input::Answered(call.id, self.answer.clone())
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::new()
    }
}

fn read(document: &Value) -> Rc<Config> {
    resolved(Config::load(document.to_string().as_bytes()).expect("a valid document"))
}

fn resolved(mut config: Config) -> Rc<Config> {
    let _ = config.resolve(&|_| Some(SECRET.to_owned()));
    Rc::new(config)
}

/// Writes every line of the log, to nowhere.
struct Lines;

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = record.args().to_string();
        assert!(!line.contains(char::is_control), "what a stranger says is one line: {line:?}");
    }

    fn flush(&self) {}
}

fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // In a test that has a log of its own, that one stays.
        if log::set_logger(&Lines).is_ok() {
            log::set_max_level(LevelFilter::Trace);
        }
    });
}
