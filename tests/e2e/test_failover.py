"""Whatever traps: somebody is the monitor again within seconds, nothing is lost, and no request notices."""

import re
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from e2e.contract import wait_for_checks
from e2e.discovered import wait_asked
from e2e.life import DISCOVERED
from e2e.monitors import (
    TAKEOVER_SECONDS,
    last_tick,
    trap,
    traps,
    wait_for_failovers,
    wait_for_holder,
    wait_for_outbox,
)
from lab import wait
from lab.config import INGRESS
from lab.envoy import Envoy
from lab.scene import TRAP, Scene
from lab.traffic import Traffic
from lab.upstream import HELD

EVENTS = 200
REQUESTS = 2_000
IN_FLIGHT = 40
# A VM that traps within about a second of its start is not started again before that second is over.
RELOAD_SECONDS = 1.5
PER_SECOND = 100


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Scene(tmp_path) as scene:
        scene.plugin_file = TRAP
        scene.monitor["check_interval_seconds"] = 1
        yield scene


def taken_after(envoy: Envoy, number: int) -> list[str]:
    """The kinds of those who took the lease after so many traps, and before the next one."""
    _, *after = re.split(r"\[error\]\[wasm\].*Function: \w+ failed", envoy.log())
    return re.findall(r"Holding the lease kind=(\w+)", after[number - 1]) if len(after) >= number else []


def test_the_standby_takes_over_with_all_that_waits_and_does_so_again_and_again(scene: Scene) -> None:
    scene.watch("server", scene.cast.authority.bundle(EVENTS))
    scene.receiver.answer = 500
    envoy = scene.start(concurrency=2)
    wait_for_holder(envoy, "monitor", within=30)
    wait_for_outbox(envoy, EVENTS)

    def arrived() -> set[str]:
        return {event["cert_id"] for event in scene.receiver.accepted() if event["cert_role"] == "server"}

    assert trap(scene, "monitor") == 200
    wait.until(lambda: traps(envoy) == 1, "the monitor has trapped")
    scene.receiver.answer = 200
    wait_for_holder(envoy, "standby")
    wait.until(lambda: len(arrived()) == EVENTS, "every event has arrived")

    # From here on the standby itself traps, and no stream but the health check's can bring it back.
    pauses = []
    with Traffic(scene.client(), per_second=PER_SECOND, connections=8) as traffic:
        for number in range(2, 6):
            ordered, tick = time.monotonic(), last_tick(envoy)
            assert trap(scene, "monitor") == 200
            kinds = wait.until(lambda n=number: taken_after(envoy, n), "a lease after the trap", TAKEOVER_SECONDS)
            assert kinds[0] == "standby"
            pauses.append(time.monotonic() - ordered)
            wait.until(lambda tick=tick: last_tick(envoy) > tick, "the new monitor ticks")
            wait.until(lambda due=ordered + 5: time.monotonic() >= due, "the next order is due")
        wait.until(lambda: traffic.sent >= REQUESTS, f"{REQUESTS} requests", 60)

    print("a monitor again after", ", ".join(f"{pause:.1f} s" for pause in pauses))
    print(envoy.stat(r"cert-expiry-standby\.(health_check\.|vm_reload)"))
    assert traps(envoy) == 5
    wait_for_failovers(envoy, 5)
    assert max(pauses) < TAKEOVER_SECONDS
    assert traffic.failures == {}

    newcomer = scene.cast.authority.issue("Newcomer")
    assert scene.client(newcomer).get() == 200
    assert scene.receiver.event(cert_name="Newcomer")["cert_id"] == newcomer.cert_id


def test_what_one_monitor_has_told_of_is_nothing_new_to_the_next_one(scene: Scene) -> None:
    scene.monitor["check_cooldown_seconds"] = 0
    scene.webhook["events"] = [DISCOVERED]
    admin = scene.discover()
    scene.watch("server", scene.cast.authority.issue("listed.example.com"))
    envoy = scene.start()
    # What is listed, the three that Envoy holds in files, and the two of its peers.
    assert scene.client().get() == 200
    scene.receiver.wait_for(6, within=30)
    # What has not been answered yet would be told again.
    wait_for_holder(envoy, "monitor", within=30)
    wait_for_outbox(envoy, 0)

    assert trap(scene, "monitor") == 200
    wait_for_holder(envoy, "standby")
    wait_asked(admin)
    assert scene.client().get() == 200
    wait_for_checks(envoy, 3)
    newcomer = scene.cast.authority.issue("Newcomer")
    assert scene.client(newcomer).get() == 200
    assert scene.receiver.event(cert_name="Newcomer")["cert_id"] == newcomer.cert_id
    told = [(event["cert_id"], event["cert_role"], event.get("api_id")) for event in scene.receiver.events()]
    assert len(set(told)) == len(told) == 7
    assert traps(envoy) == 1
    wait_for_failovers(envoy, 1)


def test_no_request_fails_when_the_vm_of_an_observer_traps(scene: Scene) -> None:
    envoy = scene.start(concurrency=2)
    wait_for_holder(envoy, "monitor")

    with ThreadPoolExecutor(1) as pool, Traffic(scene.client(), per_second=PER_SECOND, connections=8) as traffic:
        held = pool.submit(scene.client().get_all, [HELD] * IN_FLIGHT, IN_FLIGHT)
        wait.until(lambda: scene.upstream.held == IN_FLIGHT, "requests are in flight")
        assert trap(scene, "observer") == 200
        scene.upstream.release.set()
        assert Counter(held.result()) == {200: IN_FLIGHT}
        sent = traffic.sent
        wait.until(lambda: traffic.sent >= sent + 300, "further requests")

    assert traps(envoy) == 1
    assert traffic.failures == {}
    wait_for_holder(envoy, "monitor")


def test_where_the_filter_is_all_there_is_a_trap_costs_what_is_in_flight_on_its_worker(scene: Scene) -> None:
    scene.configuration.filters_only()
    part = scene.configuration.part(INGRESS)
    del part["fail_open"]
    part["failure_policy"] = "FAIL_RELOAD"
    envoy = scene.start(concurrency=2)
    wait_for_holder(envoy, "auto")

    with ThreadPoolExecutor(1) as pool, Traffic(scene.client(), per_second=PER_SECOND, connections=8) as traffic:
        held = pool.submit(scene.client().get_all, [HELD] * IN_FLIGHT, IN_FLIGHT)
        wait.until(lambda: scene.upstream.held == IN_FLIGHT, "requests are in flight")
        open_now = list(envoy.stat(r"^listener\..*\.worker_\d\.downstream_cx_active").values())
        trap(scene, "observer")
        scene.upstream.release.set()
        in_flight = Counter(held.result())
        sent = traffic.sent
        wait.until(lambda: traffic.sent >= sent + 3 * PER_SECOND, "further requests")

    print(f"of {IN_FLIGHT} in flight: {in_flight}; of {PER_SECOND} a second, on workers {open_now}: {traffic.outcomes}")
    assert set(in_flight) <= {200, 503}
    assert in_flight[503] <= max(open_now)
    assert set(traffic.failures) <= {503}
    assert traffic.failures.total() <= PER_SECOND * RELOAD_SECONDS
    wait_for_holder(envoy, "auto")
