"""A certificate in a file is known by what Envoy tells of it, until somebody shows it: then it is the same one."""

import pytest

from e2e.contract import ALERTS, wait_for_checks
from e2e.discovered import tell_everything, wait_asked, wait_known, watched
from lab.config import INGRESS, STANDBY
from lab.scene import Scene

FILE = ["file/certs/server.pem", f"listener/{INGRESS}"]


@pytest.fixture
def scene(scene: Scene) -> Scene:
    """The listener and the upstream show the same certificate."""
    tell_everything(scene)
    shared = scene.cast.authority.issue("shared", sans=["localhost", "orders.internal"])
    scene.cast.server = scene.cast.upstream = shared
    scene.monitor["check_interval_seconds"] = 1
    return scene


def test_what_a_peer_shows_is_no_second_certificate(scene: Scene) -> None:
    admin = scene.discover()
    envoy = scene.start()
    before = scene.receiver.event(cert_role="server")
    assert (before["cert_id_source"], before["places"]) == ("serial_number", FILE)
    assert watched(envoy, "upstream") == 1

    assert scene.client().get() == 200
    theirs = scene.receiver.event(cert_role="upstream", api_id="orders-api")
    assert (theirs["cert_id"], theirs["cert_id_source"]) == (scene.cast.server.cert_id, "sha256")
    wait_asked(admin)
    wait_for_checks(envoy, 1)
    assert scene.receiver.events(cert_role="server") == [before]
    assert (watched(envoy, "server"), watched(envoy, "upstream")) == (1, 2)


def test_from_then_on_it_has_its_own_id(scene: Scene) -> None:
    tell_everything(scene, *ALERTS)
    scene.monitor.update(check_cooldown_seconds=0, event_cooldown_seconds=1)
    scene.discover()
    envoy = scene.start()
    before = scene.receiver.wait_for(cert_role="server")[0]
    assert scene.client().get() == 200

    after = scene.receiver.wait_for(3, cert_role="server", cert_id=scene.cast.server.cert_id)[-1]
    assert (after["cert_id_source"], after["cert_name"]) == ("sha256", "shared")
    assert set(after["places"]) == set(FILE)
    # Whoever keeps alerts by their ids closes the one before.
    [closed] = scene.receiver.events(event="CertificateResolved")
    assert closed["cert_id"] == before["cert_id"]
    told = len(scene.receiver.events(cert_id=before["cert_id"]))
    wait_for_checks(envoy, 3)
    assert len(scene.receiver.events(cert_id=before["cert_id"])) == told


def test_what_the_document_lists_is_one_certificate_in_two_places(scene: Scene) -> None:
    scene.watch("server", scene.cast.server, name="edge")
    scene.discover()
    envoy = scene.start()
    event = scene.receiver.event(cert_role="server")
    assert (event["cert_id"], event["cert_id_source"]) == (scene.cast.server.cert_id, "sha256")
    wait_known(envoy)
    wait_for_checks(envoy, 1)
    assert watched(envoy, "server") == 1
    assert scene.receiver.events(cert_role="server") == [event]


def test_an_alert_from_before_counts_for_what_a_new_document_lists(scene: Scene) -> None:
    scene.configuration.follow_listeners()
    admin = scene.discover()
    envoy = scene.start()
    before = scene.receiver.event(cert_role="server")
    assert before["cert_id_source"] == "serial_number"

    plugin = scene.configuration.hand_over_separately(INGRESS, STANDBY)
    plugin["certificates"] = [{"role": "server", "pem": scene.cast.server.pem, "name": "edge"}]
    scene.update_listeners()
    envoy.wait_log(r"takes over from")
    wait_asked(admin)
    wait_for_checks(envoy, 1)
    assert scene.receiver.events(cert_role="server") == [before]
    assert watched(envoy, "server") == 1
