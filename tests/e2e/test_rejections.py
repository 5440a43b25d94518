"""Handshakes that fail because of a certificate: of an upstream, of a client, and ours."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from e2e.contract import moment, wait_for_checks
from e2e.monitors import PREFIX
from e2e.refusals import REJECTED, Upstreams, check_rejected, fail, tell_rejections
from lab.certificates import THREE_DAYS, Authority, Identity
from lab.client import Client
from lab.config import INGRESS, OLDER, SHIPPED, upstream_tls
from lab.scene import Scene
from lab.server import reserved_port

SANS = ["orders.internal"]
TLS_1_3 = "TLSv1_3"
TEXTS = {
    "expired": "certificate has expired",
    "not_yet_valid": "certificate is not yet valid",
    "unknown_ca": "unable to get local issuer certificate",
    "name_mismatch": "SAN matcher",
    "refused": "TLSV1_ALERT_UNKNOWN_CA",
}


class Version(NamedTuple):
    number: str
    # Whether Envoy says what is wrong with a certificate; else only that it was not verified.
    says_why: bool = True
    # Whether it shows the certificate that it refuses; else only its fingerprint.
    shows_it: bool = True


VERSIONS = [Version("1.36.2", False, False), Version("1.37.0", True, False), Version("1.39.3"), Version("1.40.0")]


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: version.number)
def version(request: pytest.FixtureRequest) -> Version:
    return request.param


@pytest.fixture(scope="module")
def failing(version: Version, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstreams]:
    """An upstream for every reason."""
    shipped = SHIPPED if version.shows_it else OLDER
    with Scene(tmp_path_factory.mktemp("failing"), shipped) as scene, Upstreams(scene) as upstreams:
        tell_rejections(scene)
        authority, elsewhere = scene.cast.authority, Authority.named("Elsewhere")
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        upstreams.add("expired", authority.issue("orders.internal", ends=-THREE_DAYS, sans=SANS))
        upstreams.add("not_yet_valid", authority.issue("orders.internal", sans=SANS, starts=tomorrow))
        upstreams.add("unknown_ca", elsewhere.issue("orders.internal", sans=SANS))
        upstreams.add("name_mismatch", authority.issue("elsewhere", sans=["elsewhere.example"]))
        refused = upstreams.add("refused", authority.issue("orders.internal", sans=SANS))
        present(refused, elsewhere.issue("Upstream Service"))
        scene.start(version.number)
        wait_for_checks(scene.envoy, 1)
        yield upstreams


def test_an_upstream_that_fails_is_told_with_the_reason(failing: Upstreams, version: Version) -> None:
    scene = failing.scene
    paths = [f"/{name}" for name in failing.ports]
    assert set(scene.client().get_all(paths * 2)) == {503}
    for name, port in failing.ports.items():
        event = scene.receiver.event(event=REJECTED, api_id=name)
        is_clear = version.says_why or name == "refused"
        check_rejected(event, "upstream", name if is_clear else "invalid", f"cluster/{name}")
        assert (TEXTS[name] in event["detail"]) == is_clear
        assert event["address"] == f"127.0.0.1:{port}"


def test_a_client_whose_certificate_has_ended_is_told_with_that_certificate(
    failing: Upstreams, version: Version
) -> None:
    scene = failing.scene
    gone = scene.cast.authority.issue("Late Client", ends=-THREE_DAYS)
    for _ in range(3):
        fail(scene.client(gone))
    event = scene.receiver.event(event=REJECTED, cert_role="client")
    check_rejected(event, "client", "expired" if version.says_why else "invalid", "listener/ingress")
    assert event["cert_id"] == gone.cert_id
    assert "api_id" not in event
    if version.shows_it:
        assert event["cert_name"] == "Late Client"
        assert (moment(event["expired_at"]), event["days_since_expiry"]) == (gone.ends, 3)
    else:
        assert not {"cert_name", "expires_at", "expired_at"} & event.keys()


def test_it_is_critical_and_told_once_and_nothing_of_it_is_watched(failing: Upstreams) -> None:
    scene = failing.scene
    for _ in range(2):
        fail(scene.client(scene.cast.authority.issue("Late Client", ends=-THREE_DAYS)))
        assert set(scene.client().get_all([f"/{name}" for name in failing.ports])) == {503}
        wait_for_checks(scene.envoy, 2)
    rejections = [request for request in scene.receiver.requests if request.event["event"] == REJECTED]
    told = Counter(place for request in rejections for place in request.event["places"])
    assert told == Counter(["listener/ingress", *(f"cluster/{name}" for name in failing.ports)])
    assert {request.headers["x-severity"] for request in rejections} == {"critical"}
    metrics = scene.envoy.metrics()
    # The only one that was let in is the client of the scene.
    assert metrics[f'{PREFIX}certificates{{role="client"}}'] == 1
    assert metrics.get(f'{PREFIX}certificates{{role="upstream"}}', 0) == 0


def test_every_reason_of_a_client_is_told_once(scene: Scene) -> None:
    tell_rejections(scene)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    envoy = scene.start()
    clients = {
        "unknown_ca": scene.client(Authority.named("Elsewhere").issue("Stranger")),
        "not_yet_valid": scene.client(scene.cast.authority.issue("Early Client", starts=tomorrow)),
        "missing": Client(envoy.port(INGRESS), scene.cast.authority),
    }
    for client in [*clients.values(), *clients.values()]:
        fail(client)
    for reason in clients:
        event = scene.receiver.event(event=REJECTED, reason=reason)
        check_rejected(event, "client", reason, "listener/ingress")
        assert ("cert_id" in event) == (reason != "missing")
    wait_for_checks(envoy, 2)
    assert len(scene.receiver.events()) == len(clients)


@pytest.mark.parametrize("version", ["1.36.2", "1.40.0"])
def test_an_upstream_that_ends_while_it_is_watched_is_told_with_the_certificate_that_was_seen(
    tmp_path_factory: pytest.TempPathFactory, version: str
) -> None:
    with Scene(tmp_path_factory.mktemp("ends"), OLDER) as scene:
        tell_rejections(scene)
        envoy = scene.start(version)
        wait_for_checks(envoy, 1)
        ends = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=10)
        last = scene.cast.authority.issue("orders.internal", ends=ends, sans=SANS)
        scene.upstream.present(last)
        scene.upstream.headers = {"connection": "close"}
        assert scene.client().get() == 200
        scene.receiver.event(cert_id=last.cert_id, event="CertificateExpired")

        assert scene.client().get() == 503
        event = scene.receiver.event(event=REJECTED)
        # Where Envoy does not say why, the dates of that certificate do.
        check_rejected(event, "upstream", "expired", "cluster/orders")
        assert (event["cert_id"], event["cert_name"]) == (last.cert_id, "orders.internal")
        assert moment(event["expired_at"]) == last.ends
        assert event["api_id"] == "orders-api"


def test_where_envoy_blames_no_certificate_nothing_is_told(scene: Scene) -> None:
    tell_rejections(scene)
    elsewhere = Authority.named("Elsewhere")
    with Upstreams(scene) as upstreams, reserved_port() as nobody:
        # It refuses our certificate, but for Envoy, which offers no more than TLS 1.2 by itself, the handshake was over
        # before it had looked.
        refusing = upstreams.add("refusing", scene.cast.upstream)
        context = upstream_tls(refusing)["common_tls_context"]
        context["tls_params"] = {"tls_minimum_protocol_version": TLS_1_3, "tls_maximum_protocol_version": TLS_1_3}
        present(refusing, elsewhere.issue("Upstream Service"))
        scene.configuration.copy_cluster("orders", "nobody")
        scene.configuration.place("nobody", nobody)
        envoy = scene.start()

        assert scene.client().get_all(["/refusing", "/nobody"] * 2) == [503] * 4
        fail(Client(envoy.port(INGRESS)))  # in plain text
        scene.receiver.wait_for(2, cert_role="client")
        wait_for_checks(envoy, 2)
        assert scene.receiver.events(event=REJECTED) == []


def present(cluster: dict[str, Any], identity: Identity) -> None:
    """Have Envoy present this to the upstream."""
    upstream_tls(cluster)["common_tls_context"]["tls_certificates"] = [
        {"certificate_chain": {"inline_string": identity.pem}, "private_key": {"inline_string": identity.key_pem}}
    ]
