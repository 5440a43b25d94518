"""Certificates in headers, where nobody is to get them."""

from collections.abc import Iterable
from urllib.parse import unquote

from lab.certificates import Identity
from lab.scene import Scene

OURS = "x-cert-expiry-upstream-certificate", "x-cert-expiry-probe"


def check_no_certificate_leaves(scene: Scene, client_headers: Iterable[tuple[str, str]]) -> None:
    """Neither what the upstream has got so far nor what a client got holds a certificate, or a part of one."""
    assert scene.upstream.arrived
    for arrived in scene.upstream.arrived:
        check_none(scene, arrived.headers)
    check_none(scene, client_headers)


def check_none(scene: Scene, headers: Iterable[tuple[str, str]]) -> None:
    cast = scene.cast
    parts = [part for identity in (cast.client, cast.upstream, cast.upstream_client) for part in lines(identity)]
    for name, value in headers:
        text = unquote(value)
        assert name.lower() not in OURS, name
        assert "CERTIFICATE" not in text, name
        assert not any(part in text for part in parts), name


def lines(identity: Identity) -> list[str]:
    return identity.pem.splitlines()[1:-1]
