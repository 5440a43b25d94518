"""Before the first event: a receiver is asked whether it wants any, and a webhook is tried."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.contract import ALERTS, wait_for_checks
from e2e.deliveries import outcomes, wait_outcomes, webhook
from e2e.monitors import leases, trap, wait_for_lease
from lab import wait
from lab.config import INGRESS, STANDBY
from lab.receiver import Answer
from lab.scene import TRAP, Scene

CONSENT = {"webhook-allowed-origin": "*"}
# What a busy machine adds.
LATE = 5


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Scene(tmp_path) as scene:
        scene.plugin_file = TRAP
        scene.configuration.follow_listeners()
        scene.monitor["check_interval_seconds"] = 1
        yield scene


def take_over(scene: Scene) -> None:
    """The monitor falls, and the standby takes its place under the same configuration."""
    lease = leases(scene.envoy)[-1]
    trap(scene, "monitor")
    wait_for_lease(scene.envoy, lease, within=30)
    wait_for_checks(scene.envoy, 2)


def test_no_event_is_sent_before_the_receiver_has_consented(scene: Scene) -> None:
    proofs = {"headers": {"X-Tenant": "edge"}, "authorization": {"bearer": "t0ken"}}
    scene.plugin["webhooks"] = [webhook("asked", handshake=True, **proofs), webhook("ops")]
    asked = threading.Event()
    scene.receiver.answers["OPTIONS /asked"] = Answer(200, CONSENT, when=asked)
    scene.watch("server", scene.cast.authority.bundle(5))
    envoy = scene.start()

    wait_outcomes(envoy, "ops", {"delivered": 5})
    [question] = scene.receiver.wait_requests("/asked")
    assert question.method == "OPTIONS"
    assert question.headers["webhook-request-origin"] == "cert-expiry-monitor"
    assert (question.headers["x-tenant"], question.headers["authorization"]) == ("edge", "Bearer t0ken")
    assert question.body == b""
    assert "idempotency-key" not in question.headers

    asked.set()
    wait_outcomes(envoy, "asked", {"delivered": 5})
    _, *events = scene.receiver.requests_to("/asked")
    assert [event.method for event in events] == ["POST"] * 5
    assert {event.headers["webhook-request-origin"] for event in events} == {"cert-expiry-monitor"}
    envoy.wait_log(r"\]\[info\].*Webhook consents to events webhook=asked requests_per_minute=0$")

    take_over(scene)
    assert len(scene.receiver.requests_to("/asked", "OPTIONS")) == 1  # it has consented


def test_a_receiver_sets_the_pace(scene: Scene) -> None:
    scene.plugin["webhooks"] = [webhook("asked", handshake=True)]
    scene.receiver.answers["OPTIONS /asked"] = Answer(200, CONSENT | {"webhook-allowed-rate": "60"})
    scene.watch("server", scene.cast.authority.bundle(4))
    envoy = scene.start()

    envoy.wait_log(r"Webhook consents to events webhook=asked requests_per_minute=60$")
    wait_outcomes(envoy, "asked", {"delivered": 4})
    [question] = scene.receiver.requests_to("/asked", "OPTIONS")
    events = scene.receiver.requests_to("/asked", "POST")
    # Each may arrive late, and the next one in time: only the time since the question says that none came too early.
    since = [(event.arrived - question.arrived).total_seconds() for event in events]
    assert all(passed >= number for number, passed in enumerate(since)), since
    assert since[-1] <= 3 + LATE, since


def test_a_receiver_that_does_not_consent_gets_nothing(scene: Scene) -> None:
    answers = {"taciturn": 200, "plain": 405, "allied": Answer(200, {"webhook-allowed-origin": "somebody-else"})}
    scene.plugin["webhooks"] = [*(webhook(name, handshake=True) for name in answers), webhook("ops")]
    scene.receiver.answers = {f"OPTIONS /{name}": answer for name, answer in answers.items()}
    scene.watch("server", scene.cast.server)
    envoy = scene.start()

    for name, status in {"taciturn": 200, "plain": 405, "allied": 200}.items():
        envoy.wait_log(rf"\]\[warning\].*does not consent .* webhook={name} status={status} next_in_seconds=60$")
    wait_outcomes(envoy, "ops", {"delivered": 1})
    wait_for_checks(envoy, 3)
    for name in answers:
        assert [request.method for request in scene.receiver.requests_to(f"/{name}")] == ["OPTIONS"]
        assert outcomes(envoy, name) == {}


def test_a_webhook_is_tried_once_under_each_configuration(scene: Scene) -> None:
    scene.plugin["webhooks"] = [webhook("tried", test_on_start=True), webhook("ops", events=ALERTS)]
    scene.watch("server", scene.cast.server)
    envoy = scene.start()

    def tests() -> list[dict]:
        return [event for event in scene.receiver.events() if event["event"] == "WebhookTest"]

    wait_outcomes(envoy, "tried", {"delivered": 2})
    [test] = tests()
    assert test["message"] == "This is a test of a webhook, no certificate is concerned"
    envoy.wait_log(r"\]\[info\].*Testing webhook=tried$")

    take_over(scene)
    assert tests() == [test]

    scene.configuration.hand_over_separately(INGRESS, STANDBY)["webhooks"][0]["timeout_seconds"] = 5
    scene.update_listeners()
    wait.until(lambda: len(tests()) == 2, "it is tried again under the new configuration")
    take_over(scene)
    assert len(tests()) == 2
    told = {request.path for request in scene.receiver.requests if request.event in tests()}
    assert told == {"/tried"}


def test_a_test_that_fails_is_tried_again_like_an_event(scene: Scene) -> None:
    scene.plugin["webhooks"] = [webhook("tried", test_on_start=True, retry_attempts=2), webhook("ops")]
    scene.receiver.answers["/tried"] = 500
    envoy = scene.start()

    wait_outcomes(envoy, "tried", {"status": 3})
    [line] = envoy.wait_log("DeliveryFailed webhook=tried")
    assert "event_type=WebhookTest" in line
    wait_for_checks(envoy, 3)
    assert outcomes(envoy, "tried") == {"status": 3}  # nothing is owed
    assert outcomes(envoy, "ops") == {}
