"""Requests that show no certificate go on without a word."""

from collections.abc import Iterator

import pytest

from e2e.contract import plugin_lines, wait_for_checks
from lab.client import Client
from lab.config import downstream_tls
from lab.scene import Scene

ROUTES = ["/orders", "/billing"] * 20


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Beside the usual listener one in plain text, and one over TLS that asks no client for a certificate."""
    with Scene(tmp_path_factory.mktemp("silent")) as scene:
        plain = scene.configuration.copy_listener("ingress", "plain")
        del plain["filter_chains"][0]["transport_socket"]
        anonymous = scene.configuration.copy_listener("ingress", "anonymous")
        downstream_tls(anonymous)["require_client_certificate"] = False
        scene.plugin["observe"]["upstream"] = False
        scene.monitor["check_interval_seconds"] = 1
        scene.start()
        wait_for_checks(scene.envoy, 1)
        yield scene


@pytest.mark.parametrize("listener", ["plain", "anonymous"])
def test_a_request_without_a_client_certificate_makes_no_event_and_no_noise(scene: Scene, listener: str) -> None:
    authority = None if listener == "plain" else scene.cast.authority
    events, noise = scene.receiver.events(), plugin_lines(scene.envoy)

    assert Client(scene.envoy.port(listener), authority).get_all(ROUTES, connections=4) == [200] * len(ROUTES)
    wait_for_checks(scene.envoy, 3)
    assert scene.receiver.events() == events
    assert plugin_lines(scene.envoy) == noise


def test_a_client_that_shows_a_certificate_though_it_need_not_is_told(scene: Scene) -> None:
    volunteer = scene.cast.authority.issue("Volunteer")
    assert scene.client(volunteer, listener="anonymous").get("/orders") == 200
    event = scene.receiver.event(cert_name="Volunteer")
    assert (event["cert_role"], event["api_id"]) == ("client", "orders-api")


def test_a_role_that_is_switched_off_is_not_told(scene: Scene) -> None:
    assert scene.client().get_all(ROUTES) == [200] * len(ROUTES)
    scene.receiver.wait_for(2, cert_name="Test Client", cert_role="client")
    wait_for_checks(scene.envoy, 2)
    assert scene.receiver.events(cert_role="upstream") == []
