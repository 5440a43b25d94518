"""What a stranger writes into a certificate reaches receivers and logs as text and nothing else."""

import unicodedata
from collections.abc import Iterator

import pytest

from lab import wait
from lab.certificates import Identity
from lab.receiver import Request
from lab.scene import Scene

NAMES = {
    "quotes": "she said \"hello\" and 'bye'",
    "backslashes": r"C:\certs\n\u0000\"",
    "line breaks": "first\r\nX-Injected: yes\r\n\r\n{}",
    "a forged log line": "x\n[2026-01-01 00:00:00.000][1][critical][main] forged",
    "ten kilobytes": "x" * 10_000,
    "right to left": "abc\u202egpj.exe\u202c\u200f",
    "another script": "Zoë — 東京 🔒",
    "a template": "{{ event }} {% raw %} ${WEBHOOK_TOKEN}",
    "json": '","event":"Nothing","x":"',
    "control characters": "a\x00b\x07c\x1b[31m\x7f\x85",
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with Scene(tmp_path_factory.mktemp("hostile")) as scene:
        scene.webhook["headers"] = {"X-Event-Type": "{{ event }}", "X-Certificate": "{{ cert_name }}", "X-After": "ok"}
        scene.start(environment={"WEBHOOK_TOKEN": "s3cret"})
        yield scene


def tell_of(scene: Scene, identity: Identity) -> Request:
    """Show Envoy a client certificate, and return the request that tells of it."""
    assert scene.client(identity).get("/orders") == 200

    def find() -> list[Request]:
        return [request for request in list(scene.receiver.requests) if request.event["cert_id"] == identity.cert_id]

    [request] = wait.until(find, "an event about the client")
    return request


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_hostile_common_name_is_text_and_nothing_else(scene: Scene, name: str) -> None:
    request = tell_of(scene, scene.cast.authority.issue(name))

    event = request.event
    assert event["event"] == "CertificateExpiringSoon"
    assert (event["cert_role"], event["api_id"]) == ("client", "orders-api")
    for text in (event["cert_name"], event["message"]):
        assert not {unicodedata.category(character) for character in text} & {"Cc", "Cf", "Zl", "Zp"}
        assert 0 < len(text) < 400
    assert event["message"] == f"Certificate {event['cert_name']} is expiring in 2 days and 23 hours"

    assert request.headers["x-event-type"] == "CertificateExpiringSoon"
    assert request.headers["x-after"] == "ok"
    assert "x-injected" not in request.headers
    assert request.headers["x-certificate"].isascii()
    assert request.headers["x-certificate"].isprintable()
    assert len(request.headers["x-certificate"]) <= 1024
    assert "s3cret" not in request.body.decode() + request.headers["x-certificate"]


@pytest.mark.parametrize("ordinary", ["quotes", "another script", "a template", "json"])
def test_text_that_is_merely_odd_arrives_as_it_is(scene: Scene, ordinary: str) -> None:
    name = NAMES[ordinary].strip()
    assert tell_of(scene, scene.cast.authority.issue(name)).event["cert_name"] == name


def test_without_a_common_name_the_first_alternative_name_is_the_name(scene: Scene) -> None:
    identity = scene.cast.authority.issue(None, sans=["first.example.com", "second.example.com"])
    assert tell_of(scene, identity).event["cert_name"] == "first.example.com"


def test_with_neither_name_the_serial_number_is_the_name(scene: Scene) -> None:
    identity = scene.cast.authority.issue(None)
    assert int(tell_of(scene, identity).event["cert_name"], 16) == identity.certificate.serial_number


def test_no_name_writes_a_line_of_its_own_into_the_log(scene: Scene) -> None:
    tell_of(scene, scene.cast.authority.issue(NAMES["a forged log line"]))
    assert scene.envoy.log_lines("EXPIRY EVENT FIRED .*forged")
    assert not scene.envoy.log_lines(r"^\[2026-01-01")
    assert not scene.envoy.log_lines(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u202a-\u202e]")
