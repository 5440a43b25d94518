"""Payloads, signatures and manifests checked by the libraries that receivers use, none of which is ours.

A check returns, or raises `RefusedError` with the words of the library.
"""

import base64
import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Literal
from unittest import mock

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.attachments import Attachment, AttachmentField, BlockAttachment
from slack_sdk.models.basic_objects import JsonObject
from slack_sdk.models.blocks import Block
from stripe import SignatureVerificationError, WebhookSignature

from lab import REPOSITORY
from lab.receiver import Request
from lab.verdict import MissingError, RefusedError

INSTALLED = REPOSITORY / "target" / "outsiders"
SCRIPTS = REPOSITORY / "tests" / "outsiders"
NODE_SECONDS = 30

# How old a signed request may be, or how young. Stripe's and those of Standard Webhooks agree.
TOLERANCE_SECONDS = 300

SLACK_BLOCKS = 50
SLACK_FIELD_LENGTH = 2000

Event = dict[str, Any]


def standard_webhooks(request: Request, secret: str) -> None:
    """Both libraries take the signature that this secret makes, and the time."""
    _ask("standard_webhooks", **_message(request), secret=secret)


def github_signature(request: Request, secret: str, header: str = "x-hub-signature-256") -> None:
    """GitHub's library takes `sha256=<hex>` of this header."""
    _ask("github_signature", **_message(request), secret=secret, header=header)


def stripe_signature(value: str, body: bytes, secret: str, unit: Literal["s", "ms"] = "s") -> None:
    """Stripe's library takes `t=<time>,v1=<hex>`, and the time."""
    per_second = {"s": 1, "ms": 1000}[unit]
    tolerance = TOLERANCE_SECONDS * per_second
    # It knows seconds only. By a clock that counts milliseconds it can tell their age as well.
    clock = SimpleNamespace(time=lambda: time.time() * per_second)
    try:
        with mock.patch("stripe._webhook.time", clock):
            WebhookSignature.verify_header(body, value, secret, tolerance)
    except (SignatureVerificationError, UnicodeDecodeError) as error:
        raise RefusedError(f"stripe: {error}") from error
    # It does not mind a time to come, and milliseconds that are taken for seconds are far ahead.
    [signed_at] = [int(part[2:]) for part in value.split(",") if part.startswith("t=")]
    if signed_at > clock.time() + tolerance:
        raise RefusedError(f"stripe would take it, but {signed_at} is a time to come")


def cloud_event(request: Request) -> Event:
    """What the library for CloudEvents understood of a request about one event."""
    [event] = cloud_events(request)
    return event


def cloud_events(*requests: Request) -> list[Event]:
    """What it understood of requests in any of the three modes. It writes times anew, with milliseconds."""
    understood = _ask_each("cloud_events", [_message(request) for request in requests])
    events = [event for of_one in understood for event in of_one]
    sent_events = [sent for request in requests for sent in _sent_events(request)]
    for event, sent in zip(events, sent_events, strict=True):
        # It makes up an id, a time and a version where there are none, and a time for one that it cannot read.
        for name, value in event.items():
            if name not in sent or (name == "time" and not _is_same_time(value, sent[name])):
                raise RefusedError(f"cloudevents would take it, but made up a {name}")
    return events


def adaptive_card(*cards: Mapping[str, Any]) -> None:
    """Microsoft's library finds nothing wrong with a card; what it does not know it ignores, as readers do."""
    # It takes a card without a version for one of the latest; Teams does not.
    if any("version" not in card for card in cards):
        raise RefusedError("adaptivecards would take it, but the card has no version")
    _ask_each("adaptive_card", [{"card": card} for card in cards])


def manifests(*resources: Mapping[str, Any]) -> None:
    """The models of their kinds know every key of these resources of Kubernetes, and take what stands there."""
    _answers("manifests.mjs", list(resources))


def slack_blocks(blocks: Sequence[Mapping[str, Any]]) -> None:
    """The models of Slack's library take these blocks, and leave nothing out."""
    for block in blocks:
        _check_slack(block, lambda block=block: _block(block))
    # What the models do not know.
    if len(blocks) > SLACK_BLOCKS:
        raise RefusedError(f"Slack takes {SLACK_BLOCKS} blocks, not {len(blocks)}")
    for block in blocks:
        if block["type"] == "header" and block["text"]["type"] != "plain_text":
            raise RefusedError("Slack wants plain_text in a header")
        if any(len(field["text"]) > SLACK_FIELD_LENGTH for field in block.get("fields", [])):
            raise RefusedError(f"Slack takes {SLACK_FIELD_LENGTH} characters in a field")


def slack_attachments(attachments: Sequence[Mapping[str, Any]]) -> None:
    """The models of Slack's library take these attachments, and leave nothing out."""
    for attachment in attachments:
        if "blocks" in attachment:
            slack_blocks(attachment["blocks"])
        _check_slack(attachment, lambda attachment=attachment: _attachment(dict(attachment)))


def _block(block: Mapping[str, Any]) -> JsonObject:
    parsed = Block.parse(dict(block))
    if parsed is None:
        raise ValueError(f"unknown block {block}")
    return parsed


def _attachment(attachment: dict[str, Any]) -> JsonObject:
    if "blocks" in attachment:
        return BlockAttachment(**{**attachment, "blocks": [_block(block) for block in attachment["blocks"]]})
    if "fields" in attachment:
        attachment["fields"] = [AttachmentField(**field) for field in attachment["fields"]]
    if "mrkdwn_in" in attachment:
        attachment["markdown_in"] = attachment.pop("mrkdwn_in")
    return Attachment(**attachment)


def _check_slack(given: Mapping[str, Any], build: Callable[[], JsonObject]) -> None:
    try:
        # Writing it validates it, and everything in it.
        understood = build().to_dict()
    except (SlackObjectFormationError, TypeError, ValueError, AttributeError, KeyError) as error:
        raise RefusedError(f"slack-sdk: {error}") from error
    # Without a word the models drop or mend what they do not know.
    if lost := _lost(given, understood):
        raise RefusedError(f"slack-sdk does not give back {lost}")


def _lost(given: Any, understood: Any, path: str = "$") -> str | None:
    """Where the first of what was given is that was not understood just so."""
    match given, understood:
        case Mapping(), Mapping():
            found = (_lost(value, understood.get(key), f"{path}.{key}") for key, value in given.items())
        case list(), list() if len(given) == len(understood):
            found = (_lost(*pair, f"{path}[{index}]") for index, pair in enumerate(zip(given, understood, strict=True)))
        case _:
            return None if given == understood else f"{path}: {given!r}"
    return next(filter(None, found), None)


def _sent_events(request: Request) -> list[Event]:
    """What a request says about each of its events."""
    match request.headers.get("content-type", "").partition(";")[0]:
        case "application/cloudevents-batch+json":
            return json.loads(request.body)
        case "application/cloudevents+json":
            return [json.loads(request.body)]
        case datacontenttype:
            attributes = {name.removeprefix("ce-"): value for name, value in request.headers.items()}
            return [{**attributes, "datacontenttype": datacontenttype, "data": request.body}]


def _is_same_time(understood: str, sent: str) -> bool:
    """But for what is less than a millisecond."""
    try:
        apart = datetime.fromisoformat(sent) - datetime.fromisoformat(understood)
    except (ValueError, TypeError):
        return False
    return abs(apart) < timedelta(milliseconds=1)


def _message(request: Request) -> dict[str, Any]:
    return {"headers": request.headers, "body": base64.b64encode(request.body).decode()}


def _ask(check: str, **what: Any) -> Any:
    """What a check of ours in Node understood."""
    [understood] = _ask_each(check, [what])
    return understood


def _ask_each(check: str, each: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The same for several things at once: most of the time Node loads its libraries."""
    return [answer.get("understood") for answer in _answers("check.mjs", {"check": check, "each": each})]


def _answers(script: str, asked: Any) -> list[dict[str, Any]]:
    """What a script of ours in Node answers, if all of it is well."""
    if not (INSTALLED / ".ready").exists():
        raise MissingError(
            f"the npm packages are not in {INSTALLED.relative_to(REPOSITORY)}: make test-e2e installs them"
        )
    result = subprocess.run(
        # Not as a file: a script's packages are looked up beside it, those of a text where Node runs.
        ["node", "--input-type=module", "--eval", (SCRIPTS / script).read_text()],
        cwd=INSTALLED,
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=NODE_SECONDS,
    )
    if result.returncode:
        raise RuntimeError(f"{script} failed:\n{result.stderr}")
    answers = json.loads(result.stdout)
    if refusals := [answer["error"] for answer in answers if not answer["ok"]]:
        raise RefusedError("; ".join(refusals))
    return answers
