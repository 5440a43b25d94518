"""Where somebody who checks is not there: a skip that is named, and that is refused where skips are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab import REPOSITORY, outsiders
from lab.alertmanager import Alertmanager
from lab.store import Redis
from lab.verdict import MissingError

BODIES = Path(__file__).with_name("test_outsiders_bodies.py")
SKIPPED = "Skipped: discord-incoming-webhook.openapi.json is not in"


def run_pytest(keyword: str, **environment: str) -> tuple[int, str]:
    """What a session of its own, of those who check bodies, exits with, and what it prints."""
    clean = {name: value for name, value in os.environ.items() if name != "REFUSE_SKIPS"}
    command = [sys.executable, "-m", "pytest", "-c", "tests/pyproject.toml", "-p", "no:cacheprovider", str(BODIES)]
    result = subprocess.run(
        [*command, "-k", keyword], cwd=REPOSITORY, env={**clean, **environment}, capture_output=True, text=True
    )
    return result.returncode, result.stdout


def test_a_test_without_its_schema_is_skipped_by_name_and_refused_where_skips_are(tmp_path: Path) -> None:
    status, said = run_pytest("test_discord_schema", SCHEMAS=str(tmp_path))
    assert status == 0, said
    assert f"{BODIES.name}::test_discord_schema - {SKIPPED}" in said

    status, said = run_pytest("test_discord_schema", SCHEMAS=str(tmp_path), REFUSE_SKIPS="1")
    assert status == 1, said
    assert f"REFUSE_SKIPS is set. {SKIPPED}" in said


def test_what_is_not_installed_is_missing_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.outsiders.REPOSITORY", tmp_path)
    monkeypatch.setattr("lab.outsiders.INSTALLED", tmp_path / "target")
    with pytest.raises(MissingError, match="npm packages are not in target"):
        outsiders.adaptive_card({"version": "1.4"})
    monkeypatch.setattr("lab.daemon.REPOSITORY", tmp_path)
    monkeypatch.setattr("lab.alertmanager.UNPACKED", tmp_path / "target")
    with pytest.raises(MissingError, match="prometheus-alertmanager is not in target"), Alertmanager(tmp_path, {}):
        pass
    monkeypatch.setattr("lab.store.UNPACKED", tmp_path / "target")
    with pytest.raises(MissingError, match="redis-server is not in target"), Redis(tmp_path):
        pass
