"""Another plugin has the same empty `vm_id`, and with it the same shared data and the same names of queues."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.contract import check_each_once, wait_for_checks
from e2e.monitors import LOST, PREFIX, leases, overtaken, traps, wait_for_failovers, wait_for_holder, wait_for_lease
from lab import foreign, wait
from lab.config import OLDER
from lab.scene import Scene

VERSIONS = ["1.36.2", "1.37.0", "1.39.3", "1.40.0"]
# Items of garbage that the other plugin puts into our queue at once.
STUFFED = 2_000
# Peers that it hides from us, or tries to.
STOLEN = 5
SET_ASIDE = r"What stands in shared data( in place of the lease)? is not of this release"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Scene(tmp_path, OLDER) as scene:
        scene.configuration.filters_only()
        foreign.move_in(scene.configuration)
        scene.plugin["certificates"] = scene.cast.entries()
        scene.monitor["check_interval_seconds"] = 1
        yield scene


def do(scene: Scene, deed: str) -> None:
    """Have the other plugin do something to us."""
    assert scene.client().get(headers={foreign.HEADER: deed}) == 200


def assert_goes_on(scene: Scene, name: str) -> None:
    """Who comes now is told of, nothing has trapped, and no request has failed."""
    newcomer = scene.cast.authority.issue(name)
    assert scene.client(newcomer).get() == 200
    scene.receiver.wait_for(cert_id=newcomer.cert_id, within=30)
    assert traps(scene.envoy) == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_two_good_neighbours_keep_their_values_and_items_to_themselves(scene: Scene, version: str) -> None:
    envoy = scene.start(version, concurrency=2)
    wait_for_holder(envoy, "auto")
    assert scene.client().get_all(["/orders", "/billing"] * 40, connections=10) == [200] * 80
    scene.receiver.wait_for(7)
    before = foreign.taken(envoy)
    wait_for_checks(envoy, 3)
    wait.until(lambda: foreign.taken(envoy) > before + 30, "the other plugin has gone on with its work")
    check_each_once(scene.receiver.events())
    assert foreign.strays(envoy) == 0
    wait_for_holder(envoy, "auto")
    wait_for_failovers(envoy, 0)
    assert traps(envoy) == 0
    assert not envoy.log_lines(SET_ASIDE)


@pytest.mark.parametrize("version", VERSIONS)
def test_garbage_in_our_memory_and_in_our_queue_is_set_aside(scene: Scene, version: str) -> None:
    envoy = scene.start(version)
    wait_for_holder(envoy, "auto")
    scene.receiver.wait_for(3)
    do(scene, "stuff")
    assert_goes_on(scene, "after the queue")
    # A worker that was first makes way for the main thread's instance, and who comes after the garbage knows nothing of
    # before: that one has to be there already.
    envoy.wait_log(rf"\[{envoy.process.pid}\]\[info\]\[wasm\].* Holding the lease", within=30)
    do(scene, "spoil once")
    assert_goes_on(scene, "after the memory")
    do(scene, "stuff")
    assert_goes_on(scene, "after the queue again")
    assert envoy.metrics()[f'{PREFIX}dropped_total{{reason="bad_queue_item"}}'] == 2 * STUFFED
    assert len(envoy.log_lines(SET_ASIDE)) >= 1
    told = Counter(event["cert_name"] for event in scene.receiver.events())
    assert set(told.values()) == {1}, told
    assert foreign.strays(envoy) == 0


def test_garbage_that_keeps_coming_costs_neither_requests_nor_vms(scene: Scene) -> None:
    envoy = scene.start()
    wait_for_holder(envoy, "auto")
    scene.receiver.wait_for(3)
    do(scene, "spoil")
    assert scene.client().get_all(["/orders"] * 1_000, connections=10) == [200] * 1_000
    do(scene, "peace")
    assert_goes_on(scene, "afterwards")
    # Each of the two that stand says so once of the lease, and once of all else if it takes over: not with each tick.
    assert 1 <= len(envoy.log_lines(SET_ASIDE)) <= 4


# What follows is what nobody can prevent who has the same `vm_id`: SECURITY.md says so.


def test_who_steals_from_our_queue_hides_peers_and_nothing_else(scene: Scene) -> None:
    envoy = scene.start()
    wait_for_holder(envoy, "auto")
    scene.receiver.wait_for(3)
    do(scene, "steal")
    wait_for_checks(envoy, 2)
    for _ in range(STOLEN):
        assert scene.client(scene.cast.authority.issue("hidden")).get() == 200
    wait_for_checks(envoy, 5)
    wait_for_holder(envoy, "auto")
    # Now and then our monitor may be faster than the thief.
    assert len(scene.receiver.events(cert_name="hidden")) < STOLEN
    do(scene, "peace")
    assert_goes_on(scene, "afterwards")


def test_who_claims_to_be_a_later_monitor_silences_ours_for_as_long(scene: Scene) -> None:
    envoy = scene.start()
    wait_for_holder(envoy, "auto")
    scene.receiver.wait_for(3)
    lost = overtaken(envoy)
    do(scene, "hold")
    envoy.wait_log(LOST, lost + 1)
    before = leases(envoy)[-1]
    assert scene.client(scene.cast.authority.issue("meanwhile")).get() == 200
    do(scene, "peace")
    wait_for_lease(envoy, before, within=30)
    assert_goes_on(scene, "afterwards")
