"""A new configuration rules within seconds, though old listeners drain for minutes, and nothing that waits is lost."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from e2e.contract import wait_for_checks
from e2e.monitors import leases, rulings, wait_for_holder, wait_for_lease, wait_for_outbox
from lab import wait
from lab.config import INGRESS, STANDBY
from lab.envoy import Envoy
from lab.scene import Scene

OLD, NEW = "/certificates", "/new"
TAKES_OVER = r"\]\[warning\]\[wasm\].*Configuration [0-9a-f]{8} takes over from [0-9a-f]{8}, "
SHORT_DRAIN = ["--drain-time-s", "2"]

with_and_without_service = pytest.mark.parametrize("service", [True, False], ids=["service", "no-service"])


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Scene(tmp_path) as scene:
        scene.configuration.follow_listeners()
        scene.monitor["check_interval_seconds"] = 1
        yield scene


def start(scene: Scene, service: bool) -> Envoy:
    if not service:
        scene.configuration.without_monitor()
    envoy = scene.start(concurrency=2)
    wait_for_holder(envoy, "monitor" if service else "standby")
    wait.until(lambda: rulings(envoy), "it is known which document rules")
    return envoy


def hand_over_new_url(scene: Scene) -> None:
    """The listeners get a document with another URL; the service, if there is one, keeps what it has."""
    plugin = scene.configuration.hand_over_separately(INGRESS, STANDBY)
    plugin["webhooks"][0]["url"] = f"http://webhook-receiver:8080{NEW}"
    scene.update_listeners()


def wait_drained(envoy: Envoy) -> None:
    draining = r"^listener_manager\.total_(filter_chains|listeners)_draining$"
    wait.until(lambda: not any(envoy.stat(draining).values()), "what was before has drained")


@with_and_without_service
def test_what_waits_goes_to_the_new_url_though_the_old_listener_drains_for_ten_minutes(
    scene: Scene, service: bool
) -> None:
    scene.receiver.answers[OLD] = 500
    scene.watch("server", scene.cast.authority.bundle(200))
    envoy = start(scene, service)
    wait_for_outbox(envoy, 200)
    [before] = rulings(envoy)

    hand_over_new_url(scene)
    wait.until(lambda: len(scene.receiver.accepted(NEW)) >= 200, "200 events at the new URL", 30)
    assert sum(envoy.stat(r"^listener_manager\.total_filter_chains_draining$").values()) == 2
    sent_to_old = len(scene.receiver.requests_to(OLD))
    wait_for_checks(envoy, 3)
    arrived = Counter(event["cert_id"] for event in scene.receiver.accepted(NEW))
    assert len(arrived) == arrived.total() == 200
    assert len(scene.receiver.requests_to(OLD)) == sent_to_old

    after = leases(envoy)[-1].hash
    assert rulings(envoy) == {before: 0, after: 1}
    [line] = envoy.log_lines(TAKES_OVER)
    assert f"Configuration {after} takes over from {before}, " in line


def test_new_code_under_the_same_configuration_delivers_what_waits(scene: Scene) -> None:
    scene.arguments = SHORT_DRAIN
    # How often it has failed by the time the new code runs is chance.
    scene.webhook.update(retry_schedule=["1s"], retry_attempts=10, circuit_breaker={"failures": 0})
    scene.receiver.answer = 500
    scene.watch("server", scene.cast.authority.bundle(50))
    envoy = start(scene, service=False)
    wait_for_outbox(envoy, 50)
    before = leases(envoy)[-1]

    scene.run_newer_code(INGRESS, STANDBY)
    scene.update_listeners()
    wait_drained(envoy)
    assert wait_for_lease(envoy, before).hash == before.hash
    scene.receiver.answer = 200
    wait.until(lambda: len(scene.receiver.accepted()) >= 50, "50 events")
    wait_for_checks(envoy, 3)
    arrived = Counter(event["cert_id"] for event in scene.receiver.accepted())
    assert len(arrived) == arrived.total() == 50
    assert not envoy.log_lines(TAKES_OVER)


@with_and_without_service
def test_a_roll_back_rules_once_the_newer_listeners_have_drained(scene: Scene, service: bool) -> None:
    scene.arguments = SHORT_DRAIN
    envoy = start(scene, service)
    [before] = rulings(envoy)
    hand_over_new_url(scene)
    wait.until(lambda: sorted(rulings(envoy).values()) == [0, 1], "the new configuration rules")
    [after] = rulings(envoy).keys() - {before}
    tell_of_newcomer(scene, NEW)
    wait_drained(envoy)

    for listener in (INGRESS, STANDBY):
        scene.configuration.part(listener)["configuration"] = scene.configuration.handed_over
    scene.update_listeners()
    wait.until(lambda: rulings(envoy) == {before: 1, after: 0}, "the configuration before rules again", 30)
    tell_of_newcomer(scene, OLD)


def tell_of_newcomer(scene: Scene, path: str) -> None:
    """Somebody new is told of, at this path and no other."""
    newcomer = scene.cast.authority.issue("Newcomer")
    assert scene.client(newcomer).get() == 200
    scene.receiver.wait_for(1, cert_id=newcomer.cert_id)
    told = [request for request in list(scene.receiver.requests) if request.event["cert_id"] == newcomer.cert_id]
    assert [request.path for request in told] == [path]


def test_a_configuration_that_envoy_refuses_never_rules(scene: Scene) -> None:
    envoy = start(scene, service=True)
    ruling = rulings(envoy)
    scene.configuration.hand_over_separately(INGRESS, STANDBY)["unknown_key"] = 1
    scene.update_listeners()

    assert envoy.stat(r"^listener_manager\.lds\.update_rejected$") == {"listener_manager.lds.update_rejected": 1}
    wait_for_checks(envoy, 5)
    assert rulings(envoy) == ruling
    assert {lease.hash for lease in leases(envoy)} == ruling.keys()
    assert not envoy.log_lines(TAKES_OVER)
    tell_of_newcomer(scene, OLD)


def test_two_listeners_with_different_documents_make_one_warning_and_no_quarrel(scene: Scene) -> None:
    scene.configuration.filters_only()
    scene.configuration.copy_listener(INGRESS, "other")
    scene.configuration.hand_over_separately("other")["webhooks"][0]["url"] = f"http://webhook-receiver:8080{NEW}"
    envoy = scene.start(concurrency=2)

    [line] = envoy.wait_log(TAKES_OVER)
    winner, loser = re.search(r"Configuration (\w+) takes over from (\w+), ", line).groups()
    wait.until(lambda: rulings(envoy).get(winner) == 1, f"{winner} rules")
    for _ in range(10):
        wait_for_checks(envoy, 1)
    assert envoy.log_lines(TAKES_OVER) == [line]
    assert rulings(envoy) in ({winner: 1}, {winner: 1, loser: 0})  # the other one may have ruled before, for a moment
    # Another one of the same document may follow, should a thread stand still for seconds.
    assert [hash_ for hash_, _ in groupby(lease.hash for lease in leases(envoy))] in ([winner], [loser, winner])
