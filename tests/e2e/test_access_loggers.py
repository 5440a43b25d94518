"""Access loggers that observe: beside the filter, or where there is none."""

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from e2e.contract import check_soon, wait_for_checks
from e2e.loggers import log_connections, log_requests, log_tunnels
from e2e.refusals import REJECTED, Upstreams, check_rejected, fail, tell_rejections
from lab import wait
from lab.certificates import THREE_DAYS, Identity
from lab.impostor import show_without_key
from lab.scene import Scene
from lab.upstream import HELD

# Listeners and what the certificates of their clients are placed by: their names, else their chains', else addresses.
PLACES = {
    "connections": "listener/the front door",
    "connections of a named chain": "filter_chain/side door",
    "nameless connections": None,
    "tunnels": None,
}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One Envoy for all: nobody shows the same client certificate twice."""
    with Scene(tmp_path_factory.mktemp("loggers")) as scene, Upstreams(scene) as upstreams:
        tell_rejections(scene)
        gone = scene.cast.authority.issue("orders.internal", ends=-THREE_DAYS, sans=["orders.internal"])
        upstreams.add("expired", gone)
        log_tunnels(scene, "tunnels into nothing", "expired")
        log_requests(scene, "requests")
        log_tunnels(scene, "tunnels")
        log_connections(scene, "connections")["metadata"] = {
            "filter_metadata": {"cert_expiry_monitor": {"name": "the front door"}}
        }
        log_connections(scene, "connections of a named chain")["filter_chains"][0]["name"] = "side door"
        log_connections(scene, "nameless connections")
        scene.start()
        wait_for_checks(scene.envoy, 1)
        yield scene


def test_requests_are_told_of_like_those_that_a_filter_sees_once_they_are_over(scene: Scene) -> None:
    identity = scene.cast.authority.issue("Requester")
    with closing(scene.client(identity, "requests").connect()) as connection:
        connection.request("GET", HELD)
        wait.until(lambda: scene.upstream.held == 1, "the request is held")
        wait_for_checks(scene.envoy, 2)
        assert scene.receiver.events(cert_id=identity.cert_id) == []
        scene.upstream.release.set()
        assert connection.getresponse().status == 200
        # The connection is open still.
        event = scene.receiver.event(cert_id=identity.cert_id)
    check_soon(event, identity, "Requester", "client", "orders-api")
    check_soon(upstream_event(scene, "orders-api"), scene.cast.upstream, "orders.internal", "upstream", "orders-api")


def test_connections_are_told_of_once_they_are_closed(scene: Scene) -> None:
    identities = {listener: scene.cast.authority.issue(f"Client of {listener}") for listener in PLACES}
    with ExitStack() as connections:
        for listener, identity in identities.items():
            client = scene.client(identity, listener)
            assert client.get_on(connections.enter_context(closing(client.connect())), "/orders") == 200
        wait_for_checks(scene.envoy, 4)
        assert not [event for event in scene.receiver.events() if event["cert_name"].startswith("Client of")]
    for listener, identity in identities.items():
        event = scene.receiver.event(cert_id=identity.cert_id)
        # A TCP proxy has no route: the cluster stands for it. A listener knows of neither.
        api_id = "orders" if listener == "tunnels" else None
        check_soon(event, identity, f"Client of {listener}", "client", api_id)
        assert event["places"] == [PLACES[listener] or f"address/127.0.0.1:{scene.envoy.port(listener)}"]
    theirs = upstream_event(scene, "orders")
    check_soon(theirs, scene.cast.upstream, "orders.internal", "upstream", "orders")
    assert theirs["places"] == ["cluster/orders", f"address/127.0.0.1:{scene.upstream.port}"]


def test_a_tcp_proxy_that_refuses_its_upstream_is_told_of(scene: Scene) -> None:
    fail(scene.client(listener="tunnels into nothing"))
    event = scene.receiver.event(event=REJECTED)
    check_rejected(event, "upstream", "expired", "cluster/expired")
    assert event["api_id"] == "expired"


def test_what_filter_and_logger_both_see_is_told_once_with_what_the_filter_knows(scene: Scene) -> None:
    identity = scene.cast.authority.issue("Regular")
    client = scene.client(identity)
    with closing(client.connect()) as connection:
        assert client.get_on(connection, "/billing") == 200
        check_soon(scene.receiver.event(cert_id=identity.cert_id), identity, "Regular", "client", "billing-api")
    assert scene.client(identity).get("/billing") == 200
    wait_for_checks(scene.envoy, 4)
    assert len(scene.receiver.events(cert_id=identity.cert_id)) == 1
    check_soon(upstream_event(scene, "billing-api"), scene.cast.upstream, "orders.internal", "upstream", "billing-api")


def test_a_connection_without_a_request_is_told_as_that_of_a_request_that_follows(scene: Scene) -> None:
    identity = wait.until(lambda: hesitate(scene), "a request that follows at once")
    check_soon(scene.receiver.event(cert_id=identity.cert_id), identity, "Hesitant", "client", "billing-api")
    wait_for_checks(scene.envoy, 4)
    assert len(scene.receiver.events(cert_id=identity.cert_id)) == 1


def hesitate(scene: Scene) -> Identity | None:
    """Who connects, and connects again for a request. Nobody, if the machine stood still in between: after three
    seconds the connection is told of without the API."""
    identity = scene.cast.authority.issue("Hesitant")
    client = scene.client(identity)
    began = time.monotonic()
    with closing(client.connect()) as connection:
        connection.connect()
    assert client.get("/billing") == 200
    return identity if time.monotonic() - began < 1 else None


def test_a_connection_that_ends_roughly_is_told_of_as_well(scene: Scene) -> None:
    identity = scene.cast.authority.issue("Rude")
    client = scene.client(identity, "connections")
    with closing(client.connect()) as connection:
        assert client.get_on(connection, "/orders") == 200
        connection.request("GET", "/orders")
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    scene.receiver.event(cert_id=identity.cert_id)


def test_a_certificate_that_is_shown_by_somebody_without_its_key_is_not_told_of(scene: Scene) -> None:
    identity = scene.cast.authority.issue("Somebody else")
    for listener in ("connections", "tunnels", "ingress"):
        show_without_key(scene.envoy.port(listener), identity)
    wait_for_checks(scene.envoy, 4)
    assert scene.receiver.events(cert_id=identity.cert_id) == []


def test_every_event_of_an_upstream_is_told_once(scene: Scene) -> None:
    for _ in range(3):
        assert scene.client(listener="requests").get() == 200
        assert scene.client().get("/billing") == 200
    wait_for_checks(scene.envoy, 3)
    told = [event["api_id"] for event in scene.receiver.events(cert_role="upstream")]
    assert len(told) == len(set(told))


def upstream_event(scene: Scene, api_id: str) -> dict[str, object]:
    return scene.receiver.event(cert_role="upstream", api_id=api_id)
