"""What Envoy Gateway makes of the files below envoy/gateway/ boots on real Envoy, and events arrive."""

import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from e2e.monitors import BUSY_SECONDS, PREFIX, Lease, leases, trap, traps, wait_for_holder, wait_for_lease
from lab import REPOSITORY, gateway, wait
from lab.config import INGRESS, parts
from lab.envoy import Envoy
from lab.gateway import PROMETHEUS_STATS, Gateway
from lab.scene import TRAP, Scene
from lab.traffic import Traffic

# Envoy Gateway 1.6 has 1.36, 1.7 has 1.37.
VERSIONS = ["1.36.2", "1.37.0", "1.39.3", "1.40.0"]


@pytest.fixture
def deployed(scene: Scene) -> Gateway:
    deployed = Gateway(scene)
    deployed.plugin["certificate_expiry_monitor"]["check_interval_seconds"] = 1
    deployed.plugin["observe"] = {"flush_seconds": 1}
    deployed.plugin["discovery"]["interval_seconds"] = 5
    return deployed


def forward_client_certificates(deployed: Gateway) -> None:
    """What Envoy Gateway makes of the ClientTrafficPolicy, and what its comment asks for."""
    policy = gateway.manifest("ClientTrafficPolicy", "cert-expiry-client-certificates")
    forwarded = policy["spec"]["headers"]["xForwardedClientCert"]
    assert forwarded["mode"] == "SanitizeSet"
    manager = deployed.configuration.connection_manager(INGRESS)
    manager["forward_client_cert_details"] = "SANITIZE_SET"
    details = {detail.lower(): True for detail in forwarded["certDetailsToAdd"]}
    manager["set_current_client_cert_details"] = details
    deployed.plugin["observe"]["client_certificate"] = "xfcc"


@pytest.mark.parametrize("version", VERSIONS)
def test_with_the_policy_alone_events_arrive_of_what_envoy_holds_and_of_clients(
    scene: Scene, deployed: Gateway, version: str
) -> None:
    forward_client_certificates(deployed)
    deployed.deploy()
    envoy = scene.start(version, concurrency=2)
    test = scene.receiver.event(event="WebhookTest")
    assert test["cert_name"] == "cert-expiry-monitor"
    assert scene.client().get() == 200
    scene.receiver.event(cert_role="server", cert_name="localhost")
    scene.receiver.event(cert_role="client", cert_id=scene.cast.client.cert_id)
    scene.receiver.event(cert_role="upstream", cert_name="upstream-client.pem")
    # There are no labels without the tags of the bootstrap, so the log tells who it is.
    assert {lease.kind for lease in leases(envoy)} == {"auto"}


def test_with_the_policy_alone_a_trap_costs_no_request_and_another_vm_takes_over(
    scene: Scene, deployed: Gateway
) -> None:
    scene.plugin_file = TRAP
    deployed.deploy()
    envoy = scene.start("1.37.0", concurrency=2)
    scene.receiver.event(cert_role="server", cert_name="localhost")
    with Traffic(scene.client(), per_second=100, connections=8) as traffic:
        assert trap(scene, "monitor") == 200
        wait.until(lambda: traps(envoy) == 1, "the monitor has trapped")
        # Not before: a worker's VM makes way for that of the main thread when requests pass through it.
        lease = leases(envoy)[-1]
        assert wait_for_lease(envoy, lease).kind == "auto"
        sent = traffic.sent
        wait.until(lambda: traffic.sent >= sent + 200, "further requests")
    assert traffic.failures == {}
    assert traps(envoy) == 1


def test_the_standby_is_the_monitor_and_is_so_again_after_each_trap(scene: Scene, deployed: Gateway) -> None:
    scene.plugin_file = TRAP
    forward_client_certificates(deployed)
    deployed.deploy(standby=True)
    envoy = scene.start("1.37.0", concurrency=2)
    wait_for_standby(envoy)
    for number in range(3):
        newcomer = scene.cast.authority.issue(f"newcomer {number}")
        assert scene.client(newcomer).get() == 200
        scene.receiver.event(cert_id=newcomer.cert_id)
        if number < 2:
            assert trap(scene, "monitor") == 200
            wait.until(lambda number=number: traps(envoy) == number + 1, "the monitor has trapped")
            wait_for_standby(envoy, leases(envoy)[-1])
    assert traps(envoy) == 2
    assert envoy.stat(r"cert-expiry-standby\.vm_reload_success$")


def wait_for_standby(envoy: Envoy, before: Lease | None = None) -> None:
    """Wait until the standby is the monitor, after somebody else or once more."""
    epoch = before.epoch if before else 0
    wait.until(
        lambda: any(lease.kind == "standby" and lease.epoch > epoch for lease in leases(envoy)),
        f"the standby is the monitor after {before}",
        BUSY_SECONDS,
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_the_patched_bootstrap_has_a_monitor_of_its_own_and_labels(
    scene: Scene, deployed: Gateway, version: str
) -> None:
    deployed.deploy(standby=True, service=True)
    envoy = scene.start(version)
    wait_for_holder(envoy, "monitor")
    scene.receiver.event(event="WebhookTest")
    scene.receiver.event(cert_role="server", cert_name="localhost")
    # Envoy writes underscores for what it would not have in a name: `;.;role=.=` would be seven of them.
    assert not [name for name in envoy.metrics() if name.startswith(PREFIX) and "___" in name]
    assert envoy.metrics()[f'{PREFIX}events_total{{event="CertificateExpiringSoon"}}'] >= 1
    # One document for all parts: nobody has to make way for a newer one.
    assert len({lease.hash for lease in leases(envoy)}) == 1


def test_all_files_say_the_same() -> None:
    policy = gateway.policy()
    [wasm] = policy["spec"]["wasm"]
    others = [part for each in gateway.manifests() if each["kind"] != policy["kind"] for part in parts(each)]
    assert len(others) == 2
    for part in others:
        assert part["configuration"]["value"] == wasm["config"]
        assert part["root_id"] == wasm["rootID"]
        assert part["vm_config"]["vm_id"] == gateway.vm_id(policy)
    assert {part["vm_config"]["configuration"]["value"] for part in others} == {"monitor", "standby"}
    assert wasm["config"]["discovery"]["admin_cluster"] == PROMETHEUS_STATS
    assert wasm["failOpen"] is True

    deployment = gateway.manifest("EnvoyProxy", "cert-expiry-monitor")["spec"]["provider"]["kubernetes"]
    pod, container = deployment["envoyDeployment"]["pod"], deployment["envoyDeployment"]["container"]
    [volume], [mount] = pod["volumes"], container["volumeMounts"]
    assert volume["name"] == mount["name"]
    assert volume["image"]["reference"] == wasm["code"]["image"]["url"]
    for part in others:
        assert part["vm_config"]["code"]["local"]["filename"] == f"{mount['mountPath']}/plugin.wasm"


def test_the_standby_is_called_where_it_listens() -> None:
    values = [each["operation"]["value"] for each in standby_patches()]
    [listener, cluster] = values
    [endpoint] = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert endpoint["endpoint"]["address"] == listener["address"]
    assert listener["address"]["socket_address"]["address"] == "127.0.0.1"


def standby_patches() -> list[dict[str, Any]]:
    return gateway.manifest("EnvoyPatchPolicy", "cert-expiry-standby")["spec"]["jsonPatches"]


def test_the_page_needs_fewer_than_ten_commands_and_names_what_is_there() -> None:
    page = (REPOSITORY / "docs" / "envoy-gateway.md").read_text()
    before, *blocks = page.split("```sh\n")
    first, second = (block.partition("\n```")[0].replace("\\\n", "").splitlines() for block in blocks)
    assert len(first) < 10
    # All of them, from the plugin on; the text before them has none.
    assert (first[0], first[1].partition("=")[0]) == ("make wasm", "IMAGE")
    assert not [word for word in before.split("`") if word.startswith(("make ", "kubectl ", "helm ", "docker "))]
    image = gateway.policy()["spec"]["wasm"][0]["code"]["image"]["url"]
    assert [line for line in first + second if f"s|{image}|$IMAGE|" in line] == [first[-2], second[0]]
    for file in re.findall(r"envoy/gateway/\S+\.yaml", "\n".join(first + second)):
        assert (REPOSITORY / file).exists()
    url = urlsplit(gateway.policy()["spec"]["wasm"][0]["config"]["webhooks"][0]["url"])
    [patch] = gateway.manifest("EnvoyPatchPolicy", "cert-expiry-webhook")["spec"]["jsonPatches"]
    [endpoint] = patch["operation"]["value"]["load_assignment"]["endpoints"][0]["lb_endpoints"]
    address = endpoint["endpoint"]["address"]["socket_address"]
    assert (address["address"], address["port_value"]) == (url.hostname, url.port)


def test_the_receiver_to_begin_with_is_found_where_webhooks_go() -> None:
    url = urlsplit(gateway.policy()["spec"]["wasm"][0]["config"]["webhooks"][0]["url"])
    deployment, service = (gateway.manifest(kind, "webhook-receiver") for kind in ("Deployment", "Service"))
    names = [service["metadata"]["name"], service["metadata"]["namespace"], "svc", "cluster", "local"]
    assert url.hostname == ".".join(names)
    assert deployment["metadata"]["namespace"] == service["metadata"]["namespace"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels == service["spec"]["selector"]
    [container], [port] = deployment["spec"]["template"]["spec"]["containers"], service["spec"]["ports"]
    assert [{"containerPort": url.port}] == container["ports"]
    assert port == {"port": url.port}
    page = (REPOSITORY / "docs" / "envoy-gateway.md").read_text()
    assert "-f envoy/gateway/receiver.yaml\n" in page
    assert "kubectl logs -n default -f deployment/webhook-receiver\n" in page
