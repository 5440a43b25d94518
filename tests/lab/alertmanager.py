"""A running Alertmanager as Debian ships it, and its own command-line tool."""

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from socket import SO_REUSEADDR
from typing import Any

from lab import REPOSITORY, wait
from lab.daemon import Daemon, binary
from lab.server import reserved_port

# The whole tree of the package; `make` fetches it.
UNPACKED = REPOSITORY / "target" / "alertmanager" / "root"

Alert = dict[str, Any]


def notifying(url: str) -> dict[str, Any]:
    """A configuration that tells a webhook of every alert by itself, and at once."""
    timing = {"group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"}
    return {
        "route": {"receiver": "people", "group_by": ["..."], **timing},
        "receivers": [{"name": "people", "webhook_configs": [{"url": url, "send_resolved": True}]}],
    }


class Alertmanager(Daemon):
    """Its port outlives it as well."""

    name = "alertmanager"

    def __init__(self, directory: Path, configuration: Mapping[str, Any]) -> None:
        super().__init__(directory)
        self.configuration = configuration
        # Go asks for this option.
        self.port = self._reserved.enter_context(reserved_port(SO_REUSEADDR))
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def runs_in(self) -> Path:
        return UNPACKED  # where it finds its templates

    def command(self) -> list[str]:
        configuration = self.directory / "alertmanager.json"
        configuration.write_text(json.dumps(self.configuration))  # JSON is YAML
        return [
            *(binary(UNPACKED, "prometheus-alertmanager"), f"--config.file={configuration}"),
            *(f"--storage.path={self.directory / 'data'}", f"--web.listen-address=127.0.0.1:{self.port}"),
            "--cluster.listen-address=",  # alone
        ]

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=10) as response:
                return response.status == 200
        except (urllib.error.URLError, ConnectionError):
            return False

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
        amtool = [binary(UNPACKED, "amtool"), f"--alertmanager.url={self.url}", "alert", "query", "--output=json"]
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


def _having(labels: Mapping[str, str], alerts: list[Alert]) -> list[Alert]:
    return [alert for alert in alerts if labels.items() <= alert["labels"].items()]
