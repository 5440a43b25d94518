"""Certificates that have ended, and one that ends while we watch."""

from datetime import UTC, datetime, timedelta

from e2e.contract import EXPIRED, SOON, check_expired, moment, wait_for_checks
from lab.certificates import THREE_DAYS
from lab.config import downstream_tls
from lab.scene import Scene

A_YEAR = 365 * 86_400
# Envoy has to be up by then.
SOON_OVER = timedelta(seconds=20)
# To the second; but on a busy machine Envoy may stand still for some. The next check would come in a year.
LATE = timedelta(seconds=5)


def test_an_expired_certificate_of_the_configuration_is_told(scene: Scene) -> None:
    gone = scene.cast.authority.issue("gone.example.com", ends=-THREE_DAYS)
    scene.watch("server", gone)
    envoy = scene.start()

    check_expired(scene.receiver.event(), gone, "gone.example.com", "server")
    assert envoy.log_lines(
        rf"EXPIRY EVENT FIRED for certificate 'gone.example.com' - expired 72 hours ago"
        rf" cert_id={gone.cert_id[:8]} cert_role=server event_type={EXPIRED} rule=expired"
    )


def test_an_expired_client_certificate_is_told_where_the_listener_lets_it_in(scene: Scene) -> None:
    gone = scene.cast.authority.issue("Late Client", ends=-THREE_DAYS)
    tls = downstream_tls(scene.configuration.listener("ingress"))["common_tls_context"]
    tls["validation_context"]["allow_expired_certificate"] = True
    scene.start()

    assert scene.client(gone).get("/orders") == 200
    check_expired(scene.receiver.event(cert_role="client"), gone, "Late Client", "client", api_id="orders-api")


def test_a_certificate_that_ends_in_20_seconds_is_told_twice_and_at_once_whatever_the_cooldowns(scene: Scene) -> None:
    scene.monitor.update(check_cooldown_seconds=A_YEAR, event_cooldown_seconds=A_YEAR, check_interval_seconds=A_YEAR)
    last = scene.cast.authority.issue("last.example.com", ends=datetime.now(UTC) + SOON_OVER)
    scene.watch("server", last)
    scene.start()

    soon, expired = scene.receiver.wait_for(2, within=40, cert_id=last.cert_id)
    assert [soon["event"], expired["event"]] == [SOON, EXPIRED]
    assert soon["message"] == "Certificate last.example.com is expiring in less than a minute"
    assert expired["message"] == "Certificate last.example.com expired less than a minute ago"
    assert timedelta(0) <= moment(expired["timestamp"]) - last.ends <= LATE


def test_the_check_interval_0_leaves_the_first_check_and_the_crossings(scene: Scene) -> None:
    scene.monitor.update(check_interval_seconds=0)
    last = scene.cast.authority.issue("last.example.com", ends=datetime.now(UTC) + SOON_OVER)
    scene.watch("server", last)
    scene.start()

    assert [event["event"] for event in scene.receiver.wait_for(2, within=40)] == [SOON, EXPIRED]


def test_a_certificate_outside_the_threshold_is_watched_in_silence(scene: Scene) -> None:
    scene.monitor.update(thresholds=["2d"], check_interval_seconds=1, check_cooldown_seconds=0)
    scene.watch("server", scene.cast.server)
    envoy = scene.start()

    wait_for_checks(envoy, 3)
    assert envoy.log_lines(r"Checked 1 certificates for expiry")
    assert scene.receiver.requests == []
