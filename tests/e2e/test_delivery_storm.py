"""Thousands of events for a receiver that fails half of the time and falls twice: each one arrives, in good order."""

import os
import random
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import socket

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from e2e.deliveries import dropped, outcomes, webhook
from lab import wait
from lab.certificates import Authority, Identity
from lab.config import STANDBY
from lab.receiver import Answer, Moody, Reply, Request
from lab.scene import Scene

# Every certificate is listed in all of them, and each is an event of its own. Usages are looked at in this order.
ROLES = ["client", "upstream", "server", "ca"]
CERTIFICATES = 1_250
EVENTS = CERTIFICATES * len(ROLES)
FEW = 100
FAILING = 0.5
MOST_AT_ONCE = 16
TRIES = 11
# The events of so many certificates fail until their tries are spent. They come again because the cooldown is given
# back.
STUBBORN = 5
WITHIN_SECONDS = 150

# A certificate in a role.
Subject = tuple[str, str]


@pytest.fixture(scope="module")
def certificates() -> list[Identity]:
    """In the order in which a round comes to them."""
    key, authority = ec.generate_private_key(ec.SECP256R1()), Authority.named("Storm CA")
    issued = [authority.issue(f"storm-{number}", key=key) for number in range(CERTIFICATES)]
    return sorted(issued, key=lambda identity: identity.cert_id)


@pytest.fixture(scope="module")
def seed() -> int:
    """Of what fails by chance."""
    seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
    print(f"SEED={seed}")
    return seed


@contextmanager
def story(directory: Path, certificates: list[Identity], most_at_once: int, with_dead_one: bool) -> Iterator[Scene]:
    """All certificates in all roles, for one webhook, or for one more whose receiver is dead all along."""
    terms = {
        "retry_attempts": TRIES - 1,
        "max_pending": EVENTS + 1_000,
        "max_in_flight": most_at_once,
        "circuit_breaker": {"failures": 50, "open": "1s"},
    }
    directory.mkdir()
    with Scene(directory) as scene, socket() as unheard:
        unheard.bind(("127.0.0.1", 0))  # never listens, and nobody else gets the port
        scene.configuration.place("unheard", unheard.getsockname()[1])
        # A takeover sends again what is under way. Here nobody can take over from a monitor that gets no processor for
        # seconds.
        scene.configuration.listeners.remove(scene.configuration.listener(STANDBY))
        scene.configuration.document["static_resources"]["clusters"].remove(scene.configuration.cluster(STANDBY))
        dead = [webhook("dead", **terms) | {"cluster": "unheard"}] if with_dead_one else []
        scene.plugin["webhooks"] = [*dead, webhook("ops", **terms)]
        scene.monitor.update(check_interval_seconds=5, check_cooldown_seconds=0)
        for role in ROLES:
            scene.watch(role, "".join(identity.pem for identity in certificates))
        yield scene


def in_order(certificates: list[Identity]) -> list[Subject]:
    """The order in which events are fired."""
    return [(identity.cert_id, role) for identity in certificates for role in ROLES]


def subject(request: Request) -> Subject:
    return request.event["cert_id"], request.event["cert_role"]


def arrivals(requests: list[Request]) -> list[Subject]:
    """What was told, in the order of its first arrival."""
    return list(dict.fromkeys(subject(request) for request in requests))


def accepted(scene: Scene) -> list[Request]:
    return [request for request in list(scene.receiver.requests) if request.is_accepted]


def fall_and_come_back(scene: Scene, times: int) -> list[Request]:
    """The receiver is killed with requests that it has taken and not answered, and comes back when its webhook is left
    alone; those requests."""
    receiver, envoy, answer = scene.receiver, scene.envoy, scene.receiver.answer
    receiver.answer = held = Answer(200, when=threading.Event())
    # One that was taken before may be under way as well, and will still be answered.
    wait.until(
        lambda: all(request.answer is held for request in receiver.requests[-MOST_AT_ONCE:]),
        "as many requests as may be are under way, and none of them is answered",
    )
    receiver.kill()
    lost = receiver.requests[-MOST_AT_ONCE:]
    receiver.answer = answer
    envoy.wait_log("Circuit breaker opened webhook=ops", times)
    receiver.come_back()
    envoy.wait_log("Circuit breaker closed webhook=ops", times)
    return lost


def test_every_event_arrives(tmp_path: Path, certificates: list[Identity], seed: int) -> None:
    stubborn = {identity.cert_id for identity in certificates[:: CERTIFICATES // STUBBORN]}
    mood = Moody(seed, FAILING)

    def answer(request: Request) -> Reply:
        by_chance = mood(request)
        return 500 if request.event["cert_id"] in stubborn and mood.tries(request) <= TRIES else by_chance

    with story(tmp_path / "storm", certificates, MOST_AT_ONCE, with_dead_one=True) as scene:
        scene.receiver.answer = answer
        envoy, began, lost = scene.start(), time.monotonic(), []
        for times, share in enumerate([EVENTS // 5, EVENTS // 2], start=1):
            wait.until(lambda share=share: len(accepted(scene)) >= share, f"{share} events", WITHIN_SECONDS)
            lost.append(fall_and_come_back(scene, times))
        wait.until(lambda: outcomes(envoy, "ops")["delivered"] >= EVENTS, "every event", WITHIN_SECONDS)

        took, arrived = time.monotonic() - began, accepted(scene)
        doubles = len(arrived) - EVENTS
        given_up = dropped(envoy, "delivery_failed")
        print(f"{EVENTS} events in {len(scene.receiver.requests)} requests and {took:.0f} s, {doubles} of them twice;")
        print(f"{given_up} came again after {TRIES} tries; outcomes: {dict(outcomes(envoy, 'ops'))}")
        assert {subject(request) for request in arrived} == set(in_order(certificates))
        assert len({request.key for request in arrived}) == EVENTS
        # Nothing makes a double but an answer that was lost.
        assert doubles == sum(len(requests) for requests in lost)
        assert given_up >= len(stubborn) * len(ROLES)
        assert outcomes(envoy, "dead").keys() == {"unreachable"}
        # Of two requests that were under way together, either may be taken first.
        before = [request for request in scene.receiver.requests if request.arrived <= lost[0][-1].arrived]
        check_order(arrivals(before), in_order(certificates), MOST_AT_ONCE)
        check_firing_order(scene, in_order(certificates))


def check_order(arrived: list[Subject], order: list[Subject], slack: int) -> None:
    """Nothing arrives before something that was fired so much earlier."""
    places = {subject: place for place, subject in enumerate(order)}
    latest = 0
    for subject_ in arrived:
        latest = max(latest, places[subject_])
        assert places[subject_] > latest - slack
    assert len(arrived) > latest - slack


def check_firing_order(scene: Scene, order: list[Subject]) -> None:
    """The log, which holds the first of them, has them in that order."""
    # On a slow machine a second minute comes, with lines about others than the next ones.
    first_minute, _, _ = scene.envoy.log().partition("More than 500 lines a minute about events")
    fired = re.findall(r"EXPIRY EVENT FIRED .* cert_id=([0-9a-f]{8}) cert_role=(\w+) ", first_minute)
    assert len(fired) > 100
    assert fired == [(cert_id[:8], role) for cert_id, role in order[: len(fired)]]


def test_a_dead_webhook_changes_nothing_in_the_order_at_another_one(
    tmp_path: Path, certificates: list[Identity], seed: int
) -> None:
    few = certificates[:FEW]
    orders, seconds = [], []
    for with_dead_one in (False, True):
        with story(tmp_path / f"dead-{with_dead_one}", few, 1, with_dead_one) as scene:
            scene.receiver.answer = Moody(seed, FAILING)
            scene.start()
            wait.until(
                lambda scene=scene: len(arrivals(scene.receiver.requests)) == len(in_order(few)), "every event", 60
            )
            requests = list(scene.receiver.requests)
            orders.append(arrivals(requests))
            seconds.append((requests[-1].arrived - requests[0].arrived).total_seconds())
    print(f"without and with a dead one: {seconds} s")
    assert orders[0] == orders[1] == in_order(few)
