"""Listeners on which an access logger is all that observes."""

from typing import Any

from lab.config import INGRESS, parts
from lab.scene import Scene

Document = dict[str, Any]

LOGGER = "type.googleapis.com/envoy.extensions.access_loggers.wasm.v3.WasmAccessLog"
TCP_PROXY = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
SET_FILTER_STATE = "type.googleapis.com/envoy.extensions.filters.network.set_filter_state.v3.Config"


def logger(scene: Scene) -> list[Document]:
    """The observer of the ingress as an access logger."""
    configuration = scene.configuration.part(INGRESS)
    return [{"name": "cert-expiry-observer", "typed_config": {"@type": LOGGER, "config": configuration}}]


def add_listener(scene: Scene, name: str) -> Document:
    """A listener like the ingress, but that nothing observes."""
    listener = scene.configuration.copy_listener(INGRESS, name)
    del listener["metadata"]
    filters = scene.configuration.connection_manager(name)["http_filters"]
    filters[:] = [http_filter for http_filter in filters if not parts(http_filter)]
    return listener


def log_requests(scene: Scene, name: str) -> None:
    """A listener whose requests are logged."""
    add_listener(scene, name)
    scene.configuration.connection_manager(name)["access_log"] = logger(scene)


def log_connections(scene: Scene, name: str) -> Document:
    """A listener whose connections are logged."""
    listener = add_listener(scene, name)
    listener["access_log"] = logger(scene)
    return listener


def log_tunnels(scene: Scene, name: str, cluster: str = "orders") -> Document:
    """A listener that passes bytes on to a cluster, with everything that has Envoy write logs early."""
    listener = add_listener(scene, name)
    proxy = {
        "@type": TCP_PROXY,
        "stat_prefix": name,
        "cluster": cluster,
        "access_log": logger(scene),
        "access_log_options": {"flush_access_log_on_connected": True, "access_log_flush_interval": "1s"},
    }
    listener["filter_chains"][0]["filters"] = [{"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy}]
    return listener


def keep_client_certificate(listener: Document) -> None:
    """Have the client's certificate kept for loggers that could not read it otherwise."""
    kept = {
        "object_key": "cert_expiry_monitor.client_certificate",
        "factory_key": "envoy.string",
        "format_string": {
            "text_format_source": {"inline_string": "%DOWNSTREAM_PEER_CERT%"},
            "omit_empty_values": True,
        },
    }
    typed_config = {"@type": SET_FILTER_STATE, "on_downstream_tls_handshake": [kept]}
    network_filter = {"name": "envoy.filters.network.set_filter_state", "typed_config": typed_config}
    listener["filter_chains"][0]["filters"].insert(0, network_filter)
