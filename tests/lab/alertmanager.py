"""A running Alertmanager as Debian ships it, and its own command-line tool."""

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from socket import SO_REUSEADDR
from types import TracebackType
from typing import Any

from lab import REPOSITORY, wait
from lab.server import reserved_port
from lab.verdict import MissingError

# The whole tree of the package; `make` fetches it.
UNPACKED = REPOSITORY / "target" / "alertmanager" / "root"

START_SECONDS = 15
STOP_SECONDS = 10
TAIL_LINES = 40

Alert = dict[str, Any]


def notifying(url: str) -> dict[str, Any]:
    """A configuration that tells a webhook of every alert by itself, and at once."""
    timing = {"group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"}
    return {
        "route": {"receiver": "people", "group_by": ["..."], **timing},
        "receivers": [{"name": "people", "webhook_configs": [{"url": url, "send_resolved": True}]}],
    }


class Alertmanager:
    """Its port and what it keeps in `directory` outlive it: it can be stopped or killed, and started again."""

    def __init__(self, directory: Path, configuration: Mapping[str, Any]) -> None:
        self.directory = directory.absolute()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.configuration = configuration
        self.log_file = self.directory / "alertmanager.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._reserved = ExitStack()
        # Go asks for this option.
        self.port = self._reserved.enter_context(reserved_port(SO_REUSEADDR))
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        configuration = self.directory / "alertmanager.json"
        configuration.write_text(json.dumps(self.configuration))  # JSON is YAML
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(_binary("prometheus-alertmanager"), f"--config.file={configuration}"),
                    *(f"--storage.path={self.directory / 'data'}", f"--web.listen-address=127.0.0.1:{self.port}"),
                    "--cluster.listen-address=",  # alone
                ],
                cwd=UNPACKED,  # where it finds its templates
                stdout=log,
                stderr=log,
            )
        wait.until(self._is_ready, "Alertmanager is ready", START_SECONDS)

    def stop(self) -> None:
        """Let it end in good order: it writes down what it has told to whom."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def post(self, alerts: Sequence[Alert]) -> tuple[int, str]:
        """The status and the words that it answers alerts with."""
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"{self.url}/api/v2/alerts", json.dumps(alerts).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def alerts(self, **labels: str) -> list[Alert]:
        """The alerts that are active, as amtool shows them, that have all these labels."""
        amtool = [_binary("amtool"), f"--alertmanager.url={self.url}", "alert", "query", "--output=json"]
        home = {**os.environ, "HOME": str(self.directory)}  # whose own settings count for nothing here
        result = subprocess.run(amtool, env=home, capture_output=True, text=True, timeout=10)
        if result.returncode:
            raise ChildProcessError(f"amtool: {result.stderr}")
        return _having(labels, json.loads(result.stdout))

    def api_alerts(self, **labels: str) -> list[Alert]:
        """The same from its API."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=10) as response:
            return _having(labels, json.loads(response.read()))

    def wait_for(self, count: int = 1, within: float = 15.0, **labels: str) -> list[Alert]:
        """Wait until amtool shows just so many alerts with all these labels; none is a number too."""
        # In a tuple, which is true even of none.
        [found] = wait.until(
            lambda: (found,) if len(found := self.alerts(**labels)) == count else None,
            f"{count} alerts with {labels or 'any labels'}",
            within,
        )
        return found

    def metric(self, name: str) -> float:
        """One of its own metrics without labels."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as response:
            [sample] = [line for line in response.read().decode().splitlines() if line.startswith(f"{name} ")]
        return float(sample.split()[1])

    def tail(self) -> str:
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-TAIL_LINES:])

    def _end(self, how: signal.Signals) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _is_ready(self) -> bool:
        if (status := self.process.poll()) is not None:
            raise ChildProcessError(f"Alertmanager ended with {status}:\n{self.tail()}")
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=10) as response:
                return response.status == 200
        except (urllib.error.URLError, ConnectionError):
            return False

    def __enter__(self) -> "Alertmanager":
        with ExitStack() as undone:
            undone.callback(self._close)
            self.start()
            undone.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        self.stop()
        self._reserved.close()


def _binary(name: str) -> str:
    path = UNPACKED / "usr" / "bin" / name
    if not path.exists():
        raise MissingError(f"Debian's {name} is not in {UNPACKED.relative_to(REPOSITORY)}: make test-e2e fetches it")
    return str(path)


def _having(labels: Mapping[str, str], alerts: list[Alert]) -> list[Alert]:
    return [alert for alert in alerts if labels.items() <= alert["labels"].items()]
