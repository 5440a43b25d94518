"""What those say of a body who are to take it.

A check returns or fails: by libraries and schemas of others where there are any, else by what their documents say.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from e2e.formats import Json, pairs
from lab import outsiders, schemas
from lab.receiver import Request

CONTENT_TYPES = {
    "cloudevents": "application/cloudevents+json",
    "cloudevents-batched": "application/cloudevents-batch+json",
    "text": "text/plain",
}


def check(name: str, requests: Sequence[Request]) -> None:
    """What one webhook has sent is what its receiver takes."""
    for request in requests:
        assert request.headers["content-type"] == CONTENT_TYPES.get(name, "application/json")
        assert int(request.headers["content-length"]) == len(request.body)
        request.body.decode()
    if name != "text":
        for request in requests:
            json.loads(request.body, object_pairs_hook=_without_doubles)
    CHECKS.get(kind(name), lambda _: None)(requests)
    check_limits(name, requests)


def kind(name: str) -> str:
    """Who takes what goes to a webhook, whatever the mode."""
    return re.sub("-(batched|binary|blocks)$", "", name)


def _without_doubles(pairs: list[tuple[str, Any]]) -> Json:
    """Parsers differ in what they make of a key that is there twice."""
    assert len({key for key, _ in pairs}) == len(pairs), pairs
    return dict(pairs)


# The part of a body, how it is measured, the most, and who says so. What schemas and libraries know is not here.
Limit = tuple[Callable[[Any], Sequence[str]], Callable[[str], int], int, str]


def utf8(text: str) -> int:
    return len(text.encode())


def utf16(text: str) -> int:
    """Characters as JavaScript and Telegram count them."""
    return len(text.encode("utf-16-le")) // 2


def whole(body: Any) -> list[str]:
    return [body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)]


LIMITS: dict[str, list[Limit]] = {
    "cloudevents": [(whole, utf8, 64 << 10, "CloudEvents 1.0, Size Limits: what intermediaries must forward")],
    "slack": [
        (lambda body: [body["text"]], utf16, 4_000, "Slack, chat.postMessage: text should have no more"),
        (whole, utf16, 13_200, "Slack, all blocks together, as its users have found out"),
    ],
    "teams": [(whole, utf8, 28 << 10, "Teams, limits and specifications: size of a message by webhook")],
    "google-chat": [(whole, utf8, 32_000, "Google Chat API, messages: size of a message")],
    "ntfy": [
        (lambda body: [body["message"]], utf8, 4_096, "ntfy, limitations: message length"),
        (lambda body: [body["topic"]], utf8, 64, "ntfy, topic names"),
    ],
    "telegram": [(lambda body: [body["text"]], utf16, 4_096, "Telegram Bot API, sendMessage")],
    "datadog": [
        (lambda body: [body["title"]], len, 100, "Datadog, events API: title"),
        (lambda body: [body["text"]], len, 4_000, "Datadog, events API v1: text"),
        (lambda body: [body["aggregation_key"]], len, 100, "Datadog, events API v1: aggregation_key"),
        (lambda body: body["tags"], len, 200, "Datadog, getting started with tags"),
    ],
}


def check_limits(name: str, requests: Sequence[Request]) -> None:
    for request in requests:
        for part, measure, most, source in LIMITS.get(kind(name), []):
            for text in part(json.loads(request.body)):
                assert measure(text) <= most, f"{source}: {most}, not {measure(text)} of {text!r}"


def _check_cloud_events(requests: Sequence[Request]) -> None:
    for event in outsiders.cloud_events(*requests):
        schemas.check_cloud_event({**event, "data": None})
    for request in requests:
        if "cloudevents" in request.headers["content-type"]:
            sent = json.loads(request.body)
            for event in sent if isinstance(sent, list) else [sent]:
                schemas.check_cloud_event(event)


def _check_infisical(requests: Sequence[Request]) -> None:
    """It is a CloudEvent, though its content type does not say so."""
    content_type = {"content-type": CONTENT_TYPES["cloudevents"]}
    _check_cloud_events([replace(request, headers=request.headers | content_type) for request in requests])


def _check_slack(requests: Sequence[Request]) -> None:
    for request in requests:
        message = request.event
        assert set(message) <= {"text", "mrkdwn", "attachments", "channel", "username"}
        assert message["text"]
        # Without this, Slack reads * and ` of a name as markup, with blocks as without: there is always a text.
        assert message["mrkdwn"] is False
        outsiders.slack_attachments(message["attachments"])


def _check_teams(requests: Sequence[Request]) -> None:
    cards = []
    for request in requests:
        message = request.event
        [attachment] = message["attachments"]
        assert {**message, "attachments": []} == {"type": "message", "attachments": []}
        assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        cards.append(attachment["content"])
        # What Teams would read as Markdown, and what it would take for a mention.
        assert not {"TextBlock", "FactSet"} & {value for key, value in pairs(attachment["content"]) if key == "type"}
        assert "entities" not in attachment["content"]["msteams"]
        schemas.check_adaptive_card(attachment["content"])
    outsiders.adaptive_card(*cards)


def _check_pagerduty(requests: Sequence[Request]) -> None:
    for request in requests:
        schemas.check_pagerduty(request.event)


def _check_discord(requests: Sequence[Request]) -> None:
    for request in requests:
        schemas.check_discord(request.event)
        assert request.event["allowed_mentions"] == {"parse": []}
        # What it says, and its schema does not.
        assert all(
            field["name"].strip() and field["value"].strip()
            for embed in request.event["embeds"]
            for field in embed["fields"]
        )


# Fields by the documents of receivers that have published no schema: those that must be there, and those that may.
DOCUMENTED: dict[str, tuple[Json, Json]] = {
    "alertmanager": (
        {"labels": dict, "annotations": dict, "startsAt": str, "endsAt": str},
        {"generatorURL": str},
    ),
    "google-chat": ({"text": str}, {"thread": dict}),
    "ntfy": ({"topic": str, "message": str, "title": str, "priority": int, "tags": list}, {}),
    "telegram": ({"chat_id": str, "text": str}, {"link_preview_options": dict}),
    "datadog": (
        {"title": str, "text": str, "aggregation_key": str, "alert_type": str, "tags": list},
        {"date_happened": int, "source_type_name": str},
    ),
}


def _check_documented(name: str, body: Json) -> None:
    required, optional = DOCUMENTED[name]
    assert required.keys() <= body.keys() <= {**required, **optional}.keys()
    for key, value in body.items():
        assert type(value) is {**required, **optional}[key], (key, value)


def _check_alertmanager(requests: Sequence[Request]) -> None:
    """As far as documents say; that a real one takes it is another test."""
    for request in requests:
        for alert in json.loads(request.body):
            _check_documented("alertmanager", alert)
            for name, value in [*alert["labels"].items(), *alert["annotations"].items()]:
                assert re.fullmatch(r"[a-zA-Z_]\w*", name, re.ASCII)
                assert isinstance(value, str)
            assert not {"instance", "pod", "host"} & alert["labels"].keys()
            assert alert["startsAt"] <= alert["endsAt"]


def _check_google_chat(requests: Sequence[Request]) -> None:
    for request in requests:
        _check_documented("google-chat", request.event)
        assert set(request.event.get("thread", {})) <= {"threadKey"}


def _check_ntfy(requests: Sequence[Request]) -> None:
    for request in requests:
        _check_documented("ntfy", request.event)
        assert re.fullmatch(r"[-_A-Za-z0-9]{1,64}", request.event["topic"])
        assert 1 <= request.event["priority"] <= 5
        assert all(isinstance(tag, str) for tag in request.event["tags"])


def _check_telegram(requests: Sequence[Request]) -> None:
    """Above all there is no parse_mode: the text is no markup."""
    for request in requests:
        _check_documented("telegram", request.event)
        assert request.event["text"].strip()
        assert request.event["link_preview_options"] == {"is_disabled": True}


def _check_datadog(requests: Sequence[Request]) -> None:
    for request in requests:
        _check_documented("datadog", request.event)
        assert request.event["alert_type"] in ("error", "warning", "info", "success")
        # What it would read as Markdown.
        assert not request.event["text"].startswith("%%%")
        assert abs(request.event["date_happened"] - request.arrived.timestamp()) < 3_600


CHECKS: dict[str, Callable[[Sequence[Request]], None]] = {
    "cloudevents": _check_cloud_events,
    "infisical": _check_infisical,
    "alertmanager": _check_alertmanager,
    "slack": _check_slack,
    "teams": _check_teams,
    "pagerduty": _check_pagerduty,
    "discord": _check_discord,
    "google-chat": _check_google_chat,
    "ntfy": _check_ntfy,
    "telegram": _check_telegram,
    "datadog": _check_datadog,
}
