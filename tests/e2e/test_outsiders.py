"""Those who check our payloads and signatures, checked themselves: each takes what is right and refuses what is not."""

import base64
import copy
import hashlib
import hmac
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lab import REPOSITORY, outsiders, schemas, wait
from lab.alertmanager import Alertmanager
from lab.receiver import Receiver, Request
from lab.verdict import MissingError, RefusedError

KEY = b"thirty-two bytes, all of them x."
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
OTHER_SECRET = f"whsec_{base64.b64encode(KEY[::-1]).decode()}"
BODY = '{"event": "CertificateExpired", "cert_name": "Zoë"}'.encode()

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


def request(headers: dict[str, str], body: bytes = BODY) -> Request:
    return Request("POST", "/", headers, body, 200)


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


def hmac_hex(secret: str, signed: bytes) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def standard(key: bytes = KEY, age: int = 0, body: bytes = BODY, before: str = "") -> Request:
    """A request signed as Standard Webhooks has it, so many seconds ago."""
    signed_at = int(time.time()) - age
    digest = hmac.digest(key, f"3c8b8d00.{signed_at}.".encode() + BODY, hashlib.sha256)
    signature = f"{before}v1,{base64.b64encode(digest).decode()}"
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    return request(dict(zip(names, ("3c8b8d00", str(signed_at), signature), strict=True)), body)


def test_standard_webhooks() -> None:
    outsiders.standard_webhooks(standard(), SECRET)
    outsiders.standard_webhooks(standard(before=f"v1,{base64.b64encode(bytes(32)).decode()} "), SECRET)


@pytest.mark.parametrize(
    ("bad", "secret", "words"),
    [
        (standard, OTHER_SECRET, "No matching signature found"),
        (lambda: standard(body=BODY + b" "), SECRET, "No matching signature found"),
        (lambda: standard(age=3600), SECRET, "Message timestamp too old"),
        (lambda: standard(age=-3600), SECRET, "Message timestamp too new"),
        (lambda: request({}), SECRET, "Missing required headers"),
    ],
)
def test_standard_webhooks_refused_by_both_libraries(bad: Callable[[], Request], secret: str, words: str) -> None:
    # Made here and not when tests are collected: a signature ages.
    with pytest.raises(RefusedError, match=f"^standardwebhooks: {words}; svix: {words}$"):
        outsiders.standard_webhooks(bad(), secret)


def test_github_signature() -> None:
    good = request({"x-signature": f"sha256={hmac_hex('secret', BODY)}"})
    outsiders.github_signature(good, "secret", "x-signature")
    for bad, secret, header in (
        (good, "other", "x-signature"),
        (request(good.headers, BODY + b" "), "secret", "x-signature"),
        (request(good.headers, b"\xff"), "secret", "x-signature"),
        (good, "secret", "x-hub-signature-256"),
        (request({"x-signature": hmac_hex("secret", BODY)}), "secret", "x-signature"),
    ):
        with pytest.raises(RefusedError):
            outsiders.github_signature(bad, secret, header)


@pytest.mark.parametrize(("unit", "per_second"), [("s", 1), ("ms", 1000)])
def test_stripe_signature(unit: str, per_second: int) -> None:
    def signed(age: int = 0, key: str = "secret", more: str = "") -> str:
        signed_at = int((time.time() - age) * per_second)
        return f"t={signed_at}{more},v1={hmac_hex(key, f'{signed_at}.'.encode() + BODY)}"

    outsiders.stripe_signature(signed(), BODY, "secret", unit)
    outsiders.stripe_signature(signed(more=f",v1={hmac_hex('old', BODY)}"), BODY, "secret", unit)
    for bad, body, words in (
        (signed(key="other"), BODY, "No signatures found matching"),
        (signed(), BODY + b" ", "No signatures found matching"),
        (signed(age=3600), BODY, "Timestamp outside the tolerance zone"),
        (signed(age=-3600), BODY, "a time to come"),
        ("v1=00", BODY, "Unable to extract timestamp"),
    ):
        with pytest.raises(RefusedError, match=words):
            outsiders.stripe_signature(bad, body, "secret", unit)
    other_unit = {"s": "ms", "ms": "s"}[unit]
    with pytest.raises(RefusedError):
        outsiders.stripe_signature(signed(), BODY, "secret", other_unit)


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


def alert(name: str, ends_in: timedelta = timedelta(hours=1)) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {"labels": {"alertname": name}, "startsAt": now.isoformat(), "endsAt": (now + ends_in).isoformat()}


def told(people: Receiver, status: str = "firing") -> list[str]:
    """The names of the alerts that people were told of."""
    bodies = [request.event for request in list(people.requests)]
    return [body["groupLabels"]["alertname"] for body in bodies if body["status"] == status]


def test_alertmanager_takes_alerts_shows_them_and_tells_people(alertmanager: Alertmanager, people: Receiver) -> None:
    assert alertmanager.post([alert("expired")]) == (200, "")
    [shown] = alertmanager.wait_for(alertname="expired")
    assert shown["labels"] == {"alertname": "expired"}
    assert [alert["fingerprint"] for alert in alertmanager.api_alerts()] == [shown["fingerprint"]]
    assert alertmanager.alerts(alertname="another") == []
    wait.until(lambda: told(people) == ["expired"], "people are told")

    alertmanager.post([alert("expired", ends_in=timedelta(0))])
    assert alertmanager.wait_for(0) == []
    wait.until(lambda: told(people, "resolved") == ["expired"], "people are told that it is over")


def test_alertmanager_refuses_what_is_no_alert(alertmanager: Alertmanager) -> None:
    status, words = alertmanager.post([{"labels": {}}])
    assert status == 400
    assert "at least one label pair required" in words


def test_alertmanager_forgets_alerts_when_it_restarts_but_not_whom_it_told(
    alertmanager: Alertmanager, people: Receiver
) -> None:
    alertmanager.post([alert("first")])
    wait.until(lambda: told(people) == ["first"], "people are told")
    # It asks its notes the next time when the first time is over: when what it told is noted.
    wait.until(lambda: alertmanager.metric("alertmanager_nflog_queries_total") > 1, "it has noted that")
    alertmanager.restart()
    assert alertmanager.alerts() == []
    alertmanager.post([alert("first")])
    alertmanager.wait_for(1)
    alertmanager.post([alert("second")])
    wait.until(lambda: "second" in told(people), "people are told of what is new")
    assert told(people) == ["first", "second"]


def test_alertmanager_that_is_killed_comes_back_at_the_same_port(alertmanager: Alertmanager, people: Receiver) -> None:
    alertmanager.post([alert("first")])
    wait.until(lambda: told(people) == ["first"], "people are told")
    alertmanager.kill()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", alertmanager.port))
    alertmanager.start()
    alertmanager.post([alert("first")])
    wait.until(lambda: told(people) == ["first", "first"], "people are told again: it had written nothing down")


def test_alertmanager_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(ChildProcessError, match="default receiver"), Alertmanager(tmp_path, {"route": {}}):
        pass


def run_pytest(keyword: str, **environment: str) -> tuple[int, str]:
    """What a session of its own, of these tests here, exits with, and what it prints."""
    clean = {name: value for name, value in os.environ.items() if name != "REFUSE_SKIPS"}
    command = [sys.executable, "-m", "pytest", "-c", "tests/pyproject.toml", "-p", "no:cacheprovider", __file__]
    result = subprocess.run(
        [*command, "-k", keyword], cwd=REPOSITORY, env={**clean, **environment}, capture_output=True, text=True
    )
    return result.returncode, result.stdout


def test_a_test_without_its_schema_is_skipped_by_name_and_refused_where_skips_are(tmp_path: Path) -> None:
    status, said = run_pytest("test_discord_schema", SCHEMAS=str(tmp_path))
    assert status == 0, said
    assert "test_outsiders.py::test_discord_schema - Skipped: discord-incoming-webhook.openapi.json is not in" in said

    status, said = run_pytest("test_discord_schema", SCHEMAS=str(tmp_path), REFUSE_SKIPS="1")
    assert status == 1, said
    assert "REFUSE_SKIPS is set. Skipped: discord-incoming-webhook.openapi.json is not in" in said


def test_what_is_not_installed_is_missing_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.outsiders.REPOSITORY", tmp_path)
    monkeypatch.setattr("lab.outsiders.INSTALLED", tmp_path / "target")
    with pytest.raises(MissingError, match="npm packages are not in target"):
        outsiders.adaptive_card(CARD)
    monkeypatch.setattr("lab.alertmanager.REPOSITORY", tmp_path)
    monkeypatch.setattr("lab.alertmanager.UNPACKED", tmp_path / "target")
    with pytest.raises(MissingError, match="prometheus-alertmanager is not in target"), Alertmanager(tmp_path, {}):
        pass
