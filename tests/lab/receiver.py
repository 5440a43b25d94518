"""A webhook receiver that remembers every request and misbehaves as it is told."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from lab import wait
from lab.server import Handler, MortalServer

FOREVER_SECONDS = 3600


class Fault(Enum):
    """How a receiver can fail without an answer, or with the beginning of one."""

    HANG = "never answers"
    CLOSE = "closes the connection"
    CUT_HEADERS = "closes the connection in the middle of its headers"
    CUT_BODY = "closes the connection in the middle of its body"


@dataclass(frozen=True)
class Answer:
    """An answer that is more than its status."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    # It is given when this is set.
    when: threading.Event | None = None


Reply = int | Fault | Answer


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    answer: Reply
    arrived: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def event(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def key(self) -> str:
        """What names its event, or its events together, whenever they are sent."""
        return self.headers["idempotency-key"]

    @property
    def is_accepted(self) -> bool:
        status = self.answer.status if isinstance(self.answer, Answer) else self.answer
        return status in range(200, 300)


# What a request gets: this, or what a function of it says.
Step = Reply | Callable[[Request], Reply]
# Always the same, or one after the other; the last one stays.
Script = Step | list[Step]


class Receiver(MortalServer):
    """`answer` may be changed at any time, for all paths or, in `answers`, for one, or for one method of it as in
    "OPTIONS /path".
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Script = 200
        self.answers: dict[str, Script] = {}
        # What its clock, which the date of its answers is by, is ahead.
        self.clock_ahead = timedelta()
        # Requests that wait for their answers, by path, and the most there ever were.
        self.under_way: Counter[str] = Counter()
        self.most_at_once: Counter[str] = Counter()
        self._order = threading.Lock()
        super().__init__(_ReceiverHandler)

    def requests_to(self, path: str, method: str | None = None) -> list[Request]:
        requests = [request for request in list(self.requests) if request.path == path]
        return [request for request in requests if method in (None, request.method)]

    def accepted(self, path: str | None = None) -> list[dict[str, Any]]:
        """The events that were answered with 200, at one path or at all."""
        requests = list(self.requests) if path is None else self.requests_to(path)
        return [request.event for request in requests if request.is_accepted]

    def events(self, **fields: str) -> list[dict[str, Any]]:
        """The events received so far that have all these fields."""
        events = [request.event for request in list(self.requests)]
        return [event for event in events if fields.items() <= event.items()]

    def wait_for(self, count: int = 1, within: float = 15.0, **fields: str) -> list[dict[str, Any]]:
        """Wait for so many events with all these fields."""
        wait.until(
            lambda: len(self.events(**fields)) >= count,
            f"{count} events with {fields or 'any fields'}",
            within,
        )
        return self.events(**fields)

    def event(self, **fields: str) -> dict[str, Any]:
        """Wait for the event with all these fields; there must be one only."""
        [event] = self.wait_for(**fields)
        return event

    def wait_requests(
        self, path: str, count: int = 1, within: float = 15.0, method: str | None = None
    ) -> list[Request]:
        """Wait for so many requests to a path."""
        wait.until(lambda: len(self.requests_to(path, method)) >= count, f"{count} requests to {path}", within)
        return self.requests_to(path, method)

    def take(self, request: Request) -> Request:
        """Keep a request, with the answer that it gets, in the order of arrival."""
        with self._order:
            self.under_way[request.path] += 1
            self.most_at_once[request.path] = max(self.most_at_once[request.path], self.under_way[request.path])
            request = replace(request, answer=self._choose(request))
            self.requests.append(request)
        return request

    def leave(self, request: Request) -> None:
        with self._order:
            self.under_way[request.path] -= 1

    def _choose(self, request: Request) -> Reply:
        script = self.answers.get(f"{request.method} {request.path}", self.answers.get(request.path, self.answer))
        step = script if not isinstance(script, list) else script.pop(0) if len(script) > 1 else script[0]
        return step(request) if callable(step) else step


class _ReceiverHandler(Handler):
    server: Receiver

    def date_time_string(self, timestamp: float | None = None) -> str:
        timestamp = time.time() if timestamp is None else timestamp
        return super().date_time_string(timestamp + self.server.clock_ahead.total_seconds())

    def receive(self) -> None:
        closing = self.server.closing
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = self.server.take(Request(self.command, self.path, headers, body, 200))
        answer = Answer(request.answer) if isinstance(request.answer, int) else request.answer
        if isinstance(answer, Answer) and answer.when:
            awaited = answer.when
            wait.until(lambda: awaited.is_set() or closing.is_set(), "it may be answered", FOREVER_SECONDS)
        # Before it is answered: the next request may follow at once.
        self.server.leave(request)
        match answer:
            case Answer(status, headers, body):
                return self.answer(status, body, headers)
            case Fault.HANG:
                closing.wait()
            case Fault.CUT_HEADERS:
                self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-le")
            case Fault.CUT_BODY:
                self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nthe first of a hundred")
        self.close_connection = True
        return None


for _method in ("GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"):
    setattr(_ReceiverHandler, f"do_{_method}", _ReceiverHandler.receive)


class Moody:
    """Fails so often, by chance: the same seed lets the same tries of the same events fail."""

    def __init__(self, seed: int, share: float, failure: Reply = 500) -> None:
        self.seed, self.share, self.failure = seed, share, failure
        self._tries: Counter[str] = Counter()

    def __call__(self, request: Request) -> Reply:
        self._tries[request.key] += 1
        drawn = random.Random(f"{self.seed} {request.key} {self.tries(request)}").random()
        return self.failure if drawn < self.share else 200

    def tries(self, request: Request) -> int:
        """How often its event has come so far."""
        return self._tries[request.key]
