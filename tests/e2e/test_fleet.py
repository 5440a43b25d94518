"""Three Envoys, one Redis and one Webdis: each certificate is reported once by the three together."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from e2e.contract import EXPIRED, SOON, moment, wait_for_checks
from e2e.fleet import NAMES, Fleet, about, asked, join, start, teller, wait_asked
from e2e.life import DAY, RESOLVED, aged, look_often
from e2e.monitors import leases, trap, wait_for_lease
from lab import wait
from lab.config import INGRESS, STANDBY
from lab.receiver import Fault, Request
from lab.scene import TRAP, Scene
from lab.store import Redis, Webdis

SECOND = timedelta(seconds=1)
# A claim lasts for one try of a webhook, here five seconds, and 55 more.
CLAIM_SECONDS = 60
# Who has found it asks again by so much later.
SPREAD_SECONDS = 10


def watch_everything(fleet: Fleet) -> None:
    """Server and CA; the client and both sides of the upstream come with the traffic."""
    for scene in fleet.scenes:
        scene.plugin["certificates"] += fleet.cast.entries()


def sort(requests: list[Request]) -> dict[tuple[str, ...], list[Request]]:
    """The requests by what they are about."""
    found: dict[tuple[str, ...], list[Request]] = {}
    for request in requests:
        found.setdefault(about(request), []).append(request)
    return found


def test_in_each_period_each_certificate_is_reported_once_by_the_three_together(fleet: Fleet) -> None:
    period = 8
    watch_everything(fleet)
    for scene in fleet.scenes:
        look_often(scene, event_cooldown_seconds=period)
    fleet.start()
    for scene in fleet.scenes:
        assert scene.client().get_all(["/orders"] * 10) == [200] * 10

    receiver = fleet.receiver
    wait.until(
        lambda: len(sort(receiver.requests)) == 5 and min(map(len, sort(receiver.requests).values())) >= 4,
        "every certificate is reported in four periods",
        60,
    )
    arrived = list(receiver.requests)
    told = sort(arrived)
    assert Counter(role for _, role, _, _ in told) == {"server": 1, "ca": 1, "client": 1, "upstream": 2}
    for requests in told.values():
        # No period has two reports, and none is left out.
        assert len({request.key for request in requests}) == len(requests)
        # By when they were made, which is cut to seconds: how long they take to arrive is for the machine to say. The
        # store forgets a second or two before a period is over, and another proxy may count it from a moment earlier.
        made = [moment(request.event["timestamp"]) for request in requests]
        pauses = [(after - before) / SECOND for before, after in pairwise(made)]
        assert all(period - 3 <= pause < 2 * period - 1 for pause in pauses), pauses
    counts = [asked(envoy) for envoy in fleet.envoys]
    assert sum(count["claimed"] for count in counts) >= len(arrived)
    # Each has asked for everything in every period, but for the last one perhaps.
    assert all(count.total() - count["committed"] >= 3 * 5 for count in counts), counts
    assert not any(count["failed"] + count["unclaimed"] for count in counts), counts


def test_of_what_they_find_all_at_once_each_is_claimed_by_one_and_told_once(fleet: Fleet, redis: Redis) -> None:
    count = 200
    bundle = fleet.cast.authority.bundle(count)
    for scene in fleet.scenes:
        scene.watch("server", bundle)
    fleet.start_at_once()

    receiver = fleet.receiver
    receiver.wait_for(count, within=60)
    wait.until(lambda: len(redis.find("cert-cooldown:*:*")) == 2 * count, "Redis knows of all of them")
    fleet.let_checks_go_by()
    assert len({request.key for request in receiver.requests}) == len(receiver.requests) == count
    counts = [asked(envoy) for envoy in fleet.envoys]
    assert sum(counted["claimed"] for counted in counts) == count
    # Whatever a proxy has not claimed, others had.
    assert [counted["claimed"] + counted["held"] + counted["told"] for counted in counts] == [count] * 3


def test_redis_shows_what_was_told_and_for_how_long_as_tyk_has_it(fleet: Fleet, redis: Redis) -> None:
    watch_everything(fleet)
    for scene in fleet.scenes:
        scene.monitor.update(check_cooldown_seconds=1800, event_cooldown_seconds=3600)
    fleet.start()
    assert fleet.scenes[0].client().get() == 200
    wait.until(lambda: len(sort(fleet.receiver.requests)) == 5, "every certificate is reported")
    wait.until(lambda: len(redis.find("cert-cooldown:*:*")) == 10, "Redis knows of all of them")

    cast = fleet.cast
    server, client = cast.server.cert_id, cast.client.cert_id
    checked = f"cert-cooldown:check:{server}"
    told = f"cert-cooldown:event:{server}:server:{SOON}:30d:ops"
    assert redis.find(f"cert-cooldown:*{server[:8]}*") == [checked, told]
    assert redis.get(checked).partition("~")[0] in NAMES
    assert 1800 - 60 < redis.ttl(checked) <= 1800
    assert redis.get(told) == "done"
    # Less ten seconds, so that whoever comes for the next report does not find the last one.
    assert 3590 - 60 < redis.ttl(told) <= 3590
    assert f"cert-cooldown:event:{client}:client:orders-api:{SOON}:30d:ops" in redis.find()


def test_a_proxy_that_restarts_within_the_cooldown_stays_quiet(fleet: Fleet) -> None:
    for scene in fleet.scenes:
        scene.watch("server", fleet.cast.server)
    fleet.start()
    fleet.receiver.wait_for(1)
    fleet.let_checks_go_by()

    for scene in fleet.scenes:
        scene.envoy.stop()
        wait_asked(start(scene), "told")
    fleet.let_checks_go_by()
    assert len(fleet.receiver.requests) == 1


def test_flushall_has_nobody_repeat_what_it_knows_itself(fleet: Fleet, redis: Redis) -> None:
    for scene in fleet.scenes:
        scene.watch("server", fleet.cast.server)
    fleet.start()
    for envoy in fleet.envoys:
        wait.until(lambda envoy=envoy: asked(envoy)["told"] or asked(envoy)["committed"], "it knows of the report")
    assert redis.find() != []

    redis.cli("FLUSHALL")
    fleet.let_checks_go_by()
    assert len(fleet.receiver.requests) == 1
    assert redis.find() == []

    # But for one that has forgotten it as well.
    fleet.scenes[0].envoy.stop()
    start(fleet.scenes[0])
    fleet.receiver.wait_for(2)


def test_fleets_with_prefixes_of_their_own_do_not_hear_of_each_other(
    tmp_path: Path, redis: Redis, webdis: Webdis
) -> None:
    with Fleet(tmp_path, webdis.port, *NAMES[:2]) as fleet:
        for scene, prefix in zip(fleet.scenes, ("east:", "west:"), strict=True):
            scene.plugin["cooldown_store"]["prefix"] = prefix
            scene.watch("server", fleet.cast.server)
        fleet.start()
        fleet.receiver.wait_for(2)
        assert {teller(request) for request in fleet.receiver.requests} == set(NAMES[:2])
        for prefix in ("east:", "west:"):
            pattern = f"{prefix}cert-cooldown:event:*"
            wait.until(lambda pattern=pattern: len(redis.find(pattern)) == 1, "Redis knows of both")
        assert redis.find() == []


def test_what_gets_worse_is_told_within_the_cooldown_and_once_by_the_three_together(fleet: Fleet) -> None:
    soon = aged(fleet.scenes[0], "soon.example.com", 300 * DAY, 7 * DAY + 15 * SECOND)
    ending = aged(fleet.scenes[0], "ending.example.com", 300 * DAY, 15 * SECOND)
    for scene in fleet.scenes:
        look_often(scene, thresholds=["30d", "7d"])
        scene.watch("server", soon)
        scene.watch("server", ending)
    fleet.start()

    receiver = fleet.receiver
    receiver.wait_for(2, event=SOON, cert_name="soon.example.com", within=30)
    receiver.wait_for(1, event=EXPIRED, within=30)
    fleet.let_checks_go_by()
    rules = Counter((event["cert_name"], event["event"], event["rule"]) for event in receiver.events())
    assert rules == {
        ("soon.example.com", SOON, "30d"): 1,
        ("soon.example.com", SOON, "7d"): 1,
        ("ending.example.com", SOON, "7d"): 1,
        ("ending.example.com", EXPIRED, "expired"): 1,
    }


def test_an_alert_is_closed_once_by_the_three_together_and_may_be_opened_again(fleet: Fleet) -> None:
    for scene in fleet.scenes:
        look_often(scene)
        scene.webhook["send_resolved"] = True
        scene.configuration.follow_listeners()
        scene.watch("server", fleet.cast.server)
    fleet.start()
    receiver = fleet.receiver
    receiver.wait_for(1, event=SOON)
    fleet.let_checks_go_by()

    for scene in fleet.scenes:
        plugin = scene.configuration.hand_over_separately(INGRESS, STANDBY)
        plugin["certificates"] = []
        scene.update_listeners()
    for envoy in fleet.envoys:
        envoy.wait_log("Certificate localhost is not in use any more")
    receiver.wait_for(1, event=RESOLVED)
    fleet.let_checks_go_by()
    assert Counter(event["event"] for event in receiver.events()) == {SOON: 1, RESOLVED: 1}

    for scene in fleet.scenes:
        plugin = scene.configuration.hand_over_separately(INGRESS, STANDBY)
        # Another document than the first one, to which nobody would go back so soon.
        plugin["certificate_expiry_monitor"]["check_cooldown_seconds"] = 1
        scene.update_listeners()
    receiver.wait_for(2, event=SOON)
    fleet.let_checks_go_by()
    assert Counter(event["event"] for event in receiver.events()) == {SOON: 2, RESOLVED: 1}


def test_what_a_proxy_dies_over_is_told_by_another_one(tmp_path: Path, redis: Redis, webdis: Webdis) -> None:
    with Fleet(tmp_path, webdis.port, *NAMES[:2]) as fleet:
        first, second = fleet.scenes
        for scene in fleet.scenes:
            scene.watch("server", fleet.cast.server)
        # With no warning, when its first request is on its way.
        fleet.receiver.answer = [Fault.HANG, 200]
        start(first)
        fleet.receiver.wait_for(1)
        first.envoy.process.kill()
        first.envoy.process.wait()
        [key] = redis.find("cert-cooldown:event:*")
        assert redis.get(key).startswith(f"{NAMES[0]}~")
        assert 0 < redis.ttl(key) <= CLAIM_SECONDS

        start(second)
        wait_asked(second.envoy, "held")
        wait_for_checks(second.envoy, 3)
        assert [teller(request) for request in fleet.receiver.requests] == [NAMES[0]]
        fleet.receiver.wait_for(2, within=CLAIM_SECONDS + SPREAD_SECONDS + 10)
        wait_asked(second.envoy, "committed")
        assert redis.get(key) == "done"
        wait_for_checks(second.envoy, 3)
        assert [teller(request) for request in fleet.receiver.requests] == list(NAMES[:2])
        [key_of_first, key_of_second] = [request.key for request in fleet.receiver.requests]
        assert key_of_first == key_of_second


def test_a_monitor_that_follows_a_trapped_one_goes_on_with_its_claims(
    scene: Scene, redis: Redis, webdis: Webdis
) -> None:
    join(scene, NAMES[0], webdis.port)
    scene.webhook["timeout_seconds"] = 30
    scene.plugin_file = TRAP
    scene.watch("server", scene.cast.server)
    scene.receiver.answer = [Fault.HANG, 200]
    envoy = start(scene)
    scene.receiver.wait_for(1)
    [key] = redis.find("cert-cooldown:event:*")
    claimed = redis.get(key)

    lease = leases(envoy)[-1]
    trap(scene, "monitor")
    wait_for_lease(envoy, lease)
    # Long before the claim is over.
    scene.receiver.wait_for(2)
    wait.until(lambda: redis.get(key) == "done", "Redis knows of it")
    # Both are written at the same time, in any order.
    check = key.replace(":event:", ":check:").partition(":server:")[0]
    wait.until(lambda: redis.find(check), "Redis knows of the check")
    assert redis.get(check) == claimed
