"""The shipped Envoy configuration, bent so that it runs on this machine."""

import base64
import copy
import json
import textwrap
from pathlib import Path
from typing import Any

import yaml

from lab import REPOSITORY

SHIPPED = REPOSITORY / "envoy" / "envoy.yaml"
ANY = "type.googleapis.com/google.protobuf."
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
FOLLOWED = "listeners.yaml"

INGRESS, STANDBY = "ingress", "cert-expiry-standby"

Document = dict[str, Any]


class Configuration:
    """A document that a test may change in any way before Envoy reads it."""

    def __init__(self, text: str | None = None) -> None:
        self.document: Document = yaml.safe_load(text or SHIPPED.read_text())
        self.document["admin"]["address"] = _address(0)
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
        [part] = parts(self.listener(listener))
        return part

    def place_listener(self, listener: str, port: int) -> None:
        """Say where a listener listens; a cluster of its name is what calls it."""
        self.listener(listener)["address"] = _address(port)
        if listener in (cluster["name"] for cluster in self.document["static_resources"]["clusters"]):
            self.place(listener, port)

    def place(self, cluster: str, port: int) -> None:
        """Say on which local port the servers of a cluster listen; an unknown cluster is added."""
        clusters = self.document["static_resources"]["clusters"]
        if cluster not in (known["name"] for known in clusters):
            clusters.append({"name": cluster})
        endpoint = {"endpoint": {"address": _address(port)}}
        self.cluster(cluster).update(
            type="STATIC",
            load_assignment={"cluster_name": cluster, "endpoints": [{"lb_endpoints": [endpoint]}]},
        )

    def copy_listener(self, name: str, new_name: str) -> Document:
        """Add a listener just like another one, with the same plugin configuration in it."""
        shared = {id(self.handed_over): self.handed_over}
        listener = {**copy.deepcopy(self.listener(name), shared), "name": new_name}
        self.listeners.append(listener)
        return listener

    def without_monitor(self) -> None:
        """No bootstrap extension: the standby is all that can be the monitor."""
        del self.document["bootstrap_extensions"]

    def filters_only(self) -> None:
        """What can be had where neither bootstrap nor listeners are ours: the filter plays all parts."""
        self.without_monitor()
        static = self.document["static_resources"]
        self.listeners.remove(self.listener(STANDBY))
        static["clusters"].remove(self.cluster(STANDBY))
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
        return "dynamic_resources" in self.document

    def hand_over_separately(self, *listeners: str) -> Document:
        """Give these listeners a document of their own, a copy for the time being; the plugin's configuration in it."""
        own = copy.deepcopy(self.handed_over)
        for listener in listeners:
            self.part(listener)["configuration"] = own
        return own["value"]

    def write(self, path: Path) -> None:
        if self.follows_listeners:
            self.write_listeners(path.parent)
        path.write_text(yaml.safe_dump(self.document, sort_keys=False))

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


def downstream_tls(listener: Document) -> Document:
    """The TLS context of a listener."""
    return listener["filter_chains"][0]["transport_socket"]["typed_config"]


def with_certificates(entries: list[Document]) -> str:
    """The shipped text, comments and all, with these entries where it has none."""
    [line] = [line for line in SHIPPED.read_text().splitlines() if line.strip() == "certificates: []"]
    indent = line[: len(line) - len(line.lstrip())]
    block = yaml.dump({"certificates": entries}, Dumper=_BlockDumper, sort_keys=False)
    return SHIPPED.read_text().replace(f"{line}\n", textwrap.indent(block, indent))


class _BlockDumper(yaml.SafeDumper):
    """Writes a PEM the way a person would: line by line."""


_BlockDumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def _address(port: int) -> Document:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _named(name: str, things: list[Document]) -> Document:
    [thing] = [thing for thing in things if thing["name"] == name]
    return thing
