"""What Tyk's documents tell people to write loads here when it is pasted whole."""

import json
from typing import Any

from e2e.contract import SOON, check_expired, check_soon
from lab import REPOSITORY
from lab.certificates import THREE_DAYS
from lab.scene import Scene

# The gateway configuration of Tyk's document, character by character.
GATEWAY_CONFIGURATION = (REPOSITORY / "tests" / "data" / "tyk-gateway.json").read_text()

# An event handler as an OAS API definition has it.
OAS_EVENT_HANDLERS = """
[
  {
    "enabled": true,
    "trigger": "CertificateExpiringSoon",
    "type": "webhook",
    "cooldownPeriod": "1m30s",
    "name": "My local webhook",
    "url": "https://your-webhook-endpoint.com/oas",
    "method": "PUT",
    "headers": { "X-Tyk-Test": "v1.0" }
  },
  {
    "enabled": false,
    "trigger": "CertificateExpiringSoon",
    "type": "webhook",
    "name": "Switched off",
    "url": "https://your-webhook-endpoint.com/off",
    "method": "POST"
  }
]
"""

TARGET_CLUSTERS = {"your-webhook-endpoint.com": "webhook_receiver"}


def hand_over(scene: Scene, pasted: dict[str, Any]) -> None:
    """Add to what was pasted only what Envoy needs: which cluster leads to the host, and certificates to watch."""
    added = {"target_clusters": TARGET_CLUSTERS, "certificates": scene.plugin["certificates"]}
    scene.configuration.hand_over_json(json.dumps({**pasted, **added}))


def test_the_documented_gateway_configuration_delivers_both_events(scene: Scene) -> None:
    gone = scene.cast.authority.issue("gone.example.com", ends=-THREE_DAYS)
    scene.watch("server", scene.cast.server)
    scene.watch("server", gone)
    hand_over(scene, json.loads(GATEWAY_CONFIGURATION))
    scene.start()

    check_soon(scene.receiver.event(cert_name="localhost"), scene.cast.server, "localhost", "server")
    check_expired(scene.receiver.event(cert_name="gone.example.com"), gone, "gone.example.com", "server")
    for request in scene.receiver.requests:
        assert (request.method, request.path) == ("POST", "/certificates")
        assert request.headers["host"] == "your-webhook-endpoint.com"
        assert request.headers["content-type"] == "application/json"
        assert request.headers["x-event-type"] == request.event["event"]
    assert len(scene.receiver.requests) == 2


def test_an_oas_event_handler_delivers(scene: Scene) -> None:
    scene.watch("server", scene.cast.server)
    hand_over(scene, {"eventHandlers": json.loads(OAS_EVENT_HANDLERS)})
    envoy = scene.start()

    check_soon(scene.receiver.event(event=SOON), scene.cast.server, "localhost", "server")
    [request] = scene.receiver.requests
    assert (request.method, request.path) == ("PUT", "/oas")
    assert request.headers["x-tyk-test"] == "v1.0"
    assert envoy.log_lines("FIRING HANDLER 1/1 FOR EVENT")


def test_a_log_handler_writes_the_event_into_the_log(scene: Scene) -> None:
    scene.watch("server", scene.cast.server)
    handler = {"handler_name": "eh_log_handler", "handler_meta": {"prefix": "[our own prefix]"}}
    hand_over(scene, {"event_handlers": {"events": {SOON: [handler]}}})
    envoy = scene.start()

    [line] = envoy.wait_log(r"\[our own prefix\]")
    assert SOON in line
    assert scene.receiver.requests == []
