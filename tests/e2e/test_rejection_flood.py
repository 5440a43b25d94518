"""Strangers who open connections that fail, each with a certificate of its own."""

import socket
import ssl
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from e2e.contract import plugin_lines, wait_for_checks
from e2e.monitors import PREFIX, traps, wait_for_failovers
from e2e.refusals import REJECTED, tell_rejections
from lab import wait
from lab.certificates import THREE_DAYS, Authority, Identity
from lab.config import INGRESS
from lab.scene import Scene

STRANGERS = 10_000
THREADS = 4
# What a second half of strangers may add to Envoy's memory when the first half has filled everything that is bounded.
FLAT_BYTES = 4 << 20
# Ten for each worker, minute and reason; this is for two workers, two reasons and five minutes.
MOST_HANDED_OVER = 200


def test_strangers_who_are_refused_fill_nothing_and_are_told_of_once_for_each_reason(scene: Scene) -> None:
    tell_rejections(scene)
    envoy = scene.start(concurrency=2)
    port = envoy.port(INGRESS)
    key = ec.generate_private_key(ec.SECP256R1())

    resident = [envoy.resident_bytes]
    for quarter in range(4):
        numbers = range(quarter * STRANGERS // 4, (quarter + 1) * STRANGERS // 4)
        strangers = [make_stranger(scene.cast.authority, key, number) for number in numbers]
        with ThreadPoolExecutor(THREADS) as pool:
            shares = (strangers[place::THREADS] for place in range(THREADS))
            files = (scene.directory / f"stranger-{place}.pem" for place in range(THREADS))
            refused = sum(pool.map(knock, [port] * THREADS, shares, files))
        assert refused == len(strangers)
        resident.append(envoy.resident_bytes)
    wait.until(lambda: dropped(scene) >= STRANGERS - MOST_HANDED_OVER, "all but a few are dropped")
    wait_for_checks(envoy, 3)
    resident.append(envoy.resident_bytes)

    print("Envoy's memory in MB:", [round(bytes_ / (1 << 20), 1) for bytes_ in resident])
    assert resident[-1] - resident[2] < FLAT_BYTES
    assert sorted(event["reason"] for event in scene.receiver.events()) == ["expired", "unknown_ca"]
    assert envoy.metrics()[f'{PREFIX}certificates{{role="client"}}'] == 0
    assert len(plugin_lines(envoy)) < 10
    assert traps(envoy) == 0
    wait_for_failovers(envoy, 0)

    # Those who are let in are seen as ever.
    assert scene.client().get() == 200
    scene.receiver.event(cert_role="client", cert_id=scene.cast.client.cert_id)
    assert len(scene.receiver.events(event=REJECTED)) == 2


def make_stranger(authority: Authority, key: ec.EllipticCurvePrivateKey, number: int) -> Identity:
    """With one key for all of them: only what is signed has to differ."""
    if number % 2:
        return authority.issue(f"stranger-{number}", ends=-THREE_DAYS, key=key)
    return Authority.named(f"stranger-{number}", key=key)


def knock(port: int, strangers: Sequence[Identity], file: Path) -> int:
    """Have each of them shake hands; how many were not let in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    # A client of TLS 1.3 takes the handshake for done before Envoy has looked.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    key, refused = strangers[0].key_pem, len(strangers)
    for stranger in strangers:
        file.write_text(key + stranger.pem)
        context.load_cert_chain(file)
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain):
            refused -= 1
    return refused


def dropped(scene: Scene) -> float:
    return scene.envoy.metrics().get(f'{PREFIX}dropped_total{{reason="rejections"}}', 0)
