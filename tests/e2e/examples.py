"""The example receivers, each as a process of its own, and what they are driven with."""

import asyncio
import base64
import email
import email.policy
import hmac
import http.client
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from socket import socket
from typing import Any, Self

from aiosmtpd.smtp import SMTP, Envelope

from lab import REPOSITORY

RECEIVERS = REPOSITORY / "examples" / "receivers"
SECRET = "whsec_" + base64.b64encode(b"the secret of these tests").decode()
OTHER_SECRET = "whsec_" + base64.b64encode(b"quite another secret, really").decode()

MAIL = ("--from", "certs@example.com", "--to", "ops@example.com, night@example.com")
# Appends what it was told to a file: the first argument.
JOB = "import json, os, sys; open(sys.argv[1], 'a').write(json.dumps([dict(os.environ), sys.argv[2:]]) + '\\n')"
HOSTILE = {
    "a line break": "x\r\nBcc: everybody@example.com\r\n\r\nhello",
    "ten kilobytes": "x" * 10_000,
    "control characters": "a\x00b\x1b[31m\u202egpj.exe\u2028c",
    "half a letter": "\ud800",
    "another script": "Zoë — 東京 🔒",
    "an encoded word": "=?utf-8?q?=0D=0ABcc:_everybody=40example.com?=",
    "commands": "$(touch hacked); `touch hacked` --help",
}

_numbers = itertools.count()


def event(name: str = "api.example.com", **fields: object) -> dict[str, Any]:
    """A default body, about another certificate each time."""
    return {
        "event": "CertificateExpiringSoon",
        "message": f"Certificate {name} is expiring in 2 days and 23 hours",
        "cert_id": f"{next(_numbers):064x}",
        "cert_name": name,
        "expires_at": "2026-11-25T02:41:22Z",
        "days_remaining": 2,
        "cert_role": "upstream",
        "api_id": "orders-api",
        "timestamp": "2026-11-22T02:41:24Z",
    } | fields


def new_id() -> str:
    return f"{next(_numbers):032x}"


def signature(secret: str, identity: str, timestamp: object, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.digest(key, f"{identity}.{timestamp}.".encode() + body, "sha256")
    return "v1," + base64.b64encode(mac).decode()


def signed(body: bytes, *secrets: str, identity: str | None = None, age: int = 0) -> dict[str, str]:
    """The headers of Standard Webhooks, as if sent `age` seconds ago."""
    identity, timestamp = identity or new_id(), int(time.time()) - age
    signatures = [signature(secret, identity, timestamp, body) for secret in secrets or (SECRET,)]
    return {"webhook-id": identity, "webhook-timestamp": str(timestamp), "webhook-signature": " ".join(signatures)}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: str


class Example:
    """One of the receivers, from its first line to its end."""

    def __init__(self, directory: Path, script: str, *arguments: str, **environment: str) -> None:
        self.stderr = directory / f"{script}.{next(_numbers)}.log"
        environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"} | environment
        with self.stderr.open("w") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, str(RECEIVERS / script), "--port", "0", *arguments],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        line = self.process.stdout.readline()
        self.port = int(line.rpartition(":")[2] or 0)

    @property
    def log(self) -> str:
        return self.stderr.read_text()

    def post(self, content: object, headers: Mapping[str, str] | None = None) -> Answer:
        """Send an event, several, or bytes. Without headers the request is signed."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.request("POST", "/certificates", body, signed(body) if headers is None else headers)

    def request(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}) -> Answer:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)) as connection:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read().decode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def mail_relay(directory: Path, sink: "MailSink", *arguments: str, **environment: str) -> Example:
    smtp = ("--smtp", f"127.0.0.1:{sink.port}")
    return Example(directory, "email_relay.py", *smtp, *MAIL, *arguments, **environment)


def renewal(directory: Path, *arguments: str, **environment: str) -> Example:
    return Example(directory, "renewal_job.py", *arguments, **environment)


def jobs_told(file: Path) -> list[tuple[dict[str, str], list[str]]]:
    """Environment and arguments of every JOB that has run."""
    return [tuple(json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []


def counts(example: Example) -> dict[str, int]:
    """The series that Prometheus would read, those at zero left out."""
    answer = example.request("GET", "/metrics")
    assert (answer.status, answer.headers["content-type"].split(";")[0]) == (200, "text/plain")
    series = dict(line.rsplit(" ", 1) for line in answer.body.splitlines() if not line.startswith("#"))
    return {name: int(value) for name, value in series.items() if value != "0"}


class MailSink:
    """A mail server on a port of its own, which refuses connections until it is started."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.mails: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self.answer = "250 taken"
        self.answers: list[str] = []  # to the next mails, before `answer` counts
        self.unknown: set[str] = set()  # recipients that are refused
        self.farewell = "221 bye"
        self.gate = threading.Event()  # no mail is answered while it is closed
        self.gate.set()
        self.server: asyncio.Server | None = None
        self.socket = socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()

    def start(self) -> None:
        self._run(self._listen())

    async def _listen(self) -> None:
        self.server = await self.loop.create_server(
            lambda: SMTP(self, loop=self.loop, **self.options), sock=self.socket
        )

    def _run(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: object, envelope: Envelope, address: str, _options: object
    ) -> str:
        if address in self.unknown:
            return "550 unknown"
        envelope.rcpt_tos.append(address)
        return "250 known"

    async def handle_QUIT(self, *_: object) -> str:  # noqa: N802
        return self.farewell

    async def handle_DATA(self, _server: SMTP, _session: object, envelope: Envelope) -> str:  # noqa: N802
        self.envelopes.append(envelope)
        await asyncio.to_thread(self.gate.wait)
        answer = self.answers.pop(0) if self.answers else self.answer
        if answer.startswith("250"):
            self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self._run(self._stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
        self.socket.close()

    async def _stop(self) -> None:
        if self.server:
            self.server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self.loop.shutdown_default_executor()
