"""The safe ways to an admin interface: the plugin gets through, and nobody stops the proxy."""

import urllib.error
import urllib.request

import pytest

from e2e.discovered import wait_known
from lab import pipe, wait
from lab.scene import Scene

ONLY_WHAT_IS_ASKED = [{"exact": "/certs"}, {"prefix": "/config_dump"}]
ROLES = {"server", "ca", "upstream"}


def wait_told(scene: Scene) -> None:
    """One certificate of each role is in a file; it is all that Envoy holds."""
    # Envoy may have to start first.
    wait.until(lambda: len(scene.receiver.events()) == len(ROLES), "three events", 40)
    told = scene.receiver.events()
    assert {event["cert_role"] for event in told} == ROLES


def test_two_paths_of_an_admin_interface_on_a_pipe_are_enough(scene: Scene) -> None:
    admin = scene.discover_by_pipe(*ONLY_WHAT_IS_ASKED)
    envoy = scene.launch("1.37.0")
    wait_told(scene)
    assert [pipe.ask(admin, path) for path in ("/certs", "/config_dump?resource=static_listeners")] == [200, 200]
    assert [pipe.ask(admin, path) for path in ("/", "/ready", "/stats", "/logging?level=off")] == [403] * 4
    assert pipe.ask(admin, "/quitquitquit", "POST") == 403
    assert envoy.process.poll() is None


def test_a_pipe_alone_is_what_there_is_before_1_37(scene: Scene) -> None:
    admin = scene.discover_by_pipe()
    scene.launch("1.36.2")
    wait_told(scene)
    assert pipe.ask(admin, "/certs") == 200


def test_the_shipped_paths_are_enough_for_discovery_metrics_and_probes(scene: Scene) -> None:
    scene.configuration.document["admin"]["allow_paths"] = scene.configuration.allow_paths
    scene.discover()
    envoy = scene.start()
    wait_known(envoy)
    wait_told(scene)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"http://{envoy.admin_address}/quitquitquit", data=b"", timeout=10)
    assert envoy.admin("/ready") == "LIVE\n"
