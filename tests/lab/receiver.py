"""A webhook receiver that remembers every request and misbehaves on demand."""

import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from lab import wait
from lab.server import Handler, Server


class Fault(Enum):
    """How a receiver can fail without an answer."""

    HANG = "never answers"
    CLOSE = "closes the connection"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    answer: int | Fault
    arrived: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def event(self) -> dict[str, Any]:
        return json.loads(self.body)


class Receiver(Server):
    """`answer` may be changed at any time, for all paths or, in `answers`, for one."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: int | Fault = 200
        self.answers: dict[str, int | Fault] = {}
        self.closing = threading.Event()
        super().__init__(_ReceiverHandler)

    def requests_to(self, path: str) -> list[Request]:
        return [request for request in list(self.requests) if request.path == path]

    def accepted(self, path: str | None = None) -> list[dict[str, Any]]:
        """The events that were answered with 200, at one path or at all."""
        requests = list(self.requests) if path is None else self.requests_to(path)
        return [request.event for request in requests if request.answer == 200]

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

    def stop(self) -> None:
        self.closing.set()
        super().stop()


class _ReceiverHandler(Handler):
    server: Receiver

    def receive(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        answer = self.server.answers.get(self.path, self.server.answer)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append(Request(self.command, self.path, headers, body, answer))
        match answer:
            case Fault.HANG:
                self.server.closing.wait()
                self.close_connection = True
            case Fault.CLOSE:
                self.close_connection = True
            case status:
                self.answer(status)


for _method in ("GET", "PUT", "POST", "PATCH", "DELETE"):
    setattr(_ReceiverHandler, f"do_{_method}", _ReceiverHandler.receive)
