"""Renewals: what closes an alert, what a roll-out looks like from here, and what does not come in time."""

from datetime import timedelta

import pytest

from e2e.contract import SOON, moment, wait_for_checks
from e2e.deliveries import webhook
from e2e.discovered import earliest_end, wait_asked
from e2e.life import (
    DAY,
    OVERDUE,
    RENEWED,
    RESOLVED,
    aged,
    check_facts,
    in_brief,
    look_often,
    threshold_days,
    told_of,
    wait_told_of,
    written,
)
from lab import wait
from lab.admin import Admin
from lab.certificates import Identity
from lab.config import INGRESS
from lab.scene import Scene
from lab.secret import Secret

EDGE = ["secret/edge", f"listener/{INGRESS}"]
# Who is told of a renewal: whoever names it; who does not know it hears that the alert is over, if they want that.
WEBHOOKS = [
    webhook("names", events=[SOON, RENEWED]),
    webhook("resolves", send_resolved=True),
    webhook("both", events=["*"]),
    webhook("neither"),
]
# In 1.36 nothing but the certificate itself tells that a secret has changed.
VERSIONS = ["1.36.2", "1.40.0"]


def serve(scene: Scene, identity: Identity) -> tuple[Secret, Admin]:
    """Have the listener present this, from files that Envoy follows."""
    scene.cast.server = identity
    secret = Secret(scene.directory, "edge", identity)
    secret.serve(scene.configuration.listener(INGRESS))
    return secret, scene.discover(ca_bundles="none")


def rotate(scene: Scene, secret: Secret, identity: Identity) -> None:
    """Put this in the secret's place, and wait until Envoy serves it."""
    secret.put_key(identity)
    secret.put(identity)
    serial = f"{identity.certificate.serial_number:x}"
    wait.until(lambda: serial in scene.envoy.admin("/certs"), "Envoy serves the other one")


def successor(scene: Scene, left: timedelta = 400 * DAY) -> Identity:
    """One that takes the place of the server's, and has so much left."""
    return scene.cast.authority.issue("localhost", left, sans=["localhost"])


def about(scene: Scene, name: str, identity: Identity) -> list[str]:
    """The kinds of event that a webhook was told of about a certificate."""
    return [event["event"] for event in scene.receiver.accepted(f"/{name}") if event["cert_id"] == identity.cert_id]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_renewal_closes_what_the_alert_has_opened(scene: Scene, version: str) -> None:
    look_often(scene)
    scene.plugin["webhooks"] = WEBHOOKS
    old, new = scene.cast.server, successor(scene)
    secret, _ = serve(scene, old)
    envoy = scene.start(version)
    for entry in WEBHOOKS:
        wait.until(lambda name=entry["name"]: SOON in about(scene, name, old), "everybody is warned")
    [soon] = [event for event in scene.receiver.accepted("/names") if event["cert_id"] == old.cert_id]
    check_facts(soon, old, "admin", "warning", "30d")
    assert soon["places"] == EDGE

    rotate(scene, secret, new)
    wait.until(lambda: RENEWED in about(scene, "names", old), "the renewal is told", 30)
    [renewed] = scene.receiver.wait_for(2, event=RENEWED, cert_id=old.cert_id)[:1]
    check_facts(renewed, old, "admin", "info", "30d")
    assert renewed["replaced_by"] == in_brief(new)
    assert renewed["message"] == "Certificate localhost was renewed, and ends in 399 days and 23 hours now"
    assert (renewed["places"], renewed["id"] != soon["id"]) == (EDGE, True)
    wait.until(lambda: RESOLVED in about(scene, "resolves", old), "its end is told")
    wait_for_checks(envoy, 3)
    assert about(scene, "names", old) == [SOON, RENEWED]
    assert about(scene, "resolves", old) == [SOON, RESOLVED]
    assert about(scene, "neither", old) == [SOON]
    # This one is told of everything, and of the renewal once.
    assert [kind for kind in about(scene, "both", old) if kind in (SOON, RENEWED, RESOLVED)] == [SOON, RENEWED]
    assert earliest_end(envoy, "server") == new.ends.timestamp()
    assert (told_of(envoy, RENEWED), told_of(envoy, RESOLVED)) == (1, 0)


def test_a_slot_that_flips_between_old_and_new_during_a_roll_out_warns_once(scene: Scene) -> None:
    look_often(scene)
    scene.plugin["webhooks"] = WEBHOOKS[:2]
    old, new = scene.cast.server, successor(scene)
    secret, admin = serve(scene, old)
    scene.start()
    wait.until(lambda: about(scene, "names", old) == [SOON], "the warning")
    wait_asked(admin)
    # Others of the cast end soon as well.
    warned = told_of(scene.envoy, SOON)

    # Every round finds another one.
    for presented in (new, old, new, old):
        rotate(scene, secret, presented)
        wait_asked(admin)
        ends = presented.ends.timestamp()
        wait.until(lambda ends=ends: earliest_end(scene.envoy, "server") == ends, "the round has found it")
    assert about(scene, "names", old) == about(scene, "resolves", old) == [SOON]
    rotate(scene, secret, new)
    wait.until(lambda: RENEWED in about(scene, "names", old), "the renewal is told", 30)
    wait.until(lambda: RESOLVED in about(scene, "resolves", old), "its end is told")
    wait_asked(admin)
    assert about(scene, "names", old) == [SOON, RENEWED]
    assert about(scene, "resolves", old) == [SOON, RESOLVED]
    assert about(scene, "names", new) == []
    assert told_of(scene.envoy, SOON) == warned


def test_a_renewal_that_ends_soon_as_well_closes_nothing_of_its_own(scene: Scene) -> None:
    look_often(scene)
    scene.plugin["webhooks"] = WEBHOOKS[:1]
    old, new = scene.cast.server, successor(scene, 5 * DAY)
    secret, admin = serve(scene, old)
    scene.start()
    wait.until(lambda: about(scene, "names", old) == [SOON], "the warning")
    rotate(scene, secret, new)
    wait.until(lambda: about(scene, "names", old) == [SOON, RENEWED], "the renewal", 30)
    wait_asked(admin)
    assert about(scene, "names", new) == [SOON]


def test_all_renewals_are_told_if_the_document_says_so(scene: Scene) -> None:
    threshold_days(scene, 0)
    look_often(scene, notify_renewals="all")
    scene.plugin["webhooks"] = WEBHOOKS[:2]
    old, new = scene.cast.server, successor(scene)
    secret, admin = serve(scene, old)
    envoy = scene.start()
    wait_asked(admin)
    wait.until(lambda: earliest_end(envoy, "server") == old.ends.timestamp(), "the old one is known")
    rotate(scene, secret, new)
    [renewed] = scene.receiver.wait_for(1, within=30, event=RENEWED)
    assert (renewed["cert_id"], renewed["replaced_by"]) == (old.cert_id, in_brief(new))
    assert renewed["severity"] == "info"
    wait_asked(admin)
    # Nobody was warned, so nothing is over for those who do not ask for renewals.
    assert [request.path for request in scene.receiver.requests] == ["/names"]


def test_a_renewal_that_does_not_come_when_it_is_expected_is_told_until_it_comes(scene: Scene) -> None:
    look_often(scene, renewal_expected_at="50%")
    scene.plugin["webhooks"] = [webhook("overdue", events=[OVERDUE], send_resolved=True)]
    late = aged(scene, "localhost", 90 * DAY, 10 * DAY, sans=["localhost"])
    secret, _ = serve(scene, late)
    scene.cast.upstream_client = aged(scene, "Upstream Service", DAY, 99 * DAY)
    # Its renewal was expected five days ago. Clients take their time.
    scene.watch("server", aged(scene, "patient.example.com", 55 * DAY, 45 * DAY))
    envoy = scene.start()

    event = scene.receiver.event(event=OVERDUE)
    check_facts(event, late, "admin", "warning", "renewal")
    assert event["expected_at"] == written(late.ends - 50 * DAY)
    assert event["message"].startswith("Certificate localhost was to be renewed 40 days ago, and ends in 9 days and ")
    assert "50 %" in event["detail"]
    wait_for_checks(envoy, 3)
    assert len(scene.receiver.requests) == told_of(envoy, OVERDUE) == 1

    rotate(scene, secret, successor(scene))
    resolved = scene.receiver.wait_for(1, within=30, event=RESOLVED)[0]
    assert (resolved["cert_id"], resolved["severity"]) == (late.cert_id, "info")
    assert moment(resolved["timestamp"]) > moment(event["timestamp"])
    wait_for_checks(envoy, 2)
    assert len(scene.receiver.requests) == 2
    wait_told_of(envoy, OVERDUE, 1)
