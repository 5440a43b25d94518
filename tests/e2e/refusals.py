"""A scene in which handshakes fail because of a certificate, and what is told of them."""

from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from http.client import HTTPException
from types import TracebackType
from typing import Any

import pytest

from e2e.contract import ALERTS, moment
from lab.certificates import Identity
from lab.client import Client
from lab.scene import Scene
from lab.upstream import Upstream

REJECTED = "CertificateRejected"


class Upstreams:
    """More upstreams than the one of the scene, each behind a cluster, a route and a path of its name."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.ports: dict[str, int] = {}
        self._running = ExitStack()

    def add(self, name: str, identity: Identity) -> dict[str, Any]:
        """One that presents this; its cluster."""
        upstream = self._running.enter_context(Upstream(identity, self.scene.cast.authority))
        cluster = self.scene.configuration.copy_cluster("orders", name)
        self.scene.configuration.place(name, upstream.port)
        self.ports[name] = upstream.port
        return cluster

    def __enter__(self) -> "Upstreams":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()


def tell_rejections(scene: Scene) -> None:
    """Have the access loggers observe, and the receiver be told of everything."""
    scene.log_connections()
    scene.webhook["events"] = ALERTS
    scene.webhook["headers"]["x-severity"] = "{{ severity }}"
    scene.monitor["check_interval_seconds"] = 1


def fail(client: Client) -> None:
    """A request that gets no answer."""
    with suppress(OSError, HTTPException):
        pytest.fail(f"it was answered with {client.get()}")


def check_rejected(event: dict[str, Any], role: str, reason: str, place: str) -> None:
    assert (event["event"], event["cert_role"]) == (REJECTED, role)
    assert (event["reason"], event["places"]) == (reason, [place])
    assert place in event["message"]
    assert event["detail"].startswith("TLS_error:")
    assert event["address"].startswith("127.0.0.1:")
    assert abs(moment(event["timestamp"]) - datetime.now(UTC)).total_seconds() < 60
