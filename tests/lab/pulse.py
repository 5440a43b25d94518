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
    """How long an answer took, and for how much of that Envoy's main thread had no processor: others had it."""

    seconds: float
    starved: float
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def busy(self) -> float:
        """How long it took because Envoy was busy."""
        return self.seconds - self.starved


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
            begin, starved = time.monotonic(), self._starved()
            self._connection.request("GET", "/ready")
            self._connection.getresponse().read()
            self.beats.append(Beat(time.monotonic() - begin, self._starved() - starved))

    def _starved(self) -> float:
        """The seconds that Envoy's main thread could have run and did not."""
        return int(self._schedule.read_text().split()[1]) * NANOSECOND

    def __enter__(self) -> "Pulse":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._connection.close()
