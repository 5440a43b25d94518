//! A webhook and an event → a request.

use super::effect::{Call, CallId};
use crate::config::Webhook;
use crate::domain::Event;
use crate::render::TemplateError;

const CONTENT_TYPE: &str = "content-type";

/// Renders the request that tells `webhook` about `event`.
pub(super) fn render(webhook: &Webhook, event: &Event, id: CallId) -> Result<Call, TemplateError> {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut headers = vec![
        header(":method", webhook.method.as_str()),
        header(":scheme", webhook.url.scheme()),
        header(":authority", &webhook.url.authority),
        header(":path", &webhook.url.path),
    ];
    let has_body = webhook.method.has_body();
    if has_body && !webhook.headers.iter().any(|(name, _)| name == CONTENT_TYPE) {
        headers.push(header(CONTENT_TYPE, "application/json"));
    }
    for (name, value) in webhook.headers.iter().filter(|(name, _)| has_body || name != CONTENT_TYPE) {
        headers.push((name.clone(), value.render(event)?));
    }
    let body = if has_body { Some(webhook.template.json(event)?.into_bytes()) } else { None };
    Ok(Call { id, cluster: webhook.cluster.clone(), headers, body, timeout: webhook.timeout })
}
