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

Document = dict[str, Any]


class Configuration:
    """A document that a test may change in any way before Envoy reads it."""

    def __init__(self, text: str | None = None) -> None:
        self.document: Document = yaml.safe_load(text or SHIPPED.read_text())
        self.document["admin"]["address"] = _address(0)
        for listener in self.document["static_resources"]["listeners"]:
            listener["address"] = _address(0)

    @property
    def handed_over(self) -> Document:
        """What Envoy hands to the plugin. The anchor makes it one object for the monitor and for the observer."""
        return self.document["bootstrap_extensions"][0]["typed_config"]["config"]["configuration"]

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
        return _named(name, self.document["static_resources"]["listeners"])

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
        self.document["static_resources"]["listeners"].append(listener)
        return listener

    def write(self, path: Path) -> None:
        path.write_text(yaml.safe_dump(self.document, sort_keys=False))


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
