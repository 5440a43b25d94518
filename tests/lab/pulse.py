"""Asks Envoy again and again whether it is ready: what keeps its main thread busy keeps this waiting."""

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType

from lab.envoy import Envoy

PAUSE_SECONDS = 0.05
NANOSECOND = 1e-9


@dataclass(frozen=True)
class Beat:
    """How long an answer took, and for how much of that Envoy's main thread was at work, or had no processor."""

    seconds: float
    worked: float
    starved: float
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def busy(self) -> float:
        """How long it took because Envoy was busy. Who asks may stand still as well."""
        return min(self.seconds - self.starved, self.worked)


class Pulse:
    """Every answer while it lasts is a beat."""

    def __init__(self, envoy: Envoy) -> None:
        self.beats: list[Beat] = []
        self._connection = HTTPConnection(envoy.admin_address, timeout=30)
        self._schedule = Path(f"/proc/{envoy.process.pid}/task/{envoy.process.pid}/schedstat")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    @property
    def longest(self) -> Beat:
        return max(self.beats, key=lambda beat: beat.busy)

    def _ask(self) -> None:
        while not self._ended.wait(PAUSE_SECONDS):
            begin, (worked, starved) = time.monotonic(), self._spent()
            self._connection.request("GET", "/ready")
            self._connection.getresponse().read()
            seconds = time.monotonic() - begin
            worked_since, starved_since = self._spent()
            self.beats.append(Beat(seconds, worked_since - worked, starved_since - starved))

    def _spent(self) -> tuple[float, float]:
        """The seconds that Envoy's main thread has run, and those that it could have run and did not."""
        worked, starved, _ = self._schedule.read_text().split()
        return int(worked) * NANOSECOND, int(starved) * NANOSECOND

    def __enter__(self) -> "Pulse":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._connection.close()
