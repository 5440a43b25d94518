"""Records anew what the admin interface of every supported Envoy answers: `make record`.

Decoders are tested with these answers in `tests/data/admin`, byte for byte as Envoy gave them. `requests.json` there
says what was asked for, `facts.json` beside each version's answers what is true; the last of the facts is the renewal
that Envoy refused.
"""

import base64
import json
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lab import REPOSITORY, wait
from lab.envoy import Envoy
from lab.holdings import Held, Holdings
from lab.release import envoy_binary

VERSIONS = ["1.36.2", "1.37.0", "1.39.3", "1.40.0"]
DATA = REPOSITORY / "tests" / "data" / "admin"

PEM = "secret.tls_certificate.certificate_chain,secret.validation_context.trusted_ca"
TLS = "cluster.transport_socket,cluster.transport_socket_matches"


def dump(resource: str, mask: str, name_regex: str = "") -> str:
    """The request for a part of Envoy's configuration."""
    chosen = f"&name_regex={quote(name_regex, safe='')}" if name_regex else ""
    return f"/config_dump?resource={resource}&mask={mask}{chosen}"


REQUESTS = {
    "certs": "/certs",
    "static-secrets-names": dump("static_secrets", "name"),
    "static-secrets": dump("static_secrets", f"name,last_updated,{PEM}"),
    "static-secrets-slice": dump("static_secrets", f"name,last_updated,{PEM}", r"\Qstatic-\E[c-f]\C*"),
    "dynamic-secrets-names": dump("dynamic_active_secrets", "name,last_updated"),
    "dynamic-secrets": dump("dynamic_active_secrets", f"name,last_updated,{PEM}"),
    "warming-secrets": dump("dynamic_warming_secrets", f"name,last_updated,{PEM}"),
    "static-listeners-names": dump("static_listeners", "listener.name"),
    "static-listeners": dump("static_listeners", "listener.name,listener.filter_chains,listener.default_filter_chain"),
    "dynamic-listeners-names": dump("dynamic_listeners", "name"),
    "dynamic-listeners": dump("dynamic_listeners", "name,active_state.listener"),
    "static-clusters-names": dump("static_clusters", "cluster.name"),
    "static-clusters": dump("static_clusters", f"cluster.name,{TLS}"),
    "dynamic-clusters-names": dump("dynamic_active_clusters", "cluster.name"),
    "dynamic-clusters": dump("dynamic_active_clusters", f"cluster.name,{TLS}"),
    "nothing": dump("static_secrets", "name", "no such name"),
    "unknown-resource": dump("no_such_resource", "name"),
    "unknown-field": dump("static_secrets", "no_such_field"),
    "regex-too-large": dump("static_secrets", "name", "x" * 200),
}
# Asked for once more after Envoy has refused a renewal.
REFUSED = {"certs-refused": REQUESTS["certs"], "dynamic-secrets-refused": REQUESTS["dynamic-secrets"]}


def main() -> None:
    for version in VERSIONS:
        record(version)
    (DATA / "requests.json").write_text(json.dumps(REQUESTS | REFUSED, indent=2) + "\n")


def record(version: str) -> None:
    """Everything that this version answers, and the facts."""
    target = DATA / version
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    holdings = Holdings()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        envoy = Envoy(envoy_binary(version), holdings.write(directory))
        try:
            envoy.wait_ready()
            wait.until(lambda: _has_all(envoy), "Envoy has all that it follows")
            for name, path in REQUESTS.items():
                (target / f"{name}.json").write_bytes(ask(envoy, path))
            renewed = base64.b64encode(holdings.renew_with_wrong_key(directory).identity.pem.encode())
            wait.until(lambda: renewed in ask(envoy, REQUESTS["dynamic-secrets"]), "Envoy has read the renewal")
            for name, path in REFUSED.items():
                (target / f"{name}.json").write_bytes(ask(envoy, path))
        finally:
            envoy.stop()
    facts = [held.facts() | _shown(target, held) for held in holdings.held]
    (target / "facts.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    print(f"{version}: {len(facts)} certificates, {sum(file.stat().st_size for file in target.iterdir())} bytes")


def ask(envoy: Envoy, path: str) -> bytes:
    """What the admin interface answers, whatever its status."""
    try:
        with urllib.request.urlopen(f"http://{envoy.admin_address}{path}", timeout=10) as response:
            return response.read()
    except urllib.error.HTTPError as error:
        return error.read()


def _has_all(envoy: Envoy) -> bool:
    followed = {
        "dynamic-secrets": b"inline_bytes",
        "dynamic-listeners": b"active_state",
        "dynamic-clusters": b"billing",
    }
    found = {name: ask(envoy, REQUESTS[name]).count(text) for name, text in followed.items()}
    return found == {"dynamic-secrets": 2, "dynamic-listeners": 1, "dynamic-clusters": 1}


def _shown(target: Path, held: Held) -> dict[str, bool]:
    """Whether `/certs` lists the certificate, and whether a dump has its PEM."""
    listed = json.loads((target / "certs.json").read_text())["certificates"]
    details = [details for context in listed for details in context["ca_cert"] + context["cert_chain"]]
    dumps = [json.loads(file.read_text()) for file in target.glob("*-*s.json")]
    return {
        "in_certs": held.serial in {int(detail["serial_number"], 16) for detail in details},
        "in_dump": any(held.identity.pem in text for dump in dumps for text in _inlined(dump)),
    }


def _inlined(part: Any) -> Iterator[str]:
    """Every text that a dump has inline."""
    if isinstance(part, list):
        for item in part:
            yield from _inlined(item)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key == "inline_string":
                yield value
            elif key == "inline_bytes":
                yield base64.b64decode(value).decode()
            else:
                yield from _inlined(value)


if __name__ == "__main__":
    main()
