"""The forms in which Envoy hands the configuration to the plugin."""

import pytest

from e2e.contract import check_soon
from lab.scene import Scene


@pytest.mark.parametrize("form", ["Struct", "StringValue"])
def test_yaml_and_json_say_the_same(scene: Scene, form: str) -> None:
    scene.watch("server", scene.cast.server)
    scene.watch("ca", scene.cast.authority)
    if form == "StringValue":
        scene.configuration.hand_over_json()
    assert scene.configuration.handed_over["@type"].endswith(form)
    scene.start()

    check_soon(scene.receiver.event(cert_role="server"), scene.cast.server, "localhost", "server")
    check_soon(scene.receiver.event(cert_role="ca"), scene.cast.authority, "Test CA", "ca")


def test_a_pem_with_several_certificates_has_each_of_them_watched(scene: Scene) -> None:
    scene.watch("server", scene.cast.server.pem + scene.cast.authority.pem + scene.cast.upstream.pem)
    scene.start()

    events = scene.receiver.wait_for(3, cert_role="server")
    assert {event["cert_name"] for event in events} == {"localhost", "Test CA", "orders.internal"}


def test_a_broken_certificate_between_two_good_ones_is_named_and_the_good_ones_are_watched(scene: Scene) -> None:
    broken = "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"
    scene.watch("ca", scene.cast.server.pem + broken + scene.cast.authority.pem)
    envoy = scene.start()

    events = scene.receiver.wait_for(2, cert_role="ca")
    assert {event["cert_name"] for event in events} == {"localhost", "Test CA"}
    assert envoy.wait_log(r"\]\[(warning|error)\]\[wasm\].*certificates\[0\]\.pem")


def test_no_document_at_all_means_the_defaults_and_events_in_the_log(scene: Scene) -> None:
    scene.configuration.hand_over_json("")
    envoy = scene.start()
    assert envoy.wait_log(r"\]\[warning\]\[wasm\].*webhook")

    assert scene.client().get("/orders") == 200
    envoy.wait_log(r"EXPIRY EVENT FIRED for certificate 'Test Client'.*cert_role=client.*api_id=orders-api")
    assert scene.receiver.requests == []


def test_a_configured_api_id_takes_the_place_of_the_route(scene: Scene) -> None:
    scene.plugin["observe"]["api_id"] = {"value": "my-api"}
    scene.start()

    assert scene.client().get("/billing") == 200
    assert scene.receiver.event(cert_role="client")["api_id"] == "my-api"
