//! Envoy's admin interface, with the answers that real ones gave (tests/data/admin).

use std::collections::BTreeMap;

use cert_expiry_monitor::application::effect::{Answer, Response};

/// The interface of one Envoy.
#[derive(Clone, Debug)]
pub struct Admin {
    version: &'static str,
    /// Whether it has refused the renewal of a secret whose key does not fit.
    pub has_refused: bool,
    /// What it answers in place of what it holds.
    pub instead: Option<Answer>,
    /// The bodies of these resources; the others have nothing. `None`: what was recorded.
    pub bodies: Option<BTreeMap<&'static str, String>>,
    /// The paths that it was asked for.
    pub asked: Vec<String>,
}

impl Admin {
    /// The one of this version.
    pub const fn of(version: &'static str) -> Self {
        Self { version, has_refused: false, instead: None, bodies: None, asked: Vec::new() }
    }

    pub fn answer(&mut self, path: &str) -> Answer {
        self.asked.push(path.to_owned());
        if let Some(instead) = &self.instead {
            return instead.clone();
        }
        let resource = path.split("resource=").nth(1).and_then(|rest| rest.split('&').next());
        if let Some(bodies) = &self.bodies {
            let found = bodies.get(resource.unwrap_or("certs"));
            return body(found.map_or("{}", String::as_str));
        }
        let mut name = match resource {
            None => "certs".to_owned(),
            Some("dynamic_active_clusters") => "dynamic-clusters".to_owned(),
            Some("dynamic_active_secrets") => "dynamic-secrets".to_owned(),
            Some(resource) => resource.replace('_', "-"),
        };
        if resource.is_some() && !path.contains(',') {
            name.push_str("-names");
        } else if self.has_refused && matches!(name.as_str(), "certs" | "dynamic-secrets") {
            name.push_str("-refused");
        }
        let file = format!("{}/tests/data/admin/{}/{name}.json", env!("CARGO_MANIFEST_DIR"), self.version);
        let body = std::fs::read(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        Answer::Response(Response { status: 200, body: Some(body), ..Response::default() })
    }
}

/// An answer without a body.
pub fn status(status: u16) -> Answer {
    Answer::Response(Response { status, body: Some(Vec::new()), ..Response::default() })
}

/// What Envoy answers in the place of an interface that does not listen.
pub fn unreachable() -> Answer {
    Answer::Response(Response { status: 503, by_envoy: true, body: Some(Vec::new()), ..Response::default() })
}

/// A body that is whatever it is.
pub fn body(body: impl Into<Vec<u8>>) -> Answer {
    Answer::Response(Response { status: 200, body: Some(body.into()), ..Response::default() })
}
