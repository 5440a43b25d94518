"""Stands between the plugin and Envoy's admin interface: passes requests on, counts them, fails as it is told."""

import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from lab.receiver import Answer, Fault
from lab.server import Handler, MortalServer

# Instead of what Envoy answers; None: that.
Twist = Callable[[str], int | Answer | Fault | None]


@dataclass(frozen=True)
class Question:
    """A request of the plugin and what came of it."""

    path: str
    status: int | None
    size: int
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def resource(self) -> str:
        """What is asked for: a resource of /config_dump, or the path."""
        parts = urlsplit(self.path)
        return parse_qs(parts.query).get("resource", [parts.path])[0]

    @property
    def is_last(self) -> bool:
        """A round of discovery ends with it."""
        return self.resource == "/certs"


class Admin(MortalServer):
    """Passes GET on to `address`; `twist` may answer in its place. Nobody else knows where it is."""

    def __init__(self, address: Callable[[], str]) -> None:
        self.address = address
        self.twist: Twist = lambda _path: None
        self.questions: list[Question] = []
        super().__init__(_AdminHandler)

    def rounds(self) -> list[list[Question]]:
        """The questions so far, in rounds that came to their end."""
        rounds: list[list[Question]] = [[]]
        for question in list(self.questions):
            rounds[-1].append(question)
            if question.is_last:
                rounds.append([])
        return rounds[:-1]


class _AdminHandler(Handler):
    server: Admin

    def do_GET(self) -> None:  # noqa: N802
        status, body, headers = self._answer()
        self.server.questions.append(Question(self.path, status, len(body)))
        if status is not None:
            self.answer(status, body, headers)

    def _answer(self) -> tuple[int | None, bytes, dict[str, str]]:
        match self.server.twist(self.path):
            case None:
                return self._pass_on()
            case int(status):
                return status, b"", {}
            case Answer() as answer:
                return answer.status, answer.body, dict(answer.headers)
            case Fault.HANG:
                self.server.closing.wait()
            case Fault.CUT_BODY:
                self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
        self.close_connection = True
        return None, b"", {}

    def _pass_on(self) -> tuple[int, bytes, dict[str, str]]:
        try:
            with urllib.request.urlopen(f"http://{self.server.address()}{self.path}", timeout=30) as response:
                return response.status, response.read(), {}
        except urllib.error.HTTPError as error:
            return error.code, error.read(), {}
        except OSError:
            return 502, b"", {}
