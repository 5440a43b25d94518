"""An Envoy that holds thousands of certificates."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from lab.certificates import Authority, Identity, chain
from lab.config import Configuration
from lab.secret import Secret

TYPE = "type.googleapis.com/envoy.extensions."
YEARS = timedelta(days=1000)


class Crowd:
    """Every secret is a chain of three certificates of its own, and one listener has many of them, each for a name."""

    def __init__(self, in_each: int = 500) -> None:
        self.in_each = in_each
        # One for all: making keys takes longer than making certificates.
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.secrets: list[dict[str, Any]] = []
        self.references: dict[str, dict[str, Any]] = {}
        self.followed: list[Secret] = []

    def add(self, count: int) -> None:
        """So many more secrets that stand in Envoy's configuration."""
        key_pem = self.links("any")[0].key_pem
        for number in range(count):
            name = f"secret-{number:05}"
            certificate = {"certificate_chain": chain(*self.links(name)), "private_key": key_pem}
            inline = {part: {"inline_string": text} for part, text in certificate.items()}
            self.secrets.append({"name": name, "tls_certificate": inline})
            self.references[name] = {"name": name}

    def add_followed(self, count: int, directory: Path) -> None:
        """So many more secrets in files that Envoy follows."""
        for number in range(count):
            name = f"followed-{number:02}"
            self.followed.append(secret := Secret(directory, name, *self.links(name)))
            self.references[name] = secret.reference

    def links(self, name: str, ends: timedelta = YEARS) -> list[Identity]:
        root = Authority.named(f"{name} root", ends, self.key)
        intermediate = root.intermediate(f"{name} intermediate", ends, self.key)
        return [intermediate.issue(name, ends, [f"{name}.example.org"], self.key), intermediate, root]

    def gather(self, configuration: Configuration) -> None:
        """Have Envoy hold all of it, and say so as JSON: YAML of this size takes it a while."""
        configuration.document["static_resources"]["secrets"] = self.secrets
        names = list(self.references)
        for number, start in enumerate(range(0, len(names), self.in_each)):
            configuration.listeners.append(self._listener(f"crowd-{number}", names[start : start + self.in_each]))
        configuration.file_name = "envoy.json"

    def _listener(self, name: str, secrets: list[str]) -> dict[str, Any]:
        inspector = {"@type": f"{TYPE}filters.listener.tls_inspector.v3.TlsInspector"}
        return {
            "name": name,
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
            "listener_filters": [{"name": "envoy.filters.listener.tls_inspector", "typed_config": inspector}],
            "filter_chains": [self._filter_chain(secret) for secret in secrets],
        }

    def _filter_chain(self, secret: str) -> dict[str, Any]:
        proxy = {"@type": f"{TYPE}filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "crowd", "cluster": "orders"}
        tls = {
            "@type": f"{TYPE}transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {"tls_certificate_sds_secret_configs": [self.references[secret]]},
        }
        return {
            "name": secret,
            "filter_chain_match": {"server_names": [f"{secret}.example.org"]},
            "filters": [{"name": "envoy.filters.network.tcp_proxy", "typed_config": proxy}],
            "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls},
        }
