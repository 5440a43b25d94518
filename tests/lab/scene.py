"""Envoy and everybody it talks to, with certificates for all of them."""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import yaml

from lab import REPOSITORY, release, wait
from lab.admin import Admin
from lab.certificates import Authority, Identity
from lab.client import Client
from lab.config import INGRESS, PROBES, SHIPPED, STANDBY, Configuration
from lab.envoy import Envoy, validate
from lab.holdings import Holdings
from lab.receiver import Receiver
from lab.server import reserved_port
from lab.upstream import Upstream

T = TypeVar("T")

PLUGIN = REPOSITORY / "dist" / "cert_expiry_monitor.wasm"
# The build that traps when it is told to. Never shipped.
TRAP = Path(os.environ.get("TRAP_PLUGIN", REPOSITORY / "target" / "trap" / "cert_expiry_monitor.wasm"))
# A custom section of WebAssembly, called x: changes the file and nothing else.
EMPTY_SECTION = b"\x00\x02\x01x"


class Cast:
    """Who shows a certificate to whom: all of them good for three more days, from an authority that is as well."""

    def __init__(self) -> None:
        self.authority = Authority.named("Test CA")
        self.server = self.authority.issue("localhost", sans=["localhost"])
        self.client = self.authority.issue("Test Client")
        self.upstream_client = self.authority.issue("Upstream Service")
        self.upstream = self.authority.issue("orders.internal", sans=["orders.internal"])

    def write(self, directory: Path) -> None:
        """Write the files that the configuration names."""
        self.authority.write(directory, "ca")
        self.server.write(directory, "server")
        self.client.write(directory, "client")
        self.upstream_client.write(directory, "upstream-client")
        self.upstream.write(directory, "upstream")

    def entries(self) -> list[dict[str, Any]]:
        """`certificates` for what no connection shows."""
        return [
            {"role": "server", "pem": self.server.pem},
            {"role": "ca", "pem": self.authority.pem},
            {"role": "upstream", "pem": self.upstream_client.pem, "api_id": "orders-api"},
        ]


class Scene:
    """Change `cast` and `configuration` as you like, then `start`; leaving the scene ends everything."""

    def __init__(self, directory: Path, shipped: Path = SHIPPED) -> None:
        self.directory = directory
        self.cast = Cast()
        self.configuration = Configuration(shipped)
        # The clusters that the upstream is behind.
        self.upstream_clusters = ["orders"]
        self.plugin["observe"] = {"flush_seconds": 1}
        # A test says what is watched; see `discover` and `log_connections`.
        self._discovery = self.plugin.pop("discovery")
        self._loggers = self.configuration.take_loggers(INGRESS)
        self.plugin_file = Path(os.environ.get("PLUGIN", PLUGIN))
        self.arguments: list[str] = []
        self.wasm_level = "debug"
        self.envoy: Envoy | None = None
        self.upstream: Upstream | None = None
        self._running = ExitStack()
        self.receiver = self._running.enter_context(Receiver())
        self.configuration.place("webhook_receiver", self.receiver.port)
        self.configuration.place_listener(STANDBY, self._running.enter_context(reserved_port()))

    @property
    def plugin(self) -> dict[str, Any]:
        return self.configuration.plugin

    @property
    def monitor(self) -> dict[str, Any]:
        """The four keys that say when to check and when to tell."""
        return self.plugin["certificate_expiry_monitor"]

    @property
    def webhook(self) -> dict[str, Any]:
        """The one webhook that is configured unless a test wants others."""
        [webhook] = self.plugin["webhooks"]
        return webhook

    def watch(self, role: str, identity: Identity | str, **more: object) -> None:
        """Have the plugin watch a certificate, or whatever PEM it is given."""
        pem = identity if isinstance(identity, str) else identity.pem
        self.plugin["certificates"].append({"role": role, "pem": pem, **more})

    def discover(self, **more: object) -> Admin:
        """Have the plugin ask Envoy which certificates it holds, as the shipped file does.

        Envoy's admin interface has a port that nobody knows beforehand, so something with a known one stands before it.
        """
        admin = self._running.enter_context(Admin(lambda: self.envoy.admin_address))
        self.configuration.place("envoy_admin", admin.port)
        self.plugin["discovery"] = {**self._discovery, "interval_seconds": 5, **more}
        return admin

    def probe(self) -> None:
        """Have the monitor call the upstream itself, as the shipped file says."""
        self.configuration.add_probes()
        self.configuration.place_listener(PROBES, self._running.enter_context(reserved_port()))
        self.upstream_clusters.append("orders-probe")

    def discover_by_pipe(self, *allow_paths: dict[str, str]) -> Path:
        """Have the plugin ask an admin interface on a pipe, which answers nothing but these paths if there are any."""
        self.configuration.move_admin("./admin.sock", *allow_paths)
        self.plugin["discovery"] = {**self._discovery, "interval_seconds": 5}
        return self.directory / "admin.sock"

    def hold(self, holdings: Holdings) -> None:
        """Have Envoy hold these certificates beside those of the cast."""
        self.configuration.add(yaml.safe_load(holdings.write(self.directory).read_text()))

    def log_connections(self) -> None:
        """Have the access loggers of the shipped file observe beside the filter."""
        self.configuration.put_loggers(INGRESS, *self._loggers)

    def run(self, server: AbstractContextManager[T]) -> T:
        """Have something run for as long as the scene lasts."""
        return self._running.enter_context(server)

    def start(
        self, version: str | None = None, concurrency: int = 1, environment: Mapping[str, str] | None = None
    ) -> Envoy:
        self.launch(version, concurrency, environment).wait_ready()
        return self.envoy

    def launch(
        self, version: str | None = None, concurrency: int = 1, environment: Mapping[str, str] | None = None
    ) -> Envoy:
        """Start Envoy and do not wait for it: it may have good reason not to come up."""
        self.upstream = self._running.enter_context(Upstream(self.cast.upstream, self.cast.authority))
        for cluster in self.upstream_clusters:
            self.configuration.place(cluster, self.upstream.port)
        binary = release.envoy_binary(version)
        self.envoy = Envoy(binary, self._write(), concurrency, environment, self.arguments, self.wasm_level)
        self._running.callback(self.envoy.stop)
        return self.envoy

    def validate(self) -> tuple[int, str]:
        return validate(release.envoy_binary(), self._write())

    def client(self, identity: Identity | None = None, listener: str = "ingress") -> Client:
        """A client over mutual TLS; with the certificate of the cast unless it brings its own."""
        return Client(self.envoy.port(listener), self.cast.authority, identity or self.cast.client)

    def update_listeners(self) -> None:
        """Have Envoy take over the listeners as they are configured now; it must have followed them from the start."""
        answered = self.envoy.listener_updates
        self.configuration.write_listeners(self.directory)
        wait.until(lambda: self.envoy.listener_updates > answered, "Envoy has answered an update of its listeners")

    def run_newer_code(self, *listeners: str) -> None:
        """Have these listeners run the same plugin as other bytes, as a new release would be."""
        newer = self.directory / "newer.wasm"
        newer.write_bytes(self.plugin_file.read_bytes() + EMPTY_SECTION)
        for listener in listeners:
            self.configuration.part(listener)["vm_config"]["code"] = {"local": {"filename": newer.name}}

    def _write(self) -> Path:
        self.cast.write(self.directory / "certs")
        plugin = self.directory / "cert_expiry_monitor.wasm"
        plugin.unlink(missing_ok=True)
        plugin.symlink_to(self.plugin_file)
        return self.configuration.write(self.directory)

    def __enter__(self) -> "Scene":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error and self.envoy:
            error.add_note(f"the end of Envoy's log:\n{self.envoy.tail()}")
        self._running.close()
