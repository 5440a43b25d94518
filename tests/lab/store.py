"""What proxies remember together: a real Redis and, before it, a real Webdis, as Debian ships them."""

import base64
import json
import os
import subprocess
from collections.abc import Iterable
from http.client import HTTPConnection, HTTPException
from socket import SO_REUSEADDR
from typing import Any
from urllib.parse import quote

from lab import REPOSITORY
from lab.daemon import Daemon, binary
from lab.server import reserved_port

# The trees of the packages and of the libraries that they need; `make` fetches them.
UNPACKED = REPOSITORY / "target" / "store" / "root"
# What docker-compose.yml gives to Webdis.
SHIPPED = REPOSITORY / "envoy" / "webdis.json"

SOCKET = "redis.sock"
# Who may use Webdis.
USER = "envoy:open-sesame"


class Redis(Daemon):
    """Listens on a socket in its directory, and no port; writes down everything, so that a kill costs nothing."""

    name = "redis-server"

    @property
    def environment(self) -> dict[str, str]:
        return _environment()

    def command(self) -> list[str]:
        options = {"port": "0", "unixsocket": SOCKET, "appendonly": "yes", "save": ""}
        return [
            binary(UNPACKED, self.name),
            *(part for name, value in options.items() for part in (f"--{name}", value)),
        ]

    def is_ready(self) -> bool:
        return self._ask("PING").stdout.strip() == "PONG"

    def cli(self, *command: str) -> list[str]:
        """What redis-cli prints, line by line."""
        result = self._ask(*command)
        if result.returncode or result.stdout.startswith(("ERR", "(error)")):
            raise ChildProcessError(f"redis-cli {' '.join(command)}: {result.stdout}{result.stderr}")
        return result.stdout.splitlines()

    def find(self, pattern: str = "cert-cooldown:*") -> list[str]:
        return sorted(filter(None, self.cli("KEYS", pattern)))

    def ttl(self, key: str) -> int:
        """How many seconds a key has left; -1: it stays for ever, -2: it is not there."""
        [seconds] = self.cli("TTL", key)
        return int(seconds)

    def get(self, key: str) -> str:
        [value] = self.cli("GET", key)
        return value

    def _ask(self, *command: str) -> subprocess.CompletedProcess[str]:
        client = [binary(UNPACKED, "redis-cli"), "-s", SOCKET, *command]
        return subprocess.run(
            client, cwd=self.directory, env=self.environment, capture_output=True, text=True, timeout=10
        )


class Webdis(Daemon):
    """Before a Redis on this machine, with the configuration that is shipped; its port outlives it."""

    name = "webdis"

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis.directory)
        self.configuration = json.loads(SHIPPED.read_text())
        self.port = self._reserved.enter_context(reserved_port(SO_REUSEADDR))

    @property
    def environment(self) -> dict[str, str]:
        return _environment()

    def command(self) -> list[str]:
        written = self.directory / "webdis.json"
        local = {
            # A path that is short enough for a socket wherever the directory is.
            "redis_host": f"/proc/self/cwd/{SOCKET}",
            "http_host": "127.0.0.1",
            "http_port": self.port,
        }
        # Debian's takes nothing from the environment.
        written.write_text(json.dumps({**self.configuration, **local}).replace("$WEBDIS", USER))
        return [binary(UNPACKED, self.name), written.name]

    def is_ready(self) -> bool:
        # Half a command: Redis answers it and does nothing. Each thread connects by itself.
        asked = [self.ask("SET", "half-a-command") for _ in range(2 * self.configuration["threads"])]
        return all(status == 200 for status, _ in asked)

    def ask(self, *command: str, user: str | None = USER) -> tuple[int, Any]:
        """The status of an answer and what is in it; 0 where there is none."""
        headers = {"authorization": f"Basic {base64.b64encode(user.encode()).decode()}"} if user else {}
        # It never answers one who says "connection: close" before the body comes, as urllib does.
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", "/", request_body(command), headers)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, HTTPException):
            return 0, None
        finally:
            connection.close()
        return answer.status, json.loads(body) if body else None


def request_body(command: Iterable[str]) -> str:
    """A command as Webdis takes it; it takes a dot in the last word for the beginning of an extension."""
    return "/".join(quote(word, safe="").replace(".", "%2E") for word in command)


def _environment() -> dict[str, str]:
    libraries = os.pathsep.join(map(str, (UNPACKED / "usr" / "lib").glob("*-linux-gnu")))
    return {**os.environ, "LD_LIBRARY_PATH": libraries}
