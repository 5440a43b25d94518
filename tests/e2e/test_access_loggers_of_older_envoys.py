"""What access loggers can see where Envoy shows no certificate of a peer by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.contract import check_soon, plugin_lines, wait_for_checks
from e2e.loggers import keep_client_certificate, log_connections, log_requests, log_tunnels
from lab.config import OLDER
from lab.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Scene(tmp_path, OLDER) as scene:
        scene.monitor["check_interval_seconds"] = 1
        yield scene


def test_envoy_1_36_shows_the_client_of_a_request_and_nothing_of_a_connection(scene: Scene) -> None:
    log_requests(scene, "requests")
    log_tunnels(scene, "tunnels")
    log_connections(scene, "connections")
    envoy = scene.start("1.36.2")
    wait_for_checks(envoy, 1)
    noise = plugin_lines(envoy)
    for listener in ("tunnels", "connections"):
        assert scene.client(listener=listener).get() == 200
    wait_for_checks(envoy, 4)
    assert scene.receiver.events() == []
    assert plugin_lines(envoy) == noise

    identity = scene.cast.authority.issue("Requester")
    assert scene.client(identity, "requests").get() == 200
    check_soon(scene.receiver.event(cert_role="client"), identity, "Requester", "client", "orders-api")


def test_envoy_1_37_can_keep_the_client_of_a_connection_for_them(scene: Scene) -> None:
    for listener in (log_tunnels(scene, "tunnels"), log_connections(scene, "connections")):
        keep_client_certificate(listener)
    scene.start("1.37.0")
    for listener, api_id in (("tunnels", "orders"), ("connections", None)):
        identity = scene.cast.authority.issue(f"Client of {listener}")
        assert scene.client(identity, listener).get() == 200
        event = scene.receiver.event(cert_id=identity.cert_id)
        check_soon(event, identity, f"Client of {listener}", "client", api_id)
