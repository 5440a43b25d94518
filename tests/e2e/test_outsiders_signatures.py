"""Those who check our signatures, checked themselves: each takes what is right and refuses what is not."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable

import pytest

from lab import outsiders
from lab.receiver import Request
from lab.verdict import RefusedError

KEY = b"thirty-two bytes, all of them x."
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
OTHER_SECRET = f"whsec_{base64.b64encode(KEY[::-1]).decode()}"
BODY = '{"event": "CertificateExpired", "cert_name": "Zoë"}'.encode()


def request(headers: dict[str, str], body: bytes = BODY) -> Request:
    return Request("POST", "/", headers, body, 200)


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
