"""Servers that others wrote, as processes, from packages of Debian that `make` unpacks below target/."""

import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from lab import REPOSITORY, wait
from lab.verdict import MissingError

START_SECONDS = 15
STOP_SECONDS = 10
TAIL_LINES = 40


def binary(root: Path, name: str) -> str:
    """What a package brings, where it is unpacked."""
    path = root / "usr" / "bin" / name
    if not path.exists():
        raise MissingError(f"Debian's {name} is not in {root.relative_to(REPOSITORY)}: make test-e2e fetches it")
    return str(path)


class Daemon:
    """What it keeps in `directory` outlives it: it can be stopped or killed, and started again."""

    name: str

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log_file = self.directory / f"{self.name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._reserved = ExitStack()

    def command(self) -> Sequence[str]:
        """What runs it; called at each start."""
        raise NotImplementedError

    def is_ready(self) -> bool:
        """Whether it answers as it should; asked as long as its process lives."""
        raise NotImplementedError

    @property
    def runs_in(self) -> Path:
        return self.directory

    @property
    def environment(self) -> Mapping[str, str] | None:
        """The variables that it sees; None: ours."""
        return None

    def start(self) -> None:
        command = self.command()
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.runs_in, env=self.environment, stdout=log, stderr=log)
        wait.until(self._is_up, f"{self.name} is ready", START_SECONDS)

    def stop(self) -> None:
        """Let it end in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Have it keep its connections and answer nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def tail(self) -> str:
        return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-TAIL_LINES:])

    def _is_up(self) -> bool:
        if (status := self.process.poll()) is not None:
            raise ChildProcessError(f"{self.name} ended with {status}:\n{self.tail()}")
        return self.is_ready()

    def _end(self, how: signal.Signals) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(how)
        self.thaw()  # what is frozen hears of no signal but this one
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Self:
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
