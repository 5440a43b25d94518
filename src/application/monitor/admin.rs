//! Envoy's admin interface as one talks to it: a request by callout, and what its end means.

use std::time::Duration;

use crate::application::discovery;
use crate::application::effect::{Answer, Call, CallId, LARGEST_BODY, Response};

/// How long an answer may take. Envoy makes it on its main thread, as it does everything here.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What came, in the words of discovery.
pub(super) fn admin_answer(answer: Answer) -> discovery::Answer {
    let no_answer = |why: &str| discovery::Answer::None(why.to_owned());
    match answer {
        Answer::Response(Response { status: 503, by_envoy: true, .. }) => no_answer("nobody answers at its address"),
        Answer::Response(Response { status: 504, by_envoy: true, .. }) => no_answer("no answer in time"),
        Answer::Response(Response { status, body: Some(body), .. }) => discovery::Answer::Reply(status, body),
        Answer::Response(_) => discovery::Answer::TooLarge,
        Answer::NoResponse => no_answer("the answer broke off, or was too large for Envoy"),
        Answer::NoCluster => no_answer("Envoy has no such cluster"),
        Answer::NoHost => no_answer("the cluster has no host that takes a request"),
    }
}

/// A question to the admin interface behind a cluster.
pub(super) fn request(cluster: &str, path: &str, id: CallId) -> Call {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let headers = vec![
        header(":method", "GET"),
        header(":scheme", "http"),
        header(":authority", "envoy-admin"),
        header(":path", path),
        header("user-agent", "cert-expiry-monitor"),
    ];
    Call { id, cluster: cluster.to_owned(), headers, body: None, timeout: TIMEOUT, largest_answer: LARGEST_BODY }
}
