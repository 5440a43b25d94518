"""Several Envoys that report together, and what they say of the store that they share."""

import re
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from e2e.deliveries import PREFIX
from lab import wait
from lab.envoy import Envoy
from lab.receiver import Receiver, Request
from lab.scene import Cast, Scene
from lab.store import USER

# What the log says when the store cannot be asked, and when it can be asked again.
AWAY = "Cooldown store cannot be asked.* cluster=webdis reason="
BACK = "Cooldown store answers again cluster=webdis"

NAMES = ("edge-1", "edge-2", "edge-3")


class Fleet:
    """Of one cast, with one receiver, checking every second. Change `scenes` as you like, then `start`."""

    def __init__(self, directory: Path, port: int, *names: str) -> None:
        self.scenes: list[Scene] = []
        self._running = ExitStack()
        for name in names or NAMES:
            (directory / name).mkdir()
            scene = self._running.enter_context(Scene(directory / name))
            join(scene, name, port)
            if self.scenes:
                scene.cast = self.scenes[0].cast
                scene.configuration.place("webhook_receiver", self.receiver.port)
            self.scenes.append(scene)

    @property
    def receiver(self) -> Receiver:
        return self.scenes[0].receiver

    @property
    def cast(self) -> Cast:
        return self.scenes[0].cast

    @property
    def envoys(self) -> list[Envoy]:
        return [scene.envoy for scene in self.scenes]

    def start(self) -> None:
        for scene in self.scenes:
            start(scene)

    def start_at_once(self) -> None:
        for scene in self.scenes:
            scene.launch(environment={"WEBDIS": USER})
        for envoy in self.envoys:
            envoy.wait_ready()

    def let_checks_go_by(self, count: int = 3) -> None:
        """Let each of them check so often: time enough for what must not happen."""
        pattern = r"Checked \d+ certificates for expiry"
        before = [len(envoy.log_lines(pattern)) for envoy in self.envoys]
        for envoy, already in zip(self.envoys, before, strict=True):
            envoy.wait_log(pattern, already + count)

    def __enter__(self) -> "Fleet":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()


def join(scene: Scene, name: str, port: int, **more: object) -> None:
    """Have a scene ask the store behind this port, and say in each request who it is."""
    scene.configuration.join_fleet()
    scene.configuration.place("webdis", port)
    scene.plugin["cooldown_store"].update(more)
    scene.arguments = ["--service-node", name]
    scene.webhook["headers"]["x-proxy"] = name
    scene.webhook["timeout_seconds"] = 5
    scene.monitor["check_interval_seconds"] = 1


def start(scene: Scene, user: str = USER) -> Envoy:
    return scene.start(environment={"WEBDIS": user})


def teller(request: Request) -> str:
    """The proxy that has sent it."""
    return request.headers["x-proxy"]


def patience(envoy: Envoy) -> int:
    """How many seconds it lets an event wait for a store that is away, by its own word; known once it is away."""
    [line] = envoy.wait_log(AWAY, within=30)
    return int(re.search(r"each after (\d+) seconds", line).group(1))


def about(request: Request) -> tuple[str, str, str, str]:
    """What it is about, whatever the period."""
    event = request.event
    return event["event"], event["cert_role"], event["cert_name"], event.get("api_id", "")


def asked(envoy: Envoy) -> Counter[str]:
    """How often which outcome was counted of what the store was asked."""
    found: Counter[str] = Counter()
    for sample, value in envoy.metrics().items():
        if match := re.fullmatch(rf'{PREFIX}cooldown_store_total{{outcome="(\w+)"}}', sample):
            found[match.group(1)] = int(value)
    return +found


def wait_asked(envoy: Envoy, outcome: str, count: int = 1, within: float = 15.0) -> None:
    """Wait until an outcome was counted so often."""
    wait.until(lambda: asked(envoy)[outcome] >= count, f"{count} times {outcome}; there are {asked(envoy)}", within)
