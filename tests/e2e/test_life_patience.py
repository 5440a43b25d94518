"""What is told together, what waits, and for how long."""

from datetime import UTC, datetime, timedelta

import pytest

from e2e.contract import EXPIRED, SOON, moment, wait_for_checks
from e2e.deliveries import webhook
from e2e.formats import ROUTING_KEY
from e2e.life import DAY, HOUR, aged, check_facts, look_often, told_of, written
from lab.certificates import Identity
from lab.config import INGRESS
from lab.scene import Scene
from lab.secret import Secret


def watch_three(scene: Scene) -> tuple[Identity, Identity, Identity]:
    """One that a silence is about, one that ends as soon, and one of the first kind that has ended."""
    issue = scene.cast.authority.issue
    mute, loud, gone = (
        issue("mute.lab.example.com"),
        issue("loud.example.com"),
        issue("gone.lab.example.com", ends=-DAY),
    )
    for identity in (mute, loud, gone):
        scene.watch("server", identity)
    return mute, loud, gone


def test_a_silence_keeps_warnings_until_it_is_over_and_nothing_that_is_critical(scene: Scene) -> None:
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=20)
    silence = {"match": {"name": "*.lab.example.com"}, "until": until.isoformat(), "reason": "the lab moves"}
    look_often(scene, silences=[silence])
    mute, loud, gone = watch_three(scene)
    envoy = scene.start()

    first = scene.receiver.wait_for(2)
    assert {(event["cert_id"], event["event"]) for event in first} == {(loud.cert_id, SOON), (gone.cert_id, EXPIRED)}
    assert all(moment(event["timestamp"]) < until for event in first)
    later = scene.receiver.wait_for(1, within=30, cert_id=mute.cert_id)[0]
    assert until <= moment(later["timestamp"])
    check_facts(later, mute, "config", "warning", "30d")
    wait_for_checks(envoy, 2)
    assert len(scene.receiver.requests) == 3


def test_quiet_hours_keep_warnings_and_nothing_that_is_critical(scene: Scene) -> None:
    now = datetime.now(UTC)
    look_often(scene, quiet_hours={"from": f"{now - HOUR:%H:%M}", "to": f"{now + HOUR:%H:%M}"})
    *_, gone = watch_three(scene)
    envoy = scene.start()

    assert scene.receiver.event()["cert_id"] == gone.cert_id
    wait_for_checks(envoy, 3)
    assert len(scene.receiver.requests) == 1
    assert told_of(envoy, SOON) == 0


def test_what_quiet_hours_have_kept_is_told_when_they_are_over(scene: Scene) -> None:
    # They end with a minute, and not before somebody has looked.
    now = datetime.now(UTC)
    over = (now + timedelta(seconds=80)).replace(second=0, microsecond=0)
    look_often(scene, quiet_hours={"from": f"{now - HOUR:%H:%M}", "to": f"{over:%H:%M}"})
    mute, loud, gone = watch_three(scene)
    envoy = scene.start()

    assert scene.receiver.event()["cert_id"] == gone.cert_id
    wait_for_checks(envoy, 2)
    assert len(scene.receiver.requests) == 1
    told = scene.receiver.wait_for(2, within=100, event=SOON)
    assert {event["cert_id"] for event in told} == {mute.cert_id, loud.cert_id}
    for event in told:
        check_facts(event, loud if event["cert_id"] == loud.cert_id else mute, "config", "warning", "30d")
        # To the second; but on a busy machine Envoy may stand still for some.
        assert timedelta() <= moment(event["timestamp"]) - over <= timedelta(seconds=5)
    wait_for_checks(envoy, 2)
    assert len(scene.receiver.requests) == 3


def test_hours_that_are_not_quiet_keep_nothing(scene: Scene) -> None:
    now = datetime.now(UTC)
    look_often(scene, quiet_hours={"from": f"{now + 2 * HOUR:%H:%M}", "to": f"{now - 2 * HOUR:%H:%M}"})
    watch_three(scene)
    scene.start()
    assert len(scene.receiver.wait_for(3)) == 3


@pytest.mark.parametrize("group_by", ["api", "certificate", "place"])
def test_what_shares_an_event_is_for_the_document_to_say(scene: Scene, group_by: str) -> None:
    look_often(scene, group_by=group_by)
    scene.webhook["events"] = [SOON]
    Secret(scene.directory, "edge", scene.cast.server).serve(scene.configuration.listener(INGRESS))
    scene.discover(ca_bundles="none")
    for api_id in ("orders-api", "billing-api"):
        scene.watch("client", scene.cast.client, api_id=api_id, name="vault")
    envoy = scene.start()

    expected = {
        "api": [
            ("localhost", None, None, ("secret/edge", "listener/ingress")),
            ("Test Client", "orders-api", None, ("config/vault",)),
            ("Test Client", "billing-api", None, ("config/vault",)),
        ],
        "certificate": [
            ("localhost", None, None, ("secret/edge", "listener/ingress")),
            ("Test Client", None, ("orders-api", "billing-api"), ("config/vault",)),
        ],
        "place": [
            ("localhost", None, None, ("secret/edge",)),
            ("localhost", None, None, ("listener/ingress",)),
            ("Test Client", "orders-api", None, ("config/vault",)),
            ("Test Client", "billing-api", None, ("config/vault",)),
        ],
    }[group_by]
    watched = {scene.cast.server.cert_id, scene.cast.client.cert_id}

    def told() -> list[tuple[object, ...]]:
        events = [event for event in scene.receiver.events() if event["cert_id"] in watched]
        assert len({event["id"] for event in events}) == len(events)
        return [
            (event["cert_name"], event.get("api_id"), tuple(event.get("api_ids", ())) or None, tuple(event["places"]))
            for event in events
        ]

    scene.receiver.wait_for(1, within=30, cert_name="localhost")
    wait_for_checks(envoy, 3)
    assert sorted(told(), key=repr) == sorted(expected, key=repr)


def test_a_digest_tells_of_many_as_one_the_worst_first(scene: Scene) -> None:
    look_often(scene, digest={"interval_seconds": 60}, thresholds=["30d", {"remaining": "7d", "severity": "critical"}])
    pager = {"format": "pagerduty", "format_options": {"routing_key": ROUTING_KEY}}
    scene.plugin["webhooks"] = [webhook("ops"), webhook("pager", **pager)]
    lefts = {"two-weeks": 14 * DAY, "yesterday": -DAY, "week": 6 * DAY, "three-weeks": 21 * DAY, "last-week": -6 * DAY}
    made = {name: aged(scene, name, 365 * DAY, left) for name, left in lefts.items()}
    for identity in made.values():
        scene.watch("server", identity)
    envoy = scene.start()

    [request] = scene.receiver.wait_requests("/ops", within=30)
    digest = request.event
    listed = digest["certificates"]
    worst_first = ["last-week", "yesterday", "week", "two-weeks", "three-weeks"]
    assert [entry["cert_name"] for entry in listed] == worst_first
    assert digest["certificates_count"] == len(made)
    assert digest["cert_id"] == made["last-week"].cert_id
    assert (digest["event"], digest["severity"]) == (EXPIRED, "critical")
    assert [(entry["event"], entry["severity"], entry["rule"]) for entry in listed] == [
        *[(EXPIRED, "critical", "expired")] * 2,
        (SOON, "critical", "7d"),
        *[(SOON, "warning", "30d")] * 2,
    ]
    for entry in listed:
        identity = made[entry["cert_name"]]
        assert (entry["cert_id"], entry["cert_role"]) == (identity.cert_id, "server")
        assert written(identity.ends) in (entry.get("expires_at"), entry.get("expired_at"))
    # What somebody has to close one by one is told one by one.
    pages = scene.receiver.wait_requests("/pager", len(made))
    assert len({page.event["dedup_key"] for page in pages}) == len(pages) == len(made)
    assert len({entry["id"] for entry in listed} | {digest["id"]}) == len(made) + 1
    wait_for_checks(envoy, 2)
    assert len(scene.receiver.requests) == len(made) + 1
