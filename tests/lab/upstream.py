"""An upstream over mutual TLS that answers 200 to everything, in its own time."""

import ssl
import threading
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from lab.certificates import Authority, Identity
from lab.server import Handler, Server

HELD = "/orders/held"


# Requests that are kept.
MOST = 1_000


class Arrived(NamedTuple):
    """A request as it arrived."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    # Connections are numbered by the ports that they come from.
    connection: int


class Upstream(Server):
    """Requests for `HELD` wait until `release` is set; `held` says how many do."""

    def __init__(self, identity: Identity, authority: Authority) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=authority.pem)
        identity.load_into(context)
        self.headers: Mapping[str, str] = {}
        self.arrived: deque[Arrived] = deque(maxlen=MOST)
        self.held = 0
        self.release = threading.Event()
        self._counting = threading.Lock()
        super().__init__(_UpstreamHandler, context)

    def present(self, identity: Identity) -> None:
        """Have another certificate from now on."""
        identity.load_into(self.context)

    def hold(self) -> None:
        with self._counting:
            self.held += 1
        self.release.wait()
        with self._counting:
            self.held -= 1

    def stop(self) -> None:
        self.release.set()
        super().stop()


class _UpstreamHandler(Handler):
    server: Upstream

    def do_GET(self) -> None:  # noqa: N802
        if self.path == HELD:
            self.server.hold()
        self._respond(b"orders\n")

    def do_HEAD(self) -> None:  # noqa: N802
        self._respond()

    def _respond(self, body: bytes = b"") -> None:
        arrived = Arrived(self.command, self.path, self.headers.items(), self.client_address[1])
        self.server.arrived.append(arrived)
        self.answer(200, body, self.server.headers)
