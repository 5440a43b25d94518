//! A webhook and events → a request.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{CONTROLS, utf8_percent_encode};

use super::effect::{Call, CallId};
use crate::config::{Authorization, Webhook};
use crate::domain::Event;
use crate::render::TemplateError;
use crate::render::format::Context;

const CONTENT_TYPE: &str = "content-type";
pub(super) const USER_AGENT: &str = concat!("cert-expiry-monitor/", env!("CARGO_PKG_VERSION"));

/// Where a handshake says that it comes from: nobody can resolve the name, and nobody has to.
const ORIGIN: &str = "cert-expiry-monitor";
/// The header of that name (`CloudEvents`, HTTP 1.1 Web Hooks, 4.1.1).
const ORIGIN_HEADER: &str = "webhook-request-origin";

/// Puts together the request that tells `webhook` of `events`, whose parts of the body were rendered before. `span`
/// names this very try.
pub(super) fn deliver(
    webhook: &Webhook,
    events: &[&Event],
    items: &[String],
    context: Context<'_>,
    call: CallId,
    span: u64,
) -> Result<Call, TemplateError> {
    let id = Event::id_of_all(events);
    let has_body = webhook.method.has_body();
    let mut headers = Vec::new();
    for (name, value) in webhook.headers.iter().filter(|(name, _)| has_body || name != CONTENT_TYPE) {
        if let Some(first) = events.first() {
            headers.push((name.clone(), value.render(first, context)?));
        }
    }
    let mut ours = vec![
        ("user-agent".to_owned(), USER_AGENT.to_owned()),
        // A string of RFC 8941, as the draft of that header wants it.
        ("idempotency-key".to_owned(), format!("\"{id}\"")),
        ("traceparent".to_owned(), traceparent(&id, span)),
    ];
    if webhook.handshake {
        ours.push((ORIGIN_HEADER.to_owned(), ORIGIN.to_owned()));
    }
    ours.extend(webhook.authorization.as_ref().map(authorization));
    let mut body = None;
    if has_body {
        let message = webhook.format.message(events, items, webhook.delivery.batch.is_some(), context)?;
        ours.push((CONTENT_TYPE.to_owned(), message.content_type.to_owned()));
        ours.extend(message.headers.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let bytes = message.body.into_bytes();
        ours.extend(webhook.signing.iter().flat_map(|signing| signing.sign(&id, context.now, &bytes)));
        body = Some(bytes);
    }
    // What the document says has the last word.
    ours.retain(|(name, _)| !headers.iter().any(|(known, _)| known == name));
    let headers = [target(webhook, webhook.method.as_str()), headers, ours].concat();
    Ok(Call { id: call, cluster: webhook.cluster.clone(), headers, body, timeout: webhook.timeout, largest_answer: 0 })
}

/// The request that asks a receiver whether it wants events (`CloudEvents`, HTTP 1.1 Web Hooks, 4.1). It has the headers
/// that a request about `event` would have: what lets it in may be among them.
pub(super) fn ask(webhook: &Webhook, event: &Event, context: Context<'_>, call: CallId) -> Result<Call, TemplateError> {
    let mut headers = Vec::new();
    for (name, value) in webhook.headers.iter().filter(|(name, _)| name != CONTENT_TYPE) {
        headers.push((name.clone(), value.render(event, context)?));
    }
    let mut ours =
        vec![("user-agent".to_owned(), USER_AGENT.to_owned()), (ORIGIN_HEADER.to_owned(), ORIGIN.to_owned())];
    ours.extend(webhook.authorization.as_ref().map(authorization));
    ours.retain(|(name, _)| !headers.iter().any(|(known, _)| known == name));
    let headers = [target(webhook, "OPTIONS"), headers, ours].concat();
    Ok(Call {
        id: call,
        cluster: webhook.cluster.clone(),
        headers,
        body: None,
        timeout: webhook.timeout,
        largest_answer: 0,
    })
}

/// Whether an answer to [`ask`] allows events from here.
pub(super) fn allows(allowed_origin: &str) -> bool {
    allowed_origin.split(',').map(str::trim).any(|origin| origin == "*" || origin.eq_ignore_ascii_case(ORIGIN))
}

fn target(webhook: &Webhook, method: &str) -> Vec<(String, String)> {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    vec![
        header(":method", method),
        header(":scheme", webhook.url.scheme()),
        header(":authority", &webhook.url.authority),
        header(":path", &webhook.url.path),
    ]
}

/// W3C Trace Context: a trace for each event, a span for each try. An id has as many digits as a trace.
fn traceparent(id: &str, span: u64) -> String {
    // All zeros are not allowed.
    let mut header = String::from("00-");
    // Writing to a String cannot fail.
    let _ = write!(header, "{id}-{:016x}-01", span.max(1));
    header
}

/// The header that proves who is calling.
pub(super) fn authorization(authorization: &Authorization) -> (String, String) {
    let secret = authorization.secret().value();
    let value = match authorization {
        Authorization::Bearer(_) => format!("Bearer {}", secret.trim()),
        Authorization::Basic(_) => format!("Basic {}", STANDARD.encode(secret.trim())),
    };
    // Envoy refuses a request with any other character. Tokens may be long, so nothing is cut.
    ("authorization".to_owned(), utf8_percent_encode(&value, CONTROLS).to_string())
}
