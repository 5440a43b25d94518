"""What is told of many certificates at once, and of the proxy itself."""

from datetime import UTC, datetime, timedelta

from e2e.contract import EXPIRED, SOON, moment, wait_for_checks
from e2e.deliveries import version, webhook
from e2e.life import (
    DAY,
    HEARTBEAT,
    HOUR,
    RESOLVED,
    SKEW,
    STORM,
    check_of_proxy,
    in_brief,
    look_often,
    told_of,
    wait_told_of,
)
from e2e.monitors import leases
from lab.certificates import Identity
from lab.receiver import Receiver
from lab.scene import Scene

A_YEAR = timedelta(days=365)
# So long the plugin waits for other receivers before it says that its clock may be wrong.
SETTLING_SECONDS = 60


def watch_a_storm(scene: Scene, count: int) -> list[Identity]:
    """So many certificates that end within a day, an hour apart, and two more that end later."""
    made = [scene.cast.authority.issue(f"storm-{hour:02}", ends=100 * DAY + hour * HOUR) for hour in range(count)]
    later = [scene.cast.authority.issue(f"later-{day}", ends=(102 + day) * DAY) for day in range(2)]
    for identity in [*later, *reversed(made)]:
        scene.watch("server", identity)
    return made


def test_many_ends_on_one_day_are_one_event(scene: Scene) -> None:
    look_often(scene, event_cooldown_seconds=1)
    scene.webhook["events"] = ["*"]
    made = watch_a_storm(scene, 12)
    envoy = scene.start()

    event = scene.receiver.event(event=STORM)
    check_of_proxy(event, "warning")
    assert event["certificates_count"] == len(made)
    assert [{name: entry[name] for name in in_brief(made[0])} for entry in event["certificates"]] == [
        in_brief(identity) for identity in made
    ]
    assert {entry["cert_role"] for entry in event["certificates"]} == {"server"}
    assert event["message"].startswith(
        "12 certificates end within 24 hours, the first of them, storm-00, in 99 days and 23 h"
    )
    wait_for_checks(envoy, 5)
    assert len(scene.receiver.events(event=STORM)) == told_of(envoy, STORM) == 1


def test_fewer_ends_on_one_day_are_no_storm(scene: Scene) -> None:
    look_often(scene)
    scene.webhook["events"] = [STORM]
    watch_a_storm(scene, 9)
    envoy = scene.start()
    wait_for_checks(envoy, 3)
    assert scene.receiver.requests == []


def test_a_heartbeat_says_what_is_watched_and_by_what(scene: Scene) -> None:
    look_often(scene, heartbeat_seconds=10)
    scene.plugin["webhooks"] = [webhook("pulse", events=[HEARTBEAT]), webhook("ops")]
    issue = scene.cast.authority.issue
    gone = issue("gone.example.com", ends=-DAY)
    for identity in (scene.cast.server, issue("far.example.com", ends=400 * DAY), gone):
        scene.watch("server", identity)
    scene.watch("client", scene.cast.client)
    envoy = scene.start()

    first, second = [request.event for request in scene.receiver.wait_requests("/pulse", 2, within=40)][:2]
    for event in (first, second):
        check_of_proxy(event, "info")
        assert event["event"] == HEARTBEAT
        assert event["version"] == version()
        assert event["configuration"].startswith(leases(envoy)[-1].hash)
    # What has crossed a threshold was counted when it was told.
    assert second["watching"] == {
        "server": {"total": 3, "expiring": 1, "expired": 1},
        "ca": {"total": 0, "expiring": 0, "expired": 0},
        "client": {"total": 1, "expiring": 1, "expired": 0},
        "upstream": {"total": 0, "expiring": 0, "expired": 0},
    }
    assert second["next_expiry"]["cert_name"] in ("localhost", "Test Client")
    assert second["message"].startswith("The certificate monitor is alive: 4 certificates, next expiry ")
    assert first["id"] != second["id"]
    apart = moment(second["timestamp"]) - moment(first["timestamp"])
    # One that is late does not put the next one off, and times are cut to seconds.
    assert timedelta(seconds=5) < apart < timedelta(seconds=15)
    assert told_of(envoy, HEARTBEAT) >= 2
    # Nobody else hears of it.
    assert HEARTBEAT not in [event["event"] for event in scene.receiver.accepted("/ops")]


def test_a_clock_that_receivers_do_not_agree_with_is_suspected_until_they_do(scene: Scene) -> None:
    # A sign of life is something to answer.
    look_often(scene, heartbeat_seconds=10)
    with Receiver() as other:
        scene.configuration.place("other", other.port)
        pulse = webhook("pulse", events=[HEARTBEAT, EXPIRED])
        skew = webhook("clock", cluster="other", events=[SKEW], send_resolved=True)
        scene.plugin["webhooks"] = [pulse, skew]
        ends = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=45)
        crowd = [scene.cast.authority.issue(f"crowd-{number}", ends=ends) for number in range(4)]
        for identity in crowd:
            scene.watch("server", identity)
        for receiver in (scene.receiver, other):
            receiver.clock_ahead = -A_YEAR
        envoy = scene.start()

        event = other.wait_for(1, within=SETTLING_SECONDS + 30, event=SKEW)[0]
        check_of_proxy(event, "warning")
        assert event["message"].startswith("The clock of this proxy may be wrong: ")
        assert event["detail"] == "receivers' clocks are 365 days behind it, webhooks pulse"
        # By a clock like this all of them have ended, and so it may be that none has.
        assert moment(event["timestamp"]) > ends
        [line] = envoy.wait_log(r"4 certificates have expired at once by a clock that may be wrong")
        assert "][warning]" in line
        assert scene.receiver.events(event=EXPIRED) == []
        assert len(other.requests) == told_of(envoy, SKEW) == 1

        for receiver in (scene.receiver, other):
            receiver.clock_ahead = timedelta()
        resolved = other.wait_for(1, within=30, event=RESOLVED)[0]
        check_of_proxy(resolved, "info")
        assert resolved["message"] == "The clock of this proxy agrees with those of its receivers again"
        expired = scene.receiver.wait_for(4, within=30, event=EXPIRED)
        assert {event["cert_id"] for event in expired} == {identity.cert_id for identity in crowd}
        assert (len(other.requests), len(expired)) == (2, len(crowd))


def test_clocks_that_agree_and_answers_without_a_date_are_no_reason_to_doubt(scene: Scene) -> None:
    look_often(scene, heartbeat_seconds=10)
    scene.webhook["events"] = [SKEW, SOON, HEARTBEAT]
    scene.receiver.clock_ahead = timedelta(minutes=4)
    scene.watch("server", scene.cast.server)
    envoy = scene.start()
    scene.receiver.wait_for(1, event=SOON)
    scene.receiver.wait_for(2, within=30, event=HEARTBEAT)
    assert scene.receiver.events(event=SKEW) == []
    wait_told_of(envoy, SKEW, 0)
