"""An upstream over mutual TLS that answers 200 to everything."""

import ssl

from lab.certificates import Authority, Identity
from lab.server import Handler, Server


class Upstream(Server):
    def __init__(self, identity: Identity, authority: Authority) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=authority.pem)
        identity.load_into(context)
        super().__init__(_UpstreamHandler, context)


class _UpstreamHandler(Handler):
    def do_GET(self) -> None:  # noqa: N802
        self.answer(200, b"orders\n")
