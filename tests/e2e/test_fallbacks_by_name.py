"""Sources of peers' certificates that the configuration names."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from e2e.contract import check_soon, wait_for_checks
from e2e.leaks import check_no_certificate_leaves
from lab.certificates import Identity
from lab.config import INGRESS, OLDER, named
from lab.scene import Scene

FORMS = {"1.36.2": {}, "1.37.0": {}, "1.40.0": {"format": "JSON"}}


@pytest.fixture
def older(tmp_path: Path) -> Iterator[Scene]:
    with Scene(tmp_path, OLDER) as scene:
        yield scene


@pytest.mark.parametrize("version", FORMS)
def test_a_forwarded_client_certificate_is_seen_with_its_intermediate_and_no_forged_one(
    scene: Scene, version: str
) -> None:
    observe(scene, "xfcc", "auto")
    forward(scene, {"cert": True, "chain": True, **FORMS[version]})
    client, intermediate = client_with_chain(scene)
    envoy = scene.start(version)

    mallory = scene.cast.authority.issue("Mallory")
    for forged in forgeries(mallory, client):
        answer = scene.client(client).fetch(headers={"x-forwarded-client-cert": forged})
        assert answer.status == 200
        assert not any("CERTIFICATE" in value for _, value in answer.getheaders())
    check_soon(scene.receiver.event(cert_id=client.cert_id), client, "Far Client", "client", "orders-api")
    above = scene.receiver.event(cert_id=intermediate.cert_id)
    check_soon(above, intermediate, "Near CA", "client", "orders-api")
    assert (above["position"], above["places"]) == ("intermediate", ["listener/ingress"])
    wait_for_checks(envoy, 2)
    # The root is not part of what the client presents.
    assert len(scene.receiver.events(cert_role="client")) == 2


def test_attributes_are_read_where_they_are_asked_for(scene: Scene) -> None:
    observe(scene, "attribute", "attribute")
    scene.start()
    assert scene.client().get() == 200
    check_both(scene)


def test_a_filter_state_and_a_header_of_other_names_are_read_and_the_observer_removes_the_header(older: Scene) -> None:
    observe(older, "filter_state:client.cert", "response_header:x-own")
    filters = older.configuration.connection_manager(INGRESS)["http_filters"]
    # Nobody else removes it.
    filters.remove(named("cert-expiry-upstream-certificate", filters))
    state = named("cert-expiry-client-certificate", filters)["typed_config"]
    state["on_request_headers"][0]["object_key"] = "client.cert"
    [options] = older.configuration.cluster("orders")["typed_extension_protocol_options"].values()
    [mutation] = options["http_filters"][0]["typed_config"]["mutations"]["response_mutations"]
    mutation["append"]["header"]["key"] = "x-own"
    older.start()

    for _ in range(2):
        answer = older.client().fetch()
        assert answer.getheader("x-own") is None
        check_no_certificate_leaves(older, answer.getheaders())
    check_both(older)


def observe(scene: Scene, client: str, upstream: str) -> None:
    scene.plugin["observe"].update(client_certificate=client, upstream_certificate=upstream)
    scene.monitor["check_interval_seconds"] = 1


def check_both(scene: Scene) -> None:
    check_soon(scene.receiver.event(cert_role="client"), scene.cast.client, "Test Client", "client", "orders-api")
    theirs = scene.receiver.event(cert_role="upstream")
    check_soon(theirs, scene.cast.upstream, "orders.internal", "upstream", "orders-api")


def forward(scene: Scene, details: dict[str, object]) -> None:
    """Have Envoy itself write the header, and nobody else."""
    manager = scene.configuration.connection_manager(INGRESS)
    manager["forward_client_cert_details"] = "SANITIZE_SET"
    manager["set_current_client_cert_details"] = details


def client_with_chain(scene: Scene) -> tuple[Identity, Identity]:
    intermediate = scene.cast.authority.intermediate("Near CA")
    return replace(intermediate.issue("Far Client"), above=(intermediate,)), intermediate


def forgeries(mallory: Identity, client: Identity) -> list[str]:
    """Elements with a certificate of somebody else's, under its own fingerprint and under the client's."""
    pem = mallory.pem.replace("+", "%2B").replace("=", "%3D").replace("\n", "%0A").replace(" ", "%20")
    return [f'Hash={hash_};Cert="{pem}"' for hash_ in (mallory.cert_id, client.cert_id)]
