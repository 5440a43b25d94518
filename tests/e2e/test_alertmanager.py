"""A real Alertmanager: alerts are shown as long as they last, told once, and end."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from e2e.contract import EXPIRED, SOON, wait_for_checks
from e2e.deliveries import outcomes, wait_outcomes
from e2e.monitors import wait_for_outbox
from lab import wait
from lab.alertmanager import Alert, Alertmanager, notifying
from lab.certificates import THREE_DAYS, Identity
from lab.config import INGRESS, STANDBY
from lab.receiver import Receiver
from lab.scene import Scene

# Three check intervals of a second would be over before anybody looks: a minute is the least.
LASTS = timedelta(minutes=1)


@pytest.fixture
def scene(tmp_path: Path, alertmanager: Alertmanager) -> Iterator[Scene]:
    with Scene(tmp_path) as scene:
        prepare(scene, alertmanager)
        yield scene


def prepare(scene: Scene, *alertmanagers: Alertmanager) -> None:
    """Checks every second, and alerts to each of these, of which none sees another."""
    scene.configuration.follow_listeners()
    scene.monitor["check_interval_seconds"] = 1
    clusters = [f"alertmanager-{number}" for number in range(len(alertmanagers))]
    for cluster, alertmanager in zip(clusters, alertmanagers, strict=True):
        scene.configuration.place(cluster, alertmanager.port)
    scene.plugin["webhooks"].append(
        {
            "name": "alerts",
            "clusters": clusters,
            "url": "http://alertmanager.example.com:9093/api/v2/alerts",
            "format": "alertmanager",
            "format_options": {"labels": {"team": "edge"}},
            "retry_schedule": ["1s"],
        }
    )


def alerting(scene: Scene) -> dict[str, Any]:
    """The webhook that leads to an Alertmanager."""
    return scene.plugin["webhooks"][1]


def stop_using(scene: Scene, identity: Identity) -> None:
    """Hand over a document without this certificate."""
    plugin = scene.configuration.hand_over_separately(INGRESS, STANDBY)
    plugin["certificates"] = [entry for entry in plugin["certificates"] if entry["pem"] != identity.pem]
    scene.update_listeners()


def told(people: Receiver, status: str = "firing") -> list[str]:
    """The names of the certificates, or of other alerts, that people were told of."""
    bodies = [request.event for request in list(people.requests)]
    labels = [body["groupLabels"] for body in bodies if body["status"] == status]
    return [label.get("cert_name") or label["alertname"] for label in labels]


def end_of(alert: Alert) -> datetime:
    return datetime.fromisoformat(alert["endsAt"])


def test_an_alert_is_shown_with_its_labels_and_told_once(
    scene: Scene, alertmanager: Alertmanager, people: Receiver
) -> None:
    gone = scene.cast.authority.issue("gone.example.com", ends=-THREE_DAYS)
    scene.watch("server", scene.cast.server)
    scene.watch("client", gone, api_id="orders-api")
    envoy = scene.start()

    alerts = {alert["labels"]["alertname"]: alert for alert in alertmanager.wait_for(2)}
    assert alerts[SOON]["labels"] == {
        "alertname": SOON,
        "severity": "warning",
        "cert_id": scene.cast.server.cert_id,
        "cert_role": "server",
        "cert_name": "localhost",
        "team": "edge",
    }
    assert alerts[EXPIRED]["labels"] == {
        "alertname": EXPIRED,
        "severity": "critical",
        "cert_id": gone.cert_id,
        "cert_role": "client",
        "cert_name": "gone.example.com",
        "api_id": "orders-api",
        "team": "edge",
    }
    assert alerts[SOON]["annotations"]["summary"] == "Certificate localhost is expiring in 2 days and 23 hours"
    assert alerts[EXPIRED]["annotations"]["days_remaining"] == "-4"
    assert datetime.fromisoformat(alerts[EXPIRED]["startsAt"]) == gone.ends

    wait.until(lambda: len(told(people)) >= 2, "people are told of both")
    scene.receiver.wait_for(2)
    wait_for_checks(envoy, 4)
    assert sorted(told(people)) == ["gone.example.com", "localhost"]
    # To others, who have not forgotten them, they are not told again.
    assert len(scene.receiver.requests) == 2


def test_every_check_puts_the_end_of_an_alert_off(scene: Scene, alertmanager: Alertmanager) -> None:
    scene.watch("server", scene.cast.server)
    envoy = scene.start()

    [first] = alertmanager.wait_for(1)
    for _ in range(3):
        wait_for_checks(envoy, 1)
        [later] = wait.until(
            lambda first=first: [alert for alert in alertmanager.alerts() if end_of(alert) > end_of(first)],
            "the end is put off",
        )
        assert later["fingerprint"] == first["fingerprint"]
        assert later["startsAt"] == first["startsAt"]
        assert abs(end_of(later) - datetime.now(UTC) - LASTS) < timedelta(seconds=15)
        first = later


def test_an_alert_ends_with_its_certificate_and_people_hear_of_it(
    scene: Scene, alertmanager: Alertmanager, people: Receiver
) -> None:
    old = scene.cast.authority.issue("old.example.com")
    scene.watch("server", old)
    scene.watch("ca", scene.cast.authority)
    envoy = scene.start()
    alertmanager.wait_for(2)
    wait.until(lambda: len(told(people)) == 2, "people are told of both")

    stop_using(scene, old)
    assert alertmanager.wait_for(0, cert_name="old.example.com") == []
    wait.until(lambda: told(people, "resolved") == ["old.example.com"], "people are told that it is over")
    wait_for_checks(envoy, 3)
    assert [alert["labels"]["cert_name"] for alert in alertmanager.alerts()] == ["Test CA"]
    assert sorted(told(people)) == ["Test CA", "old.example.com"]
    assert told(people, "resolved") == ["old.example.com"]


def test_after_a_restart_alerts_come_back_by_themselves_and_nobody_is_told_twice(
    scene: Scene, alertmanager: Alertmanager, people: Receiver
) -> None:
    scene.watch("server", scene.cast.server)
    scene.start()
    wait.until(lambda: told(people) == ["localhost"], "people are told")
    # It asks its notes the next time when the first time is over: when what it told is noted.
    wait.until(lambda: alertmanager.metric("alertmanager_nflog_queries_total") > 1, "it has noted that")

    alertmanager.restart()
    # Should that take so long that the circuit breaker opens, then for 30 s.
    alertmanager.wait_for(1, within=45, cert_name="localhost")
    # What it is told of now, it tells at once: what it does not tell before, it does not tell at all.
    alertmanager.post([{"labels": {"alertname": "another"}}])
    wait.until(lambda: "another" in told(people), "people are told of what is new")
    assert told(people) == ["localhost", "another"]


def test_all_replicas_know_of_an_alert_and_of_its_end_whoever_of_them_is_there(
    tmp_path: Path, alertmanager: Alertmanager, people: Receiver
) -> None:
    configuration = notifying(f"http://127.0.0.1:{people.port}/second")
    with Alertmanager(tmp_path / "second", configuration) as second, Scene(tmp_path) as scene:
        prepare(scene, alertmanager, second)
        scene.watch("server", scene.cast.server)
        scene.watch("ca", scene.cast.authority)
        envoy = scene.start()
        shown = [{alert["fingerprint"] for alert in replica.wait_for(2)} for replica in (alertmanager, second)]
        assert shown[0] == shown[1]

        second.kill()
        failed = r"Request to webhook failed webhook=alerts/alertmanager-1 status=503 .*outcome=unreachable"
        envoy.wait_log(failed)
        stop_using(scene, scene.cast.server)
        assert alertmanager.wait_for(0, cert_name="localhost") == []
        second.start()
        assert [alert["labels"]["cert_name"] for alert in second.wait_for(1, within=45)] == ["Test CA"]
        assert not envoy.log_lines("Request to webhook failed webhook=alerts/alertmanager-0")
        assert outcomes(envoy, "alerts/alertmanager-0").keys() == {"delivered"}


def test_what_three_envoys_see_is_one_alert_and_told_once(
    tmp_path: Path, alertmanager: Alertmanager, people: Receiver
) -> None:
    with ExitStack() as running:
        fleet = []
        for number in range(3):
            directory = tmp_path / f"envoy-{number}"
            directory.mkdir()
            scene = running.enter_context(Scene(directory))
            scene.cast = fleet[0].cast if fleet else scene.cast
            prepare(scene, alertmanager)
            scene.watch("server", scene.cast.server)
            fleet.append(scene)
        for scene in fleet:
            scene.start()
        for scene in fleet:
            wait.until(
                lambda scene=scene: outcomes(scene.envoy, "alerts/alertmanager-0")["delivered"] >= 3,
                "each has alerted three times",
            )
        assert len(alertmanager.alerts()) == 1
        wait.until(lambda: told(people), "people are told")
        assert told(people) == ["localhost"]

        for scene in fleet:
            stop_using(scene, scene.cast.server)
        for scene in fleet:
            scene.envoy.wait_log("Certificate localhost is not in use any more")
        assert alertmanager.wait_for(0) == []
        wait.until(lambda: "localhost" in told(people, "resolved"), "people are told that it is over")


def test_as_long_as_one_of_three_envoys_uses_a_certificate_its_alert_comes_back(
    tmp_path: Path, alertmanager: Alertmanager
) -> None:
    with Scene(tmp_path) as first, ExitStack() as running:
        (tmp_path / "second").mkdir()
        second = running.enter_context(Scene(tmp_path / "second"))
        second.cast = first.cast
        for scene in (first, second):
            prepare(scene, alertmanager)
            scene.watch("server", scene.cast.server)
            scene.start()
        alertmanager.wait_for(1)

        stop_using(first, first.cast.server)
        first.envoy.wait_log("Certificate localhost is not in use any more")
        wait_for_checks(second.envoy, 2)
        alertmanager.wait_for(1, cert_name="localhost")


def test_where_the_end_is_not_sent_an_alert_lasts_as_long_as_it_was_last_told(
    scene: Scene, alertmanager: Alertmanager, people: Receiver
) -> None:
    alerting(scene)["send_resolved"] = False
    scene.watch("server", scene.cast.server)
    envoy = scene.start()
    alertmanager.wait_for(1)
    wait.until(lambda: told(people) == ["localhost"], "people are told")

    stop_using(scene, scene.cast.server)
    envoy.wait_log("Certificate localhost is not in use any more")
    wait_for_checks(envoy, 1)
    # What was on its way when the document changed has arrived.
    wait_for_outbox(envoy, 0, "alerts/alertmanager-0")
    [alert] = alertmanager.alerts()
    wait_for_checks(envoy, 3)
    assert alertmanager.alerts() == [alert]
    assert datetime.now(UTC) < end_of(alert) < datetime.now(UTC) + LASTS
    assert told(people, "resolved") == []


def test_an_alert_outlives_its_envoy_by_what_it_was_given_and_no_more(scene: Scene, alertmanager: Alertmanager) -> None:
    scene.watch("server", scene.cast.server)
    envoy = scene.start()
    alertmanager.wait_for(1)
    wait_for_checks(envoy, 1)
    envoy.process.kill()
    envoy.process.wait()

    [alert] = alertmanager.alerts()
    assert datetime.now(UTC) < end_of(alert) < datetime.now(UTC) + LASTS


def test_many_alerts_go_in_few_requests_and_all_of_them_end(scene: Scene, alertmanager: Alertmanager) -> None:
    count = 40
    alerting(scene)["batch"] = {"max": 50, "wait_seconds": 1}
    # A round more would be as many requests more.
    scene.monitor["check_interval_seconds"] = 3600
    scene.watch("server", bundle := scene.cast.authority.bundle(count))
    envoy = scene.start()
    alertmanager.wait_for(count, within=30)

    def requests() -> int:
        [answered] = envoy.stat(r"^cluster\.alertmanager-0\.upstream_rq_completed$").values()
        return answered

    wait_outcomes(envoy, "alerts/alertmanager-0", {"delivered": count})
    assert requests() <= count / 4
    before = requests()
    plugin = scene.configuration.hand_over_separately(INGRESS, STANDBY)
    plugin["certificates"] = [entry for entry in plugin["certificates"] if entry["pem"] != bundle]
    scene.update_listeners()
    assert alertmanager.wait_for(0, within=30) == []
    assert requests() - before <= count / 4


def test_a_warning_that_an_expiry_has_overtaken_is_an_alert_of_its_own(
    scene: Scene, alertmanager: Alertmanager, people: Receiver
) -> None:
    # Time enough for a slow Envoy to come up before it ends.
    short = scene.cast.authority.issue("short.example.com", ends=timedelta(seconds=20))
    scene.watch("server", short)
    scene.start()

    alertmanager.wait_for(1, alertname=SOON)
    [expired] = alertmanager.wait_for(1, alertname=EXPIRED, within=40)
    assert datetime.fromisoformat(expired["startsAt"]) == short.ends
    wait.until(lambda: told(people) == ["short.example.com"] * 2, "people are told twice")
    [overtaken] = alertmanager.alerts(alertname=SOON)
    assert end_of(overtaken) <= short.ends + LASTS
    assert re.fullmatch(r"[0-9a-f]{64}", overtaken["labels"]["cert_id"])
