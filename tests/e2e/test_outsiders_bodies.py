"""Those who check our payloads, checked themselves: each takes what is right and refuses what is not."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from lab import outsiders, schemas
from lab.receiver import Request
from lab.verdict import RefusedError

EVENT = {
    "specversion": "1.0",
    "id": "3c8b8d00",
    "source": "/cert-expiry-monitor",
    "type": "cert-expiry-monitor.certificate.expired",
    "subject": "Zoë",
    "time": "2026-11-22T02:41:24.000Z",
    "datacontenttype": "application/json",
    "severity": "critical",
    "data": {"event": "CertificateExpired"},
}
CARD = {
    "type": "AdaptiveCard",
    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
    "version": "1.4",
    "body": [
        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": "expired", "color": "Attention"}]},
        {"type": "FactSet", "facts": [{"title": "Role", "value": "server"}]},
    ],
    "actions": [{"type": "Action.OpenUrl", "title": "View", "url": "https://example.com/"}],
    "msteams": {"width": "full"},
}
PAGE = {
    "routing_key": "0123456789abcdef0123456789abcdef",
    "event_action": "trigger",
    "dedup_key": "ab12",
    "payload": {
        "summary": "Certificate Zoë expired 3 days ago",
        "source": "edge",
        "severity": "critical",
        "timestamp": "2026-11-22T02:41:24Z",
        "custom_details": {"cert_name": "Zoë"},
    },
    "links": [{"href": "https://example.com/", "text": "View"}],
}
RESOLVE = {"routing_key": PAGE["routing_key"], "event_action": "resolve", "dedup_key": "ab12"}
DISCORD = {
    "embeds": [{"title": "expired", "color": 0xFF0000, "fields": [{"name": "Role", "value": "server"}]}],
    "allowed_mentions": {"parse": []},
}
BLOCKS = [
    {"type": "header", "text": {"type": "plain_text", "text": "expired"}},
    {"type": "section", "fields": [{"type": "mrkdwn", "text": "*Role*\nserver"}]},
]
ATTACHMENT = {
    "color": "danger",
    "fallback": "expired",
    "title": "expired",
    "text": "3 days ago",
    "fields": [{"title": "Role", "value": "server", "short": True}],
    "footer": "cert-expiry-monitor",
    "ts": 1795315284,
}


def changed(good: Any, path: str, value: Any) -> Any:
    """A copy with another value at one place; None takes away what is there."""
    bad = copy.deepcopy(good)
    *way, last = [int(step) if step.isdecimal() else step for step in path.split(".")]
    inner = bad
    for step in way:
        inner = inner[step]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return bad


def request(headers: dict[str, str], body: bytes = b"") -> Request:
    return Request("POST", "/", headers, body, 200)


def structured(event: Any) -> Request:
    return request({"content-type": "application/cloudevents+json"}, json.dumps(event).encode())


def batch(*events: Any) -> Request:
    return request({"content-type": "application/cloudevents-batch+json"}, json.dumps(events).encode())


def binary(event: dict[str, Any]) -> Request:
    """Headers in ASCII; what is beyond it, the library does not decode."""
    attributes = {f"ce-{name}": value for name, value in event.items() if name not in ("datacontenttype", "data")}
    return request({"content-type": "application/json", **attributes}, json.dumps(event["data"]).encode())


@pytest.mark.parametrize("mode", [structured, binary, batch])
def test_cloud_event(mode: Callable[[Any], Request]) -> None:
    assert outsiders.cloud_event(mode(EVENT)) == EVENT
    for path, value in (
        ("id", None),
        ("source", None),
        ("type", None),
        ("time", None),
        ("specversion", None),
        ("specversion", "0.9"),
        ("time", "yesterday"),
    ):
        with pytest.raises(RefusedError):
            outsiders.cloud_event(mode(changed(EVENT, path, value)))


def test_cloud_events_of_a_batch() -> None:
    second = changed(EVENT, "id", "4d9c9e11")
    assert outsiders.cloud_events(batch(EVENT, second)) == [EVENT, second]
    with pytest.raises(RefusedError, match="invalid extension name: certID"):
        outsiders.cloud_events(batch(EVENT, changed(EVENT, "certID", "ab12")))
    with pytest.raises(RefusedError, match="no cloud event detected"):
        outsiders.cloud_events(request({"content-type": "application/json"}))


@pytest.mark.parametrize("check", [outsiders.adaptive_card, schemas.check_adaptive_card])
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", None),
        ("type", "Card"),
        ("body.0.type", "Nonsense"),
        ("body.0.inlines.0.color", "puce"),
        ("actions.0.url", None),
    ],
)
def test_adaptive_card(check: Callable[[Any], None], path: str, value: Any) -> None:
    check(CARD)
    with pytest.raises(RefusedError):
        check(changed(CARD, path, value))


def test_adaptive_card_of_an_old_version_with_something_new() -> None:
    with pytest.raises(RefusedError, match='Unknown element type "RichTextBlock"'):
        outsiders.adaptive_card(changed(CARD, "version", "1.0"))


def test_adaptive_card_with_a_slip_of_the_pen() -> None:
    with pytest.raises(RefusedError, match="colour"):
        schemas.check_adaptive_card(changed(CARD, "body.0.inlines.0.colour", "Good"))


def test_slack_blocks() -> None:
    outsiders.slack_blocks(BLOCKS)
    for bad in (
        changed(BLOCKS, "0.type", "heading"),
        changed(BLOCKS, "0.text.text", "x" * 151),
        changed(BLOCKS, "0.text.type", "mrkdwn"),
        changed(BLOCKS, "1.fields.0.text", "x" * 2001),
        changed(BLOCKS, "1.fields.0.type", "markdown"),
        changed(BLOCKS, "1.fields.0.text", ""),
        changed(BLOCKS, "1.fields", BLOCKS[1]["fields"] * 11),
        changed(BLOCKS, "1.colour", "red"),
        BLOCKS * 26,
    ):
        with pytest.raises(RefusedError):
            outsiders.slack_blocks(bad)


def test_slack_attachments() -> None:
    outsiders.slack_attachments([ATTACHMENT, {"color": "#aa00ff", "text": "expired"}])
    outsiders.slack_attachments([{"color": "good", "fallback": "expired", "blocks": BLOCKS}])
    for bad in (
        changed(ATTACHMENT, "color", "puce"),
        changed(ATTACHMENT, "text", None),
        changed(ATTACHMENT, "footer", None),
        changed(ATTACHMENT, "colour", "danger"),
        changed(ATTACHMENT, "fields.0.name", "Role"),
        {"color": "good", "blocks": changed(BLOCKS, "0.type", "heading")},
    ):
        with pytest.raises(RefusedError):
            outsiders.slack_attachments([bad])


def test_cloud_event_schema() -> None:
    schemas.check_cloud_event(EVENT)
    for path, value in (("id", None), ("source", "no uri"), ("type", ""), ("time", "yesterday"), ("subject", 3)):
        with pytest.raises(RefusedError):
            schemas.check_cloud_event(changed(EVENT, path, value))


def test_pagerduty_schema() -> None:
    schemas.check_pagerduty(PAGE)
    schemas.check_pagerduty(RESOLVE)
    for good, path, value in (
        (PAGE, "payload.severity", "fatal"),
        (PAGE, "payload.source", None),
        (PAGE, "payload.summary", "x" * 1025),
        (PAGE, "payload.timestamp", "yesterday"),
        (PAGE, "payload.sevrity", "info"),
        (PAGE, "payload.custom_details.long", "x" * (512 << 10)),
        (PAGE, "payload", None),
        (PAGE, "event_action", "tell"),
        (PAGE, "routing_key", None),
        (PAGE, "routing_key", "short"),
        (PAGE, "dedup_key", "x" * 256),
        (PAGE, "links.0.href", "no url"),
        (RESOLVE, "dedup_key", None),
    ):
        with pytest.raises(RefusedError):
            schemas.check_pagerduty(changed(good, path, value))


def test_discord_schema() -> None:
    schemas.check_discord(DISCORD)
    schemas.check_discord({"content": "expired"})
    field = {"name": "Role", "value": "x" * 1000}
    for path, value in (
        ("embeds.0.title", "x" * 257),
        ("embeds.0.color", 1 << 24),
        ("embeds.0.fields.0.value", None),
        ("embeds.0.fields", [field] * 26),
        ("embeds.0.fields", [field] * 6),
        ("embeds.0.colour", 3),
        ("embeds", [DISCORD["embeds"][0]] * 11),
        ("embeds", None),
        ("allowed_mentions.parse", ["all"]),
    ):
        with pytest.raises(RefusedError):
            schemas.check_discord(changed(DISCORD, path, value))
