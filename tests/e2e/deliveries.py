"""Webhooks that fail as a test wants it, and what the plugin says of them."""

import re
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Any

from lab import REPOSITORY, wait
from lab.config import parts
from lab.envoy import Envoy
from lab.receiver import Request
from lab.scene import Scene

PREFIX = "cert_expiry_monitor_"
ORIGIN = "http://hooks.example.com"


def webhook(name: str, **more: object) -> dict[str, Any]:
    """A webhook at the path of its name, which tries again after a second."""
    return {
        "name": name,
        "cluster": "webhook_receiver",
        "url": f"{ORIGIN}/{name}",
        "retry_schedule": ["1s"],
        **more,
    }


def failed(name: str) -> str:
    """What the line of a failed try begins with."""
    return rf"Request to webhook failed webhook={re.escape(name)} "


def outcomes(envoy: Envoy, name: str) -> Counter[str]:
    """How often which outcome was counted for a webhook."""
    found: Counter[str] = Counter()
    for sample, value in envoy.metrics().items():
        labels = dict(re.findall(r'(\w+)="([^"]*)"', sample))
        if sample.startswith(f"{PREFIX}deliveries_total{{") and labels["webhook"] == name and value:
            found[labels["outcome"]] = int(value)
    return found


def wait_outcomes(envoy: Envoy, name: str, expected: dict[str, int], within: float = 15.0) -> None:
    """Wait until just these outcomes were counted and nothing is tried any more."""
    entries = f'{PREFIX}outbox_entries{{webhook="{name}"}}'
    try:
        wait.until(
            lambda: outcomes(envoy, name) == expected and envoy.metrics().get(entries) == 0,
            f"{name}: {expected}",
            within,
        )
    except TimeoutError as error:
        error.add_note(f"there are {outcomes(envoy, name)}, and {envoy.metrics().get(entries)} events wait")
        raise


def dropped(envoy: Envoy, reason: str) -> int:
    return int(envoy.metrics()[f'{PREFIX}dropped_total{{reason="{reason}"}}'])


def pauses(requests: list[Request]) -> list[float]:
    """The seconds between requests."""
    times = [request.arrived for request in requests]
    return [(after - before) / timedelta(seconds=1) for before, after in pairwise(times)]


def let_through(scene: Scene, *names: str) -> None:
    """Have Envoy hand these variables of its environment to the plugin."""
    # The anchor makes it one list for all parts.
    parts(scene.configuration.document)[0]["vm_config"]["environment_variables"]["host_env_keys"].extend(names)


def version() -> str:
    """The version of the plugin."""
    [found] = re.findall(r'^version = "(.+)"$', (REPOSITORY / "Cargo.toml").read_text(), re.MULTILINE)
    return found
