//! Plugin configurations.

use serde_json::{Value, json};

use super::{ADMIN, Certificate, RECEIVER};

/// A plugin configuration. What is not named has its default.
#[derive(Clone, Debug)]
pub struct Document(Value);

impl Document {
    /// One that says nothing.
    pub fn empty() -> Self {
        Self(json!({}))
    }

    /// One with a webhook called `ops`, which tells [`RECEIVER`].
    pub fn telling() -> Self {
        Self::empty().webhook(json!({}))
    }

    /// The same, with the event's id in the header `x-id`.
    pub fn identifying() -> Self {
        Self::empty().webhook(json!({ "headers": { "x-id": "{{ id }}" } }))
    }

    /// Adds a webhook; `keys` override those of `ops`.
    #[must_use]
    pub fn webhook(mut self, keys: Value) -> Self {
        let mut webhook =
            json!({ "name": "ops", "cluster": RECEIVER, "url": "https://hooks.example.com/certificates" });
        let Value::Object(keys) = keys else { panic!("keys: {keys}") };
        webhook.as_object_mut().unwrap().extend(keys);
        self.list("webhooks").push(webhook);
        self
    }

    /// The same, which asks the cluster [`ADMIN`] for certificates every fifteen minutes.
    #[must_use]
    pub fn discovering(self) -> Self {
        self.with("discovery", json!({ "admin_cluster": ADMIN }))
    }

    /// Adds a server certificate.
    #[must_use]
    pub fn server(self, certificate: &Certificate) -> Self {
        self.certificate(json!({ "role": "server", "pem": certificate.pem() }))
    }

    /// Adds an entry to `certificates`.
    #[must_use]
    pub fn certificate(mut self, entry: Value) -> Self {
        self.list("certificates").push(entry);
        self
    }

    /// Sets the check cooldown, the event cooldown and the check interval.
    #[must_use]
    pub fn seconds(self, check_cooldown: u32, event_cooldown: u32, check_interval: u32) -> Self {
        let section = json!({
            "check_cooldown_seconds": check_cooldown,
            "event_cooldown_seconds": event_cooldown,
            "check_interval_seconds": check_interval,
        });
        self.with("certificate_expiry_monitor", section)
    }

    /// Sets a key of the top level.
    #[must_use]
    pub fn with(mut self, key: &str, value: Value) -> Self {
        self.0[key] = value;
        self
    }

    /// The document itself. The certificates in tests/data live for a day: where nothing is said of thresholds, the default
    /// is to mean what it says for them, too.
    pub fn value(&self) -> Value {
        let mut document = self.0.clone();
        let section = &mut document["certificate_expiry_monitor"];
        if ["thresholds", "short_lived", "warning_threshold_days"].iter().all(|key| section[*key].is_null()) {
            section["short_lived"] = json!("off");
        }
        document
    }

    fn list(&mut self, key: &str) -> &mut Vec<Value> {
        let entries = self.0.as_object_mut().unwrap().entry(key).or_insert_with(|| json!([]));
        entries.as_array_mut().unwrap()
    }
}

impl std::fmt::Display for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.value().fmt(f)
    }
}
