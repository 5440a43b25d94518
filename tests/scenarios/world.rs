//! A proxy in which time passes when a test says so.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use cert_expiry_monitor::application::effect::{Answer, Call, Effect};
use cert_expiry_monitor::application::monitor::{Input, Monitor};
use cert_expiry_monitor::application::observation::{Form, Item, Site};
use cert_expiry_monitor::config::Config;
use cert_expiry_monitor::decode::observed;
use cert_expiry_monitor::domain::{Role, UnixTime, Usage};
use cert_expiry_monitor::render::fields::Proxy;
use httpdate::fmt_http_date;
use log::{Level, LevelFilter, Log, Metadata, Record};
use serde_json::{Value, json};

use crate::admin::Admin;
use crate::store::Store;

/// The end of every certificate in tests/data.
pub const END: UnixTime = UnixTime::from_secs(1_768_657_912);

pub const MINUTE: i64 = 60;
pub const HOUR: i64 = 3_600;
pub const DAY: i64 = 86_400;

/// The certificate in tests/data/<name>.pem.
pub fn pem(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/data/{name}.pem", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// `secs` seconds after the end of the certificates.
pub fn at(secs: i64) -> UnixTime {
    UnixTime::from_secs(END.secs() + secs)
}

/// An event as a receiver got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// When, in seconds from the end of the certificates.
    pub at: i64,
    pub cluster: String,
    pub event: String,
    pub name: String,
    pub role: String,
    pub api_id: Option<String>,
    pub id: String,
}

/// A monitor, its shared data, its receivers and its clock.
pub struct World {
    document: Value,
    monitor: Monitor,
    pub now: UnixTime,
    ticks: usize,
    /// Ticks come at the very moment at which they are wanted.
    pub is_punctual: bool,
    pub shared_data: BTreeMap<String, Vec<u8>>,
    queue: VecDeque<Vec<u8>>,
    pub metrics: BTreeMap<String, u64>,
    /// What the receivers behind a cluster answer; 200 where nothing is said, silence where it is `None`.
    pub answers: BTreeMap<String, Option<Answer>>,
    /// How many seconds the clocks of the receivers behind a cluster are ahead, where they are not right.
    clock_offsets: BTreeMap<String, i64>,
    /// What the receivers behind a cluster answer to one request, before that.
    once: BTreeMap<String, Answer>,
    /// How often the receivers behind a cluster take a request, what they answer to others, and when they took the last.
    limits: BTreeMap<String, (Duration, Answer, UnixTime)>,
    received: Vec<Received>,
    calls: Vec<(UnixTime, Call)>,
    /// What listens behind the cluster `envoy_admin`.
    pub admin: Option<Admin>,
    /// How the proxy calls itself, and what chance makes of that.
    pub node: String,
    pub seed: u64,
    /// What listens behind the cluster `webdis`.
    pub store: Option<Rc<RefCell<Store>>>,
}

impl World {
    /// A proxy that starts `secs` seconds after the end of the certificates. Webhooks without headers get one that
    /// carries the event's id.
    pub fn starting(secs: i64, document: Value) -> Self {
        Self::as_written(secs, meant_as_written(document))
    }

    /// The same whose document has the defaults that all have.
    pub fn as_written(secs: i64, mut document: Value) -> Self {
        if document.get("webhooks").is_none() {
            document["webhooks"] = json!([webhook("hooks")]);
        }
        let now = at(secs);
        Self {
            monitor: monitor(&document, now, now, ("", 1)),
            document,
            now,
            ticks: 0,
            is_punctual: false,
            shared_data: BTreeMap::new(),
            queue: VecDeque::new(),
            metrics: BTreeMap::new(),
            answers: BTreeMap::new(),
            clock_offsets: BTreeMap::new(),
            once: BTreeMap::new(),
            limits: BTreeMap::new(),
            received: Vec::new(),
            calls: Vec::new(),
            admin: None,
            node: String::new(),
            seed: 1,
            store: None,
        }
    }

    /// Sets the clocks of the receivers behind a cluster so many seconds ahead, or behind if that is below zero.
    pub fn receiver_clock_offset(&mut self, cluster: &str, secs: i64) {
        self.clock_offsets.insert(cluster.to_owned(), secs);
    }

    /// What a receiver answers with the time on its clock, unless it says one. Envoy's own answers say none.
    fn dated(&self, cluster: &str, answer: Answer) -> Answer {
        let Answer::Response(mut response) = answer else { return answer };
        if !response.by_envoy && response.date.is_none() {
            let offset = self.clock_offsets.get(cluster).copied().unwrap_or_default();
            let secs = self.now.secs().saturating_add(offset).try_into().unwrap_or_default();
            response.date = Some(fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(secs)));
        }
        Answer::Response(response)
    }

    /// Has the receiver behind a cluster take one request in this time, and answer all others like this.
    pub fn limit(&mut self, cluster: &str, period: Duration, answer: Answer) {
        self.limits.insert(cluster.to_owned(), (period, answer, UnixTime::default()));
    }

    fn exceeds(&mut self, cluster: &str) -> Option<Answer> {
        let (period, answer, last) = self.limits.get_mut(cluster)?;
        if self.now.since(*last).is_some_and(|age| age < *period) {
            return Some(answer.clone());
        }
        *last = self.now;
        None
    }

    /// Has the receiver behind a cluster answer one request like this.
    pub fn set_answer_once(&mut self, cluster: &str, answer: Answer) {
        self.once.insert(cluster.to_owned(), answer);
    }

    /// Puts a new instance in the place of the monitor, over the same shared data.
    pub fn restart(&mut self) {
        self.restart_configured(self.now);
    }

    /// The same with an instance that was configured at another time, and stood by since.
    pub fn restart_configured(&mut self, configured: UnixTime) {
        self.monitor = monitor(&self.document, configured, self.now, (&self.node, self.seed));
        for key in Monitor::stored_keys() {
            if let Some(contents) = self.shared_data.get(&key).cloned() {
                self.input(Input::Restored { key, contents });
            }
        }
    }

    /// The monitor ends in good order, and a new instance takes its place.
    pub fn hand_over(&mut self) {
        self.monitor.retire(self.now);
        while !self.monitor.has_retired(self.now) {
            self.now = self.now.after(Duration::from_millis(100));
            self.input(Input::Tick);
        }
        self.restart();
    }

    /// Puts an instance with another document in the place of the monitor, over the same shared data.
    pub fn replace(&mut self, document: Value) {
        self.replace_as_written(meant_as_written(document));
    }

    /// The same whose document has the defaults that all have.
    pub fn replace_as_written(&mut self, document: Value) {
        self.document = document;
        self.restart();
    }

    /// Lets time pass until `secs` seconds after the end of the certificates. Ticks come when the monitor wants them, some ms
    /// late, as a busy event loop would have them, and at the end.
    pub fn run_until(&mut self, secs: i64) {
        const LATE: [u64; 5] = [9, 3, 7, 1, 5];
        let end = at(secs);
        loop {
            let late = if self.is_punctual { 0 } else { LATE[self.ticks % LATE.len()] };
            let next = self.monitor.next_wakeup().max(self.now).after(Duration::from_millis(late));
            if next > end {
                break;
            }
            self.now = next;
            self.ticks += 1;
            self.input(Input::Tick);
        }
        self.now = end;
        self.input(Input::Tick);
    }

    /// Sets the clock, without letting time pass.
    pub fn set_clock(&mut self, secs: i64) {
        self.now = at(secs);
    }

    /// Lets so many seconds pass.
    pub fn run_for(&mut self, secs: i64) {
        self.run_until(self.now.secs() - END.secs() + secs);
    }

    /// An observer hands a certificate over.
    pub fn observe(&mut self, role: Role, api_id: Option<&str>, name: &str) {
        self.observe_at_site(Site::default(), role, api_id, name);
    }

    /// An observer hands a certificate over that it has seen at a place.
    pub fn observe_at(&mut self, place: &str, role: Role, api_id: Option<&str>, name: &str) {
        self.observe_at_site(Site { place: Some(place), address: None }, role, api_id, name);
    }

    /// An observer hands a certificate over that it has seen at a place, on the server with an address.
    pub fn observe_at_site(&mut self, site: Site<'_>, role: Role, api_id: Option<&str>, name: &str) {
        self.observe_text(site, role, api_id, &pem(name));
    }

    /// The same with a certificate that stands in no file.
    pub fn observe_text(&mut self, site: Site<'_>, role: Role, api_id: Option<&str>, text: &str) {
        let usage = Usage::new(role, api_id.map(str::to_owned));
        let digest = observed::certificate(text.as_bytes()).unwrap().id.to_string();
        self.enqueue(Item::seen(&usage, site, digest.as_bytes(), Form::Pem, text.as_bytes()).unwrap());
    }

    /// Puts anything into the queue.
    pub fn enqueue(&mut self, item: Vec<u8>) {
        self.queue.push_back(item);
    }

    pub fn input(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for effect in self.monitor.handle(input, self.now) {
                inputs.extend(self.perform(effect));
            }
        }
    }

    fn perform(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Call(call) => return self.answer(&call),
            Effect::Store { key, contents } => {
                self.shared_data.insert(key, contents);
            }
            Effect::Dequeue => return Some(Input::Dequeued(self.queue.pop_front())),
            Effect::Inspect => return Some(Input::Inspect),
            Effect::Gauge(metric, value) => {
                self.metrics.insert(metric.name().to_owned(), value);
            }
            Effect::Count(metric, by) => *self.metrics.entry(metric.name().to_owned()).or_default() += by,
        }
        None
    }

    fn answer(&mut self, call: &Call) -> Option<Input> {
        if let Some(admin) = self.admin.as_mut().filter(|_| call.cluster == "envoy_admin") {
            let answer = admin.answer(header(call, ":path").unwrap());
            return Some(Input::Answered(call.id, self.dated(&call.cluster, answer)));
        }
        if let Some(store) = self.store.as_ref().filter(|_| call.cluster == "webdis") {
            return store.borrow_mut().answer(call, self.now).map(|answer| Input::Answered(call.id, answer));
        }
        self.assert_stored(call);
        let once = self.once.remove(&call.cluster).or_else(|| self.exceeds(&call.cluster)).map(Some);
        let answer = once.or_else(|| self.answers.get(&call.cluster).cloned()).unwrap_or(Some(Answer::status(200)));
        if matches!(answer, Some(Answer::Response(_)) | None) {
            self.calls.push((self.now, call.clone()));
            self.received.extend(received(self.now, call));
        }
        answer.map(|answer| Input::Answered(call.id, self.dated(&call.cluster, answer)))
    }

    /// Whoever sends a request may not live to see the answer: the event must be in shared data by then.
    fn assert_stored(&self, call: &Call) {
        let id = call.headers.iter().find(|(name, _)| name == "x-id").map_or("", |(_, id)| id);
        let holds = |value: &Vec<u8>| value.windows(id.len().max(1)).any(|part| part == id.as_bytes());
        // A question tells of nothing.
        let tells = header(call, ":method") != Some("OPTIONS") && !id.is_empty();
        assert!(!tells || self.shared_data.values().any(holds), "sent and not stored: {id}");
    }

    /// What was received since the last call.
    pub fn received(&mut self) -> Vec<Received> {
        std::mem::take(&mut self.received)
    }

    /// The requests that were received since the last call.
    pub fn calls(&mut self) -> Vec<Call> {
        self.timed_calls().into_iter().map(|(_, call)| call).collect()
    }

    /// The same, and when each was sent.
    pub fn timed_calls(&mut self) -> Vec<(UnixTime, Call)> {
        std::mem::take(&mut self.calls)
    }

    /// When which event was received since the last call.
    pub fn events(&mut self) -> Vec<(i64, String)> {
        self.received().into_iter().map(|received| (received.at, received.event)).collect()
    }

    /// The value of a metric, named as Prometheus would show it.
    pub fn metric(&self, name: &str) -> u64 {
        *self.metrics.get(&format!("cert_expiry_monitor_{name}")).unwrap_or_else(|| panic!("{:?}", self.metrics))
    }
}

/// A webhook through `cluster`, called like it.
pub fn webhook(cluster: &str) -> Value {
    json!({ "name": cluster, "cluster": cluster, "url": "https://hooks.example.com/x", "headers": { "x-id": "{{ id }}" } })
}

fn monitor(document: &Value, configured: UnixTime, now: UnixTime, (node, seed): (&str, u64)) -> Monitor {
    let mut config = Config::load(document.to_string().as_bytes()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let missing = config.resolve(&|_| None).unwrap();
    Monitor::new(Rc::new(config), missing, configured, now, seed).in_office(
        None,
        None,
        Proxy::new(node.as_bytes(), b""),
    )
}

/// The certificates in tests/data live for a day: where a document says nothing of thresholds, the default is to mean what
/// it says for them, too, however long they are dead.
fn meant_as_written(mut document: Value) -> Value {
    let section = &mut document["certificate_expiry_monitor"];
    if ["thresholds", "short_lived", "warning_threshold_days"].iter().all(|key| section[*key].is_null()) {
        section["short_lived"] = json!("off");
    }
    if section["expired_max_age"].is_null() {
        section["expired_max_age"] = json!("3650d");
    }
    document
}

/// The events of a request, if they are in the default format.
fn received(now: UnixTime, call: &Call) -> Vec<Received> {
    let body = serde_json::from_slice(call.body.as_deref().unwrap_or(b"null")).unwrap();
    let bodies = if let Value::Array(bodies) = body { bodies } else { vec![body] };
    let read = |body: Value| {
        let text = |key: &str| body[key].as_str().map(str::to_owned);
        Some(Received {
            at: now.secs() - END.secs(),
            cluster: call.cluster.clone(),
            event: text("event")?,
            name: text("cert_name")?,
            role: text("cert_role")?,
            api_id: text("api_id"),
            id: header(call, "x-id").unwrap_or_default().to_owned(),
        })
    };
    bodies.into_iter().filter_map(read).collect()
}

/// A header of a request.
pub fn header<'a>(call: &'a Call, name: &str) -> Option<&'a str> {
    call.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

thread_local! {
    static LINES: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

struct Lines;

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        LINES.with_borrow_mut(|lines| lines.push((record.level(), record.args().to_string())));
    }

    fn flush(&self) {}
}

/// The log lines of this thread since the last call; nothing is kept before the first one.
pub fn log_lines() -> Vec<(Level, String)> {
    static LOGGER: Lines = Lines;
    // Another test of this process may have been first.
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(LevelFilter::Trace);
    LINES.take()
}
