"""Who is told of what, through which clusters, and with which proof of who is calling."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.contract import ALERTS, EXPIRED, SOON, wait_for_checks
from e2e.deliveries import PREFIX, let_through, outcomes, wait_outcomes, webhook
from lab import wait
from lab.certificates import THREE_DAYS
from lab.config import INGRESS, STANDBY
from lab.receiver import Receiver
from lab.scene import Scene

RESOLVED = "CertificateResolved"

# What a webhook asks for, and of which certificates it is told.
WISHES = {
    "all": ({}, ["gone", "localhost", "orders", "billing", "wild"]),
    "api": ({"api_ids": ["orders-*"]}, ["orders"]),
    "apis": ({"api_ids": ["orders-api", "b?lling-*"]}, ["orders", "billing"]),
    "any-api": ({"api_ids": ["*"]}, ["orders", "billing"]),
    "name": ({"names": ["LOCAL*"]}, ["localhost"]),
    "san": ({"names": ["*.example.com"]}, ["wild"]),
    "no-name": ({"names": ["example.com"]}, []),
    "critical": ({"min_severity": "critical"}, ["gone"]),
    "warning": ({"min_severity": "warning"}, ["gone", "localhost", "orders", "billing", "wild"]),
    "only-warning": ({"severities": ["warning"]}, ["localhost", "orders", "billing", "wild"]),
    "narrow": ({"roles": ["upstream"], "names": ["*ill*", "gone"], "severities": ["warning"]}, ["billing"]),
}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Scene(tmp_path) as scene:
        yield scene


def test_each_webhook_is_told_of_what_it_asks_for(scene: Scene) -> None:
    authority = scene.cast.authority
    scene.watch("server", authority.issue("gone", ends=-THREE_DAYS))
    scene.watch("server", scene.cast.server)
    scene.watch("server", authority.issue("wild", sans=["wild", "API.example.com"]))
    scene.watch("upstream", authority.issue("orders"), api_id="orders-api")
    scene.watch("upstream", authority.issue("billing"), api_id="billing-api")
    scene.plugin["webhooks"] = [webhook(name, **wish) for name, (wish, _) in WISHES.items()]
    envoy = scene.start()

    for name, (_, expected) in WISHES.items():
        wait_outcomes(envoy, name, {"delivered": len(expected)} if expected else {})
        told = [event["cert_name"] for event in scene.receiver.accepted(f"/{name}")]
        assert sorted(told) == sorted(expected), name


def test_a_webhook_of_two_clusters_is_told_through_each(scene: Scene) -> None:
    with Receiver() as other:
        scene.configuration.place("east", scene.receiver.port)
        scene.configuration.place("west.example", other.port)
        entry = webhook("ops", clusters=["east", "west.example"], retry_attempts=2, circuit_breaker={"failures": 0})
        del entry["cluster"]
        scene.plugin["webhooks"] = [entry]
        scene.watch("server", scene.cast.authority.bundle(5))
        other.answer = 500
        envoy = scene.start()

        wait_outcomes(envoy, "ops/east", {"delivered": 5})
        envoy.wait_log(r"DeliveryFailed webhook=ops/west\.example ")
        assert envoy.metrics()[f'{PREFIX}outbox_entries{{webhook="ops/east"}}'] == 0
        wait.until(lambda: outcomes(envoy, "ops/west.example")["status"] == 15, "it fails where the other does not")
        both = [{event["cert_id"] for event in receiver.events()} for receiver in (scene.receiver, other)]
        assert both[0] == both[1]
        assert len(scene.receiver.requests) == len(both[0]) == 5
        assert {request.path for request in other.requests} == {"/ops"}


# What a webhook asks for, and what it is told of a certificate that has expired and is not listed any more.
ENDINGS = {
    "everything": ({"events": ALERTS}, [EXPIRED, RESOLVED]),
    "ends": ({"events": [RESOLVED]}, [RESOLVED]),
    "resolved": ({"send_resolved": True}, [EXPIRED, RESOLVED]),
    "resolved-critical": ({"send_resolved": True, "min_severity": "critical"}, [EXPIRED, RESOLVED]),
    # It may have been warned before.
    "resolved-warnings": ({"send_resolved": True, "events": [SOON]}, [RESOLVED]),
    "default": ({}, [EXPIRED]),
}


def test_the_end_of_an_alert_is_told_to_those_who_want_it(scene: Scene) -> None:
    gone = scene.cast.authority.issue("gone", ends=-THREE_DAYS)
    scene.configuration.follow_listeners()
    scene.monitor["check_interval_seconds"] = 1
    scene.plugin["webhooks"] = [webhook(name, **wish) for name, (wish, _) in ENDINGS.items()]
    scene.watch("server", gone)
    envoy = scene.start()
    for name, (_, events) in ENDINGS.items():
        wait_outcomes(envoy, name, {"delivered": 1} if EXPIRED in events else {})

    scene.configuration.hand_over_separately(INGRESS, STANDBY)["certificates"] = []
    scene.update_listeners()
    [line] = envoy.wait_log(rf" cert_id={gone.cert_id[:8]} cert_role=server event_type={RESOLVED} ")
    assert "][warning]" in line
    for name, (_, expected) in ENDINGS.items():
        wait_outcomes(envoy, name, {"delivered": len(expected)} if expected else {})
        events = scene.receiver.accepted(f"/{name}")
        assert [event["event"] for event in events] == expected, name
        assert {event["cert_id"] for event in events} <= {gone.cert_id}
    wait_for_checks(envoy, 2)
    assert len(scene.receiver.requests) == sum(len(expected) for _, expected in ENDINGS.values())


def test_who_is_calling_is_proved_by_what_the_environment_says(scene: Scene) -> None:
    let_through(scene, "TOKEN", "USER_AND_PASSWORD")
    scene.plugin["webhooks"] = [
        webhook("bearer", authorization={"bearer": "${TOKEN}"}),
        webhook("basic", authorization={"basic": "${USER_AND_PASSWORD}"}),
        webhook("both", authorization={"basic": "edge:${TOKEN}"}),
    ]
    scene.watch("server", scene.cast.server)
    scene.start(environment={"TOKEN": "t0ken", "USER_AND_PASSWORD": "edge:pässword"})

    expected = {
        "bearer": "Bearer t0ken",
        "basic": f"Basic {base64.b64encode('edge:pässword'.encode()).decode()}",
        "both": f"Basic {base64.b64encode(b'edge:t0ken').decode()}",
    }
    for name, value in expected.items():
        [request] = scene.receiver.wait_requests(f"/{name}")
        assert request.headers["authorization"] == value
