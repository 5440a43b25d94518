"""Envoys that show no certificate of a peer by themselves, with the file that is shipped for them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.contract import check_soon, plugin_lines, wait_for_checks
from e2e.leaks import check_no_certificate_leaves
from e2e.monitors import traps
from lab.certificates import Authority
from lab.client import Client
from lab.config import INGRESS, OLDER, downstream_tls
from lab.scene import TRAP, Scene

HEADER = "x-cert-expiry-upstream-certificate"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Scene(tmp_path, OLDER) as scene:
        scene.log_connections()
        scene.monitor["check_interval_seconds"] = 1
        yield scene


@pytest.mark.parametrize("version", ["1.36.2", "1.37.0", "1.40.0"])
def test_certificates_of_peers_are_seen_and_none_is_passed_on_not_even_by_a_dead_observer(
    scene: Scene, version: str
) -> None:
    scene.plugin_file = TRAP
    envoy = scene.start(version)
    # The second answer holds a certificate that the observer knows already.
    for _ in range(2):
        check_request(scene)
    check_soon(scene.receiver.event(cert_role="client"), scene.cast.client, "Test Client", "client", "orders-api")
    theirs = scene.receiver.event(cert_role="upstream")
    check_soon(theirs, scene.cast.upstream, "orders.internal", "upstream", "orders-api")

    assert traps(envoy) == 0
    for headers in [{"x-cert-expiry-trap": "observer"}, {}]:
        check_request(scene, headers)
        assert traps(envoy) == 1
    wait_for_checks(envoy, 2)
    assert len(scene.receiver.events()) == 2


def test_what_an_upstream_writes_into_the_header_itself_counts_for_nothing(scene: Scene) -> None:
    mallory = Authority.named("Mallory").issue("mallory.example")
    envoy = scene.start("1.36.2")
    scene.upstream.headers = {HEADER: mallory.pem.replace("\n", "%0A").replace(" ", "%20")}

    check_request(scene)
    scene.receiver.event(cert_role="upstream", cert_id=scene.cast.upstream.cert_id)
    wait_for_checks(envoy, 2)
    assert scene.receiver.events(cert_id=mallory.cert_id) == []


def test_a_client_without_a_certificate_makes_no_event_and_no_noise(scene: Scene) -> None:
    downstream_tls(scene.configuration.listener(INGRESS))["require_client_certificate"] = False
    envoy = scene.start("1.36.2")

    client = Client(envoy.port(INGRESS), scene.cast.authority)
    assert client.get() == 200
    scene.receiver.event(cert_role="upstream")
    noise = plugin_lines(envoy)
    assert client.get_all(["/orders"] * 10, connections=2) == [200] * 10
    wait_for_checks(envoy, 2)
    assert {event["cert_role"] for event in scene.receiver.events()} == {"upstream"}
    assert plugin_lines(envoy) == noise


def check_request(scene: Scene, headers: dict[str, str] | None = None) -> None:
    """A request that is answered, and nobody gets a certificate in a header."""
    answer = scene.client().fetch(headers=headers)
    assert answer.status == 200
    check_no_certificate_leaves(scene, answer.getheaders())
