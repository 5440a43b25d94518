"""Upstreams that nobody calls: the monitor does, and so an observer sees what they present."""

from pathlib import Path
from typing import Any

import pytest

from e2e.contract import ALERTS, check_soon, wait_for_checks
from e2e.leaks import check_none
from e2e.monitors import traps
from lab import wait
from lab.certificates import Authority
from lab.config import OLDER, SHIPPED
from lab.scene import TRAP, Scene

API = "orders-of-nobody"
CHECKED = r"Checked \d+ certificates"


@pytest.mark.parametrize(("shipped", "version"), [(OLDER, "1.36.2"), (SHIPPED, "1.40.0")])
def test_an_idle_upstream_is_told_of_and_sees_one_head_in_each_interval(
    tmp_path: Path, shipped: Path, version: str
) -> None:
    with Scene(tmp_path, shipped) as scene:
        probe(scene)
        if shipped == OLDER:
            options(scene, "orders-probe")["http_filters"] = options(scene, "orders")["http_filters"]
        envoy = scene.start(version)
        theirs = scene.receiver.event()
        check_soon(theirs, scene.cast.upstream, "orders.internal", "upstream", API)
        assert theirs["places"] == ["cluster/orders-probe", f"address/127.0.0.1:{scene.upstream.port}"]

        wait.until(lambda: len(scene.upstream.arrived) >= 4, "four probes")
        # The last one may be on its way still, and on a busy machine others too.
        wait.until(lambda: len(envoy.log_lines(CHECKED)) - 1 <= len(scene.upstream.arrived), "a probe in each round")
        probes = list(scene.upstream.arrived)
        assert len(probes) <= len(envoy.log_lines(CHECKED)) + 1
        assert {(request.method, request.path) for request in probes} == {("HEAD", "/")}
        assert len({request.connection for request in probes}) == len(probes)
        for request in probes:
            check_none(scene, request.headers)
        assert len(scene.receiver.events()) == 1


def test_a_renewed_certificate_is_seen_by_the_next_probe(scene: Scene) -> None:
    probe(scene)
    scene.start()
    scene.receiver.event(cert_id=scene.cast.upstream.cert_id)

    renewed = scene.cast.authority.issue("orders.internal", sans=["orders.internal"])
    # Sessions of before could be taken up again: the same context knows them.
    scene.upstream.present(renewed)
    check_soon(scene.receiver.event(cert_id=renewed.cert_id), renewed, "orders.internal", "upstream", API)


def test_an_upstream_that_is_turned_away_in_a_probe_is_told(scene: Scene) -> None:
    elsewhere = Authority.named("Elsewhere")
    scene.cast.upstream = elsewhere.issue("orders.internal", sans=["orders.internal"])
    probe(scene)
    scene.webhook["events"] = ALERTS
    envoy = scene.start()

    event = scene.receiver.event(event="CertificateRejected")
    assert (event["reason"], event["places"]) == ("unknown_ca", ["cluster/orders-probe"])
    envoy.wait_log("Probe failed: no answer from the upstream .*status=503")


def test_nobody_sees_the_header_of_a_probe_when_the_observer_is_dead(scene: Scene) -> None:
    scene.plugin_file = TRAP
    probe(scene)
    envoy = scene.start()
    wait.until(lambda: scene.upstream.arrived, "a probe")
    scene.client().get(headers={"x-cert-expiry-trap": "observer"})
    wait.until(lambda: traps(envoy) == 1, "the observer is dead")
    before = len(scene.upstream.arrived)
    wait.until(lambda: len(scene.upstream.arrived) >= before + 3, "three probes")
    for request in scene.upstream.arrived:
        check_none(scene, request.headers)


def test_a_client_that_claims_to_probe_names_no_api(scene: Scene) -> None:
    probe(scene)
    envoy = scene.start()
    scene.receiver.event(cert_role="upstream", api_id=API)
    for header in ["forged", "0000000000000000;forged", ";forged"]:
        assert scene.client().get(headers={"x-cert-expiry-probe": header}) == 200
    scene.receiver.event(cert_role="upstream", api_id="orders-api")
    wait_for_checks(envoy, 2)
    assert scene.receiver.events(api_id="forged") == []
    # And whoever calls the upstream goes on with the connection that there is.
    assert len({request.connection for request in scene.upstream.arrived if request.method == "GET"}) == 1
    for request in scene.upstream.arrived:
        check_none(scene, request.headers)


def probe(scene: Scene) -> None:
    scene.probe()
    scene.plugin["discovery"]["probes"][0]["api_id"] = API
    scene.monitor["check_interval_seconds"] = 1
    scene.log_connections()


def options(scene: Scene, cluster: str) -> dict[str, Any]:
    [options] = scene.configuration.cluster(cluster)["typed_extension_protocol_options"].values()
    return options
