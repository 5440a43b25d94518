"""Checks the signature of a webhook request, in each of the three schemes.

As a module: a function returns if the signature is good, and raises BadSignatureError if it is not. `body` is the body
as it arrived, before anything has parsed it. A signature by any one of `secrets` will do.

As a command: the body comes from standard input, the secrets from WEBHOOK_SECRETS, separated by spaces.

    python3 verify.py standard-webhooks <webhook-id> <webhook-timestamp> <webhook-signature> < body
    python3 verify.py timestamped [--unit ms] <value of the header> < body
    python3 verify.py sha256 <value of the header> < body
"""

import argparse
import base64
import hmac
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence

TOLERANCE_SECONDS = 300


class BadSignatureError(Exception):
    """The request is forged, was changed on its way, or is too old."""


def standard_webhooks(
    headers: Mapping[str, str],
    body: bytes,
    secrets: Sequence[str],
    tolerance: float = TOLERANCE_SECONDS,
    now: float | None = None,
) -> str:
    """Standard Webhooks: id, time and body are signed. Returns the id; it is safe to drop doubles by it.

    The names of `headers` are in lower case, or it does not care.
    """
    identity, timestamp, signatures = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (identity and timestamp and signatures):
        raise BadSignatureError("webhook-id, webhook-timestamp or webhook-signature is missing")
    signed = b".".join([_bytes(identity), _bytes(timestamp), body])
    macs = _macs(secrets, signed, standard_webhooks_key)
    _compare(signatures.split(), ["v1," + base64.b64encode(mac).decode() for mac in macs])
    _check_age(timestamp, 1, tolerance, now)
    return identity


def standard_webhooks_key(secret: str) -> bytes:
    """The key that a secret such as `whsec_…` stands for; ValueError if it stands for none."""
    return base64.b64decode(secret.removeprefix("whsec_"), validate=True)


def timestamped(
    header: str,
    body: bytes,
    secrets: Sequence[str],
    tolerance: float = TOLERANCE_SECONDS,
    now: float | None = None,
    unit: str = "s",
) -> None:
    """`t=<time>,v1=<hex>`, with one v1 for each secret: time and body are signed."""
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    if len(times) != 1:
        raise BadSignatureError("the header has no t, or several")
    signed = _bytes(times[0]) + b"." + body
    given = [value for name, _, value in parts if name == "v1"]
    _compare(given, [mac.hex() for mac in _macs(secrets, signed)])
    _check_age(times[0], {"s": 1, "ms": 1000}[unit], tolerance, now)


def sha256(header: str, body: bytes, secrets: Sequence[str]) -> None:
    """`sha256=<hex>`: only the body is signed, so whoever has seen a request can send it again at any time."""
    _compare([header.strip()], ["sha256=" + mac.hex() for mac in _macs(secrets, body)])


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _macs(secrets: Sequence[str], signed: bytes, key_of: Callable[[str], bytes] = _bytes) -> list[bytes]:
    if isinstance(secrets, str):
        raise TypeError("secrets is a list")  # each letter would be a secret
    keys = [key_of(secret) for secret in secrets]
    if not keys or not all(keys):
        raise ValueError("there is no secret, or an empty one")  # anybody could sign
    return [hmac.digest(key, signed, "sha256") for key in keys]


def _compare(given: Sequence[str], expected: Sequence[str]) -> None:
    # Every pair is compared, each in constant time: how long it takes says nothing about what was expected.
    if not sum(hmac.compare_digest(_bytes(own), _bytes(theirs)) for own in expected for theirs in given):
        raise BadSignatureError("no signature matches")


def _check_age(timestamp: str, units_per_second: int, tolerance: float, now: float | None) -> None:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 16):
        raise BadSignatureError("the time is not a number")
    age = (time.time() if now is None else now) - int(timestamp) / units_per_second
    if not abs(age) <= tolerance:
        raise BadSignatureError(f"signed {age:.0f} s ago, which is too far from now")


def main() -> None:
    parser = argparse.ArgumentParser(description="Check a signature; the body comes from standard input.")
    parser.add_argument("scheme", choices=["standard-webhooks", "timestamped", "sha256"])
    parser.add_argument("values", nargs="+", metavar="value", help="what the header has, or the three headers")
    parser.add_argument("--tolerance", type=float, default=TOLERANCE_SECONDS, help="seconds, both ways")
    parser.add_argument("--unit", choices=["s", "ms"], default="s", help="of the time in a timestamped header")
    options = parser.parse_args()
    values, secrets = options.values, os.environ.get("WEBHOOK_SECRETS", "").split()
    if len(values) != (3 if options.scheme == "standard-webhooks" else 1):
        parser.error(f"{options.scheme} takes another number of values")
    body = sys.stdin.buffer.read()
    try:
        match options.scheme:
            case "standard-webhooks":
                names = ("webhook-id", "webhook-timestamp", "webhook-signature")
                standard_webhooks(dict(zip(names, values, strict=True)), body, secrets, options.tolerance)
            case "timestamped":
                timestamped(values[0], body, secrets, options.tolerance, unit=options.unit)
            case _:
                sha256(values[0], body, secrets)
    except BadSignatureError as problem:
        sys.exit(f"bad: {problem}")
    except ValueError as problem:
        parser.error(f"WEBHOOK_SECRETS: {problem}")
    print("good")


if __name__ == "__main__":
    main()
