"""What a webhook may say about its request: headers, secrets, method, events and roles."""

from e2e.contract import ALERTS, EXPIRED, SOON, plugin_lines
from e2e.monitors import leases
from lab import wait
from lab.certificates import THREE_DAYS
from lab.scene import Scene


def test_a_header_template_arrives_rendered(scene: Scene) -> None:
    gone = scene.cast.authority.issue("gone.example.com", ends=-THREE_DAYS)
    scene.watch("server", scene.cast.server)
    scene.watch("server", gone)
    scene.webhook["headers"] = {"X-Event-Type": "{{ event }}", "X-About": "{{ cert_role }}/{{ cert_name }}"}
    scene.start()

    scene.receiver.wait_for(2)
    assert {(request.headers["x-event-type"], request.headers["x-about"]) for request in scene.receiver.requests} == {
        (SOON, "server/localhost"),
        (EXPIRED, "server/gone.example.com"),
    }


def test_a_secret_of_the_environment_arrives_and_is_never_logged(scene: Scene) -> None:
    scene.watch("server", scene.cast.server)
    scene.webhook["headers"] = {"Authorization": "Bearer ${WEBHOOK_TOKEN}"}
    envoy = scene.start(environment={"WEBHOOK_TOKEN": "s3cret"})

    scene.receiver.wait_for()
    assert scene.receiver.requests[0].headers["authorization"] == "Bearer s3cret"
    assert "s3cret" not in envoy.log()
    assert "s3cret" not in envoy.admin("/stats")


def test_a_missing_secret_disables_its_webhook_and_no_other(scene: Scene) -> None:
    scene.watch("server", scene.cast.server)
    secretive = {**scene.webhook, "name": "secretive", "headers": {"X-Token": "${NO_SUCH_VARIABLE}"}}
    scene.plugin["webhooks"].append(secretive | {"url": "http://hooks.example.com/secretive"})
    envoy = scene.start()

    scene.receiver.wait_for()
    lines = plugin_lines(envoy, "error")
    # By each who was the monitor: on a busy machine one may have followed another one.
    assert 1 <= len(lines) <= len(leases(envoy))
    assert all("secretive" in line and "NO_SUCH_VARIABLE" in line for line in lines)
    assert envoy.log_lines(r"watching 1 certificate .* 1 disabled")
    assert {request.path for request in scene.receiver.requests} == {"/certificates"}


def test_strict_env_refuses_a_missing_secret(scene: Scene) -> None:
    scene.watch("server", scene.cast.server)
    scene.webhook["headers"] = {"X-Token": "${NO_SUCH_VARIABLE}"}
    scene.plugin["strict_env"] = True
    envoy = scene.launch()

    assert envoy.wait_end() != 0
    assert any("NO_SUCH_VARIABLE" in line for line in plugin_lines(envoy, "error"))
    assert scene.receiver.requests == []


def test_each_webhook_gets_the_events_and_roles_that_it_asks_for(scene: Scene) -> None:
    gone = scene.cast.authority.issue("gone.example.com", ends=-THREE_DAYS)
    scene.watch("server", gone)
    scene.watch("ca", scene.cast.authority)
    wishes = {
        "all": {"events": ALERTS},
        "expired": {"events": [EXPIRED]},
        "authorities": {"roles": ["ca"]},
        "off": {"enabled": False},
    }
    scene.plugin["webhooks"] = [
        {"name": name, "cluster": "webhook_receiver", "url": f"http://hooks.example.com/{name}", **wish}
        for name, wish in wishes.items()
    ]
    scene.start()

    wait.until(lambda: len(scene.receiver.requests) >= 4, "four requests")
    told = {(request.path, request.event["cert_name"]) for request in scene.receiver.requests}
    assert told == {
        ("/all", "gone.example.com"),
        ("/all", "Test CA"),
        ("/expired", "gone.example.com"),
        ("/authorities", "Test CA"),
    }


def test_methods_without_a_body_send_none(scene: Scene) -> None:
    scene.watch("server", scene.cast.server)
    scene.plugin["webhooks"] = [
        {
            "name": method,
            "cluster": "webhook_receiver",
            "url": f"http://hooks.example.com/{method}?a=b",
            "method": method,
        }
        for method in ["GET", "PUT", "POST", "PATCH", "DELETE"]
    ]
    scene.start()

    wait.until(lambda: len(scene.receiver.requests) == 5, "five requests")
    for request in scene.receiver.requests:
        has_body = request.method not in ("GET", "DELETE")
        assert request.path == f"/{request.method}?a=b"
        assert bool(request.body) is has_body
        assert ("content-type" in request.headers) is has_body
