"""Where neither bootstrap extension nor a listener can be had, the filter of each worker plays all parts."""

import pytest

from e2e.contract import check_each_once, wait_for_checks
from e2e.monitors import leases, overtaken, wait_for_failovers, wait_for_holder
from lab.scene import Scene


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_same_events_as_with_a_monitor_of_its_own_each_once(scene: Scene, workers: int) -> None:
    scene.configuration.filters_only()
    scene.plugin["certificates"] = scene.cast.entries()
    scene.monitor["check_interval_seconds"] = 1
    envoy = scene.start(concurrency=workers)
    wait_for_holder(envoy, "auto")

    def send() -> None:
        assert scene.client().get_all(["/orders", "/billing"] * 40, connections=10) == [200] * 80

    send()
    scene.receiver.wait_for(7)
    wait_for_checks(envoy, 3)
    send()
    wait_for_checks(envoy, 3)
    check_each_once(scene.receiver.events())
    wait_for_holder(envoy, "auto")
    # A worker that was first makes way for one that no request has passed through yet, and in the end for the instance
    # that none passes through. One whose thread stands still for seconds is overtaken, and all may begin anew.
    assert len(leases(envoy)) <= (1 + workers) * (1 + overtaken(envoy))
    wait_for_failovers(envoy, 0)
