"""The only place that lets time pass."""

import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")

POLL_SECONDS = 0.05


def until(probe: Callable[[], Answer], what: str, within: float = 15.0) -> Answer:
    """Ask `probe` until its answer is true, and return that; after `within` seconds say `what` is missing."""
    deadline = time.monotonic() + within
    while not (answer := probe()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within:g} s: {what}")
        time.sleep(POLL_SECONDS)
    return answer
