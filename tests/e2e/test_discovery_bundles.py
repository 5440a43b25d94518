"""A bundle of authorities such as operating systems bring along is no reason for 140 alerts."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from e2e.discovered import wait_known, watched
from lab import wait
from lab.certificates import Authority, chain
from lab.client import Client
from lab.config import INGRESS
from lab.scene import Scene
from lab.secret import Secret

MANY = 140
# That of the cast is in a file of its own besides, which is no large bundle.
OWN = {"Test CA"}
HOLDS_CHAIN, KNOWS_UPSTREAM = 100, 7


def names(scene: Scene) -> set[str]:
    return {event["cert_name"] for event in scene.receiver.events(cert_role="ca")}


def wait_told(scene: Scene, expected: set[str]) -> None:
    wait.until(lambda: names(scene) >= expected, f"events about {expected}")
    assert names(scene) == expected
    assert watched(scene.envoy, "ca") == len(expected)


def start(scene: Scene, version: str | None, choice: dict[str, Any]) -> list[Authority]:
    """The chain that the listener presents ends in one of many authorities, and that of the upstream in another one."""
    key = ec.generate_private_key(ec.SECP256R1())
    roots = [Authority.named(f"Root {number}", key=key) for number in range(MANY - 1)]
    intermediate = roots[HOLDS_CHAIN].intermediate("Intermediate")
    leaf = intermediate.issue("edge.example.org", sans=["localhost"])
    Secret(scene.directory, "edge", leaf, intermediate).serve(scene.configuration.listener(INGRESS))
    scene.cast.upstream = roots[KNOWS_UPSTREAM].issue("orders.internal", sans=["orders.internal"])

    tls = scene.configuration.cluster("orders")["transport_socket"]["typed_config"]["common_tls_context"]
    tls["validation_context"]["trusted_ca"] = {"inline_string": chain(scene.cast.authority, *roots)}
    scene.monitor["check_interval_seconds"] = 1
    scene.discover(**choice)
    envoy = scene.start(version)
    wait_known(envoy)
    return roots


def test_authorities_that_chains_in_use_end_in_are_told(scene: Scene) -> None:
    # It shows that the first one is loaded, and nothing of the others.
    roots = start(scene, "1.39.3", {})
    wait_told(scene, OWN | {f"Root {HOLDS_CHAIN}"})
    # What an upstream presents is in use as well.
    assert Client(scene.envoy.port(INGRESS), roots[HOLDS_CHAIN], scene.cast.client).get() == 200
    wait_told(scene, OWN | {f"Root {HOLDS_CHAIN}", f"Root {KNOWS_UPSTREAM}"})


@pytest.mark.parametrize(("choice", "count"), [("all", MANY), ("none", 1)])
def test_it_may_be_all_or_none_of_them(scene: Scene, choice: str, count: int) -> None:
    start(scene, None, {"ca_bundles": choice})
    scene.receiver.wait_for(count, within=30, cert_role="ca")
    wait_told(scene, OWN if choice == "none" else OWN | {f"Root {number}" for number in range(MANY - 1)})


def test_a_bundle_that_is_too_long_to_be_read_hides_nothing_but_itself(scene: Scene) -> None:
    tls = scene.configuration.cluster("orders")["transport_socket"]["typed_config"]["common_tls_context"]
    comments = "# a line that says whose certificate follows\n" * 10_000
    tls["validation_context"]["trusted_ca"] = {"inline_string": comments + scene.cast.authority.pem}
    scene.discover()
    scene.start()
    assert {event["cert_role"] for event in scene.receiver.wait_for(3)} == {"server", "ca", "upstream"}
