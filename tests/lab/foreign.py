"""Somebody else's plugin in the same Envoy: `tests/foreign/` is what it does."""

from lab import REPOSITORY
from lab.config import INGRESS, Configuration
from lab.envoy import Envoy

PLUGIN = REPOSITORY / "target" / "foreign" / "foreign.wasm"
HEADER = "x-foreign"

_FILTER = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"


def move_in(configuration: Configuration) -> None:
    """Put it before our filter, the only part of ours. Neither of them has a `vm_id`: they share all that has one."""
    vm_config = configuration.part(INGRESS)["vm_config"]
    del vm_config["vm_id"], vm_config["configuration"]
    vm_config = {"runtime": vm_config["runtime"], "code": {"local": {"filename": str(PLUGIN)}}}
    config = {"name": "foreign", "root_id": "foreign", "vm_config": vm_config}
    foreign = {"name": "foreign", "typed_config": {"@type": _FILTER, "config": config}}
    configuration.connection_manager(INGRESS)["http_filters"].insert(0, foreign)


def taken(envoy: Envoy) -> int:
    """How many items it has taken from its own queues."""
    return _counter(envoy, "foreign_taken")


def strays(envoy: Envoy) -> int:
    """How often a value of its own was not what it had written, or an item in its queues was somebody else's."""
    return _counter(envoy, "foreign_strays")


def _counter(envoy: Envoy, name: str) -> int:
    return envoy.stat(f"{name}$").get(f"wasmcustom.{name}", 0)
