"""One event per certificate, role and API, however much shows it and however many there are."""

from collections import Counter
from statistics import median

from e2e.contract import wait_for_checks
from e2e.deliveries import pauses
from lab.scene import Scene


def test_500_requests_on_two_routes_and_two_workers_make_one_event_per_certificate_role_and_api(scene: Scene) -> None:
    scene.monitor["check_interval_seconds"] = 1
    envoy = scene.start(concurrency=2)
    newcomer = scene.cast.authority.issue("Newcomer")

    # The kernel deals connections out to workers by chance: of so many each gets some.
    statuses = scene.client(newcomer).get_all(["/orders", "/billing"] * 250, connections=30)
    assert statuses == [200] * 500
    connections = envoy.stat(r"^listener\.127\.0\.0\.1_0\.worker_\d\.downstream_cx_total")
    assert len(connections) == 2
    assert all(connections.values()), connections

    scene.receiver.wait_for(4)
    wait_for_checks(envoy, 3)
    scene.client(newcomer).get_all(["/orders", "/billing"], connections=2)
    wait_for_checks(envoy, 3)
    told = Counter((event["cert_name"], event["cert_role"], event["api_id"]) for event in scene.receiver.events())
    assert told == {
        ("Newcomer", "client", "orders-api"): 1,
        ("Newcomer", "client", "billing-api"): 1,
        ("orders.internal", "upstream", "orders-api"): 1,
        ("orders.internal", "upstream", "billing-api"): 1,
    }


def test_a_certificate_that_is_listed_twice_is_told_once(scene: Scene) -> None:
    scene.monitor["check_interval_seconds"] = 1
    scene.watch("server", scene.cast.server, name="edge")
    scene.watch("server", scene.cast.server, name="inner")
    envoy = scene.start()

    scene.receiver.wait_for(1)
    wait_for_checks(envoy, 3)
    assert len(scene.receiver.requests) == 1


def test_a_burst_of_events_is_delivered_without_pauses(scene: Scene) -> None:
    scene.watch("server", scene.cast.authority.bundle(100))
    scene.start()

    events = scene.receiver.wait_for(100, within=30, cert_role="server")
    assert len({event["cert_id"] for event in events}) == len(events) == 100
    # A machine that stands still makes a few long pauses, and not all of them.
    assert median(pauses(scene.receiver.requests)) < 0.1
