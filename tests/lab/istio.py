"""Istio's part, played: what its control plane and the agent beside Envoy make of the manifests below envoy/istio.

It is played after Istio's source: `pilot/pkg/model/extensions.go` (plugins), `pilot/pkg/networking/core/envoyfilter`
(patches), `pkg/wasm/convert.go` (code), `tools/packaging/common/envoy_bootstrap.json` (what every proxy begins with).
"""

import copy
import json
from pathlib import Path
from typing import Any

import yaml

from lab import REPOSITORY
from lab.config import INGRESS, STANDBY, Document, downstream_tls, named, parts, upstream_tls
from lab.scene import Scene

FOLDER = REPOSITORY / "envoy" / "istio"
FETCHED = "./cert_expiry_monitor.wasm"
ADMIN_CLUSTER = "prometheus_stats"
MANAGER = "envoy.filters.network.http_connection_manager"
ROUTER = "envoy.filters.http.router"
WASM = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"
RBAC = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"
SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
EXTENSION = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"
NODE = "router~10.0.0.7~istio-ingressgateway-0.istio-system~istio-system.svc.cluster.local"
POLICIES = {"FAIL_CLOSE": "FAIL_CLOSED", "FAIL_OPEN": "FAIL_OPEN", "FAIL_RELOAD": "FAIL_RELOAD"}
# So that tests need not wait for what observers hand over.
SOON = {"observe": {"flush_seconds": 1}}
# Which statistics a proxy shows, and which label it finds in their names.
PREFIXES = ["reporter=", "cluster_manager", "listener_manager", "server", "wasm", "component", "istio"]
STATISTICS = {
    "use_all_default_tags": False,
    "stats_tags": [{"tag_name": "cluster_name", "regex": r"^cluster\.((.+?(\..+?\.svc\.cluster\.local)?)\.)"}],
    "stats_matcher": {"inclusion_list": {"patterns": [{"prefix": prefix} for prefix in PREFIXES]}},
}


def manifests(name: str) -> list[Document]:
    """What one of the files says."""
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


class Gateway:
    """The scene's Envoy as the ingress gateway of a mesh, to which manifests are applied before it starts."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        # What the control plane sends of filters, by their names.
        self.discovered: dict[str, Document | None] = {}
        self.admin = scene.discover()
        address = scene.configuration.listener(STANDBY)["address"]["socket_address"]
        self._standby_port: int = address["port_value"]
        scene.configuration.without_plugin()
        # As it is in production.
        scene.wasm_level = "warning"
        document = scene.configuration.document
        document["stats_config"] = copy.deepcopy(STATISTICS)
        document["node"] = {"id": NODE, "cluster": "istio-ingressgateway.istio-system"}
        self._clusters: list[Document] = document["static_resources"]["clusters"]
        self._clusters.remove(named("webhook_receiver", self._clusters))
        named("envoy_admin", self._clusters)["name"] = ADMIN_CLUSTER
        self._hold_secrets(
            downstream_tls(scene.configuration.listener(INGRESS)), "kubernetes://edge", "kubernetes://edge-cacert"
        )
        self._hold_secrets(upstream_tls(named("orders", self._clusters)), "default", "ROOTCA")
        for name, pipe in (("sds-grpc", "./workload-spiffe-uds"), ("xds-grpc", "./XDS")):
            self._add_cluster({"name": name, "type": "STATIC"}, {"pipe": {"path": pipe}})

    def apply(self, name: str, **changed: Any) -> None:
        """Apply a file. `changed` are other values for keys of a plugin's document."""
        for manifest in manifests(name):
            self.apply_manifest(manifest, **changed)

    def apply_manifest(self, manifest: Document, **changed: Any) -> None:
        kind, spec = manifest["kind"], manifest.get("spec", {})
        match kind:
            case "WasmPlugin":
                self._apply_plugin(manifest, spec, changed)
            case "TrafficExtension":
                self._apply_plugin(manifest, spec["wasm"], changed)
            case "EnvoyFilter":
                for patch in spec["configPatches"]:
                    self._apply_patch(patch["applyTo"], patch.get("match", {}), copy.deepcopy(patch["patch"]))
            case "ServiceEntry":
                [host], [port] = spec["hosts"], spec["ports"]
                receiver = {"socket_address": {"address": "127.0.0.1", "port_value": self.scene.receiver.port}}
                self._add_cluster({"name": f"outbound|{port['number']}||{host}", "type": "STATIC"}, receiver)
            case "DestinationRule":  # the receiver of the tests takes plain text
                pass
            case "ConfigMap":
                text = manifest["data"]["custom_bootstrap.json"]
                self.scene.arguments += ["--config-yaml", _on_this_machine(text)]
            case _:
                raise ValueError(f"nobody plays what becomes of a {kind}")

    def discover(self, name: str, typed_config: Document | None) -> None:
        """Have Envoy discover this configuration of a filter, or none; a file is where it looks for it."""
        self.discovered[name] = typed_config
        fetched = copy.deepcopy(typed_config)
        for part in parts(fetched):
            assert part["vm_config"]["code"].pop("remote")["http_uri"]["cluster"]
            part["vm_config"]["code"]["local"] = {"filename": FETCHED}
        resource = {"@type": EXTENSION, "name": name, "typed_config": fetched}
        self._write(name, *([resource] if fetched else []))

    def _write(self, name: str, *resources: Document) -> Path:
        path = self._path(name)
        written = path.with_suffix(".new")
        written.write_text(yaml.safe_dump({"resources": list(resources)}))
        return written.rename(path)

    def _path(self, name: str) -> Path:
        return self.scene.directory / f"{name.replace('/', '-')}.yaml"

    def _apply_plugin(self, manifest: Document, plugin: Document, changed: Document) -> None:
        full_name = "{namespace}.{name}".format(**manifest["metadata"])
        resource_name = f"extensions.istio.io/{manifest['kind'].lower()}/{full_name}"
        environment = plugin.get("vmConfig", {}).get("env", [])
        configuration = json.dumps({**plugin["pluginConfig"], **SOON, **changed})
        assert plugin["url"].startswith("oci://")
        config = {
            "name": full_name,
            "root_id": plugin["pluginName"],
            "failure_policy": POLICIES[plugin["failStrategy"]],
            "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration},
            "vm_config": {
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"remote": {"http_uri": {"uri": plugin["url"], "cluster": "_", "timeout": "30s"}}},
                "environment_variables": {
                    # Agents of today take it away again, older ones do not.
                    "key_values": {"ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION": "4711"},
                    "host_env_keys": [each["name"] for each in environment if each["valueFrom"] == "HOST"],
                },
            },
        }
        self.discover(resource_name, {"@type": WASM, "config": config})
        source = {"config_source": {"ads": {}, "initial_fetch_timeout": "0s"}, "type_urls": [WASM, RBAC]}
        self._insert_filter({"name": resource_name, "config_discovery": source})

    def _apply_patch(self, apply_to: str, match: Document, patch: Document) -> None:
        assert match["context"] == "GATEWAY"
        operation, value = patch["operation"], patch["value"]
        configuration = self.scene.configuration
        match apply_to, operation:
            case "EXTENSION_CONFIG", "ADD":
                [part] = parts(value)
                if document := part.get("configuration"):
                    document["value"].update(SOON)
                self.discover(value["name"], value["typed_config"])
            case "LISTENER", "ADD":
                configuration.listeners.append(value)
                manager = configuration.connection_manager(value["name"])
                manager["http_filters"] = [self._source(each) for each in manager["http_filters"]]
                configuration.place_listener(value["name"], self._standby_port)
            case "CLUSTER", "ADD":
                self._clusters.append(value)
                configuration.place(value["name"], self._standby_port)
            case "LISTENER", "MERGE":
                # Those that were there: what another patch adds comes after it.
                _extend(configuration.listener(INGRESS), value)
            case "HTTP_FILTER", "INSERT_BEFORE":
                chosen = match["listener"]["filterChain"]["filter"]
                assert (chosen["name"], chosen["subFilter"]["name"]) == (MANAGER, ROUTER)
                self._insert_filter(value)
            case "NETWORK_FILTER", "MERGE":
                assert match["listener"]["filterChain"]["filter"]["name"] == MANAGER
                _extend(configuration.connection_manager(INGRESS), value["typed_config"])
            case _:
                raise ValueError(f"nobody plays {operation} of {apply_to}")

    def _insert_filter(self, value: Document) -> None:
        filters = self.scene.configuration.connection_manager(INGRESS)["http_filters"]
        assert filters[-1]["name"] == ROUTER
        filters.insert(-1, self._source(value))

    def _source(self, http_filter: Document) -> Document:
        """The filter, discovered in a file instead of by the aggregated discovery service."""
        if discovery := http_filter.get("config_discovery"):
            assert discovery["config_source"].pop("ads") == {}
            discovery["config_source"]["path_config_source"] = {"path": f"./{self._path(http_filter['name']).name}"}
        return http_filter

    def _hold_secrets(self, tls: Document, certificate_name: str, authority_name: str) -> None:
        """Have Envoy get by name what it has in files."""
        common = tls["common_tls_context"]
        [certificate], validation = common.pop("tls_certificates"), common.pop("validation_context")
        authority = {"trusted_ca": validation.pop("trusted_ca")}
        common["tls_certificate_sds_secret_configs"] = [self._secret(certificate_name, tls_certificate=certificate)]
        common["combined_validation_context"] = {
            "default_validation_context": validation,
            "validation_context_sds_secret_config": self._secret(authority_name, validation_context=authority),
        }

    def _secret(self, name: str, **content: Document) -> Document:
        path = self._write(name, {"@type": SECRET, "name": name, **content})
        return {"name": name, "sds_config": {"path_config_source": {"path": f"./{path.name}"}}}

    def _add_cluster(self, cluster: Document, address: Document) -> None:
        endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
        cluster["load_assignment"] = {"cluster_name": cluster["name"], "endpoints": endpoints}
        self._clusters.append(cluster)


def _extend(target: Document, value: Document) -> None:
    """Merge as protobuf does: lists grow."""
    for key, added in json.loads(_on_this_machine(json.dumps(value))).items():
        if key != "@type":
            target[key] = target.get(key, []) + added


def _on_this_machine(text: str) -> str:
    """Mounted files where they are here."""
    return text.replace("/var/lib/cert-expiry-monitor/plugin.wasm", FETCHED)
