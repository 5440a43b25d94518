"""An Envoy that holds certificates in every way it can, and what is true of each of them."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from lab import REPOSITORY
from lab.certificates import Authority, Identity, chain

SETUP = REPOSITORY / "tests" / "data" / "admin" / "setup"
STARTS = datetime(2025, 10, 19, 13, 51, 52, tzinfo=UTC)
ENDS = datetime(2026, 1, 17, 13, 51, 52, tzinfo=UTC)


def a_day_apart(number: int) -> datetime:
    return ENDS + timedelta(days=number)


@dataclass(frozen=True)
class Held:
    """A certificate, what it is for, and who holds it."""

    identity: Identity
    role: str
    position: str
    places: tuple[str, ...]
    # Whether Envoy shows it to peers, or believes in it. What nobody uses, or what Envoy refused, it does not.
    served: bool = True
    # The file that Envoy was told of, if that is all that its configuration says.
    path: str | None = None

    @property
    def serial(self) -> int:
        return self.identity.certificate.serial_number

    @property
    def name(self) -> str:
        return self.identity.certificate.subject.rfc4514_string().removeprefix("CN=")

    def facts(self) -> dict[str, Any]:
        certificate = self.identity.certificate
        return {
            "name": self.name,
            "sha256": self.identity.cert_id,
            "serial": f"{self.serial:x}",
            "not_before": int(certificate.not_valid_before_utc.timestamp()),
            "not_after": int(certificate.not_valid_after_utc.timestamp()),
            "role": self.role,
            "position": self.position,
            "places": list(self.places),
            "served": self.served,
        }


# What setup/ names as a file outside of SDS: no dump tells what is in it.
IN_FILES = {"file", "static-file", "bundle", "quic", "dynamic", "orders-client", "orders-ca"}


class Holdings:
    """Made from names: the same bytes each time, unless one says when they start and end, each by its number."""

    def __init__(self, starts: datetime = STARTS, ends: Callable[[int], datetime] = a_day_apart) -> None:
        self.starts, self.ends = starts, ends
        self.held: list[Held] = []
        self.files: dict[str, str] = {}
        self._made = 0
        self._chain("file", "server", "listener/files")
        self._chain("static-file", "server", "listener/files", "secret/static-file")
        self._authorities("bundle", 2, "listener/files")
        self._chain("sds-chain", "server", "listener/sds", "secret/sds-chain", above=True)
        roots = "listener/sds", "cluster/matched", "cluster/billing", "secret/sds-roots"
        self._authorities("sds-roots", 2, *roots)
        self._chain("inline", "server", "listener/inline")
        self._authorities("inline-ca", 2, "listener/inline")
        self._chain("static-chain", "server", "listener/static-secrets", "secret/static-chain", above=True)
        self._chain("odd", "server", "listener/static-secrets", 'secret/spiffe://example.org/an "odd" näme')
        self._chain("unused", "server", "secret/static-unused", served=False)
        self._chain("quic", "server", "listener/quic")
        self._chain("dynamic", "server", "listener/dynamic")
        self._chain("orders-client", "upstream", "cluster/orders")
        self._authorities("orders-ca", 1, "cluster/orders", "cluster/wrapped")
        self._chain("billing-client", "upstream", "cluster/billing")

    def write(self, directory: Path) -> Path:
        """Write all that Envoy reads; it is to run in this directory."""
        (directory / "certs").mkdir(parents=True, exist_ok=True)
        for name, text in self.files.items():
            (directory / name).write_text(text)
        for source in SETUP.glob("*.yaml"):
            document = self._inlined(yaml.safe_load(source.read_text()))
            (directory / source.name).write_text(yaml.safe_dump(document, sort_keys=False))
        return directory / "envoy.yaml"

    def renew_with_wrong_key(self, directory: Path) -> Held:
        """Renew what `sds-chain` holds, and forget to put the new key beside it: Envoy will not serve that."""
        authority = Authority.named("Forgetful CA", **self._stamp("Forgetful CA"))
        leaf = authority.issue("sds-chain.example.org", **self._stamp("renewed"))
        renewed = Held(leaf, "server", "leaf", ("listener/sds", "secret/sds-chain"), served=False)
        self.held.append(renewed)
        moved = directory / "certs" / "renewed.pem"
        moved.write_text(leaf.pem)
        moved.rename(directory / "certs" / "sds-chain.pem")  # Envoy follows what is moved into place
        return renewed

    def _chain(self, file: str, role: str, *places: str, above: bool = False, served: bool = True) -> None:
        """A leaf in a file, and what is above it too if one asks for that."""
        leaf_name, intermediate_name, root_name = f"{file}.example.org", f"{file} intermediate", f"{file} root"
        root = Authority.named(root_name, **self._stamp(root_name))
        intermediate = root.intermediate(intermediate_name, **self._stamp(intermediate_name))
        leaf = intermediate.issue(leaf_name, sans=[leaf_name], **self._stamp(leaf_name))
        links = {"leaf": leaf, "intermediate": intermediate, "root": root} if above else {"leaf": leaf}
        path = _path(file)
        self.held += [Held(link, role, position, places, served, path) for position, link in links.items()]
        self.files[f"certs/{file}.pem"] = chain(*links.values())
        self.files[f"certs/{file}.key"] = leaf.key_pem

    def _authorities(self, file: str, count: int, *places: str) -> None:
        """So many roots in a file."""
        names = [f"{file} {number}" for number in range(1, count + 1)]
        roots = [Authority.named(name, **self._stamp(name)) for name in names]
        self.held += [Held(root, "ca", "root", places, path=_path(file)) for root in roots]
        self.files[f"certs/{file}.pem"] = chain(*roots)

    def _stamp(self, name: str) -> dict[str, Any]:
        """Key, serial and dates that follow from the name and the turn alone."""
        digest = int.from_bytes(hashlib.sha256(name.encode()).digest())
        self._made += 1
        return {
            "key": ec.derive_private_key(digest >> 1, ec.SECP256R1()),
            "serial": digest >> (104 + self._made % 8),  # with and without a first half of a byte
            "starts": self.starts,
            "ends": self.ends(self._made),
        }

    def _inlined(self, part: Any) -> Any:
        if isinstance(part, list):
            return [self._inlined(item) for item in part]
        if isinstance(part, dict):
            return {
                key: self.files.get(value, value) if key == "inline_string" else self._inlined(value)
                for key, value in part.items()
            }
        return part


def _path(file: str) -> str | None:
    return f"./certs/{file}.pem" if file in IN_FILES else None
