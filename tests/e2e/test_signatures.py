"""What was signed on its way through a real proxy is taken by the libraries that receivers use, and nothing else is."""

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from e2e.deliveries import let_through, webhook
from e2e.relays import infisical_verifies, vaultls_verifies
from lab import outsiders
from lab.receiver import Request
from lab.scene import Scene
from lab.verdict import RefusedError

STANDARD = {name: f"whsec_{base64.b64encode(name.encode() * 8).decode()}" for name in ("old!", "new!", "else")}
OLD, NEW, ELSE = STANDARD.values()
SECRET, OTHER = "a secret that nobody knows", "another one"
ENVIRONMENT = {"OLD": OLD, "NEW": NEW, "PLAIN": SECRET, "OTHER": OTHER}

Signing = dict[str, Any]
SCHEMES: dict[str, Signing] = {
    "standard": {"scheme": "standard-webhooks", "secrets": ["${NEW}"]},
    "rotating": {"scheme": "standard-webhooks", "secrets": ["${NEW}", "${OLD}"]},
    "sha256": {"scheme": "sha256", "secrets": ["${PLAIN}"]},
    "github": {"scheme": "sha256", "header": "X-Hub-Signature-256", "secrets": ["${PLAIN}"]},
    "stripe": {"scheme": "timestamped", "header": "Stripe-Signature", "unit": "s", "secrets": ["${PLAIN}"]},
    "milliseconds": {"scheme": "timestamped", "unit": "ms", "secrets": ["${PLAIN}"]},
    "both": {"scheme": "timestamped", "unit": "s", "secrets": ["${OTHER}", "${PLAIN}"]},
}
OF_FORMATS: dict[str, Signing] = {
    "vaultls": {"scheme": "sha256", "secrets": ["${PLAIN}"]},
    "infisical": {"scheme": "timestamped", "secrets": ["${PLAIN}"]},
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One webhook for each way to sign; another one for each whose first request fails, and for some with batches."""
    directory: Path = tmp_path_factory.mktemp("signatures")
    with Scene(directory) as scene:
        # Beyond ASCII, so that bytes are signed and not characters.
        scene.watch("server", scene.cast.authority.issue("Zoë — 東京"))
        scene.watch("ca", scene.cast.authority)
        once = [webhook(name, signing=signing, roles=["server"]) for name, signing in SCHEMES.items()]
        again = [entry | {"name": f"{entry['name']}-again", "url": f"{entry['url']}-again"} for entry in once]
        together = [webhook(f"{name}-batch", signing=SCHEMES[name], batch={"max": 2}) for name in SCHEMES]
        formats = [
            webhook(name, format=name, signing=signing, roles=["server"]) for name, signing in OF_FORMATS.items()
        ]
        scene.plugin["webhooks"] = once + again + together + formats
        for entry in again:
            scene.receiver.answers[f"/{entry['name']}"] = [500, 200]
        let_through(scene, *ENVIRONMENT)
        scene.start(environment=ENVIRONMENT)
        yield scene


def delivered(scene: Scene, name: str) -> Request:
    """The one request that a webhook has made."""
    [request] = scene.receiver.wait_requests(f"/{name}")
    return request


def forged(request: Request) -> Request:
    """The same signature, and another body."""
    return replace(request, body=request.body.replace(b"Expiring", b"Expanding"))


@pytest.mark.parametrize("end", ["", "-again", "-batch"], ids=["first try", "second try", "batch"])
@pytest.mark.parametrize(("name", "known"), [("standard", [NEW]), ("rotating", [NEW, OLD])])
def test_standard_webhooks(scene: Scene, name: str, known: list[str], end: str) -> None:
    request = scene.receiver.wait_requests(f"/{name}{end}", 2 if end == "-again" else 1)[-1]
    for secret in known:
        outsiders.standard_webhooks(request, secret)
        with pytest.raises(RefusedError):
            outsiders.standard_webhooks(forged(request), secret)
    for secret in {OLD, ELSE} - set(known):
        with pytest.raises(RefusedError):
            outsiders.standard_webhooks(request, secret)
    assert f'"{request.headers["webhook-id"]}"' == request.key


@pytest.mark.parametrize("end", ["", "-again", "-batch"], ids=["first try", "second try", "batch"])
@pytest.mark.parametrize(("name", "header"), [("sha256", "x-signature"), ("github", "x-hub-signature-256")])
def test_sha256(scene: Scene, name: str, header: str, end: str) -> None:
    request = scene.receiver.wait_requests(f"/{name}{end}", 2 if end == "-again" else 1)[-1]
    outsiders.github_signature(request, SECRET, header)
    for bad, secret in ((request, OTHER), (forged(request), SECRET)):
        with pytest.raises(RefusedError):
            outsiders.github_signature(bad, secret, header)


@pytest.mark.parametrize("end", ["", "-again", "-batch"], ids=["first try", "second try", "batch"])
@pytest.mark.parametrize(
    ("name", "header", "unit", "known"),
    [
        ("stripe", "stripe-signature", "s", [SECRET]),
        ("milliseconds", "x-signature", "ms", [SECRET]),
        ("both", "x-signature", "s", [SECRET, OTHER]),
    ],
)
def test_timestamped(scene: Scene, name: str, header: str, unit: str, known: list[str], end: str) -> None:
    request = scene.receiver.wait_requests(f"/{name}{end}", 2 if end == "-again" else 1)[-1]
    value = request.headers[header]
    for secret in known:
        outsiders.stripe_signature(value, request.body, secret, unit)
        with pytest.raises(RefusedError):
            outsiders.stripe_signature(value, forged(request).body, secret, unit)
    with pytest.raises(RefusedError):
        outsiders.stripe_signature(value, request.body, "a wrong secret", unit)


def test_a_batch_has_a_signature_of_its_own(scene: Scene) -> None:
    batches = {name: delivered(scene, f"{name}-batch") for name in SCHEMES}
    assert {len(json.loads(request.body)) for request in batches.values()} == {2}
    event_ids = {request.key for request in scene.receiver.requests_to("/standard")}
    assert f'"{batches["standard"].headers["webhook-id"]}"' not in event_ids


def test_a_second_try_has_the_same_id_and_a_time_of_its_own(scene: Scene) -> None:
    first, second = scene.receiver.wait_requests("/standard-again", 2)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert int(first.headers["webhook-timestamp"]) <= int(second.headers["webhook-timestamp"])
    first, second = scene.receiver.wait_requests("/milliseconds-again", 2)
    first_time, second_time = (signed_at(request) for request in (first, second))
    assert 800 <= second_time - first_time < 10_000
    for request, time in ((first, first_time), (second, second_time)):
        # A machine that has much to do takes seconds; in another unit it would be years.
        assert 0 <= request.arrived.timestamp() * 1000 - time < 10_000


def signed_at(request: Request) -> int:
    return int(request.headers["x-signature"].partition(",")[0].removeprefix("t="))


def test_the_formats_have_the_headers_of_those_who_defined_them(scene: Scene) -> None:
    vaultls, infisical = delivered(scene, "vaultls"), delivered(scene, "infisical")
    header, body = vaultls.headers["x-vaultls-signature"], vaultls.body.decode()
    assert vaultls_verifies(body, header, SECRET)
    assert not vaultls_verifies(body, header, OTHER)
    assert not vaultls_verifies(body + " ", header, SECRET)
    outsiders.github_signature(vaultls, SECRET, "x-vaultls-signature")

    header, body = infisical.headers["x-infisical-signature"], infisical.body.decode()
    assert infisical_verifies(header, body, SECRET)
    assert not infisical_verifies(header, body, OTHER)
    assert not infisical_verifies(header, body + " ", SECRET)
    outsiders.stripe_signature(header, infisical.body, SECRET, "ms")
