"""A small HTTP server on a port of its own, in threads of its own."""

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, SO_REUSEPORT, SOL_SOCKET, socket
from types import TracebackType


@contextmanager
def reserved_port(option: int = SO_REUSEPORT) -> Iterator[int]:
    """A port for a listener of Envoy, or of another server, that others have to know beforehand.

    The server shares it because it asks for the same option; the kernel gives it to nobody else, and nothing listens
    here.
    """
    with socket() as reserved:
        reserved.setsockopt(SOL_SOCKET, option, 1)
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


class Handler(BaseHTTPRequestHandler):
    """Keeps connections open and says nothing about them."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, handler: type[Handler], context: ssl.SSLContext | None = None, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self.context = context
        self.serve()

    def serve(self) -> None:
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    @property
    def port(self) -> int:
        return self.server_address[1]

    def finish_request(self, request: socket, client_address: object) -> None:
        # The handshake belongs to the thread of its connection: a slow client must not keep others waiting.
        if self.context is None:
            super().finish_request(request, client_address)
        else:
            with self.context.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """A peer that goes away is an ordinary thing here."""

    def __enter__(self) -> "Server":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        self.thread.join()


class MortalServer(Server):
    """It can be killed, and comes back at the same port."""

    allow_reuse_port = True

    def __init__(self, handler: type[Handler]) -> None:
        # Set when it goes: nobody waits for it any more.
        self.closing = threading.Event()
        self._connections: set[socket] = set()
        with ExitStack() as reserved:
            super().__init__(handler, port=reserved.enter_context(reserved_port()))
            self._reserved = reserved.pop_all()

    def kill(self) -> None:
        """Be gone at once, whatever is being answered; nobody else gets the port."""
        super().stop()
        for connection in list(self._connections):
            with suppress(OSError):  # it has gone by itself
                connection.shutdown(SHUT_RDWR)
        self.closing.set()

    def come_back(self) -> None:
        self.closing = threading.Event()
        self.socket = socket(self.address_family, self.socket_type)
        self.server_bind()
        self.server_activate()
        self.serve()

    def stop(self) -> None:
        self.closing.set()
        super().stop()
        self._reserved.close()

    def process_request(self, request: socket, client_address: object) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)
