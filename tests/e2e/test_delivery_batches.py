"""Several events in one request."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.deliveries import outcomes, pauses, wait_outcomes, webhook
from lab import wait
from lab.receiver import Answer, Request
from lab.scene import Scene

EVENTS = 25
PATH = "/ops"
LATE = 5


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Scene(tmp_path) as scene:
        scene.watch("server", scene.cast.authority.bundle(EVENTS))
        yield scene


def told(request: Request) -> list[str]:
    """Of whom a request tells."""
    return [event["cert_id"] for event in json.loads(request.body)]


def arrived(scene: Scene) -> Counter[str]:
    """How often each event was accepted."""
    accepted = [request for request in scene.receiver.requests_to(PATH) if request.is_accepted]
    return Counter(cert_id for request in accepted for cert_id in told(request))


def test_a_batch_is_an_array_of_so_many_events_at_most(scene: Scene) -> None:
    scene.plugin["webhooks"] = [webhook("ops", batch={"max": 10, "wait_seconds": 2})]
    envoy = scene.start()

    wait_outcomes(envoy, "ops", {"delivered": EVENTS})
    requests = scene.receiver.requests_to(PATH)
    assert [len(told(request)) for request in requests] == [10, 10, 5]
    assert len(arrived(scene)) == arrived(scene).total() == EVENTS
    assert len({request.key for request in requests}) == 3
    assert {request.headers["content-type"] for request in requests} == {"application/json"}
    # Those that fill no request have waited for company, and a busy machine adds to it.
    assert 1 <= pauses(requests)[-1] <= 2 + LATE


def test_a_single_event_of_a_batch_is_an_array_too(scene: Scene) -> None:
    scene.plugin["certificates"] = []
    scene.watch("server", scene.cast.server)
    scene.plugin["webhooks"] = [webhook("ops", batch={"max": 10, "wait_seconds": 0})]
    envoy = scene.start()

    wait_outcomes(envoy, "ops", {"delivered": 1})
    [request] = scene.receiver.requests_to(PATH)
    assert told(request) == [scene.cast.server.cert_id]


def test_a_batch_that_is_refused_goes_one_by_one(scene: Scene) -> None:
    poisoned = scene.cast.authority.issue("poisoned")
    scene.watch("server", poisoned)
    # Together fills a request: however slow the machine is, none goes before the last one is there.
    scene.plugin["webhooks"] = [webhook("ops", batch={"max": EVENTS + 1, "wait_seconds": 60})]
    scene.receiver.answer = lambda request: 400 if poisoned.cert_id in told(request) else 200
    envoy = scene.start()

    # All of them together, and then the one that was to blame.
    wait_outcomes(envoy, "ops", {"refused": EVENTS + 2, "delivered": EVENTS})
    together, *alone = scene.receiver.requests_to(PATH)
    assert len(told(together)) == EVENTS + 1
    assert [len(told(request)) for request in alone] == [1] * (EVENTS + 1)
    assert arrived(scene).total() == len(arrived(scene)) == EVENTS
    [line] = envoy.wait_log("DeliveryFailed webhook=ops")
    assert f"outcome=refused cert_id={poisoned.cert_id[:8]} " in line


def test_a_batch_that_fails_comes_again_as_it_was(scene: Scene) -> None:
    batch = {"max": EVENTS, "wait_seconds": 60}
    # Time enough for the answers that are given, on a busy machine too.
    scene.plugin["webhooks"] = [webhook("ops", batch=batch, timeout_seconds=4)]
    welcome = threading.Event()
    scene.receiver.answer = [500, Answer(200, when=welcome), 200]
    envoy = scene.start()

    wait_outcomes(envoy, "ops", {"status": EVENTS, "timeout": EVENTS, "delivered": EVENTS})
    welcome.set()
    failed, late, again = scene.receiver.requests_to(PATH)
    assert told(failed) == told(late) == told(again)
    assert failed.key == late.key == again.key


def test_a_batch_that_fails_does_not_fall_apart_where_nobody_waits_for_company(scene: Scene) -> None:
    scene.plugin["webhooks"] = [webhook("ops", batch={"max": EVENTS, "wait_seconds": 0})]
    scene.receiver.answer = [500, 200]
    envoy = scene.start()

    wait.until(lambda: outcomes(envoy, "ops")["delivered"] == EVENTS, "every event has arrived")
    failed, *others = scene.receiver.requests_to(PATH)
    print("events in each request:", [len(told(request)) for request in (failed, *others)])
    assert len(told(failed)) > 1
    assert any(set(told(failed)) <= set(told(other)) for other in others)
