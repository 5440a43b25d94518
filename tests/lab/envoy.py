"""A running Envoy, and what it says about itself."""

import json
import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab import wait

START_SECONDS = 30
STOP_SECONDS = 10
TAIL_LINES = 80
COMMON_ARGUMENTS = ["--disable-hot-restart", "--log-level", "warning"]


class Envoy:
    """Runs in `directory`, so that the relative paths of its configuration find their files there."""

    def __init__(
        self,
        binary: Path,
        configuration: Path,
        concurrency: int = 1,
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        wasm_level: str = "debug",
    ) -> None:
        self.directory = configuration.parent
        self.log_file = self.directory / "envoy.log"
        self.admin_file = self.directory / "admin"
        self.admin_file.unlink(missing_ok=True)
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(str(binary), "-c", configuration.name, *COMMON_ARGUMENTS, *_wasm_at(wasm_level)),
                    *("--concurrency", str(concurrency), "--admin-address-path", self.admin_file.name, *arguments),
                ],
                cwd=self.directory,
                env={**os.environ, "TZ": "UTC", **(environment or {})},  # so that its log and its events tell one time
                stdout=log,
                stderr=log,
            )

    def wait_ready(self, within: float = START_SECONDS) -> None:
        wait.until(self._is_ready, "Envoy is ready", within)

    def wait_end(self) -> int:
        """Wait for an Envoy that ends by itself; what it exits with."""
        return self.process.wait(START_SECONDS)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def tail(self) -> str:
        return "\n".join(self.log().splitlines()[-TAIL_LINES:])

    def log_lines(self, pattern: str) -> list[str]:
        # Not splitlines(): what it takes for the end of a line a certificate may have brought into the log.
        return [line for line in self.log().split("\n") if re.search(pattern, line)]

    def wait_log(self, pattern: str, count: int = 1, within: float = 15.0) -> list[str]:
        """Wait for so many lines of the log that the pattern is found in."""
        wait.until(lambda: len(self.log_lines(pattern)) >= count, f"{count} log lines with {pattern!r}", within)
        return self.log_lines(pattern)

    def admin(self, path: str) -> str:
        with urllib.request.urlopen(f"http://{self.admin_address}{path}", timeout=10) as response:
            return response.read().decode()

    @property
    def admin_address(self) -> str:
        return self.admin_file.read_text()

    def port(self, listener: str) -> int:
        """The port that the kernel gave to a listener."""
        statuses = json.loads(self.admin("/listeners?format=json"))["listener_statuses"]
        [address] = [status["local_address"] for status in statuses if status["name"] == listener]
        return address["socket_address"]["port_value"]

    def stat(self, pattern: str) -> dict[str, int]:
        """Envoy's own counters and gauges that the pattern is found in."""
        stats = (line.split(": ", 1) for line in self.admin("/stats").splitlines())
        found = {name: value for name, value in stats if re.search(pattern, name)}
        return {name: int(value) for name, value in found.items() if value.isdecimal()}  # others are texts

    def metrics(self) -> dict[str, float]:
        """What Prometheus scrapes, each sample by its name and, if it has any, its labels."""
        lines = [line for line in self.admin("/stats?format=prometheus").splitlines() if line and line[0] != "#"]
        return {name.removesuffix("{}"): float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    @property
    def listener_updates(self) -> int:
        """How many updates of its listeners it has taken over or refused."""
        return sum(self.stat(r"^listener_manager\.lds\.update_(success|rejected)$").values())

    @property
    def resident_bytes(self) -> int:
        """The memory that it holds."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def _is_ready(self) -> bool:
        if (status := self.process.poll()) is not None:
            raise ChildProcessError(f"Envoy ended with {status}")
        try:
            return self.admin_file.exists() and self.admin("/ready").strip() == "LIVE"
        except OSError:  # nobody listens yet, or its main thread is busy with what it reads
            return False


def validate(binary: Path, configuration: Path) -> tuple[int, str]:
    """What `envoy --mode validate` exits with, and what it says."""
    result = subprocess.run(
        [str(binary), "-c", configuration.name, "--mode", "validate", *COMMON_ARGUMENTS, *_wasm_at("debug")],
        cwd=configuration.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=START_SECONDS,
    )
    return result.returncode, result.stdout.decode(errors="replace")


def _wasm_at(level: str) -> list[str]:
    return ["--component-log-level", f"wasm:{level}"]
