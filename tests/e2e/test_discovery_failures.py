"""An admin interface that answers anything, or nothing: what is known stays known, and alerts go on."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from e2e.contract import ALERTS, SOON
from e2e.discovered import rounds, watched
from e2e.monitors import last_tick, leases, traps, wait_for_holder
from lab import wait
from lab.admin import Admin
from lab.receiver import Answer, Fault
from lab.scene import Scene

FAILED = r"\]\[warning\]\[wasm\].* Discovery failed, what is known is kept: GET "
WORKS_AGAIN = r"\]\[warning\]\[wasm\].* Discovery works again: "
LARGE = b" " * (30 << 20)
HALF = b'{\n "certificates": [\n  {\n   "ca_cert": [\n    {\n     "path": "certs/ca.pem",\n     "serial_nu'
ROLES = ("server", "ca", "upstream")
# A round of discovery begins with it.
FIRST_QUESTION = "/config_dump?resource=static_listeners&mask=listener.name"

# Rounds lie five seconds apart, so several Envoys wait for them side by side.
SCENES = 3


class Failure(NamedTuple):
    """What becomes of the admin interface, and what the log is to say of it."""

    text: str
    befall: Callable[[Admin], None]


def always(text: str, answer: int | Answer | Fault) -> Failure:
    return Failure(text, lambda admin: setattr(admin, "twist", lambda _path: answer))


def at_last(text: str, answer: int | Answer | Fault) -> Failure:
    """All is well until the last question of a round."""
    return Failure(text, lambda admin: setattr(admin, "twist", lambda path: answer if path == "/certs" else None))


FAILURES = [
    at_last("/certs: no answer: no answer in time", Fault.HANG),
    always("status 403: allow /certs and /config_dump in admin.allow_paths", 403),
    always("status 404: is discovery.admin_cluster Envoy's admin interface?", 404),
    always("status 302: the admin interface redirects nobody", Answer(302, {"location": "/elsewhere"})),
    always("the answer lacks what Envoy must have", Answer(200, {}, b"{}")),
    at_last("/certs: status 500", 500),
    at_last("/certs: the answer is no whole JSON", Answer(200, {}, HALF)),
    at_last("/certs: the answer has more than 16 MB", Answer(200, {}, LARGE)),
    at_last("/certs: no answer: the answer broke off", Fault.CUT_BODY),
    Failure("no answer: nobody answers at its address", Admin.kill),
]


class Sufferer:
    """An Envoy with an admin interface that fails in one way after the other."""

    def __init__(self, scene: Scene, failures: list[Failure]) -> None:
        self.scene, self.failures = scene, failures
        scene.webhook["events"] = ALERTS
        scene.monitor.update(check_interval_seconds=1, check_cooldown_seconds=0, event_cooldown_seconds=1)
        self.admin = scene.discover()
        self.envoy = scene.launch()

    def wait_known(self) -> None:
        self.envoy.wait_ready()
        wait.until(lambda: rounds(self.envoy) > 0, "a round of discovery")
        self.before = leases(self.envoy), last_tick(self.envoy)

    def begin(self, number: int) -> None:
        """Have that failure befall the next round: in the middle of one it would meet another question, and be told of
        that and of the first one."""
        before = self.admin.twist

        def begin_with_a_round(path: str) -> int | Answer | Fault | None:
            if path == FIRST_QUESTION:
                self.admin.twist = before
                self.failures[number].befall(self.admin)
            return self.admin.twist(path) if self.admin.twist is not begin_with_a_round else before(path)

        self.admin.twist = begin_with_a_round

    def wait_failed(self, number: int, is_last: bool) -> None:
        """Wait until that failure has met a round, the last one another round as well, and has been told once."""
        self.envoy.wait_log(FAILED + ".*" + re.escape(self.failures[number].text), within=30)
        if is_last:
            failed = rounds(self.envoy, "failed")
            wait.until(lambda: rounds(self.envoy, "failed") > failed, "another round that fails", 30)
        # On a busy machine a monitor may have followed another one, and says it for itself.
        followers = len(leases(self.envoy)) - len(self.before[0])
        assert number + 1 <= len(self.envoy.log_lines(FAILED)) <= number + 1 + followers

    def check_alive(self) -> None:
        """Nothing has trapped, nothing is forgotten, and alerts go on."""
        told = len(self.scene.receiver.events())
        self.scene.receiver.wait_for(told + 2 * len(ROLES))
        assert {event["event"] for event in self.scene.receiver.events()} == {SOON}
        assert [watched(self.envoy, role) for role in ROLES] == [1] * len(ROLES)
        assert last_tick(self.envoy) > self.before[1]
        assert traps(self.envoy) == 0
        wait_for_holder(self.envoy, "monitor")

    def recover(self) -> None:
        self.admin.twist = lambda _path: None
        if self.admin.closing.is_set():
            self.admin.come_back()


@pytest.fixture
def sufferers(tmp_path: Path) -> Iterator[list[Sufferer]]:
    with ExitStack() as scenes:
        yield [
            Sufferer(scenes.enter_context(Scene(tmp_path / str(number))), FAILURES[number::SCENES])
            for number in range(SCENES)
        ]


def test_whatever_the_admin_interface_answers_is_told_once_and_changes_nothing(sufferers: list[Sufferer]) -> None:
    for sufferer in sufferers:
        sufferer.wait_known()
    longest = max(len(sufferer.failures) for sufferer in sufferers)
    for number in range(longest):
        failing = [sufferer for sufferer in sufferers if number < len(sufferer.failures)]
        for sufferer in failing:
            sufferer.begin(number)
        for sufferer in failing:
            # The last one meets a second round, which says nothing new.
            sufferer.wait_failed(number, number + 1 == len(sufferer.failures))

    for sufferer in sufferers:
        sufferer.check_alive()
        sufferer.recover()
    for sufferer in sufferers:
        known = rounds(sufferer.envoy)
        sufferer.envoy.wait_log(WORKS_AGAIN)
        assert rounds(sufferer.envoy) >= known
        sufferer.check_alive()
