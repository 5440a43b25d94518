"""A store that is away, slow or mad: every event goes out, late by seconds, and once by each proxy at most."""

from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from e2e.contract import logged_at, wait_for_checks
from e2e.fleet import AWAY, BACK, NAMES, Fleet, asked, join, patience, teller, wait_asked
from e2e.life import look_often
from lab import wait
from lab.config import INGRESS, STANDBY
from lab.envoy import Envoy
from lab.receiver import Answer, Fault, Receiver, Reply
from lab.scene import Scene
from lab.store import USER, Redis, Webdis

# A store that did not answer is asked again after this.
AGAIN_SECONDS = 5
# The longest that any proxy waits for it.
LONGEST_SECONDS = 65
# A question may be without an answer for five, and a machine that runs so many at once may take as long.
BUSY_SECONDS = 10

NOT_WEBDIS = "the answer is not one of Webdis"
# What a store may answer, and what the log says of it.
MAD: dict[str, tuple[Reply, str]] = {
    "another-server": (Answer(body=b"<html>It works!</html>"), NOT_WEBDIS),
    "no-text": (Answer(body=b"{}"), NOT_WEBDIS),
    "too-much": (Answer(body=b'{"SET":"' + b"x" * 1_000_000 + b'"}'), NOT_WEBDIS),
    "another-place": (Answer(301, {"location": "http://127.0.0.1:1/"}), "status 301"),
    "old-redis": (Answer(body=b'{"SET":[false,"ERR syntax error"]}'), "Redis says ERR syntax error"),
    "no-end": (Fault.CUT_BODY, "no answer"),
}


def break_store(redis: Redis, webdis: Webdis, how: str) -> str:
    """Does that to it; what the log says of it."""
    match how:
        case "webdis-gone":
            webdis.kill()
            return "status 503"
        case "redis-gone":
            redis.kill()
            return "status 503"
        case "redis-silent":
            redis.freeze()
            return "status 504"
        case "read-only":
            redis.cli("CONFIG", "SET", "min-replicas-to-write", "1")
            return "Redis says NOREPLICAS .*"
    raise ValueError(how)


def mend_store(redis: Redis, webdis: Webdis, how: str) -> None:
    match how:
        case "webdis-gone":
            webdis.start()
        case "redis-gone":
            redis.start()
        case "redis-silent":
            redis.thaw()
        case "read-only":
            redis.cli("CONFIG", "SET", "min-replicas-to-write", "0")


def test_whatever_fails_each_event_goes_out_after_the_proxys_own_delay_and_the_store_hears_of_it(
    tmp_path: Path,
) -> None:
    with ExitStack() as running:
        scenes, reasons, stores = {}, {}, {}

        def launch(name: str, port: int, reason: str, user: str = USER) -> None:
            (tmp_path / name).mkdir()
            scenes[name] = scene = running.enter_context(Scene(tmp_path / name))
            join(scene, name, port)
            scene.watch("server", scene.cast.server)
            scene.launch(environment={"WEBDIS": user})
            reasons[name] = reason

        for how in ("webdis-gone", "redis-gone", "redis-silent", "read-only"):
            redis = running.enter_context(Redis(tmp_path / f"store-{how}"))
            stores[how] = (redis, running.enter_context(Webdis(redis)))
            launch(how, stores[how][1].port, break_store(*stores[how], how))
        for name, (reply, reason) in MAD.items():
            mad = running.enter_context(Receiver())
            mad.answer = reply
            launch(name, mad.port, reason)
        redis = running.enter_context(Redis(tmp_path / "store-denied"))
        webdis = running.enter_context(Webdis(redis))
        launch("denied", webdis.port, r"Webdis does not allow the command \(403\)", user="envoy:wrong")

        for name, scene in scenes.items():
            check_fails_open(scene, reasons[name])
        assert redis.find("*") == []
        assert len({patience(scene.envoy) for scene in scenes.values()}) > 3
        for how, (redis, webdis) in stores.items():
            mend_store(redis, webdis, how)
            check_recovers(scenes[how], redis)


def check_fails_open(scene: Scene, reason: str) -> None:
    """Its only event goes out after the proxy's own delay; that is said once, and counted."""
    envoy = scene.envoy
    [line] = envoy.wait_log(f"{AWAY}{reason}$", within=60)
    assert "[warning]" in line
    delay = patience(envoy)
    assert 5 <= delay <= LONGEST_SECONDS
    [request] = scene.receiver.wait_requests("/certificates", within=LONGEST_SECONDS + 10)
    # The line may be of a question before, and one more question may be without an answer for so long.
    late = (request.arrived - logged_at(line)).total_seconds()
    assert delay - AGAIN_SECONDS - 1 < late < delay + AGAIN_SECONDS + BUSY_SECONDS
    counts = asked(envoy)
    assert counts["unclaimed"] == 1
    # Asked again and again, and said once.
    assert counts["failed"] >= 2
    assert counts.keys() == {"unclaimed", "failed"}
    assert len(envoy.log_lines("Cooldown store")) == 1
    wait_for_checks(envoy, 1)
    assert len(scene.receiver.requests) == 1


def check_recovers(scene: Scene, redis: Redis) -> None:
    """What was told is made known when the store is back."""
    [line] = scene.envoy.wait_log(BACK, within=3 * AGAIN_SECONDS)
    assert "[warning]" in line
    wait_asked(scene.envoy, "committed", 2)
    assert [redis.get(key) for key in redis.find("cert-cooldown:event:*")] == ["done"]
    assert len(scene.receiver.requests) == 1


def test_a_store_that_is_back_in_time_keeps_those_quiet_who_have_patience(fleet: Fleet, redis: Redis) -> None:
    for scene in fleet.scenes:
        scene.watch("server", fleet.cast.server)
    redis.kill()
    fleet.start()
    # When each tells at the earliest: they have not begun to wait at the same time.
    tells_at = {name: told_at(envoy) for name, envoy in zip(NAMES, fleet.envoys, strict=True)}
    fleet.receiver.wait_for(1, within=LONGEST_SECONDS + 10)
    redis.start()
    back = datetime.now(UTC)
    for envoy in fleet.envoys:
        wait.until(lambda envoy=envoy: asked(envoy)["told"] or asked(envoy)["committed"], "it knows of the report", 30)
    fleet.let_checks_go_by()

    tellers = Counter(map(teller, fleet.receiver.requests))
    assert set(tellers.values()) == {1}
    # Whoever was still waiting has asked once more.
    patient = {name for name, at in tells_at.items() if at > back + timedelta(seconds=AGAIN_SECONDS)}
    assert not patient & tellers.keys(), (back, tells_at)


def told_at(envoy: Envoy) -> datetime:
    """When a proxy tells, at the earliest, what it cannot ask the store for."""
    [line] = envoy.wait_log(AWAY, within=30)
    return logged_at(line) + timedelta(seconds=patience(envoy))


def test_a_store_that_stays_away_costs_at_most_one_double_by_each_proxy_and_no_event(
    fleet: Fleet, redis: Redis
) -> None:
    count = 20
    for scene in fleet.scenes:
        look_often(scene)
        scene.configuration.follow_listeners()
        scene.watch("server", fleet.cast.server)
    fleet.start()
    receiver = fleet.receiver
    receiver.wait_for(1)
    for envoy in fleet.envoys:
        wait.until(lambda envoy=envoy: asked(envoy)["told"] or asked(envoy)["committed"], "it knows of the report")

    redis.kill()
    new = fleet.cast.authority.bundle(count)
    for scene in fleet.scenes:
        plugin = scene.configuration.hand_over_separately(INGRESS, STANDBY)
        plugin["certificates"].append({"role": "server", "pem": new})
        scene.update_listeners()
    receiver.wait_for(1 + 3 * count, within=LONGEST_SECONDS + 30)
    redis.start()
    for envoy in fleet.envoys:
        envoy.wait_log(BACK)
        wait_asked(envoy, "committed", count)
        wait_for_checks(envoy, 3)

    by_proxy = Counter((teller(request), request.key) for request in receiver.requests)
    assert set(by_proxy.values()) == {1}
    assert Counter(Counter(request.key for request in receiver.requests).values()) == {1: 1, 3: count}
    # Now it is known to all.
    assert len(redis.find("cert-cooldown:event:*")) == 1 + count


def test_where_the_password_is_not_set_the_store_is_not_asked(scene: Scene, redis: Redis, webdis: Webdis) -> None:
    join(scene, NAMES[0], webdis.port)
    scene.watch("server", scene.cast.server)
    envoy = scene.start()
    [line] = envoy.wait_log("cooldown_store .*environment variable WEBDIS is not set")
    assert "[error]" in line
    scene.receiver.wait_for(1)
    wait_for_checks(envoy, 2)
    assert redis.find("*") == []
    assert not asked(envoy)
