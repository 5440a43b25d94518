"""One webhook for each body that there is."""

import html
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from e2e.deliveries import outcomes
from lab import wait
from lab.envoy import Envoy

Json = dict[str, Any]

ORIGIN = "http://receivers.example.com"
VIEW_URL = "https://wiki.example.com/certificates?a=b&c=d"
ROUTING_KEY = "0123456789abcdef0123456789abcdef"
VAULTLS_SECRET, INFISICAL_SECRET = "webhook-hmac-secret-key", "infisical-signing-secret"
BATCH = {"batch": {"max": 50, "wait_seconds": 1}}

# Everything that a template may name.
FIELDS = [
    *("event", "message", "cert_id", "cert_name", "expires_at", "days_remaining", "expired_at", "days_since_expiry"),
    *("cert_role", "api_id", "timestamp", "id", "severity", "rule", "seconds_remaining", "serial_number", "issuer"),
    *("subject", "sans", "sans_count", "not_before", "fingerprint_sha256", "key", "position", "source", "places"),
    *("api_ids", "first_seen", "last_seen", "proxy", "not_after", "resolved", "alert", "data"),
]
EVERYTHING = "{" + ", ".join(f'"{field}": {{{{ {field} }}}}' for field in FIELDS) + "}"

TEXT = """\
{{ severity }}: {{ cert_name }} ({{ sans|join(', ') }})
{% if api_id %}API {{ api_id }}
{% endif %}{{ message }}"""

# The body that NetBox SSL's tutorial tells people to paste, character by character.
NETBOX = """\
{
"text": ":warning: *Certificate expiring soon*",
"attachments": [
{
"color": "#FFA500",
"fields": [
{"title": "Common Name", "value": "{{ data.common_name }}", "short": true},
{"title": "Days remaining", "value": "{{ data.days_remaining }}", "short": true},
{"title": "Issuer", "value": "{{ data.issuer }}", "short": false},
{"title": "Valid to", "value": "{{ data.valid_to }}", "short": true},
{"title": "Assignments", "value": "{{ data.assignment_count }}", "short": true}
]
}
]
}
"""

# Written for Tyk, in Go's language: all names that Tyk's documents have, its two functions, and trimmed space.
TYK = """\
{
  {{- /* for both events */ -}}
  "event": "{{.Type}}",
  "message": "{{.Meta.Message}}",
  "cert_id": "{{.Meta.CertID}}",
  "cert_name": "{{ .Meta.CertName }}",
  {{ if eq .Type "CertificateExpired" }}
  "expired_at": "{{.Meta.ExpiredAt | as_rfc3339_from_string}}",
  "days_since_expiry": {{.Meta.DaysSinceExpiry}},
  {{ else }}
  "expires_at": "{{.Meta.ExpiresAt | as_rfc3339_from_string}}",
  "days_remaining": {{.Meta.DaysRemaining}},
  {{ end }}
  "cert_role": "{{.Meta.CertRole}}",
  {{- if .Meta.APIID }}
  "api_id": "{{.Meta.APIID}}",
  {{- end }}
  "timestamp": "{{.TimeStamp | as_rfc3339}}"
}
"""

# The webhooks by their names.
FORMATS: dict[str, Json] = {
    "default": {},
    "default-batched": BATCH,
    "cloudevents": {"format": "cloudevents"},
    "cloudevents-binary": {"format": "cloudevents", "content_mode": "binary"},
    "cloudevents-batched": {"format": "cloudevents", "format_options": {"source": "/edge"}, **BATCH},
    "vaultls": {
        "format": "vaultls",
        "format_options": {"tenant_id": "tenant-uuid", "webhook_id": "webhook-uuid", "metadata": {"service": "api"}},
        "signing": {"secrets": [VAULTLS_SECRET]},
    },
    "infisical": {
        "format": "infisical",
        "format_options": {
            "application_id": "app-uuid",
            "alert_id": "alert-uuid",
            "alert_name": "tls-expiry-alert",
            "view_url": VIEW_URL,
            "profile_name": "TLS Server",
        },
        "signing": {"secrets": [INFISICAL_SECRET]},
    },
    "infisical-batched": {"format": "infisical", **BATCH},
    "alertmanager": {"format": "alertmanager", "format_options": {"labels": {"team": "edge"}, "view_url": VIEW_URL}},
    "alertmanager-batched": {"format": "alertmanager", **BATCH},
    "slack": {
        "format": "slack",
        "format_options": {"channel": "#certificates", "username": "envoy", "view_url": VIEW_URL},
    },
    "slack-blocks": {"format": "slack", "format_options": {"blocks": True, "view_url": VIEW_URL}},
    "teams": {"format": "teams", "format_options": {"view_url": VIEW_URL}},
    "pagerduty": {
        "format": "pagerduty",
        "format_options": {"routing_key": ROUTING_KEY, "source": "edge", "client": "Envoy", "view_url": VIEW_URL},
    },
    "discord": {"format": "discord"},
    "google-chat": {"format": "google-chat", "format_options": {"thread_key": "certificates"}},
    "ntfy": {"format": "ntfy", "format_options": {"topic": "certificates"}},
    "telegram": {"format": "telegram", "format_options": {"chat_id": "-1001234567890"}},
    "datadog": {"format": "datadog", "format_options": {"tags": ["team:edge"]}},
    "everything": {"template": EVERYTHING},
    "text": {"template": TEXT, "headers": {"Content-Type": "text/plain"}},
    "netbox": {"template": NETBOX},
}
# Those that people read.
CHATS = ["slack", "slack-blocks", "teams", "discord", "google-chat", "ntfy", "telegram", "datadog"]


def webhooks(**more: object) -> list[Json]:
    """All of them, each at the path of its name; what they have in common and what is their own in `headers` goes
    together."""

    def webhook(name: str, own: Json) -> Json:
        headers = {**more.get("headers", {}), **own.get("headers", {})}
        where = {"name": name, "cluster": "webhook_receiver", "url": f"{ORIGIN}/{name}"}
        return {**where, **more, **own, **({"headers": headers} if headers else {})}

    return [webhook(name, own) for name, own in FORMATS.items()]


def wait_delivered(envoy: Envoy, count: int) -> None:
    """Wait until each webhook was told of so many events, however many requests that took."""

    def missing() -> dict[str, Counter[str]]:
        found = {name: outcomes(envoy, name) for name in FORMATS}
        return {name: counts for name, counts in found.items() if counts["delivered"] < count}

    try:
        wait.until(lambda: not missing(), f"{count} events at every webhook", 90)
    except TimeoutError as error:
        error.add_note(f"there are only: {missing()}")
        raise


def pairs(body: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every value in a body that is neither list nor object, with the key that it belongs to."""
    if isinstance(body, dict):
        for name, value in body.items():
            yield from pairs(value, name)
    elif isinstance(body, list):
        for item in body:
            yield from pairs(item, key)
    else:
        yield key, body


def strings(body: Any) -> list[str]:
    """Every text in a body."""
    return [value for _, value in pairs(body) if isinstance(value, str)]


PARTED = "\u200b"
ESCAPED_IN_DISCORD = r"\\([^0-9A-Za-z\s])"


def shown(name: str, text: str) -> str:
    """What a reader sees of a text."""
    text = text.replace(PARTED, "")
    if name.startswith("slack"):
        return html.unescape(text)
    return re.sub(ESCAPED_IN_DISCORD, r"\1", text) if name == "discord" else text
