"""Receivers fail in every way there is; traffic does not notice, and no alert is lost.

What each way to fail is called, and when it is tried again: test_delivery_outcomes.py.
"""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.contract import check_soon, wait_for_checks
from lab import wait
from lab.receiver import Fault
from lab.scene import Scene

FAILING = ["nowhere", "refused", "broken", "busy", "silent", "rude"]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One webhook for each way to fail, and one that works."""
    directory: Path = tmp_path_factory.mktemp("failing")
    with Scene(directory) as scene, socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))  # never listens, and nobody else gets the port
        scene.configuration.place("refused", unheard.getsockname()[1])
        scene.receiver.answers = {"/broken": 500, "/busy": 429, "/silent": Fault.HANG, "/rude": Fault.CLOSE}
        clusters = {"nowhere": "no_such_cluster", "refused": "refused"}
        scene.plugin["webhooks"] = [
            {
                "name": name,
                "cluster": clusters.get(name, "webhook_receiver"),
                "url": f"http://hooks.example.com/{name}",
                # Short where no answer comes; where one does, a busy machine has time for it.
                "timeout_seconds": 2 if name == "silent" else 10,
                "retry_schedule": ["1s"],
                "circuit_breaker": {"failures": 5, "open": "2s"},
            }
            for name in [*FAILING, "ops"]
        ]
        scene.monitor["check_interval_seconds"] = 1
        scene.watch("server", scene.cast.server)
        scene.start(concurrency=2)
        yield scene


def failures(webhook: str) -> str:
    return rf"Request to webhook failed webhook={webhook}\b"


@pytest.mark.parametrize("webhook", FAILING)
def test_the_log_names_the_webhook_and_it_is_tried_again(scene: Scene, webhook: str) -> None:
    first, second, *_ = scene.envoy.wait_log(failures(webhook), 2)
    assert "attempt=1" in first
    assert "attempt=2" in second


@pytest.mark.parametrize(
    ("webhook", "what"),
    [
        ("nowhere", "outcome=no_cluster cluster=no_such_cluster"),
        ("refused", "outcome=unreachable cluster=refused"),
        ("broken", "outcome=status cluster=webhook_receiver"),
        ("busy", "outcome=status cluster=webhook_receiver"),
        ("silent", "outcome=timeout cluster=webhook_receiver"),
        ("rude", "outcome=unreachable cluster=webhook_receiver"),
    ],
)
def test_the_log_says_what_happened(scene: Scene, webhook: str, what: str) -> None:
    assert what in scene.envoy.wait_log(failures(webhook))[0]


def test_an_answer_of_429_is_logged_like_the_documents_say(scene: Scene) -> None:
    assert scene.envoy.wait_log(r"webhook.*failed.*status=429 attempt=1 next_in_seconds=\d+")


def test_traffic_is_unharmed(scene: Scene) -> None:
    assert scene.client().get_all(["/orders", "/billing"] * 100, connections=4) == [200] * 200


def test_the_webhook_that_works_gets_every_event_once(scene: Scene) -> None:
    newcomer = scene.cast.authority.issue("Newcomer")
    assert scene.client(newcomer).get("/orders") == 200

    def told_of(identity_name: str) -> list[dict]:
        events = [request.event for request in scene.receiver.requests_to("/ops")]
        return [event for event in events if event["cert_name"] == identity_name]

    wait.until(lambda: told_of("Newcomer"), "the webhook that works hears of a new client")
    wait_for_checks(scene.envoy, 3)
    [event] = told_of("localhost")
    check_soon(event, scene.cast.server, "localhost", "server")
    assert len(told_of("Newcomer")) == 1


def test_receivers_that_recover_get_what_they_missed_once(scene: Scene) -> None:
    paths = ["/broken", "/busy", "/silent", "/rude"]

    def accepted(path: str) -> list[str]:
        return [event["cert_name"] for event in scene.receiver.accepted(path)]

    assert [accepted(path) for path in paths] == [[]] * 4
    scene.receiver.answers = dict.fromkeys(paths, 200)
    wait.until(lambda: all("localhost" in accepted(path) for path in paths), "all get what they missed")
    wait_for_checks(scene.envoy, 3)
    assert [accepted(path).count("localhost") for path in paths] == [1] * 4
