"""What Envoy Gateway makes of the files below `envoy/gateway/`, as its public source has it.

No Kubernetes is asked. In that source `internal/xds/translator/wasm.go` makes the filter, where it stands and its
`vm_id`; `internal/xds/translator/jsonpatch.go` and `internal/xds/bootstrap/util.go` apply patches.
"""

import copy
import hashlib
import json
from typing import Any

import yaml

from lab import REPOSITORY
from lab.config import ANY, INGRESS, STANDBY, parts
from lab.scene import Scene
from lab.server import Handler, Server, reserved_port

MANIFESTS = REPOSITORY / "envoy" / "gateway"
TYPES = "type.googleapis.com/envoy"
# The cluster that leads to the admin interface, and the one that leads to Envoy Gateway, which serves the code.
PROMETHEUS_STATS, WASM_CLUSTER = "prometheus_stats", "wasm_cluster"
WEBHOOKS = "webhook_receiver"

Json = dict[str, Any]


def manifests() -> list[Json]:
    """Every resource of every file."""
    return [each for path in sorted(MANIFESTS.glob("*.yaml")) for each in yaml.safe_load_all(path.read_text())]


def manifest(kind: str, name: str) -> Json:
    [found] = [each for each in manifests() if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def policy() -> Json:
    return manifest("EnvoyExtensionPolicy", "cert-expiry-monitor")


def vm_id(policy: Json) -> str:
    """What the VM of a policy's first plugin is called, and the end of the filter's name."""
    return f"envoyextensionpolicy/{policy['metadata']['namespace']}/{policy['metadata']['name']}/wasm/0"


def patch(document: Json, operations: list[Json]) -> None:
    """Apply a JSON Patch that only adds."""
    for operation in operations:
        assert operation["op"] == "add", operation
        *way, last = operation["path"].removeprefix("/").split("/")
        target: Any = document
        for step in way:
            target = target[step]
        if last == "-":
            target.append(operation["value"])
        else:
            target[last] = operation["value"]


class Gateway:
    """A scene with nothing of the plugin but what the files ask for. Change `plugin` as you like, then deploy."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.configuration = scene.configuration
        [self.wasm] = policy()["spec"]["wasm"]
        self.plugin: Json = copy.deepcopy(self.wasm["config"])
        self.configuration.filters_only()
        # The bootstrap of Envoy Gateway has a list for tags, and listeners come later.
        self.configuration.document["stats_config"] = {"stats_tags": []}
        self.configuration.follow_listeners()

    def deploy(self, standby: bool = False, service: bool = False) -> None:
        """Put in the filter and the cluster of webhooks, and what else is wanted."""
        self._put_filter()
        self._patch(manifest("EnvoyPatchPolicy", "cert-expiry-webhook"))
        self.configuration.place(WEBHOOKS, self.scene.receiver.port)
        self.configuration.place(PROMETHEUS_STATS, self.scene.discover().port)
        if standby:
            self._patch(manifest("EnvoyPatchPolicy", STANDBY))
            self.configuration.place_listener(STANDBY, self.scene.run(reserved_port()))
        if service:
            operations = manifest("EnvoyProxy", "cert-expiry-monitor")["spec"]["bootstrap"]["jsonPatches"]
            patch(self.configuration.document, self._at_home(operations))

    def _put_filter(self) -> None:
        """In every chain there is the filter, switched off, and each route switches it on."""
        name = f"envoy.filters.http.wasm/{vm_id(policy())}"
        config = {
            "name": self.wasm["name"],
            "root_id": self.wasm["rootID"],
            "fail_open": self.wasm["failOpen"],
            "configuration": {"@type": f"{ANY}StringValue", "value": json.dumps(self.plugin)},
            "vm_config": {"vm_id": vm_id(policy()), "runtime": "envoy.wasm.runtime.v8", "code": self._remote_code()},
        }
        typed_config = {"@type": f"{TYPES}.extensions.filters.http.wasm.v3.Wasm", "config": config}
        manager = self.configuration.connection_manager(INGRESS)
        kept = [each for each in manager["http_filters"] if not parts(each)]
        manager["http_filters"] = [*kept[:-1], {"name": name, "disabled": True, "typed_config": typed_config}, kept[-1]]
        for host in manager["route_config"]["virtual_hosts"]:
            for route in host["routes"]:
                enabled = {"@type": f"{TYPES}.config.route.v3.FilterConfig", "config": {}}
                route["typed_per_filter_config"] = {name: enabled}

    def _remote_code(self) -> Json:
        """Envoy Gateway fetches the code itself and serves it to its Envoys, with its digest."""
        code = self.scene.plugin_file.read_bytes()
        self.configuration.place(WASM_CLUSTER, self.scene.run(_serving(code)).port)
        uri = {"uri": "http://envoy-gateway:18002/plugin.wasm", "cluster": WASM_CLUSTER, "timeout": "10s"}
        return {"remote": {"http_uri": uri, "sha256": hashlib.sha256(code).hexdigest()}}

    def _patch(self, policy: Json) -> None:
        """Add the resources of an EnvoyPatchPolicy that are whole."""
        for each in policy["spec"]["jsonPatches"]:
            assert (each["operation"]["op"], each["operation"]["path"]) == ("add", "")
            resource = self._at_home(each["operation"]["value"])
            assert resource["name"] == each["name"]
            clusters = self.configuration.document["static_resources"]["clusters"]
            resources = self.configuration.listeners if each["type"].endswith(".Listener") else clusters
            resources[:] = [known for known in resources if known["name"] != resource["name"]] + [resource]

    def _at_home(self, value: Any) -> Any:
        """What stands in a file, with the code where it is here, and the configuration that this test wants."""
        value = copy.deepcopy(value)
        for part in parts(value):
            part["vm_config"]["code"] = {"local": {"filename": "cert_expiry_monitor.wasm"}}
            part["configuration"]["value"] = self.plugin
        return value


def _serving(code: bytes) -> Server:
    class CodeHandler(Handler):
        def do_GET(self) -> None:  # noqa: N802
            self.answer(200, code)

    return Server(CodeHandler)
