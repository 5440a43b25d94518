"""A renewal is noticed within a round of discovery, and so is one that Envoy does not take."""

from datetime import UTC, datetime, timedelta

import pytest

from e2e.contract import ALERTS, SOON, wait_for_checks
from e2e.discovered import earliest_end, tell_everything, wait_asked
from e2e.monitors import wait_for_outbox
from lab import wait
from lab.admin import Admin
from lab.certificates import Identity
from lab.config import INGRESS
from lab.scene import Scene
from lab.secret import Secret

STALE, RESOLVED = "CertificateStale", "CertificateResolved"
EDGE = ["secret/edge", f"listener/{INGRESS}"]


def start(scene: Scene, version: str | None = None) -> tuple[Secret, Admin]:
    """The listener presents a secret that ends in three days; whatever lasts is told again every second."""
    tell_everything(scene, *ALERTS)
    scene.monitor.update(check_interval_seconds=1, check_cooldown_seconds=0, event_cooldown_seconds=1)
    secret = Secret(scene.directory, "edge", scene.cast.server)
    secret.serve(scene.configuration.listener(INGRESS))
    admin = scene.discover()
    scene.start(version)
    old = scene.receiver.wait_for(1, cert_id=scene.cast.server.cert_id)[0]
    assert (old["event"], old["places"]) == (SOON, EDGE)
    return secret, admin


def renewed(scene: Scene) -> Identity:
    return scene.cast.authority.issue("renewed", timedelta(days=400), sans=["localhost"])


def count(scene: Scene, identity: Identity) -> int:
    """How many events there are about a certificate so far."""
    return len(scene.receiver.events(cert_id=identity.cert_id))


def check_silent(scene: Scene, *identities: Identity) -> None:
    # What was told before has arrived.
    wait_for_outbox(scene.envoy, 0)
    before = [count(scene, identity) for identity in identities]
    wait_for_checks(scene.envoy, 3)
    assert [count(scene, identity) for identity in identities] == before


# In 1.36 nothing but the certificate itself tells that a secret has changed.
@pytest.mark.parametrize("version", ["1.36.2", "1.40.0"])
def test_what_was_renewed_is_resolved_and_silent(scene: Scene, version: str) -> None:
    secret, admin = start(scene, version)
    envoy, old, new = scene.envoy, scene.cast.server, renewed(scene)
    secret.put_key(new)
    secret.put(new)
    wait.until(lambda: f"{new.certificate.serial_number:x}" in envoy.admin("/certs"), "Envoy serves the new one")
    served = datetime.now(UTC)

    wait.until(lambda: earliest_end(envoy, "server") == new.ends.timestamp(), "the new one is known")
    # None, if one was under way and had not come to secrets yet.
    assert len([questions for questions in admin.rounds() if questions[0].at > served]) <= 1
    resolved = scene.receiver.event(event=RESOLVED, cert_id=old.cert_id)
    assert (resolved["cert_role"], resolved["places"]) == ("server", EDGE)
    check_silent(scene, old)
    assert count(scene, new) == 0


def test_a_renewal_without_its_key_is_told_of_until_the_key_follows(scene: Scene) -> None:
    secret, admin = start(scene)
    envoy, old, new = scene.envoy, scene.cast.server, renewed(scene)
    secret.put(new)
    changed = datetime.now(UTC)
    stale = scene.receiver.wait_for(1, within=30, event=STALE)[0]
    # An update may be under way during one round; this one may have been under way as well.
    assert len([questions for questions in admin.rounds() if questions[-1].at > changed]) in (2, 3)
    assert stale["cert_id"] == old.cert_id
    assert (stale["cert_role"], stale["places"], stale["severity"]) == ("server", EDGE, "warning")
    assert stale["held"] == {
        "cert_id": new.cert_id,
        "cert_name": "renewed",
        "expires_at": f"{new.ends:%Y-%m-%dT%H:%M:%SZ}",
    }
    # The old one is still what clients see.
    check_alerting(scene, old)
    assert scene.client().get() == 200

    secret.put_key(new)
    scene.receiver.wait_for(2, event=RESOLVED, cert_id=old.cert_id)
    assert sorted(event["rule"] for event in scene.receiver.events(event=RESOLVED)) == ["30d", "not_served"]
    assert earliest_end(envoy, "server") == new.ends.timestamp()
    check_silent(scene, old)
    assert count(scene, new) == 0


def test_garbage_in_place_of_a_renewal_leaves_the_old_one_where_it_was(scene: Scene) -> None:
    secret, admin = start(scene)
    secret.put("no certificate at all")
    wait_asked(admin)
    check_alerting(scene, scene.cast.server)
    assert scene.receiver.events(cert_id=scene.cast.server.cert_id)[-1]["places"] == EDGE
    assert not scene.receiver.events(event=RESOLVED)


def check_alerting(scene: Scene, identity: Identity) -> None:
    told = len(scene.receiver.events(event=SOON, cert_id=identity.cert_id))
    scene.receiver.wait_for(told + 2, event=SOON, cert_id=identity.cert_id)
    assert earliest_end(scene.envoy, "server") == identity.ends.timestamp()
