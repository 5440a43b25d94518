"""Requests that keep coming while something else goes on."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPException
from types import TracebackType

from lab.client import Client


class Traffic:
    """Sends so many requests a second, evenly, on several connections, until it is left."""

    def __init__(self, client: Client, per_second: float, connections: int = 4, path: str = "/orders") -> None:
        self.client = client
        self.pause = connections / per_second
        self.path = path
        self._outcomes: list[int | str] = []
        self._connections = connections
        self._pool = ThreadPoolExecutor(connections)
        self._ended = threading.Event()

    @property
    def outcomes(self) -> Counter[int | str]:
        """How often there was which status, or which error in place of an answer."""
        return Counter(list(self._outcomes))

    @property
    def sent(self) -> int:
        return len(self._outcomes)

    @property
    def failures(self) -> Counter[int | str]:
        return Counter({outcome: count for outcome, count in self.outcomes.items() if outcome != 200})

    def _send(self, place: int) -> None:
        due = time.monotonic() + place * self.pause / self._connections
        with closing(self.client.connect()) as connection:
            while not self._ended.wait(max(0.0, due - time.monotonic())):
                due += self.pause
                try:
                    self._outcomes.append(self.client.get_on(connection, self.path))
                except (OSError, HTTPException) as error:
                    self._outcomes.append(type(error).__name__)
                    connection.close()  # the next request opens it again

    def __enter__(self) -> "Traffic":
        self._sending = [self._pool.submit(self._send, place) for place in range(self._connections)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._pool.shutdown()
        for sending in self._sending:
            sending.result()
