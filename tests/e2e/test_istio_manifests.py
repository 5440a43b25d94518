"""The files below envoy/istio are what the definitions of their kinds allow, and say what they have in common alike."""

import copy
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import REPOSITORY, outsiders
from lab.config import SHIPPED, STANDBY, parts
from lab.istio import FOLDER, manifests
from lab.verdict import RefusedError

Json = dict[str, Any]

PAGE = REPOSITORY / "docs" / "istio.md"
EVENT = ["webhook.yaml", "gateway.yaml", "wasm-plugin.yaml"]
FILES = [*EVENT, "standby.yaml", "observer.yaml", "access-log.yaml", "bootstrap.yaml"]
# What istio/api has in traffic_extension.proto beside the keys of `wasm`, which are those of a WasmPlugin.
EXTENSION_KEYS = {"selector", "targetRefs", "phase", "priority", "match", "wasm", "lua"}


def one(name: str) -> Json:
    [manifest] = manifests(name)
    return manifest


def as_wasm_plugin(extension: Json) -> Json:
    """A TrafficExtension, which nobody has published a model of, as the kind that it follows."""
    spec = dict(extension["spec"])
    assert extension["apiVersion"] == "extensions.istio.io/v1alpha1"
    assert set(spec) <= EXTENSION_KEYS
    wasm = spec.pop("wasm")
    assert not set(wasm) & EXTENSION_KEYS
    return {**extension, "kind": "WasmPlugin", "spec": {**wasm, **spec}}


def patched(patch: Json) -> Json:
    """As much of the gateway's Deployment as there has to be, with the patch in it."""
    labels = {"istio": "ingressgateway"}
    template = {"metadata": {"labels": labels}, **patch["spec"]["template"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "istio-ingressgateway", "namespace": "istio-system"},
        **patch,
        "spec": {"selector": {"matchLabels": labels}, **patch["spec"], "template": template},
    }


def documents() -> dict[str, Json]:
    """What each file says that the plugin is to do."""
    bootstrap = yaml.safe_load(one("bootstrap.yaml")["data"]["custom_bootstrap.json"])
    [standby], [service] = parts(one("standby.yaml")), parts(bootstrap)
    return {
        "wasm-plugin.yaml": one("wasm-plugin.yaml")["spec"]["pluginConfig"],
        "traffic-extension.yaml": one("traffic-extension.yaml")["spec"]["wasm"]["pluginConfig"],
        "standby.yaml": standby["configuration"]["value"],
        "bootstrap.yaml": service["configuration"]["value"],
    }


def test_every_resource_is_taken() -> None:
    resources = [manifest for name in FILES for manifest in manifests(name)]
    assert [resource["kind"] for resource in resources].count("EnvoyFilter") == 3
    outsiders.manifests(*resources, as_wasm_plugin(one("traffic-extension.yaml")), patched(one("gateway-patch.yaml")))


WRONG: dict[str, tuple[str, Callable[[Json], object]]] = {
    "failOpen does not exist": ("wasm-plugin.yaml", lambda spec: spec.update(failOpen=True)),
    "vmId does not exist": ("wasm-plugin.yaml", lambda spec: spec["vmConfig"].update(vmId="x")),
    "FAIL_OPENLY is not assignable": ("wasm-plugin.yaml", lambda spec: spec.update(failStrategy="FAIL_OPENLY")),
    "Property url is missing": ("wasm-plugin.yaml", lambda spec: spec.pop("url")),
    "Type number is not assignable": ("wasm-plugin.yaml", lambda spec: spec.update(sha256=7)),
    "EXTENSION is not assignable": ("observer.yaml", lambda spec: spec["configPatches"][0].update(applyTo="EXTENSION")),
    "operation does not exist": ("observer.yaml", lambda spec: spec["configPatches"][0].update(operation="ADD")),
}


def mounts(spec: Json) -> list[Json]:
    [container] = spec["template"]["spec"]["containers"]
    return container["volumeMounts"]


WRONG_PATCHES: dict[str, Callable[[Json], object]] = {
    "readonly does not exist": lambda spec: mounts(spec)[0].update(readonly=True),
    "configmap does not exist": lambda spec: spec["template"]["spec"]["volumes"][0].update(configmap={}),
    "Property mountPath is missing": lambda spec: mounts(spec)[1].pop("mountPath"),
}


def test_resources_are_refused_for_whatever_is_wrong() -> None:
    spoilt = [{**one("bootstrap.yaml"), "datum": {}}]
    for name, spoil in WRONG.values():
        spoilt.append(copy.deepcopy(one(name)))
        spoil(spoilt[-1]["spec"])
    for spoil in WRONG_PATCHES.values():
        spoilt.append(patched(copy.deepcopy(one("gateway-patch.yaml"))))
        spoil(spoilt[-1]["spec"])
    # All at once: most of the time the compiler loads the models.
    with pytest.raises(RefusedError) as refusal:
        outsiders.manifests(*spoilt)
    said = re.sub("[\"']", "", str(refusal.value))
    expected = ["datum does not exist", *WRONG, *WRONG_PATCHES]
    assert [complaint for complaint in expected if complaint not in said] == []


@pytest.mark.parametrize("keys", [{"url": "oci://x"}, {"failStrategy": "FAIL_OPEN"}, {"wasm": {"phase": "AUTHN"}}])
def test_a_traffic_extension_is_refused_for_keys_of_the_other_level(keys: Json) -> None:
    extension = one("traffic-extension.yaml")
    with pytest.raises(AssertionError):
        as_wasm_plugin({**extension, "spec": {**extension["spec"], **keys}})


def test_a_traffic_extension_says_what_the_wasm_plugin_says() -> None:
    plugin, extension = one("wasm-plugin.yaml"), as_wasm_plugin(one("traffic-extension.yaml"))
    assert extension == plugin


def test_every_file_has_the_same_document() -> None:
    assert len({repr(document) for document in documents().values()}) == 1


def test_the_webhook_goes_to_a_cluster_that_the_mesh_has() -> None:
    entry, rule = manifests("webhook.yaml")
    [host], [port] = entry["spec"]["hosts"], entry["spec"]["ports"]
    [webhook] = one("wasm-plugin.yaml")["spec"]["pluginConfig"]["webhooks"]
    assert webhook["cluster"] == f"outbound|{port['number']}||{host}"
    assert webhook["url"].startswith(f"https://{host}/")
    assert rule["spec"]["host"] == host == rule["spec"]["trafficPolicy"]["tls"]["sni"]


def test_the_page_leads_to_the_first_event_in_a_few_commands(tmp_path: Path) -> None:
    [(before, commands)] = re.findall(r"## To the first event\n(.*?)```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert "envoy/istio/gateway.yaml" in before
    commands = commands.splitlines()
    assert len(commands) < 10
    [edit] = [command for command in commands if command.startswith("sed ")]
    shutil.copytree(FOLDER, tmp_path / "envoy" / "istio")
    subprocess.run(edit, shell=True, cwd=tmp_path, check=True)
    edited = "".join(path.read_text() for path in (tmp_path / "envoy" / "istio").glob("*.yaml"))
    assert "example.com" not in edited
    plugin = yaml.safe_load((tmp_path / "envoy" / "istio" / "wasm-plugin.yaml").read_text())["spec"]
    [image] = {word for command in commands if command.startswith("docker ") for word in command.split() if ":" in word}
    assert plugin["url"] == f"oci://{image}"
    [webhook] = plugin["pluginConfig"]["webhooks"]
    assert webhook["test_on_start"] is True
    assert webhook["url"] in PAGE.read_text()
    assert re.findall(r"-f (\S+\.yaml)", " ".join(commands)) == [f"envoy/istio/{name}" for name in EVENT]


def test_the_gateway_that_gets_the_plugin_has_something_to_serve() -> None:
    plugin, served = one("wasm-plugin.yaml"), one("gateway.yaml")
    assert served["spec"]["selector"] == plugin["spec"]["selector"]["matchLabels"]
    assert served["metadata"]["namespace"] == plugin["metadata"]["namespace"]
    [server] = served["spec"]["servers"]
    # Without TLS, so that it needs no certificate.
    assert (server["port"]["protocol"], "tls" in server) == ("HTTP", False)


def test_the_parts_share_their_memory_and_no_vm() -> None:
    bootstrap = yaml.safe_load(one("bootstrap.yaml")["data"]["custom_bootstrap.json"])
    machines = [
        part["vm_config"] for each in (one("standby.yaml"), one("observer.yaml"), bootstrap) for part in parts(each)
    ]
    assert {machine["vm_id"] for machine in machines} == {"cert-expiry-monitor"}
    assert [machine["configuration"]["value"] for machine in machines] == ["standby", "observer", "monitor"]


def test_the_health_check_calls_the_standby_and_nobody_else_can() -> None:
    _, listener, cluster = (patch["patch"]["value"] for patch in one("standby.yaml")["spec"]["configPatches"])
    [endpoint] = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert listener["name"] == cluster["name"] == STANDBY
    assert listener["address"] == endpoint["endpoint"]["address"]
    assert listener["address"]["socket_address"]["address"] == "127.0.0.1"


def test_the_labels_are_those_of_the_shipped_configuration() -> None:
    bootstrap = yaml.safe_load(one("bootstrap.yaml")["data"]["custom_bootstrap.json"])
    assert bootstrap["stats_config"] == yaml.safe_load(SHIPPED.read_text())["stats_config"]


def test_the_gateway_is_given_what_the_files_name() -> None:
    pod = one("gateway-patch.yaml")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    [configured, plugin] = pod["volumes"]
    [override] = container["env"]
    bootstrap = one("bootstrap.yaml")
    assert configured["configMap"]["name"] == bootstrap["metadata"]["name"]
    assert [override["value"]] == [f"{mounts[configured['name']]}/{key}" for key in bootstrap["data"]]
    named = f"{mounts[plugin['name']]}/plugin.wasm"
    assert named in bootstrap["data"]["custom_bootstrap.json"]
    assert all(part["vm_config"]["code"]["local"]["filename"] == named for part in parts(one("access-log.yaml")))
    image = plugin["image"]["reference"]
    assert one("wasm-plugin.yaml")["spec"]["url"] == f"oci://{image}"
    assert all(
        image in path.read_text()
        for path in FOLDER.iterdir()
        if path.name not in ("webhook.yaml", "gateway.yaml", "access-log.yaml")
    )
