"""Certificates that are made to kill or to fill the monitor."""

from collections.abc import Iterator
from itertools import islice

from cryptography.hazmat.primitives.asymmetric import ec

from e2e.contract import plugin_lines, wait_for_checks
from e2e.monitors import PREFIX, traps, wait_for_failovers, wait_for_holder
from lab import wait
from lab.certificates import Identity
from lab.scene import TRAP, Scene

POISON = "trap-the-parser"

STRANGERS = 3_000
BOUND = 500
# What a second half of strangers may add to Envoy's memory when the first half has filled everything that is bounded.
FLAT_BYTES = 4 << 20


def test_a_certificate_that_kills_the_parser_does_so_once(scene: Scene) -> None:
    scene.plugin_file = TRAP
    scene.monitor["check_interval_seconds"] = 1
    envoy = scene.start(concurrency=2)
    wait_for_holder(envoy, "monitor")
    poison = scene.cast.authority.issue(POISON)

    assert scene.client(poison).get() == 200
    wait_for_holder(envoy, "standby", within=30)
    envoy.wait_log("quarantined")
    for _ in range(5):
        assert scene.client(poison).get_all(["/orders", "/billing"] * 10, connections=4) == [200] * 20
        wait_for_checks(envoy, 2)

    newcomer = scene.cast.authority.issue("Newcomer")
    assert scene.client(newcomer).get() == 200
    assert scene.receiver.event(cert_name="Newcomer")["cert_id"] == newcomer.cert_id
    assert traps(envoy) == 1
    wait_for_failovers(envoy, 1)


def test_strangers_fill_no_more_than_there_is_room_for(scene: Scene) -> None:
    scene.monitor.update(max_certificates=BOUND, check_interval_seconds=1)
    envoy = scene.start(concurrency=2)
    assert scene.client().get() == 200
    scene.receiver.wait_for(2)

    def seen() -> float:
        """What the monitor has been handed over: what it keeps, and what it has no room for."""
        metrics = envoy.metrics()
        kept = sum(value for name, value in metrics.items() if name.startswith(f"{PREFIX}certificates{{"))
        return kept + metrics.get(f'{PREFIX}dropped_total{{reason="inventory_full"}}', 0)

    resident = [envoy.resident_bytes]
    strangers = make_strangers(scene)
    for _ in range(4):
        for stranger in islice(strangers, STRANGERS // 4):
            assert scene.client(stranger).get() == 200
        resident.append(envoy.resident_bytes)
    # And the cast: client and upstream.
    wait.until(lambda: seen() >= STRANGERS + 2, "the monitor has seen everybody", 30)
    wait_for_checks(envoy, 2)
    resident.append(envoy.resident_bytes)

    metrics = envoy.metrics()
    print("Envoy's memory in MB:", [round(bytes_ / (1 << 20), 1) for bytes_ in resident])
    assert metrics[f'{PREFIX}certificates{{role="client"}}'] <= BOUND
    assert metrics[f'{PREFIX}dropped_total{{reason="inventory_full"}}'] >= STRANGERS - BOUND
    assert resident[-1] - resident[2] < FLAT_BYTES
    assert plugin_lines(envoy, "critical") == []
    assert traps(envoy) == 0


def make_strangers(scene: Scene) -> Iterator[Identity]:
    """With one key for all of them: only what is signed has to differ."""
    key = ec.generate_private_key(ec.SECP256R1())
    return (scene.cast.authority.issue(f"stranger-{number}", key=key) for number in range(STRANGERS))
