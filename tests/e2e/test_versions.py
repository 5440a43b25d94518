"""The Envoy versions that the plugin runs on, and what it sees on each."""

import pytest

from e2e.contract import check_soon, plugin_lines, wait_for_checks
from lab.scene import Scene


def start(scene: Scene, version: str) -> None:
    """A server certificate in the configuration, and a request that shows two more."""
    scene.watch("server", scene.cast.server)
    scene.monitor["check_interval_seconds"] = 1
    scene.start(version)
    assert scene.client().get_all(["/orders", "/orders"]) == [200, 200]
    check_soon(scene.receiver.event(cert_role="server"), scene.cast.server, "localhost", "server")


@pytest.mark.parametrize("version", ["1.39.3", "1.40.0"])
def test_certificates_of_peers_are_seen(scene: Scene, version: str) -> None:
    start(scene, version)
    check_soon(scene.receiver.event(cert_role="client"), scene.cast.client, "Test Client", "client", "orders-api")
    theirs = scene.receiver.event(cert_role="upstream")
    check_soon(theirs, scene.cast.upstream, "orders.internal", "upstream", "orders-api")


@pytest.mark.parametrize("version", ["1.36.2", "1.37.0"])
def test_where_envoy_cannot_show_certificates_of_peers_their_absence_is_silent(scene: Scene, version: str) -> None:
    start(scene, version)
    noise = plugin_lines(scene.envoy)
    assert scene.client().get_all(["/orders", "/billing"] * 5) == [200] * 10
    wait_for_checks(scene.envoy, 3)
    assert {event["cert_role"] for event in scene.receiver.events()} == {"server"}
    assert plugin_lines(scene.envoy) == noise
