"""What every end-to-end test stands on: a scene of its own, logs when a test fails, and no skip that nobody sees."""

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from e2e.fleet import Fleet
from e2e.story import Story
from lab.alertmanager import Alertmanager, notifying
from lab.daemon import Daemon
from lab.receiver import Receiver
from lab.scene import Scene
from lab.store import Redis, Webdis
from lab.verdict import MissingError

# With this variable set, a skip is a failure.
REFUSE_SKIPS = "REFUSE_SKIPS"


def pytest_configure() -> None:
    # Ends the session in good order: nobody's Envoy stays behind.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated"))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Scene(tmp_path) as scene:
        yield scene


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """What every webhook was told of the same certificates. It is over: what arrived is still there."""
    with Story(tmp_path_factory.mktemp("story")) as story:
        story.play()
    return story


@pytest.fixture
def people() -> Iterator[Receiver]:
    """Whom the Alertmanager tells."""
    with Receiver() as people:
        yield people


@pytest.fixture
def alertmanager(tmp_path: Path, people: Receiver) -> Iterator[Alertmanager]:
    with Alertmanager(tmp_path / "alertmanager", notifying(f"http://127.0.0.1:{people.port}/")) as alertmanager:
        yield alertmanager


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    with Redis(tmp_path / "store") as redis:
        yield redis


@pytest.fixture
def webdis(redis: Redis) -> Iterator[Webdis]:
    with Webdis(redis) as webdis:
        yield webdis


@pytest.fixture
def fleet(tmp_path: Path, webdis: Webdis) -> Iterator[Fleet]:
    """Three Envoys that are not started yet."""
    with Fleet(tmp_path, webdis.port) as fleet:
        yield fleet


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.excinfo and call.excinfo.errisinstance(MissingError):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), item.location[1] or 0, f"Skipped: {call.excinfo.value}")
    refuse_skip(report)
    if report.failed:
        for player in item.funcargs.values():
            for scene in player.scenes if isinstance(player, Fleet) else [player]:
                if isinstance(scene, Scene) and scene.envoy:
                    report.sections.append((f"the end of Envoy's log in {scene.directory}", scene.envoy.tail()))
            if isinstance(player, Daemon):
                report.sections.append((f"the end of the log of {player.name}", player.tail()))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    refuse_skip(report)
    return report


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get(REFUSE_SKIPS):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{REFUSE_SKIPS} is set. {reason}"
