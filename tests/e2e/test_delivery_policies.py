"""What a webhook bears: how many failures, requests at a time and events in waiting; and who gets what it does not."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.contract import EXPIRED, wait_for_checks
from e2e.deliveries import dropped, outcomes, pauses, wait_outcomes, webhook
from e2e.monitors import wait_for_outbox
from lab import wait
from lab.certificates import THREE_DAYS
from lab.receiver import Answer
from lab.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Scene(tmp_path) as scene:
        scene.monitor["check_interval_seconds"] = 1
        yield scene


def names(scene: Scene, path: str) -> list[str]:
    """Of the certificates that were told at a path, in the order of arrival."""
    return [event["cert_name"] for event in scene.receiver.accepted(path)]


def test_a_circuit_breaker_opens_asks_with_one_request_and_closes(scene: Scene) -> None:
    limits = {"failures": 3, "open": "2s"}
    scene.plugin["webhooks"] = [webhook("ops", circuit_breaker=limits, max_in_flight=1, retry_attempts=10)]
    scene.watch("server", scene.cast.authority.bundle(10))
    scene.receiver.answer = 500
    envoy = scene.start()

    envoy.wait_log(r"\]\[warning\].*Circuit breaker opened webhook=ops failures=3 open_seconds=2$")
    first_five = scene.receiver.wait_requests("/ops", 5)[:5]
    *_, before_the_first_probe, before_the_second = pauses(first_five)
    assert before_the_first_probe >= 2
    assert before_the_second >= 2

    probe = threading.Event()
    held = Answer(200, when=probe)
    scene.receiver.answer = [held, 200]
    wait.until(lambda: scene.receiver.requests[-1].answer is held, "one request asks")
    wait_for_checks(envoy, 3)
    assert scene.receiver.requests[-1].answer is held  # though ten events wait
    probe.set()
    envoy.wait_log(r"\]\[info\].*Circuit breaker closed webhook=ops$")
    wait.until(lambda: len(names(scene, "/ops")) == 10, "every event has arrived")
    assert len(set(names(scene, "/ops"))) == 10
    assert len(envoy.log_lines("Circuit breaker opened")) == 1


def test_the_breaker_of_a_webhook_lets_one_request_through_where_many_may_be_under_way(scene: Scene) -> None:
    limits = {"failures": 3, "open": "1s"}
    scene.plugin["webhooks"] = [webhook("ops", circuit_breaker=limits, max_in_flight=8, retry_attempts=10)]
    scene.watch("server", scene.cast.authority.bundle(10))
    scene.receiver.answer = 500
    envoy = scene.start()

    envoy.wait_log("Circuit breaker opened")
    probe = threading.Event()
    wait.until(lambda: outcomes(envoy, "ops")["status"] == len(scene.receiver.requests), "all are answered")
    scene.receiver.answer = held = Answer(500, when=probe)
    wait.until(lambda: scene.receiver.requests[-1].answer is held, "one request asks")
    wait_for_checks(envoy, 3)
    assert [request.answer is held for request in scene.receiver.requests].count(True) == 1
    scene.receiver.answer = 200
    probe.set()
    wait.until(lambda: len(set(names(scene, "/ops"))) == 10, "every event has arrived")


def test_what_a_webhook_does_not_take_goes_down_a_chain_once(scene: Scene) -> None:
    scene.plugin["webhooks"] = [
        webhook("first", on_failure="second", retry_attempts=1, circuit_breaker={"failures": 0}),
        webhook("second", on_failure="third", retry_attempts=1, events=[]),
        webhook("third", events=[]),
    ]
    scene.receiver.answers = {"/first": 500, "/second": 404, "/third": 200}
    scene.watch("server", scene.cast.server)
    scene.watch("ca", scene.cast.authority)
    envoy = scene.start()

    scene.receiver.wait_requests("/third", 2)
    # Every round tries again where the event is owed, and none of them tells the others again.
    scene.receiver.wait_requests("/first", 8)
    envoy.wait_log("Passing an event on webhook=second from=first", 2)
    envoy.wait_log("Passing an event on webhook=third from=second", 2)
    for path in ("/second", "/third"):
        roles = sorted(request.event["cert_role"] for request in scene.receiver.requests_to(path))
        assert roles == ["ca", "server"]
    assert outcomes(envoy, "second") == {"refused": 2}
    wait_outcomes(envoy, "third", {"delivered": 2})
    firsts = {request.key for request in scene.receiver.requests_to("/first")}
    assert {request.key for request in scene.receiver.requests_to("/third")} == firsts


def test_who_is_told_anyway_is_not_told_again_for_another_one(scene: Scene) -> None:
    scene.plugin["webhooks"] = [webhook("first", on_failure="ops"), webhook("ops")]
    scene.receiver.answers["/first"] = 404
    scene.watch("server", scene.cast.server)
    envoy = scene.start()

    scene.receiver.wait_requests("/first", 3)
    wait_for_checks(envoy, 2)
    assert outcomes(envoy, "ops") == {"delivered": 1}
    assert len(scene.receiver.requests_to("/ops")) == 1


def test_where_too_many_wait_the_least_severe_make_room_and_arrive_later(scene: Scene) -> None:
    scene.monitor["check_interval_seconds"] = 3600  # what made room is told as soon as there is some, without a round
    expired = [scene.cast.authority.issue(f"gone-{number}", ends=-THREE_DAYS) for number in range(5)]
    scene.watch("server", scene.cast.authority.bundle(10) + "".join(identity.pem for identity in expired))
    scene.plugin["webhooks"] = [webhook("ops", max_pending=6, max_in_flight=1, timeout_seconds=60)]
    opened = threading.Event()
    scene.receiver.answer = [Answer(200, when=opened), 200]
    envoy = scene.start()

    wait_for_outbox(envoy, 6)
    wait.until(lambda: dropped(envoy, "outbox_full") == 9, "nine events find no room")
    [line] = envoy.wait_log(r"Too many events wait for a webhook")
    assert "][warning]" in line
    assert line.endswith("webhook=ops")

    opened.set()
    wait.until(lambda: len(names(scene, "/ops")) == 15, "every event has arrived")
    assert len(set(names(scene, "/ops"))) == 15
    kept = scene.receiver.accepted("/ops")[:6]
    assert [event["event"] for event in kept].count(EXPIRED) == 5
    wait_outcomes(envoy, "ops", {"delivered": 15})


@pytest.mark.parametrize(("most", "more"), [(3, {"max_in_flight": 3}), (4, {})], ids=["three", "default"])
def test_so_many_requests_are_under_way_at_most(scene: Scene, most: int, more: dict[str, int]) -> None:
    scene.plugin["webhooks"] = [webhook("narrow", timeout_seconds=60, **more), webhook("ops")]
    scene.watch("server", scene.cast.authority.bundle(20))
    opened = threading.Event()
    scene.receiver.answers["/narrow"] = Answer(200, when=opened)
    envoy = scene.start()

    wait_outcomes(envoy, "ops", {"delivered": 20})
    assert len(scene.receiver.wait_requests("/narrow", most)) == most
    opened.set()
    wait_outcomes(envoy, "narrow", {"delivered": 20})
    assert scene.receiver.most_at_once["/narrow"] == most
    assert len(set(names(scene, "/narrow"))) == 20


def test_what_comes_after_a_webhook_is_gone_goes_to_the_one_that_is_there_for_that(scene: Scene) -> None:
    scene.plugin["webhooks"] = [webhook("gone", on_failure="rescue"), webhook("rescue", events=[])]
    scene.receiver.answers["/gone"] = 410
    scene.watch("server", scene.cast.server)
    envoy = scene.start()

    scene.receiver.wait_requests("/rescue", 1)
    envoy.wait_log(r"Webhook is gone \(410\)")
    newcomer = scene.cast.authority.issue("Newcomer")
    assert scene.client(newcomer).get() == 200
    wait.until(lambda: "Newcomer" in names(scene, "/rescue"), "it is told of a new client")
    wait_for_checks(envoy, 2)
    assert names(scene, "/rescue").count("Newcomer") == 1
    assert len(scene.receiver.requests_to("/gone")) == 1
