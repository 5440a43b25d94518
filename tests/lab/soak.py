"""Hours in minutes: Envoy under traffic, with reloads, newcomers and a receiver that comes and goes, all the time.

SOAK_SECONDS=600 python -m lab.soak    plays it with the plugin, then half as long without, and compares
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any

from lab import REPOSITORY, wait
from lab.certificates import Identity
from lab.config import INGRESS, STANDBY
from lab.envoy import Envoy
from lab.receiver import Fault
from lab.scene import Scene

OHA = REPOSITORY / "target" / "tools" / "bin" / "oha"

DEFAULT_SECONDS = 600
REQUESTS_PER_SECOND = 200
CONNECTIONS = 8
RELOAD_EVERY = 20
DRAIN_SECONDS = 10
# What the receiver does, and for how many seconds, over and over.
MOODS: list[tuple[int | Fault, int]] = [(200, 37), (500, 11), (200, 23), (Fault.CLOSE, 7), (200, 31), (Fault.HANG, 9)]
# Newcomers come back for a while, as clients do; what was in flight when the monitor changed is seen again then.
REGULARS = 40
VISITS_PER_SECOND = 4
# How long what is left may take at the end, when the receiver is well again.
LAST_SECONDS = 45
# What the median of the last third may hold more than that of the middle third.
FLAT_BYTES = 6 << 20

Event = tuple[str, str]


@dataclass
class Figures:
    """What a soak has come to."""

    answers: Counter[str] = field(default_factory=Counter)
    expected: set[Event] = field(default_factory=set)
    arrived: Counter[Event] = field(default_factory=Counter)
    resident: list[int] = field(default_factory=list)
    reloads: int = 0
    takeovers: int = 0
    bad_lines: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return self.answers.total()

    @property
    def failed(self) -> int:
        return self.requests - self.answers["200"]

    @property
    def lost(self) -> set[Event]:
        return self.expected - self.arrived.keys()

    @property
    def repeated(self) -> int:
        return self.arrived.total() - len(self.arrived)

    def resident_in_third(self, third: int) -> float:
        size = len(self.resident) // 3
        return statistics.median(self.resident[third * size : (third + 1) * size])


class Soak:
    """`seconds` of life in a scene."""

    def __init__(self, scene: Scene, seconds: int, with_plugin: bool) -> None:
        self.scene = scene
        self.seconds = seconds
        self.with_plugin = with_plugin
        self.figures = Figures()
        self.regulars: deque[Identity] = deque(maxlen=REGULARS)
        scene.arguments = ["--drain-time-s", str(DRAIN_SECONDS)]
        scene.configuration.follow_listeners()
        if with_plugin:
            scene.webhook["timeout_seconds"] = 2
        else:
            scene.configuration.without_plugin()

    def run(self) -> Figures:
        envoy = self.scene.start(concurrency=2)
        port = envoy.port(INGRESS)
        with start_oha(self.scene.directory, port, self.seconds) as oha:
            try:
                began = time.monotonic()
                for second in range(self.seconds):
                    wait.until(lambda due=began + second: time.monotonic() >= due, "the next second")
                    self.live(second)
                said, _ = oha.communicate(timeout=60)
            finally:
                oha.kill()
        self.figures.answers.update(read_oha(said))
        if self.with_plugin:
            self.end(envoy)
        return self.figures

    def live(self, second: int) -> None:
        self.scene.receiver.answer = mood(second)
        if second % RELOAD_EVERY == RELOAD_EVERY - 1:
            self.reload()
        self.regulars.append(self.newcomer())
        for _ in range(min(VISITS_PER_SECOND, len(self.regulars))):
            self.visit(self.regulars[-1])
            self.regulars.rotate()
        self.figures.resident.append(self.scene.envoy.resident_bytes)

    def newcomer(self) -> Identity:
        newcomer = self.scene.cast.authority.issue("Newcomer")
        self.figures.expected.add((newcomer.cert_id, "client"))
        return newcomer

    def visit(self, identity: Identity) -> None:
        try:
            answer = str(self.scene.client(identity).get("/orders"))
        except (OSError, HTTPException) as error:
            answer = type(error).__name__
        self.figures.answers[answer] += 1

    def reload(self) -> None:
        """New listeners; with the plugin their document has a certificate more than the one before."""
        self.figures.reloads += 1
        configuration = self.scene.configuration
        if self.with_plugin:
            added = self.scene.cast.authority.issue(f"reload-{self.figures.reloads}")
            self.figures.expected.add((added.cert_id, "server"))
            self.scene.watch("server", added)
            configuration.hand_over_separately(INGRESS, STANDBY)
        configuration.connection_manager(INGRESS)["server_name"] = f"edge-{self.figures.reloads}"
        self.scene.update_listeners()

    def end(self, envoy: Envoy) -> None:
        """Collect what still waits. A new configuration, like a takeover, makes it due at once."""
        self.scene.receiver.answer = 200
        self.reload()
        try:
            wait.until(lambda: not self.lost_so_far(), "every event", LAST_SECONDS)
        except TimeoutError as problem:
            print(problem, file=sys.stderr)
        self.figures.takeovers = len(envoy.log_lines("Holding the lease "))
        self.figures.bad_lines = envoy.log_lines(r"\]\[critical\]|Function: \w+ failed")

    def lost_so_far(self) -> set[Event]:
        self.figures.arrived = Counter((e["cert_id"], e["cert_role"]) for e in self.scene.receiver.accepted())
        return self.figures.lost


def mood(second: int) -> int | Fault:
    """What the receiver does in this second."""
    left = second % sum(length for _, length in MOODS)
    for answer, length in MOODS:
        if left < length:
            return answer
        left -= length
    raise AssertionError("the moods fill their own length")


def start_oha(directory: Path, port: int, seconds: int) -> subprocess.Popen[bytes]:
    certs = directory / "certs"
    return subprocess.Popen(
        [
            *(str(OHA), "-z", f"{seconds}s", "-w", "-q", str(REQUESTS_PER_SECOND), "-c", str(CONNECTIONS)),
            *("--no-tui", "--ipv4", "--output-format", "json", "--cacert", str(certs / "ca.pem")),
            *("--cert", str(certs / "client.pem"), "--key", str(certs / "client.key")),
            f"https://localhost:{port}/orders",
        ],
        stdout=subprocess.PIPE,
    )


def read_oha(said: bytes) -> dict[str, int]:
    """How often there was which status, and which error."""
    result: dict[str, Any] = json.loads(said)
    return {**result["statusCodeDistribution"], **result["errorDistribution"]}


def problems(soak: Figures, baseline: Figures) -> list[str]:
    found = []
    if soak.lost:
        found.append(f"{len(soak.lost)} events are lost")
    if soak.failed / soak.requests > baseline.failed / baseline.requests:
        found.append("more requests fail than without the plugin")
    if soak.resident_in_third(2) > soak.resident_in_third(1) + FLAT_BYTES:
        found.append("memory grows")
    if soak.bad_lines:
        found.append("the log has lines that it must not have")
    return found


def show(soak: Figures, baseline: Figures) -> None:
    rows = [
        ("", "with the plugin", "without"),
        ("requests", soak.requests, baseline.requests),
        ("of these failed", soak.failed, baseline.failed),
        ("reloads", soak.reloads, baseline.reloads),
        ("events expected", len(soak.expected), ""),
        ("events lost", len(soak.lost), ""),
        ("events repeated", soak.repeated, ""),
        ("leases taken", soak.takeovers, ""),
        ("memory in the middle third, MB", *(megabytes(figures.resident_in_third(1)) for figures in (soak, baseline))),
        ("memory in the last third, MB", *(megabytes(figures.resident_in_third(2)) for figures in (soak, baseline))),
        ("critical lines and traps", len(soak.bad_lines), ""),
    ]
    for title, *values in rows:
        print(f"{title:32}" + "".join(f"{value:>18}" for value in values))
    for title, figures in (("with the plugin", soak), ("without", baseline)):
        if figures.failed:
            print(f"answers {title}: {dict(figures.answers)}")


def megabytes(size: float) -> str:
    return f"{size / (1 << 20):.1f}"


def play(seconds: int, with_plugin: bool) -> Figures:
    print(f"{seconds} s {'with' if with_plugin else 'without'} the plugin", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="cert-expiry-soak-") as directory, Scene(Path(directory)) as scene:
        figures = Soak(scene, seconds, with_plugin).run()
        if figures.bad_lines:
            print(scene.envoy.tail(), file=sys.stderr)
        return figures


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # leaves the scene, and so ends Envoy
    seconds = int(os.environ.get("SOAK_SECONDS", DEFAULT_SECONDS))
    soak, baseline = play(seconds, with_plugin=True), play(seconds // 2, with_plugin=False)
    show(soak, baseline)
    found = problems(soak, baseline)
    for problem in found:
        print(f"The soak failed: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
