"""A configuration that means nothing is refused, and every problem in it is named."""

from collections.abc import Callable

import pytest

from lab.scene import Scene

Change = Callable[[Scene], object]

BROKEN_PEM = "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"


def monitor(**keys: object) -> Change:
    return lambda scene: scene.monitor.update(keys)


def webhook(**keys: object) -> Change:
    return lambda scene: scene.webhook.update(keys)


def watch(role: str, pem: str | Callable[[Scene], str], **more: object) -> Change:
    return lambda scene: scene.watch(role, pem if isinstance(pem, str) else pem(scene), **more)


def key_and_certificate(scene: Scene) -> str:
    return scene.cast.server.pem + scene.cast.server.key_pem


def same_webhook_twice(scene: Scene) -> None:
    scene.plugin["webhooks"] = [scene.webhook, scene.webhook]


# what is wrong | how it comes about | what the log must say about it, all of it
CASES: dict[str, tuple[Change, list[str]]] = {
    "not JSON": (lambda scene: scene.configuration.hand_over_json('{"webhooks": ['), ["JSON"]),
    "JSON but no object": (lambda scene: scene.configuration.hand_over_json("[1, 2]"), ["object"]),
    "broken protobuf": (
        lambda scene: scene.configuration.hand_over_bytes(b"\x0a\xff\x01\x02"),
        ["google.protobuf.Struct"],
    ),
    "an unknown key": (lambda scene: scene.plugin.update(webhoks=[]), ["webhoks", "webhooks"]),
    "an unknown key further in": (
        monitor(warning_treshold_days=3),
        ["certificate_expiry_monitor.warning_treshold_days", "warning_threshold_days"],
    ),
    "a key of a later version": (lambda scene: scene.plugin.update(discovery={}), ["discovery"]),
    "a wrong type": (
        monitor(warning_threshold_days="thirty"),
        ["certificate_expiry_monitor.warning_threshold_days", "thirty"],
    ),
    "a fraction": (monitor(check_interval_seconds=1.5), ["certificate_expiry_monitor.check_interval_seconds", "1.5"]),
    "a negative number": (monitor(check_cooldown_seconds=-1), ["check_cooldown_seconds", "-1"]),
    "an absurd number": (monitor(event_cooldown_seconds=10**15), ["event_cooldown_seconds"]),
    "an unknown role": (
        watch("router", lambda scene: scene.cast.server.pem),
        ["certificates[0].role", "router", "upstream"],
    ),
    "a PEM without a certificate": (watch("server", "no certificate"), ["certificates[0].pem"]),
    "a PEM with only a broken certificate": (watch("server", BROKEN_PEM), ["certificates[0].pem"]),
    "a private key": (
        watch("server", key_and_certificate),
        ["certificates[0].pem", "paste only the CERTIFICATE blocks"],
    ),
    "an api_id on a server": (
        watch("server", lambda scene: scene.cast.server.pem, api_id="orders"),
        ["certificates[0].api_id", "client", "upstream"],
    ),
    "two webhooks of one name": (same_webhook_twice, ["webhooks", '"ops"']),
    "a URL without a host": (webhook(url="/certificates"), ["webhooks[0].url", "https://host/path"]),
    "http where https is required": (
        lambda scene: scene.plugin.update(require_https=True),
        ["webhooks[0].url", "https"],
    ),
    "a line break in a header": (webhook(headers={"X-A": "a\r\nX-B: b"}), ["webhooks[0].headers", "X-A"]),
    "a header that belongs to Envoy": (webhook(headers={"Host": "example.com"}), ["webhooks[0].headers", "Host"]),
    "a header template that does not parse": (webhook(headers={"X-A": "{{ event"}), ["webhooks[0].headers", "X-A"]),
    "an unknown event": (webhook(events=["CertificateExpire"]), ["webhooks[0].events", "CertificateExpire"]),
    "an unknown method": (webhook(method="BREW"), ["webhooks[0].method", "BREW", "POST"]),
    "an impossible timeout": (webhook(timeout_seconds=0), ["webhooks[0].timeout_seconds", "300"]),
}


def validate_in_vain(scene: Scene) -> str:
    status, said = scene.validate()
    assert status != 0, said
    lines = [line for line in said.splitlines() if "[error][wasm]" in line and " wasm log " in line]
    assert lines, said
    return "\n".join(lines)


@pytest.mark.parametrize(("change", "expected"), CASES.values(), ids=CASES.keys())
def test_validate_refuses_and_says_why(scene: Scene, change: Change, expected: list[str]) -> None:
    change(scene)
    said = validate_in_vain(scene)
    for part in expected:
        assert part in said


def test_validate_accepts_what_is_right(scene: Scene) -> None:
    scene.plugin["certificates"] = scene.cast.entries()
    status, said = scene.validate()
    assert status == 0, said


def test_all_problems_of_one_document_are_told_at_once(scene: Scene) -> None:
    broken = [
        "an unknown key",
        "a wrong type",
        "a negative number",
        "a private key",
        "an unknown method",
        "an unknown event",
    ]
    for what in broken:
        CASES[what][0](scene)
    said = validate_in_vain(scene)
    for what in broken:
        for part in CASES[what][1]:
            assert part in said, what


def test_the_text_of_a_private_key_is_never_logged(scene: Scene) -> None:
    CASES["a private key"][0](scene)
    _, said = scene.validate()
    for line in scene.cast.server.key_pem.splitlines()[1:-1]:
        assert line not in said


def test_envoy_does_not_start_either(scene: Scene) -> None:
    CASES["an unknown key"][0](scene)
    envoy = scene.launch()
    assert envoy.wait_end() != 0
    assert envoy.log_lines(r"\[error\]\[wasm\].*webhoks")
