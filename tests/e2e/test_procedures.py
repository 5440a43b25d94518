"""The six test procedures of Tyk's certificate expiry monitoring, with its certificates of three days."""

import re
import subprocess
from itertools import pairwise

from e2e.contract import SOON, check_soon, logged_at, moment, wait_for_checks
from lab.scene import Scene


def test_1_a_server_certificate_is_told_by_the_periodic_check_alone(scene: Scene) -> None:
    scene.watch("server", scene.cast.server)
    envoy = scene.start()

    check_soon(scene.receiver.event(cert_role="server"), scene.cast.server, "localhost", "server")
    assert envoy.log_lines("periodic certificate check")
    assert envoy.log_lines(r"EXPIRY EVENT.*localhost.*server")


def test_2_a_ca_certificate_is_told_by_the_periodic_check_alone(scene: Scene) -> None:
    scene.watch("ca", scene.cast.authority)
    envoy = scene.start()

    check_soon(scene.receiver.event(cert_role="ca"), scene.cast.authority, "Test CA", "ca")
    assert envoy.log_lines(r"EXPIRY EVENT.*Test CA")


def test_3_a_client_certificate_is_told_when_a_request_brings_it(scene: Scene) -> None:
    scene.monitor["check_interval_seconds"] = 1
    envoy = scene.start()
    wait_for_checks(envoy, 1)
    assert scene.receiver.events() == []

    assert scene.client().get("/orders") == 200
    event = scene.receiver.event(cert_role="client")
    check_soon(event, scene.cast.client, "Test Client", "client", api_id="orders-api")
    assert envoy.log_lines(r"Batch certificates for expiration check with \d+ certificates")
    assert envoy.log_lines(r"EXPIRY EVENT.*Test Client.*client")


def test_4_our_upstream_certificate_is_told_by_the_periodic_check_and_theirs_by_a_request(scene: Scene) -> None:
    scene.watch("upstream", scene.cast.upstream_client, api_id="test-upstream-api")
    envoy = scene.start()

    ours = scene.receiver.event(cert_role="upstream")
    check_soon(ours, scene.cast.upstream_client, "Upstream Service", "upstream", api_id="test-upstream-api")
    assert envoy.log_lines(r"Upstream Service|upstream.*certif")
    assert envoy.log_lines(r"Starting periodic upstream certificate checking.*api_id=test-upstream-api")
    assert envoy.log_lines(r"EXPIRY EVENT.*Upstream Service")

    assert scene.client().get("/billing") == 200
    theirs = scene.receiver.event(cert_role="upstream", cert_name="orders.internal")
    check_soon(theirs, scene.cast.upstream, "orders.internal", "upstream", api_id="billing-api")


def test_5_cooldowns_space_checks_and_events(scene: Scene) -> None:
    scene.watch("server", scene.cast.server)
    scene.monitor.update(check_cooldown_seconds=3, event_cooldown_seconds=6, check_interval_seconds=1)
    envoy = scene.start()
    short_id = scene.cast.server.cert_id[:8]

    first, second = scene.receiver.wait_for(2, within=20)
    assert first["event"] == second["event"] == SOON
    # Cooldowns count from when a check was due, which is a moment before the event; and its time is cut to seconds.
    assert 5 <= (moment(second["timestamp"]) - moment(first["timestamp"])).total_seconds() <= 14

    fired = [logged_at(line) for line in envoy.log_lines("EXPIRY EVENT FIRED")]
    checked = [logged_at(line) for line in envoy.log_lines(r"Checked [1-9]\d* certificates for expiry")]
    skipped = [logged_at(line) for line in envoy.log_lines(f"Skipping certificate - cooldown active.*{short_id}")]
    assert len(fired) == 2

    assert any(0 < (at - fired[0]).total_seconds() < 3 for at in skipped), "skipped inside the check cooldown"
    assert all((later - earlier).total_seconds() > 2.5 for earlier, later in pairwise(checked)), checked
    between = [at for at in checked if (at - fired[0]).total_seconds() > 2.5 and (fired[1] - at).total_seconds() > 0.5]
    assert between, "checked between the two cooldowns, and nothing fired"


def test_6_all_roles_together(scene: Scene) -> None:
    scene.plugin["certificates"] = scene.cast.entries()
    envoy = scene.start()
    assert scene.client().get("/orders") == 200

    events = scene.receiver.wait_for(5)
    assert {(event["cert_name"], event["cert_role"], event.get("api_id")) for event in events} == {
        ("localhost", "server", None),
        ("Test CA", "ca", None),
        ("Test Client", "client", "orders-api"),
        ("Upstream Service", "upstream", "orders-api"),
        ("orders.internal", "upstream", "orders-api"),
    }
    files = ["server", "ca", "client", "upstream-client", "upstream"]
    fingerprints = {openssl_fingerprint(scene, name) for name in files}
    assert len(fingerprints) == 5
    assert {event["cert_id"] for event in events} == fingerprints

    # The log says the same to those who grep for it as Tyk's document does.
    ids = {re.search(r"cert_id=([a-f0-9]*)", line).group(1) for line in envoy.log_lines("EXPIRY EVENT")}
    assert ids == {fingerprint[:8] for fingerprint in fingerprints}
    for pattern in [
        r"periodic certificate check",
        r"Checked.*certificates for expiry",
        r"EXPIRY EVENT FIRED for certificate 'localhost' - expires in 71 hours",
        rf"cert_id={scene.cast.server.cert_id[:8]} cert_role=server event_type={SOON} rule=30d",
        r"cert_role=client .*api_id=orders-api",
        r"Flush certificate expiry monitor batch batch_size=[1-9]",
        rf"FIRING HANDLER 1/1 FOR EVENT {SOON} webhook=ops",
        r"watching 3 certificates \(server 1, ca 1, client 0, upstream 1\), next expiry .* in 2 days, 1 webhook",
    ]:
        assert envoy.log_lines(pattern), pattern


def openssl_fingerprint(scene: Scene, name: str) -> str:
    """What a user would compare a `cert_id` with."""
    certificate = scene.directory / "certs" / f"{name}.pem"
    command = ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", str(certificate)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return printed.strip().split("=")[1].replace(":", "").lower()
