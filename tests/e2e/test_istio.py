"""The files below envoy/istio, on an Envoy that has what a gateway of Istio has."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from e2e.monitors import BUSY_SECONDS, Lease, leases, trap, traps, wait_for_holder, wait_for_lease
from lab import wait
from lab.config import INGRESS, parts
from lab.envoy import Envoy
from lab.istio import ADMIN_CLUSTER, RBAC, Gateway, manifests
from lab.scene import TRAP, Scene
from lab.upstream import HELD as UPSTREAM_HELD

# Istio 1.28, 1.29, 1.31 and what comes after it.
VERSIONS = ["1.36.2", "1.37.0", "1.39.3", "1.40.0"]
# From Envoy 1.38 on, which is Istio 1.30, filters see the certificates of peers, and there are TrafficExtensions.
NEWER = VERSIONS[2:]
PLUGINS = {"wasm-plugin.yaml": VERSIONS, "traffic-extension.yaml": NEWER}

HELD = {("server", "localhost"), ("ca", "Test CA"), ("upstream", "Upstream Service")}
MET = {("client", "Test Client"), ("upstream", "orders.internal")}
IN_FLIGHT = 10
HOLDING = "Holding the lease"


@pytest.fixture
def gateway(scene: Scene) -> Gateway:
    gateway = Gateway(scene)
    gateway.apply("webhook.yaml")
    return gateway


def told(scene: Scene) -> list[tuple[str, str]]:
    return sorted((event["cert_role"], event["cert_name"]) for event in scene.receiver.events())


def wait_told(scene: Scene, *names: tuple[str, str]) -> None:
    """Wait until each of them has been told, once, and nothing else."""
    wait.until(lambda: len(told(scene)) >= len(names), f"{len(names)} events", 30)
    assert told(scene) == sorted(names)


def first_lease(envoy: Envoy) -> Lease:
    return wait.until(lambda: leases(envoy), "somebody holds the lease")[-1]


def survive_traps(scene: Scene, envoy: Envoy) -> None:
    """End the standby of the main thread and that of a worker: each time another one is there."""
    for count in (1, 2):
        assert trap(scene, "monitor") == 200
        wait.until(lambda count=count: traps(envoy) == count, "the monitor has trapped")
        # Not before: a worker's standby may just have made way for that of the main thread.
        lease = leases(envoy)[-1]
        assert wait_for_lease(envoy, lease).kind == "standby"
        assert traps(envoy) == count
    reloaded = r"cert-expiry-standby\.vm_reload_success"
    wait.until(lambda: sum(envoy.stat(reloaded).values()) > 0, "a health check has loaded it again")


def trap_beside_requests(scene: Scene, envoy: Envoy, whom: str) -> list[int]:
    """End a VM while requests are in flight on the one worker; the statuses of these."""
    count = traps(envoy) + 1
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(scene.client().get_all, [UPSTREAM_HELD] * IN_FLIGHT, IN_FLIGHT)
        wait.until(lambda: scene.upstream.held == IN_FLIGHT, "requests are in flight")
        trap(scene, whom)
        wait.until(lambda: traps(envoy) == count, f"the {whom} has trapped")
        scene.upstream.release.set()
        statuses = held.result()
    wait.until(lambda: scene.upstream.held == 0, "the upstream holds nothing more")
    scene.upstream.release.clear()
    return statuses


@pytest.mark.parametrize(
    ("file", "version"), [(file, version) for file, versions in PLUGINS.items() for version in versions]
)
def test_a_plugin_alone_tells_of_what_the_proxy_holds_and_meets(
    scene: Scene, gateway: Gateway, file: str, version: str
) -> None:
    gateway.apply(file)
    envoy = scene.start(version, concurrency=2)
    assert scene.client().get_all(["/orders"] * 20, connections=4) == [200] * 20
    wait_told(scene, *HELD, *(MET if version in NEWER else []))
    # What people see at the level that Istio's proxies log at.
    assert len(envoy.log_lines("EXPIRY EVENT FIRED")) == len(told(scene))
    clusters = envoy.admin("/clusters")
    assert all(name in clusters for name in (ADMIN_CLUSTER, "outbound|443||hooks.example.com", "sds-grpc"))
    # Its metrics are among those that Istio lets through.
    assert envoy.stat(r"^wasmcustom\.cert_expiry_monitor_last_tick_seconds$")


def test_what_traps_cost_where_the_plugin_is_alone(scene: Scene, gateway: Gateway) -> None:
    scene.plugin_file, scene.wasm_level = TRAP, "info"
    gateway.apply("wasm-plugin.yaml")
    envoy = scene.start()
    assert scene.client().get() == 200
    wait_told(scene, *HELD, *MET)
    # Whoever ticks first is the monitor, but a worker's VM makes way for that of the main thread, which no request
    # passes through.
    wait.until(lambda: f"[{envoy.process.pid}]" in envoy.log_lines(HOLDING)[-1], "the main thread's VM is the monitor")
    lease = leases(envoy)[-1]
    assert trap_beside_requests(scene, envoy, "monitor") == [200] * IN_FLIGHT
    assert wait_for_lease(envoy, lease).kind == "auto"

    assert trap_beside_requests(scene, envoy, "observer") == [503] * IN_FLIGHT
    assert scene.client().get_all(["/orders"] * 20, connections=4) == [200] * 20
    assert traps(envoy) == 2
    assert not sum(envoy.stat(r"vm_reload").values())


def test_what_the_mesh_renews_every_day_is_not_told(scene: Scene, gateway: Gateway) -> None:
    now = datetime.now(UTC)
    scene.cast.upstream_client = scene.cast.authority.issue(
        "workload", starts=now - timedelta(hours=10), ends=now + timedelta(hours=14)
    )
    gateway.apply("wasm-plugin.yaml")
    scene.start()
    wait_told(scene, *(HELD - {("upstream", "Upstream Service")}))
    assert any(question.is_last for question in gateway.admin.questions)


@pytest.mark.parametrize("version", VERSIONS)
def test_standby_and_observer_tell_the_same_and_a_monitor_that_traps_is_followed(
    scene: Scene, gateway: Gateway, version: str
) -> None:
    scene.plugin_file, scene.wasm_level = TRAP, "info"
    gateway.apply("standby.yaml")
    gateway.apply("observer.yaml")
    envoy = scene.start(version, concurrency=2)
    assert first_lease(envoy).kind == "standby"
    assert scene.client().get() == 200
    expected = [*HELD, *(MET if version in NEWER else [])]
    wait_told(scene, *expected)

    survive_traps(scene, envoy)
    if version in NEWER:
        assert scene.client(scene.cast.authority.issue("Newcomer")).get() == 200
        wait_told(scene, *expected, ("client", "Newcomer"))


def test_a_wasm_plugin_can_be_the_observer_where_the_standby_shares_its_memory_with_all_plugins(
    scene: Scene, gateway: Gateway
) -> None:
    scene.plugin_file, scene.wasm_level = TRAP, "info"
    [standby] = manifests("standby.yaml")
    [part] = parts(standby)
    del part["vm_config"]["vm_id"]
    gateway.apply_manifest(standby)
    gateway.apply("wasm-plugin.yaml", mode="observer")
    envoy = scene.start()
    assert first_lease(envoy).kind == "standby"
    assert scene.client().get() == 200
    wait_told(scene, *HELD, *MET)
    survive_traps(scene, envoy)
    assert {lease.kind for lease in leases(envoy)} == {"standby"}


def test_an_edited_standby_rules_and_a_trapped_observer_costs_no_request(scene: Scene, gateway: Gateway) -> None:
    scene.plugin_file, scene.wasm_level = TRAP, "info"
    gateway.apply("standby.yaml")
    gateway.apply("observer.yaml")
    envoy = scene.start()
    lease = first_lease(envoy)
    wait_told(scene, *HELD)
    edited = gateway.discovered["cert-expiry-standby"]
    [webhook] = edited["config"]["configuration"]["value"]["webhooks"]
    webhook["url"] = "https://hooks.example.com/edited"
    gateway.discover("cert-expiry-standby", edited)
    # A worker's standby may make way for that of the main thread in between, with the same document.
    wait.until(lambda: leases(envoy)[-1].hash != lease.hash, "the edited document rules", BUSY_SECONDS)
    assert scene.client().get() == 200
    wait_told(scene, *HELD, *MET)
    assert len(scene.receiver.requests_to("/edited")) == len(MET)

    assert trap_beside_requests(scene, envoy, "observer") == [200] * IN_FLIGHT


@pytest.mark.parametrize("file", PLUGINS)
def test_a_plugin_that_cannot_be_fetched_lets_requests_pass(scene: Scene, gateway: Gateway, file: str) -> None:
    gateway.apply(file)
    [name] = gateway.discovered
    # What the agent puts in its place, because it is to fail open.
    gateway.discover(name, {"@type": RBAC})
    scene.start()
    assert scene.client().get() == 200


def test_parts_that_cannot_be_fetched_cost_no_request(scene: Scene, gateway: Gateway) -> None:
    gateway.apply("standby.yaml")
    gateway.apply("observer.yaml")
    standby, observer = (gateway.discovered[name] for name in ("cert-expiry-standby", "cert-expiry-observer"))
    # What the agent puts in the place of one that is not to fail open, and for the other one nothing yet.
    gateway.discover("cert-expiry-standby", {"@type": RBAC, "rules": {}})
    gateway.discover("cert-expiry-observer", None)
    envoy = scene.start()
    assert scene.client().get() == 200
    wait.until(lambda: "health_flags::/failed_active_hc" in envoy.admin("/clusters"), "the health check fails")
    # What it puts in the place of one that is to fail open.
    gateway.discover("cert-expiry-observer", {"@type": RBAC})
    assert scene.client().get() == 200

    gateway.discover("cert-expiry-standby", standby)
    gateway.discover("cert-expiry-observer", observer)
    wait.until(lambda: "health_flags::/failed_active_hc" not in envoy.admin("/clusters"), "the health check succeeds")
    wait_told(scene, *HELD)
    assert scene.client().get() == 200
    wait_told(scene, *HELD, *MET)


def test_no_request_waits_for_the_observer(scene: Scene, gateway: Gateway) -> None:
    gateway.apply("observer.yaml")
    [observer, _] = scene.configuration.connection_manager(INGRESS)["http_filters"]
    # Somebody who never answers.
    nobody = {"api_type": "GRPC", "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}]}
    source = observer["config_discovery"]["config_source"]
    del source["path_config_source"]
    source["api_config_source"] = {**nobody, "transport_api_version": "V3"}
    scene.start()
    assert scene.client().get() == 200


def test_access_loggers_tell_of_connections_without_a_filter(scene: Scene, gateway: Gateway) -> None:
    gateway.apply("standby.yaml")
    gateway.apply("access-log.yaml")
    scene.start()
    assert scene.client().get() == 200
    wait_told(scene, *HELD, ("client", "Test Client"))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_bootstrap_that_istio_merges_brings_the_service_and_labels(
    scene: Scene, gateway: Gateway, version: str
) -> None:
    scene.plugin_file, scene.wasm_level = TRAP, "info"
    for file in ("bootstrap.yaml", "standby.yaml", "observer.yaml"):
        gateway.apply(file)
    envoy = scene.start(version)
    wait_for_holder(envoy, "monitor")
    wait_told(scene, *HELD)
    # No cluster and no tag of Istio's own has gone.
    assert ADMIN_CLUSTER in envoy.admin("/clusters")
    lease = first_lease(envoy)
    assert trap(scene, "monitor") == 200
    assert wait_for_lease(envoy, lease).kind == "standby"
    wait_for_holder(envoy, "standby")
