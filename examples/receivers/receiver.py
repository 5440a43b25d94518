"""What the example receivers share: an HTTP server that takes events, checks signatures and drops doubles."""

import argparse
import json
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import verify

BODY_LIMIT = 1 << 20
BATCH_LIMIT = 50
IDS_REMEMBERED = 10_000
ID_LIMIT = 100
RETRY_AFTER_SECONDS = 30

Event = dict[str, Any]


class TryAgainError(Exception):
    """The work cannot be done now. The sender gets 503, and comes back."""


class UnderWayError(Exception):
    """Another request is doing this work right now."""


class Doubles:
    """Does each thing once: remembers what is done, and what is being done. The oldest is forgotten."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.under_way: set[object] = set()
        self.done: OrderedDict[object, None] = OrderedDict()

    @contextmanager
    def once(self, key: object) -> Iterator[bool]:
        """Is it the first time? It counts as done when the block has ended well."""
        with self.lock:
            if key in self.under_way:
                raise UnderWayError
            first = key not in self.done
            if first:
                self.under_way.add(key)
        try:
            yield first
            with self.lock:
                self.done[key] = None
                while len(self.done) > IDS_REMEMBERED:
                    self.done.popitem(last=False)
        finally:
            if first:
                with self.lock:
                    self.under_way.discard(key)


def events_of(body: bytes) -> list[Event]:
    """The events of a body in the default format, one or a batch. ValueError: it is none."""
    try:
        document = json.loads(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    events = document if isinstance(document, list) else [document]
    if not 1 <= len(events) <= BATCH_LIMIT:
        raise ValueError(f"from 1 to {BATCH_LIMIT} events are expected")
    for event in events:
        if not (isinstance(event, dict) and isinstance(event.get("event"), str) and text(event, "message")):
            raise ValueError("this is no event")
    return events


def text(event: Event, field: str, limit: int = 256) -> str:
    """A field as one short line that can do no harm, empty if there is none. Strangers choose what names say."""
    value = event.get(field)
    line = "" if value is None else str(value)
    if len(line) > limit:
        line = line[: limit - 1] + "…"
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line)


def say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30  # nobody keeps a thread by being slow
    server: "Receiver"

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            return self.reply(400, "content-length is missing")
        if len(length) > 9 or int(length) > BODY_LIMIT:
            return self.reply(413, "the body is too large")
        body = self.rfile.read(int(length))
        identity = self.headers.get("idempotency-key", "").strip('"')
        if self.server.secrets:
            try:
                identity = verify.standard_webhooks(self.headers, body, self.server.secrets, self.server.tolerance)
            except verify.BadSignatureError as problem:
                return self.reply(401, str(problem))
        try:
            events = events_of(body)
        except ValueError as problem:
            return self.reply(400, str(problem))
        return self.take(identity[:ID_LIMIT], events)

    def take(self, identity: str, events: list[Event]) -> None:
        try:
            for event in events:
                # A batch has one id, and may come again when a part of it is done.
                part = tuple(text(event, field) for field in ("event", "cert_id", "cert_role", "api_id"))
                with self.server.doubles.once((identity, *part) if identity else object()) as first:
                    if first:
                        self.server.act(event)
        except UnderWayError:
            return self.reply(409, "this event is being worked on")
        except TryAgainError as problem:
            say(f"not now: {problem}")
            return self.reply(503, "not now")
        return self.reply(204)

    def do_GET(self) -> None:
        page = self.server.pages.get(self.path)
        self.reply(200, page()) if page else self.reply(404, "there is nothing here")

    def reply(self, status: int, body: str = "") -> None:
        content = f"{body.rstrip()}\n".encode() if body else b""
        self.send_response(status)
        if status == 503:
            self.send_header("retry-after", str(RETRY_AFTER_SECONDS))
        if status != 204:
            self.send_header("content-type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("content-length", str(len(content)))
        # Events are rare, and a connection that nobody keeps cannot break between two of them.
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """What happened to events is said elsewhere."""


class Receiver(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(
        self, options: argparse.Namespace, act: Callable[[Event], None], pages: dict[str, Callable[[], str]]
    ) -> None:
        self.act, self.pages = act, pages
        self.secrets, self.tolerance = secrets(), options.tolerance
        self.doubles = Doubles()
        super().__init__((options.host, options.port), Handler)


def secrets() -> list[str]:
    """From WEBHOOK_SECRETS. Set and useless is a mistake: it must not mean that no signature is asked for."""
    words = os.environ.get("WEBHOOK_SECRETS")
    if words is None:
        say("WEBHOOK_SECRETS is not set: whoever reaches this port can send events")
        return []
    try:
        if words.split() and all(map(verify.standard_webhooks_key, words.split())):
            return words.split()
    except ValueError:
        pass
    sys.exit("WEBHOOK_SECRETS: expected whsec_ and base64, several separated by spaces")


def arguments(description: str) -> argparse.ArgumentParser:
    """The arguments that all receivers have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", type=int, default=8080, help="0: any that is free")
    parser.add_argument("--tolerance", type=float, default=verify.TOLERANCE_SECONDS, help="how old, in seconds")
    return parser


def serve(
    options: argparse.Namespace, act: Callable[[Event], None], pages: dict[str, Callable[[], str]] | None = None
) -> None:
    """Call `act` with each event, once. What it raises as TryAgainError makes the sender come back."""
    with Receiver(options, act, pages or {}) as server:
        print(f"listening on {options.host}:{server.server_address[1]}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("bye")
