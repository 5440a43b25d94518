"""When a certificate is worth an event: lengths and shares of its life, exceptions, and what is long over."""

from datetime import timedelta

import pytest

from e2e.contract import EXPIRED, SOON, wait_for_checks
from e2e.life import DAY, HOUR, aged, check_facts, check_names, look_often, told_of, wait_told_of
from lab.scene import Scene

LIVES_SHORT = r"\]\[warning\]\[wasm\].* {} certificates live shorter than twice warning_threshold_days \(30\)"
THRESHOLDS = ["30d", {"remaining": "12h", "severity": "critical"}, "20%"]
# How old a certificate is, how much it has left, and which rule it has crossed.
LIVES = {
    "year": (365 * DAY, 3 * DAY, ("30d", "warning")),
    "last-hours": (365 * DAY, 10 * HOUR, ("12h", "critical")),
    # 30 days are more than half of its life.
    "weeks": (20 * DAY, 4 * DAY, ("20%", "warning")),
    "young-weeks": (10 * DAY, 14 * DAY, None),
    # A fifth of its life is more than 30 days.
    "years": (900 * DAY, 220 * DAY, ("20%", "warning")),
    "young-years": (900 * DAY, 230 * DAY, None),
    # 12 hours are just half of its life, and no more.
    "day": (13 * HOUR, 11 * HOUR, ("12h", "critical")),
    "young-day": (HOUR, 23 * HOUR, None),
    # So no length of time applies.
    "hours": (7 * HOUR, 1.5 * HOUR, ("20%", "warning")),
    "young-hours": (4 * HOUR, 4 * HOUR, None),
}


def test_an_event_names_the_rule_that_leaves_least_and_how_bad_that_is(scene: Scene) -> None:
    look_often(scene, thresholds=THRESHOLDS)
    made = {}
    for name, (age, left, _) in LIVES.items():
        made[name] = aged(scene, name, age, left, sans=[name])
        scene.watch("server", made[name], name="vault")
    crossed = {name: rule for name, (_, _, rule) in LIVES.items() if rule}
    envoy = scene.start()

    for name, (rule, severity) in crossed.items():
        event = scene.receiver.event(cert_name=name)
        assert event["event"] == SOON
        check_facts(event, made[name], "config", severity, rule)
        check_names(event, name)
        assert (event["key"], event["position"], event["places"]) == ("EC-P256", "leaf", ["config/vault"])
    wait_for_checks(envoy, 3)
    assert len(scene.receiver.requests) == told_of(envoy, SOON) == len(crossed)
    assert envoy.log_lines(LIVES_SHORT.format(r"\d+")) == []


@pytest.mark.parametrize(
    ("left", "keys", "rule"),
    [
        (23 * HOUR, {}, None),
        (4 * HOUR, {}, "20%"),
        (4 * HOUR, {"short_lived": "10%"}, None),
        (23 * HOUR, {"short_lived": "off"}, "30d"),
        (23 * HOUR, {"warning_threshold_days": 30}, "30d"),
        (23 * HOUR, {"warning_threshold_days": 30, "short_lived": "20%"}, None),
    ],
)
def test_a_certificate_of_a_day_is_told_at_its_end_unless_the_document_means_otherwise(
    scene: Scene, left: timedelta, keys: dict[str, object], rule: str | None
) -> None:
    # Nothing that is not here: the shipped document has the default in words.
    del scene.monitor["thresholds"]
    look_often(scene, **keys)
    rotated = aged(scene, "rotated.example.com", DAY - left, left)
    scene.watch("server", rotated)
    scene.watch("server", scene.cast.authority.issue("far.example.com", ends=100 * DAY))
    envoy = scene.start()

    if rule:
        check_facts(scene.receiver.event(), rotated, "config", "warning", rule)
    wait_for_checks(envoy, 3)
    assert [event["cert_id"] for event in scene.receiver.events()] == ([rotated.cert_id] if rule else [])
    # Whoever means what is written hears once what it means.
    is_meant = "warning_threshold_days" in keys and "short_lived" not in keys
    assert len(envoy.log_lines(LIVES_SHORT.format(1))) == is_meant
    assert len(envoy.log_lines(LIVES_SHORT.format(r"\d+"))) == is_meant


def test_some_certificates_have_thresholds_of_their_own_or_none(scene: Scene) -> None:
    look_often(
        scene,
        overrides=[
            {"match": {"role": "client", "name": "*.LAB.example.com"}, "ignore": True},
            {"match": {"api_id": "billing-*"}, "thresholds": [{"remaining": "200d", "severity": "info"}]},
            {"match": {"place": "config/vault"}, "thresholds": ["1d"]},
        ],
    )
    for name in ("a.lab.example.com", "b.example.com"):
        scene.watch("client", scene.cast.authority.issue(name), api_id="orders-api")
    scene.watch("client", scene.cast.authority.issue("billing", ends=150 * DAY), api_id="billing-api")
    scene.watch("server", scene.cast.authority.issue("vault"), name="vault")
    scene.watch("server", scene.cast.authority.issue("own", ends=250 * DAY), name="vault", thresholds=["300d"])
    envoy = scene.start()

    scene.receiver.wait_for(3)
    wait_for_checks(envoy, 3)
    rules = {event["cert_name"]: (event["rule"], event["severity"]) for event in scene.receiver.events()}
    assert rules == {
        "b.example.com": ("30d", "warning"),
        "billing": ("200d", "info"),
        "own": ("300d", "warning"),
    }
    assert len(scene.receiver.requests) == len(rules)
    # Nobody wants to know anything about it.
    assert envoy.log_lines(r"Checked 4 certificates for expiry")


def test_what_is_long_over_is_not_told_and_what_is_over_has_a_pace_of_its_own(scene: Scene) -> None:
    look_often(scene, event_cooldown_seconds=1, expired_max_age="2d", expired_repeat="1h")
    gone = scene.cast.authority.issue("gone.example.com", ends=-DAY)
    scene.watch("ca", scene.cast.authority.issue("forgotten.example.com", ends=-3 * DAY))
    scene.watch("server", gone)
    scene.watch("server", scene.cast.server)
    envoy = scene.start()

    event = scene.receiver.event(cert_id=gone.cert_id)
    assert (event["event"], event["rule"], event["severity"]) == (EXPIRED, "expired", "critical")
    assert -86_400 - 60 < event["seconds_remaining"] <= -86_400
    # Told every second, each time as another event.
    repeated = scene.receiver.wait_for(4, cert_id=scene.cast.server.cert_id)
    assert len({event["id"] for event in repeated}) == len(repeated)
    assert len(scene.receiver.events(cert_id=gone.cert_id)) == 1
    assert scene.receiver.events(cert_name="forgotten.example.com") == []
    wait_told_of(envoy, EXPIRED, 1)
