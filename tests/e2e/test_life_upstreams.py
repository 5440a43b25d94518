"""An upstream of which one server has a new certificate, and another one still presents the old one."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from e2e.contract import wait_for_checks
from e2e.discovered import watched
from e2e.life import DAY, RESOLVED, STALE, check_facts, in_brief, look_often, told_of
from lab import wait
from lab.certificates import Identity
from lab.config import INGRESS, OLDER, SHIPPED, Document, upstream_tls
from lab.scene import Scene
from lab.upstream import Upstream

NAME = "orders.internal"
# In this time observers hand over all that they see: what was met alone until then is alone, and what is met afterwards
# has stayed.
PAUSE = timedelta(seconds=61)


@dataclass(frozen=True)
class Split:
    """A scene in which one cluster has two servers; what they present."""

    scene: Scene
    servers: list[Upstream]
    old: Identity
    new: Identity
    # The document of the observer.
    own: Document

    def call(self) -> None:
        """A few requests: they meet both."""
        assert set(self.scene.client().get_all(["/orders"] * 4)) <= {200, 503}

    def wait_watched(self, count: int) -> None:
        self.call()
        wait.until(lambda: watched(self.scene.envoy, "upstream") == count, f"{count} of upstreams are known")

    def observe_anew(self) -> None:
        """Have an observer in place of this one that has not seen anything yet."""
        self.own["observe"]["flush_seconds"] += 1
        self.scene.update_listeners()
        self.call()

    def wait_for_event(self, kind: str) -> None:
        """Wait for one, and call meanwhile: the listener may have changed hands a moment later."""

        def is_told() -> bool:
            self.call()
            return bool(self.scene.receiver.events(event=kind))

        wait.until(is_told, f"an event {kind}", 30)


def set_up(scene: Scene, running: ExitStack, version: str) -> Split:
    look_often(scene)
    scene.webhook.update(events=[STALE], send_resolved=True)
    scene.configuration.follow_listeners()
    own = scene.configuration.hand_over_separately(INGRESS)
    authority = scene.cast.authority
    old, new = (authority.issue(NAME, ends=days * DAY, sans=[NAME]) for days in (60, 400))
    servers = [running.enter_context(Upstream(old, authority)) for _ in range(2)]
    for server in servers:
        # Each request makes a connection of its own, and so sees what is presented now.
        server.headers = {"connection": "close"}
    # The one server that every scene has is not called.
    scene.upstream_clusters.clear()
    scene.configuration.place("orders", *(server.port for server in servers))
    # In a session that is resumed Envoy shows the certificate of the handshake that began it.
    upstream_tls(scene.configuration.cluster("orders"))["max_session_keys"] = 0
    scene.launch(version)
    return Split(scene, servers, old, new, own)


def wait_out(pause: timedelta) -> None:
    over = datetime.now(UTC) + pause
    wait.until(lambda: datetime.now(UTC) > over, "the pause is over", 2 * pause.total_seconds())


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Split]]:
    """Side by side, because they take minutes: one of two servers was renewed, a while after both had been met."""
    with ExitStack() as running:
        splits = {}
        for version, shipped in {"1.36.2": OLDER, "1.40.0": SHIPPED}.items():
            scene = running.enter_context(Scene(tmp_path_factory.mktemp(version), shipped))
            splits[version] = set_up(scene, running, version)
        for split in splits.values():
            split.scene.envoy.wait_ready()
            wait_for_checks(split.scene.envoy, 1)
            split.wait_watched(1)
        wait_out(PAUSE)
        for split in splits.values():
            split.servers[1].present(split.new)
            split.wait_watched(2)
        wait_out(PAUSE)
        yield splits


@pytest.mark.parametrize("version", ["1.36.2", "1.40.0"])
def test_the_server_that_was_left_behind_is_told_until_it_is_renewed(splits: dict[str, Split], version: str) -> None:
    split = splits[version]
    scene, (behind, ahead) = split.scene, split.servers
    split.observe_anew()
    split.wait_for_event(STALE)
    event = scene.receiver.event(event=STALE)
    check_facts(event, split.old, "peer", "warning", "split")
    assert (event["cert_role"], event["api_id"]) == ("upstream", "orders-api")
    assert event["places"] == [f"address/127.0.0.1:{behind.port}", "cluster/orders"]
    assert event["held"] == in_brief(split.new)
    wait_for_checks(scene.envoy, 3)
    assert len(scene.receiver.requests) == told_of(scene.envoy, STALE) == 1

    behind.present(split.new)
    # It alone answers now, so that it is met.
    ahead.stop()
    split.observe_anew()
    split.wait_for_event(RESOLVED)
    resolved = scene.receiver.event(event=RESOLVED)
    assert (resolved["cert_id"], resolved["rule"]) == (split.old.cert_id, "split")
    assert len(scene.receiver.requests) == 2
