"""What every end-to-end test stands on: a scene of its own, and Envoy's log when a test fails."""

import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from lab.scene import Scene


def pytest_configure() -> None:
    # Ends the session in good order: nobody's Envoy stays behind.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated"))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Scene(tmp_path) as scene:
        yield scene


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for scene in item.funcargs.values():
            if isinstance(scene, Scene) and scene.envoy:
                report.sections.append(("the end of Envoy's log", scene.envoy.tail()))
    return report
