"""A secret that Envoy takes from files, and follows."""

from pathlib import Path
from typing import Any

import yaml

from lab.certificates import Identity, chain
from lab.config import downstream_tls

SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"


class Secret:
    """A certificate with its key, in the directory of the scene. Envoy looks when a file is moved into place."""

    def __init__(self, directory: Path, name: str, *chain: Identity) -> None:
        self.directory, self.name = directory, name
        files = {"certificate_chain": self._file("pem"), "private_key": self._file("key")}
        resource = {
            "@type": SECRET,
            "name": name,
            "tls_certificate": {part: {"filename": f"./certs/{file.name}"} for part, file in files.items()},
        }
        (directory / "certs").mkdir(exist_ok=True)
        (directory / f"{name}.yaml").write_text(yaml.safe_dump({"resources": [resource]}))
        self.put_key(chain[0])
        self.put(*chain)

    def put(self, *links: Identity | str) -> None:
        """Put a chain in the place of the one before, or any text; the key stays."""
        self._move("pem", "".join(link if isinstance(link, str) else chain(link) for link in links))

    def put_key(self, identity: Identity) -> None:
        self._move("key", identity.key_pem)

    def serve(self, listener: dict[str, Any]) -> None:
        """Have a listener present it."""
        tls = downstream_tls(listener)["common_tls_context"]
        tls.pop("tls_certificates", None)
        tls["tls_certificate_sds_secret_configs"] = [self.reference]

    @property
    def reference(self) -> dict[str, Any]:
        """What names it in a TLS context."""
        source = {"path_config_source": {"path": f"./{self.name}.yaml"}, "resource_api_version": "V3"}
        return {"name": self.name, "sds_config": source}

    def _file(self, suffix: str) -> Path:
        return self.directory / "certs" / f"{self.name}.{suffix}"

    def _move(self, suffix: str, text: str) -> None:
        written = self._file(f"{suffix}.new")
        written.write_text(text)
        written.rename(self._file(suffix))
