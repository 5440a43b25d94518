"""A client of whatever listens on a pipe: a Unix domain socket."""

import socket
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path


class _PipeConnection(HTTPConnection):
    def __init__(self, pipe: Path) -> None:
        super().__init__("pipe", timeout=10)
        self.pipe = pipe

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self.pipe))


def ask(pipe: Path, path: str, method: str = "GET") -> int:
    """The status of one request."""
    with closing(_PipeConnection(pipe)) as connection:
        connection.request(method, path)
        response = connection.getresponse()
        response.read()
        return response.status
