"""An upstream over mutual TLS that answers 200 to everything, in its own time."""

import ssl
import threading

from lab.certificates import Authority, Identity
from lab.server import Handler, Server

HELD = "/orders/held"


class Upstream(Server):
    """Requests for `HELD` wait until `release` is set; `held` says how many do."""

    def __init__(self, identity: Identity, authority: Authority) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=authority.pem)
        identity.load_into(context)
        self.held = 0
        self.release = threading.Event()
        self._counting = threading.Lock()
        super().__init__(_UpstreamHandler, context)

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
        self.answer(200, b"orders\n")
