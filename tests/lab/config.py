"""The shipped Envoy configuration, bent so that it runs on this machine."""

import base64
import copy
import json
from pathlib import Path
from typing import Any

import yaml

from lab import REPOSITORY

SHIPPED = REPOSITORY / "envoy" / "envoy.yaml"
# The same for Envoys that show no certificate of a peer by themselves.
OLDER = REPOSITORY / "envoy" / "envoy-1.36.yaml"
# What either of them needs for probes.
PROBING = REPOSITORY / "envoy" / "probes.yaml"
# What either of them needs to report together with other proxies.
FLEET = REPOSITORY / "envoy" / "fleet.yaml"
ANY = "type.googleapis.com/google.protobuf."
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
FOLLOWED = "listeners.yaml"

INGRESS, STANDBY, PROBES = "ingress", "cert-expiry-standby", "cert-expiry-probes"

Document = dict[str, Any]


class Configuration:
    """A document that a test may change in any way before Envoy reads it."""

    def __init__(self, shipped: Path = SHIPPED) -> None:
        # Ends in .json for one that is large.
        self.file_name = "envoy.yaml"
        # One document, as they are when people have followed what the second one says: its aliases mean the first.
        self.document: Document = yaml.safe_load(shipped.read_text() + PROBING.read_text())
        self._probing = {key: self.document.pop(key) for key in ("discovery", "listeners", "clusters")}
        self.document["admin"]["address"] = _address(0)
        # Tests ask it for more than the plugin does.
        self.allow_paths = self.document["admin"].pop("allow_paths", None)
        self.listeners: list[Document] = self.document["static_resources"]["listeners"]
        for listener in self.listeners:
            listener["address"] = _address(0)
        # What Envoy hands to the plugin. The anchor makes it one object for all parts.
        self.handed_over: Document = parts(self.document)[0]["configuration"]

    @property
    def plugin(self) -> Document:
        """The plugin's own configuration."""
        return self.handed_over["value"]

    @plugin.setter
    def plugin(self, plugin: Document) -> None:
        self.handed_over["value"] = plugin

    def hand_over_json(self, text: str | None = None) -> None:
        """Hand over JSON text: this one, or what was there as YAML."""
        self._hand_over("StringValue", json.dumps(self.plugin) if text is None else text)

    def hand_over_bytes(self, raw: bytes) -> None:
        self._hand_over("BytesValue", base64.b64encode(raw).decode())

    def _hand_over(self, kind: str, value: str) -> None:
        self.handed_over.update({"@type": f"{ANY}{kind}", "value": value})

    def cluster(self, name: str) -> Document:
        return _named(name, self.document["static_resources"]["clusters"])

    def listener(self, name: str) -> Document:
        return _named(name, self.listeners)

    def connection_manager(self, listener: str) -> Document:
        """The HTTP connection manager of a listener."""
        [network_filter] = self.listener(listener)["filter_chains"][0]["filters"]
        return network_filter["typed_config"]

    def part(self, listener: str) -> Document:
        """The one part of the plugin that is a filter of this listener."""
        [part] = parts(self.connection_manager(listener)["http_filters"])
        return part

    def take_loggers(self, listener: str) -> tuple[list[Document], list[Document]]:
        """Take away what logs the connections of a listener, and what logs its requests."""
        return self.listener(listener).pop("access_log", []), self.connection_manager(listener).pop("access_log", [])

    def put_loggers(self, listener: str, connections: list[Document], requests: list[Document]) -> None:
        self.listener(listener)["access_log"] = connections
        self.connection_manager(listener)["access_log"] = requests

    def add_probes(self) -> None:
        """Have the monitor call upstreams that nobody calls, as the shipped file says."""
        self.plugin.setdefault("discovery", {}).update(self._probing["discovery"])
        self.listeners += self._probing["listeners"]
        self.document["static_resources"]["clusters"] += self._probing["clusters"]

    def join_fleet(self) -> None:
        """Have the plugin ask other proxies what was told already, as the shipped file says."""
        join_fleet(self.document)

    def place_listener(self, listener: str, port: int) -> None:
        """Say where a listener listens; a cluster of its name is what calls it."""
        self.listener(listener)["address"] = _address(port)
        if listener in (cluster["name"] for cluster in self.document["static_resources"]["clusters"]):
            self.place(listener, port)

    def place(self, cluster: str, *ports: int) -> None:
        """Say on which local ports the servers of a cluster listen; an unknown cluster is added."""
        clusters = self.document["static_resources"]["clusters"]
        if cluster not in (known["name"] for known in clusters):
            clusters.append({"name": cluster})
        endpoints = [{"endpoint": {"address": _address(port)}} for port in ports]
        self.cluster(cluster).update(
            type="STATIC",
            load_assignment={"cluster_name": cluster, "endpoints": [{"lb_endpoints": endpoints}]},
        )

    def move_admin(self, pipe: str, *allow_paths: Document) -> None:
        """Put the admin interface on a pipe, where its cluster finds it."""
        address = {"pipe": {"path": pipe, "mode": 0o600}}
        self.document["admin"] = {"address": address, **({"allow_paths": list(allow_paths)} if allow_paths else {})}
        [endpoints] = self.cluster("envoy_admin")["load_assignment"]["endpoints"]
        endpoints["lb_endpoints"] = [{"endpoint": {"address": {"pipe": {"path": pipe}}}}]

    def copy_listener(self, name: str, new_name: str) -> Document:
        """Add a listener just like another one, with the same plugin configuration in it."""
        shared = {id(self.handed_over): self.handed_over}
        listener = {**copy.deepcopy(self.listener(name), shared), "name": new_name}
        self.listeners.append(listener)
        return listener

    def copy_cluster(self, name: str, new_name: str) -> Document:
        """Add a cluster just like another one, and a route to it from the ingress: its name is the path and the API."""
        cluster = {**copy.deepcopy(self.cluster(name)), "name": new_name}
        self.document["static_resources"]["clusters"].append(cluster)
        [host] = self.connection_manager(INGRESS)["route_config"]["virtual_hosts"]
        host["routes"].append({"name": new_name, "match": {"prefix": f"/{new_name}"}, "route": {"cluster": new_name}})
        return cluster

    def add(self, document: Document) -> None:
        """Have Envoy do what another document says, too. Its clusters take the place of those of the same name."""
        static, added = self.document["static_resources"], document["static_resources"]
        names = {cluster["name"] for cluster in added["clusters"]}
        kept = [cluster for cluster in static["clusters"] if cluster["name"] not in names]
        static["clusters"] = kept + added["clusters"]
        static["secrets"] = static.get("secrets", []) + added.get("secrets", [])
        self.listeners.extend(added["listeners"])
        self.document.update(dynamic_resources=document["dynamic_resources"])

    def without_monitor(self) -> None:
        """No bootstrap extension: the standby is all that can be the monitor."""
        del self.document["bootstrap_extensions"]

    def filters_only(self) -> None:
        """What can be had where neither bootstrap nor listeners are ours: the filter plays all parts."""
        self.without_monitor()
        static = self.document["static_resources"]
        self.listeners.remove(self.listener(STANDBY))
        static["clusters"].remove(self.cluster(STANDBY))
        self.take_loggers(INGRESS)
        self.part(INGRESS)["vm_config"]["configuration"]["value"] = "auto"

    def without_plugin(self) -> None:
        """Envoy as it was before."""
        self.filters_only()
        filters = self.connection_manager(INGRESS)["http_filters"]
        filters.remove(_named("cert-expiry-observer", filters))

    def follow_listeners(self) -> None:
        """Have Envoy take its listeners from a file, and every change of it."""
        del self.document["static_resources"]["listeners"]
        self.document["dynamic_resources"] = {"lds_config": {"path_config_source": {"path": f"./{FOLLOWED}"}}}

    @property
    def follows_listeners(self) -> bool:
        return "listeners" not in self.document["static_resources"]

    def hand_over_separately(self, *listeners: str) -> Document:
        """Give these listeners a document of their own, a copy for the time being; the plugin's configuration in it."""
        own = copy.deepcopy(self.handed_over)
        for listener in listeners:
            self.part(listener)["configuration"] = own
        return own["value"]

    def write(self, directory: Path) -> Path:
        if self.follows_listeners:
            self.write_listeners(directory)
        path = directory / self.file_name
        is_json = path.suffix == ".json"
        path.write_text(json.dumps(self.document) if is_json else yaml.safe_dump(self.document, sort_keys=False))
        return path

    def write_listeners(self, directory: Path) -> None:
        """Envoy looks when a file is moved to the name that it follows: it never reads half a file."""
        resources = [{"@type": LISTENER, **listener} for listener in self.listeners]
        written = directory / f"{FOLLOWED}.new"
        written.write_text(yaml.safe_dump({"resources": resources}, sort_keys=False))
        written.rename(directory / FOLLOWED)


def parts(document: Any) -> list[Document]:
    """What Envoy calls a PluginConfig, wherever it stands below."""
    if isinstance(document, list):
        return [part for item in document for part in parts(item)]
    if not isinstance(document, dict):
        return []
    return [document] if "vm_config" in document else parts(list(document.values()))


def join_fleet(document: Document) -> None:
    """Put into a shipped document what the file for fleets says."""
    fleet: Document = yaml.safe_load(FLEET.read_text())
    # Of each the anchors make one object for all parts.
    part = parts(document)[0]
    part["configuration"]["value"]["cooldown_store"] = fleet["cooldown_store"]
    part["vm_config"]["environment_variables"]["host_env_keys"] += fleet["host_env_keys"]
    document["static_resources"]["clusters"] += fleet["clusters"]


def named(name: str, things: list[Document]) -> Document:
    """The one thing of that name."""
    return _named(name, things)


def downstream_tls(listener: Document) -> Document:
    """The TLS context of a listener."""
    return listener["filter_chains"][0]["transport_socket"]["typed_config"]


def upstream_tls(cluster: Document) -> Document:
    """The TLS context of a cluster."""
    return cluster["transport_socket"]["typed_config"]


def _address(port: int) -> Document:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _named(name: str, things: list[Document]) -> Document:
    [thing] = [thing for thing in things if thing["name"] == name]
    return thing
