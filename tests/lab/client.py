"""A client of Envoy, over mutual TLS unless told otherwise."""

import http.client
import ssl
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPResponse

from lab.certificates import Authority, Identity

TIMEOUT_SECONDS = 10


class Client:
    """Talks to one port; with neither `authority` nor `identity` in plain text."""

    def __init__(self, port: int, authority: Authority | None = None, identity: Identity | None = None) -> None:
        self.port = port
        self.context = authority and _context(authority, identity)

    def get(self, path: str = "/orders", headers: Mapping[str, str] | None = None) -> int:
        """The status of one request on a connection of its own."""
        with closing(self.connect()) as connection:
            return self.get_on(connection, path, headers)

    def fetch(self, path: str = "/orders", headers: Mapping[str, str] | None = None) -> HTTPResponse:
        """The answer to one request on a connection of its own, with its headers."""
        with closing(self.connect()) as connection:
            connection.request("GET", path, headers=headers or {})
            response = connection.getresponse()
            response.read()
            return response

    def get_all(self, paths: Sequence[str], connections: int = 1) -> list[int]:
        """The statuses of many requests, dealt out to several connections that stay open and run side by side."""
        with ThreadPoolExecutor(connections) as pool:
            shares = pool.map(self._get_share, (paths[start::connections] for start in range(connections)))
            return [status for share in shares for status in share]

    def _get_share(self, paths: Sequence[str]) -> list[int]:
        with closing(self.connect()) as connection:
            return [self.get_on(connection, path) for path in paths]

    def connect(self) -> http.client.HTTPConnection:
        if self.context is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        return http.client.HTTPSConnection("localhost", self.port, timeout=TIMEOUT_SECONDS, context=self.context)

    @staticmethod
    def get_on(connection: http.client.HTTPConnection, path: str, headers: Mapping[str, str] | None = None) -> int:
        """The status of one request on a connection that stays open, or is opened again."""
        connection.request("GET", path, headers=headers or {})
        response = connection.getresponse()
        response.read()
        return response.status


def _context(authority: Authority, identity: Identity | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority.pem)
    # Authorities made on the spot have no key identifiers, which the strict check of Python 3.13 asks for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if identity:
        identity.load_into(context)
    return context
