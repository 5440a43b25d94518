"""Envoy tells of its certificates by itself: the plugin's configuration holds none of them."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest

from e2e.contract import SOON
from e2e.discovered import Json, openssl, tell_everything, wait_known, watched
from e2e.monitors import leases
from lab.holdings import Held, Holdings
from lab.scene import Scene

# Of a bundle in a file, Envoy before 1.40 tells the first certificate only.
FIRST_ONLY = ["1.36.2", "1.37.0", "1.39.3"]
WHOLE = ["1.40.0"]
BEHIND_THE_FIRST = {"bundle 2"}
PARTLY_VISIBLE = (
    r"\]\[warning\]\[wasm\].* Envoy before 1\.40 shows only the first certificate of each CA file, such as "
)

THRESHOLD = timedelta(days=30)
A_YEAR = timedelta(days=365)


class Discovered(NamedTuple):
    """A scene, and what Envoy holds in it."""

    scene: Scene
    held: list[Held]


def holdings_of(scene: Scene) -> list[Held]:
    """What Envoy shows to peers or believes in, and ends soon or late."""
    cast = [
        Held(scene.cast.server, "server", "leaf", ("listener/ingress",), path="certs/server.pem"),
        Held(scene.cast.authority, "ca", "root", ("listener/ingress",), path="certs/ca.pem"),
    ]
    now = datetime.now(UTC).replace(microsecond=0)
    holdings = Holdings(now - A_YEAR, lambda number: now + timedelta(hours=12 * number) + number % 2 * A_YEAR)
    scene.hold(holdings)
    return cast + [held for held in holdings.held if held.served]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Discovered]]:
    """Every version with the same holdings, side by side: rounds lie five seconds apart."""
    with ExitStack() as running:
        scenes = {}
        for version in FIRST_ONLY + WHOLE:
            scene = running.enter_context(Scene(tmp_path_factory.mktemp(version)))
            tell_everything(scene)
            scene.discover()
            scenes[version] = Discovered(scene, holdings_of(scene))
            assert "CERTIFICATE--" not in json.dumps(scene.plugin)
            scene.launch(version)
        for scene, _ in scenes.values():
            scene.envoy.wait_ready()
        yield scenes


def check(event: Json, held: Held) -> None:
    """Each word of an event, as OpenSSL has it, or as Envoy tells of a file."""
    truth = openssl(held.identity.pem)
    said = {name: event[name] for name in truth}
    places = set(held.places)
    if held.path:
        file_name = held.path.rsplit("/", 1)[-1]
        name = held.name if held.position == "leaf" else file_name
        assert event["cert_id_source"] == "serial_number"
        assert event["position"] == ("leaf" if held.position == "leaf" else None)
        assert said["cert_id"] != truth.pop("cert_id")
        assert said["subject"] is None
        del said["cert_id"], said["subject"], truth["subject"]
        places.add(f"file/{held.path}")
    else:
        name = held.name
        assert event["cert_id_source"] == "sha256"
        assert event["position"] == held.position
    said["serial_number"], truth["serial_number"] = (int(each["serial_number"], 16) for each in (said, truth))
    assert said == truth
    assert event["event"] == SOON
    assert (event["cert_name"], event["cert_role"]) == (name, held.role)
    assert event["days_remaining"] == (held.identity.ends - datetime.now(UTC)).days
    cluster = held.places[0].removeprefix("cluster/") if held.role == "upstream" else None
    assert event["api_id"] == cluster
    assert set(event["places"]) == places


def is_expiring(held: Held) -> bool:
    return held.identity.ends < datetime.now(UTC) + THRESHOLD


@pytest.mark.parametrize("version", FIRST_ONLY + WHOLE)
def test_exactly_the_expiring_certificates_are_told(scenes: dict[str, Discovered], version: str) -> None:
    scene, everything = scenes[version]
    hidden = BEHIND_THE_FIRST if version in FIRST_ONLY else set()
    visible = [held for held in everything if held.name not in hidden]
    told = {held.identity.certificate.serial_number: held for held in visible if is_expiring(held)}
    assert 0 < len(told) < len(visible)

    scene.receiver.wait_for(len(told), within=30)
    # What was told is not told again, and nothing else is.
    wait_known(scene.envoy, 2)
    events = scene.receiver.events()
    assert sorted(told) == sorted(int(event["serial_number"], 16) for event in events)
    for event in events:
        check(event, told[int(event["serial_number"], 16)])
    assert sum(watched(scene.envoy, role) for role in ("server", "ca", "upstream")) == len(visible)


@pytest.mark.parametrize("version", FIRST_ONLY + WHOLE)
def test_what_a_version_does_not_show_is_said_once(scenes: dict[str, Discovered], version: str) -> None:
    scene, _ = scenes[version]
    wait_known(scene.envoy, 2)
    said = len(scene.envoy.log_lines(PARTLY_VISIBLE))
    # By each who was the monitor: on a busy machine one may have followed another one.
    assert 1 <= said <= len(leases(scene.envoy)) if version in FIRST_ONLY else said == 0
