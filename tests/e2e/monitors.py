"""Who is the monitor, what waits for its receivers, and how it is made to fall."""

import re
from typing import NamedTuple

from lab import wait
from lab.envoy import Envoy
from lab.scene import Scene

PREFIX = "cert_expiry_monitor_"
KINDS = ("monitor", "standby", "auto")

# Within this time there is a monitor again, whatever became of the one before.
TAKEOVER_SECONDS = 10
# Where a machine that stands still proves nothing.
BUSY_SECONDS = 30
LOST = "The lease is in other hands: this instance is the monitor no more"


class Lease(NamedTuple):
    epoch: int
    kind: str
    hash: str


def leases(envoy: Envoy) -> list[Lease]:
    """Every lease that was taken so far."""
    pattern = r"Holding the lease kind=(\w+) epoch=(\d+) hash=([0-9a-f]{8})"
    found = (re.search(pattern, line).groups() for line in envoy.log_lines(pattern))
    return [Lease(int(epoch), kind, hash_) for kind, epoch, hash_ in found]


def wait_for_lease(envoy: Envoy, before: Lease, within: float = BUSY_SECONDS) -> Lease:
    """Wait until somebody has taken the lease after the one before."""
    newer = wait.until(
        lambda: [lease for lease in leases(envoy) if lease.epoch > before.epoch], f"a lease after {before}", within
    )
    return newer[-1]


def holders(envoy: Envoy) -> list[str]:
    """The kinds of instances that are the monitor, as the metrics have it: one at most."""
    metrics = envoy.metrics()
    return [kind for kind in KINDS if metrics.get(f'{PREFIX}holder{{kind="{kind}"}}') == 1]


def wait_for_holder(envoy: Envoy, kind: str, within: float = BUSY_SECONDS) -> None:
    wait.until(lambda: holders(envoy) == [kind], f"an instance of the kind {kind} is the monitor", within)


def failovers(envoy: Envoy) -> float:
    return envoy.metrics()[f"{PREFIX}failovers_total"]


def overtaken(envoy: Envoy) -> int:
    """How many monitors were followed by another although they live: their threads stood still for seconds."""
    return len(envoy.log_lines(LOST))


def wait_for_failovers(envoy: Envoy, traps: int) -> None:
    """Wait until it is known that nobody was followed by another but who has trapped or was overtaken."""
    wait.until(lambda: failovers(envoy) == traps + overtaken(envoy), f"{traps} failovers")


def last_tick(envoy: Envoy) -> float:
    return envoy.metrics()[f"{PREFIX}last_tick_seconds"]


def rulings(envoy: Envoy) -> dict[str, float]:
    """The documents by the first digits of their hashes: 1 for the one that rules."""
    pattern = re.compile(rf'{PREFIX}config_info{{hash="([0-9a-f]{{8}})[0-9a-f]*"}}')
    samples = ((pattern.fullmatch(name), value) for name, value in envoy.metrics().items())
    return {match.group(1): value for match, value in samples if match}


def wait_for_outbox(envoy: Envoy, entries: int, webhook: str = "ops") -> None:
    """Wait until so many events wait for a receiver."""
    sample = f'{PREFIX}outbox_entries{{webhook="{webhook}"}}'
    wait.until(lambda: envoy.metrics().get(sample) == entries, f"{entries} events wait for {webhook}", 30)


def traps(envoy: Envoy) -> int:
    """How often a VM has trapped."""
    return len(envoy.log_lines(r"\[error\]\[wasm\].*Function: \w+ failed"))


def trap(scene: Scene, whom: str) -> int:
    """Tell the monitor to trap in its next tick, or the observer to trap in this request; the request's status."""
    return scene.client().get(headers={"x-cert-expiry-trap": whom})
