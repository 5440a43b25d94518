"""What the store asks for leaves by one door, and what is in the store silences nobody for longer than it should."""

import base64

import pytest

from e2e.contract import wait_for_checks
from e2e.fleet import NAMES, asked, join, start, wait_asked
from lab.receiver import Answer, Receiver, Reply
from lab.scene import Scene
from lab.store import Redis, Webdis

USER = "envoy:zq5d41402abc4b2a76b9719d911017c592"
CREDENTIALS = base64.b64encode(USER.encode()).decode()
WORDS = (USER, USER.partition(":")[2], CREDENTIALS)
WON = Answer(body=b'{"SET":null}')


@pytest.mark.parametrize("answer", [WON, 403, 503, Answer(body=b"<html>")])
def test_the_password_goes_to_the_store_and_nowhere_else(scene: Scene, answer: Reply) -> None:
    with Receiver() as store:
        store.answer = answer
        join(scene, NAMES[0], store.port)
        scene.wasm_level = "trace"
        scene.watch("server", scene.cast.server)
        envoy = start(scene, USER)
        if answer is WON:
            scene.receiver.wait_for(1)
        else:
            wait_asked(envoy, "failed", 2)
        wait_for_checks(envoy, 1)

    assert {request.headers["authorization"] for request in store.requests} == {f"Basic {CREDENTIALS}"}
    assert {(request.method, request.path) for request in store.requests} == {("POST", "/")}
    told = [request.body.decode() + str(request.headers) for request in scene.receiver.requests]
    asked_for = [request.body.decode() for request in store.requests]
    paths = ("/stats", "/stats?format=prometheus", "/config_dump?include_eds", "/server_info", "/clusters")
    said = [envoy.log(), *map(envoy.admin, paths), *told, *asked_for]
    assert not [word for word in WORDS for text in said if word in text]
    # The name of the variable is no secret.
    assert "${WEBDIS}" in envoy.admin("/config_dump")


def test_what_stands_in_the_document_itself_is_in_no_log(scene: Scene) -> None:
    with Receiver() as store:
        store.answer = WON
        join(scene, NAMES[0], store.port, authorization={"bearer": WORDS[1]})
        scene.wasm_level = "trace"
        scene.watch("server", scene.cast.server)
        envoy = start(scene)
        scene.receiver.wait_for(1)
    assert {request.headers["authorization"] for request in store.requests} == {f"Bearer {WORDS[1]}"}
    assert envoy.log_lines("secret stands in the document")
    assert WORDS[1] not in envoy.log()


def test_who_can_write_to_the_store_can_silence_and_no_more(scene: Scene, redis: Redis, webdis: Webdis) -> None:
    hostile = 'edge-1"\r\n\x1b[31m EXPIRY EVENT FIRED ' + "x" * 3000
    join(scene, NAMES[0], webdis.port)
    scene.watch("server", scene.cast.server)
    scene.watch("ca", scene.cast.authority)
    key = f"cert-cooldown:event:{scene.cast.server.cert_id}:server:CertificateExpiringSoon:30d:ops"
    redis.cli("SET", key, hostile)
    redis.cli(
        "SET", key.replace(scene.cast.server.cert_id, scene.cast.authority.cert_id).replace(":server:", ":ca:"), "done"
    )
    envoy = start(scene)
    wait_asked(envoy, "held")
    wait_asked(envoy, "told")
    wait_for_checks(envoy, 2)
    assert scene.receiver.requests == []
    assert "\x1b" not in envoy.log()
    assert not asked(envoy)["failed"]
