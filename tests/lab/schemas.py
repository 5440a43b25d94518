"""Payloads against the schemas that the makers of their receivers have published.

They are looked for in the folder that the variable SCHEMAS names, or in `../shared/schemas`.
A check returns, or raises `RefusedError`.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import (
    Draft4Validator,
    Draft6Validator,
    Draft7Validator,
    Draft202012Validator,
    FormatChecker,
    validators,
)
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.protocols import Validator
from rfc3986_validator import validate_rfc3986

from lab import REPOSITORY
from lab.verdict import MissingError, RefusedError

FOLDER = Path(os.environ.get("SCHEMAS") or REPOSITORY.parent / "shared" / "schemas")

FORMATS = FormatChecker()

# What PagerDuty and Discord write in their documents but not in their schemas.
PAGERDUTY_LENGTHS = {"summary": 1024, "dedup_key": 255}
PAGERDUTY_BYTES = 512 << 10
PAGERDUTY_KEY_LENGTH = 32
DISCORD_LENGTH = 6000

Json = dict[str, Any]


def check_cloud_event(event: Json) -> None:
    """One event in structured mode, or one of a batch."""
    _check("CloudEvents", Draft7Validator, _load("cloudevents.schema.json"), event)


def check_pagerduty(body: Json) -> None:
    """A body for `/v2/enqueue`."""
    document = _closed(_load("pagerduty-events-v2.openapi.json"))
    document["$ref"] = "#/paths/~1enqueue/post/requestBody/content/application~1json/schema"
    _check("PagerDuty", OpenApi30Validator, document, body)
    needed = "payload" if body["event_action"] == "trigger" else "dedup_key"
    if needed not in body:
        raise RefusedError(f"PagerDuty wants a {needed} to {body['event_action']}")
    if len(body["routing_key"]) != PAGERDUTY_KEY_LENGTH:
        raise RefusedError(f"PagerDuty's routing_key has {PAGERDUTY_KEY_LENGTH} characters")
    for name, most in PAGERDUTY_LENGTHS.items():
        if len({**body, **body.get("payload", {})}.get(name, "")) > most:
            raise RefusedError(f"PagerDuty takes {most} characters of {name}")
    if len(json.dumps(body).encode()) > PAGERDUTY_BYTES:
        raise RefusedError(f"PagerDuty takes {PAGERDUTY_BYTES} bytes")


def check_discord(body: Json) -> None:
    """The body of an incoming webhook."""
    document = _closed(_load("discord-incoming-webhook.openapi.json"))
    document["$ref"] = "#/components/schemas/IncomingWebhookRequestPartial"
    _check("Discord", Draft202012Validator, document, body)
    if not body.get("content") and not body.get("embeds"):
        raise RefusedError("Discord wants content or embeds")
    if (length := sum(map(_length_of_embed, body.get("embeds") or []))) > DISCORD_LENGTH:
        raise RefusedError(f"Discord takes {DISCORD_LENGTH} characters in all embeds, not {length}")


def check_adaptive_card(card: Json) -> None:
    """A card as it goes to Teams."""
    # What is for Teams alone is not in the schema of all cards.
    for_all = {key: value for key, value in card.items() if key != "msteams"}
    _check("AdaptiveCard", Draft6Validator, _load("adaptive-card-1.5.schema.json"), for_all)
    if "version" not in card:
        raise RefusedError("AdaptiveCard: at the top there must be a version")


def _check(name: str, validator: type[Validator], schema: Json, instance: Any) -> None:
    if error := best_match(validator(schema, format_checker=FORMATS).iter_errors(instance)):
        raise RefusedError(f"{name}: {error.json_path}: {error.message}")


def _load(name: str) -> Json:
    path = FOLDER / name
    if not path.exists():
        raise MissingError(f"{name} is not in {FOLDER}: the variable SCHEMAS names the folder of the official schemas")
    return json.loads(path.read_text())


def _closed(schema: Any) -> Any:
    """The same, with unknown keys refused: receivers ignore them, and nobody would notice a slip of the pen."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if closed.get("type") == "object" and "properties" in closed:
        closed.setdefault("additionalProperties", False)
    return closed


def _length_of_embed(embed: Json) -> int:
    texts = [embed.get("title"), embed.get("description")]
    texts += [(embed.get(part) or {}).get(key) for part, key in (("footer", "text"), ("author", "name"))]
    texts += [field[key] for field in embed.get("fields") or [] for key in ("name", "value")]
    return sum(len(text or "") for text in texts)


def _nullable_type(validator: Validator, types: Any, instance: Any, schema: Json) -> Iterator[ValidationError]:
    if not (instance is None and schema.get("nullable")):
        yield from Draft4Validator.VALIDATORS["type"](validator, types, instance, schema)


# The schemas of OpenAPI 3.0 are those of draft 4, but for what may be null.
OpenApi30Validator = validators.extend(Draft4Validator, {"type": _nullable_type})


@FORMATS.checks("url")
def _is_url(instance: object) -> bool:
    """PagerDuty's name for a URI."""
    return not isinstance(instance, str) or bool(validate_rfc3986(instance, rule="URI"))
