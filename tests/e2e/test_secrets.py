"""Nothing that is secret leaves by any door but the one that it is meant for, whatever fails.

What stands in shared data cannot be read from outside a real Envoy; the tests on the fake host look there.
"""

import base64
import secrets
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from socket import socket
from typing import Any

import pytest

from e2e.contract import wait_for_checks
from e2e.deliveries import ORIGIN, failed, let_through, outcomes, webhook
from e2e.monitors import leases, trap, wait_for_lease
from lab import wait
from lab.certificates import THREE_DAYS
from lab.config import INGRESS, STANDBY
from lab.receiver import Answer, Fault, Request, Script
from lab.scene import TRAP, Scene

# How its receiver answers; None: there is none.
RECEIVERS: dict[str, Script | None] = {
    "fine": 200,
    "failing": 500,
    "busy": Answer(429, {"retry-after": "1"}),
    "unknown": 404,
    "gone": 410,
    "moved": Answer(301, {"location": "http://127.0.0.1:1/"}),
    "silent": Fault.HANG,
    "rude": Fault.CLOSE,
    "cut-in-headers": Fault.CUT_HEADERS,
    "cut-in-body": Fault.CUT_BODY,
    "unheard": None,
    "nowhere": None,
    "reluctant": 405,
    "picky": 400,
    "rescue": 200,
}
KEYS: dict[str, dict[str, Any]] = {
    "failing": {"circuit_breaker": {"failures": 2, "open": "1s"}, "max_pending": 1, "on_failure": "rescue"},
    "silent": {"timeout_seconds": 1, "test_on_start": True},
    "unheard": {"cluster": "unheard"},
    "nowhere": {"cluster": "nowhere"},
    "reluctant": {"handshake": True},
    "picky": {"batch": {"max": 10, "wait_seconds": 1}},
    "rescue": {"events": []},
}
# What the log says beside that requests have failed.
SAID = [
    "Circuit breaker opened webhook=failing",
    "Too many events wait for a webhook: .* webhook=failing",
    "Passing an event on webhook=rescue from=failing",
    r"Webhook is gone \(410\) .* webhook=gone",
    "Webhook does not consent to events: .* webhook=reluctant",
    "DeliveryFailed webhook=unknown",
    "malformed.*a secret of its signing cannot be used",
    "unset.*environment variable NO_SUCH_VARIABLE is not set",
    "a secret stands in the document",
]
# Options that belong to the body.
FORMATS: dict[str, dict[str, Any]] = {
    "vaultls": {"tenant_id": "${}", "webhook_id": "${}", "metadata": {"note": "${}"}},
    "infisical": {
        "application_id": "${}",
        "alert_id": "${}",
        "alert_name": "${}",
        "view_url": "https://example.com/${}",
    },
    "alertmanager": {"labels": {"note": "${}"}, "view_url": "https://example.com/${}"},
    "slack": {"channel": "${}", "username": "${}"},
    "pagerduty": {"routing_key": "${}", "client": "${}"},
    "google-chat": {"thread_key": "${}"},
    "ntfy": {"topic": "${}"},
    "telegram": {"chat_id": "${}"},
    "datadog": {"tags": ["note:${}"]},
}


# The doors of a request. What is signed with goes through none of them.
DOORS = ("path", "headers", "body", "none")


class Hideout:
    """Makes secrets, and remembers through which door of which webhook each of them may leave."""

    def __init__(self) -> None:
        self.environment: dict[str, str] = {}
        self.words: dict[tuple[str, str], set[str]] = defaultdict(set)

    @property
    def all(self) -> set[str]:
        return {word for words in self.words.values() for word in words}

    def found_in(self, text: str) -> set[str]:
        return {word for word in self.all if word in text}

    def keep(self, name: str, door: str, word: str) -> str:
        self.words[name, door].add(word)
        return word

    def word(self, name: str, door: str) -> str:
        return self.keep(name, door, f"zq{secrets.token_hex(10)}")

    def variable(self, value: str) -> str:
        """A variable of the environment with this value."""
        variable = f"SECRET_{len(self.environment)}"
        self.environment[variable] = value
        return f"${{{variable}}}"

    def options(self, name: str, options: Any) -> Any:
        """These options with a variable in each place that they have for one."""
        match options:
            case dict():
                return {key: self.options(name, value) for key, value in options.items()}
            case list():
                return [self.options(name, value) for value in options]
        return options.replace("${}", self.variable(self.word(name, "body")))

    def webhook(self, name: str, number: int, **more: object) -> dict[str, Any]:
        """A webhook that has a secret wherever there may be one, in the document or in the environment."""
        segment, query = (self.word(name, "path") for _ in range(2))
        user = f"{self.word(name, 'headers')}:{self.word(name, 'headers')}"
        self.keep(name, "headers", base64.b64encode(user.encode()).decode())
        key = self.keep(name, "none", base64.b64encode(secrets.token_bytes(32)).decode())
        plain = [self.variable(self.word(name, "none")) for _ in range(2)]
        token = self.variable(self.word(name, "headers"))
        signings = [
            {"scheme": "sha256", "secrets": plain[:1]},
            {"scheme": "timestamped", "secrets": plain},
            {"scheme": "standard-webhooks", "secrets": [self.variable(f"whsec_{key}")]},
            {"scheme": "sha256", "secrets": [self.word(name, "none")]},
        ]
        authorizations = [{"bearer": token}, {"basic": self.variable(user)}, {"bearer": self.word(name, "headers")}]
        return webhook(name) | {
            "url": f"{ORIGIN}/{segment}/hook?key={query}",
            "headers": {"X-Token": token, "X-About": f"{{{{ event }}}} {self.word(name, 'headers')}"},
            "authorization": authorizations[number % len(authorizations)],
            "signing": signings[number % len(signings)],
            **more,
        }


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Scene(tmp_path) as scene, socket() as unheard:
        unheard.bind(("127.0.0.1", 0))  # never listens, and nobody else gets the port
        scene.configuration.place("unheard", unheard.getsockname()[1])
        yield scene


def test_secrets_leave_by_their_own_doors_only_whatever_fails(scene: Scene) -> None:
    hideout = Hideout()
    entries = [hideout.webhook(name, number, **KEYS.get(name, {})) for number, name in enumerate(RECEIVERS)]
    entries += [
        hideout.webhook(name, number, format=name, format_options=hideout.options(name, options))
        for number, (name, options) in enumerate(FORMATS.items())
    ]
    # Two that cannot be used.
    malformed = hideout.variable(f"whsec_!{hideout.word('malformed', 'none')}")
    entries.append(hideout.webhook("malformed", 0, signing={"scheme": "standard-webhooks", "secrets": [malformed]}))
    entries.append(hideout.webhook("unset", 0, authorization={"bearer": "${NO_SUCH_VARIABLE}"}))
    paths = {entry["url"].removeprefix(ORIGIN): entry["name"] for entry in entries}
    scene.receiver.answers = {path: RECEIVERS[name] for path, name in paths.items() if RECEIVERS.get(name)}
    scene.plugin["webhooks"] = entries
    let_through(scene, *hideout.environment)
    scene.configuration.follow_listeners()
    scene.plugin_file = TRAP
    scene.wasm_level = "trace"
    scene.monitor["check_interval_seconds"] = 1
    scene.watch("server", scene.cast.authority.bundle(3))
    scene.watch("server", scene.cast.authority.issue("gone", ends=-THREE_DAYS))
    envoy = scene.start(environment=hideout.environment)

    for name in set(RECEIVERS) - {"fine", "rescue", "reluctant"}:
        envoy.wait_log(failed(name))
    for words in SAID:
        envoy.wait_log(words)
    lease = leases(envoy)[-1]
    trap(scene, "monitor")
    lease = wait_for_lease(envoy, lease)
    scene.configuration.hand_over_separately(INGRESS, STANDBY)["certificates"].pop()
    scene.update_listeners()
    wait_for_lease(envoy, lease)
    wait_for_checks(envoy, 3)
    for name in ("fine", "rescue", *FORMATS):
        wait.until(lambda name=name: outcomes(envoy, name)["delivered"], f"{name} is told something", 30)

    assert len(hideout.all) > 10 * len(entries) / 2
    assert envoy.log_lines(r"\]\[trace\]\[wasm\]")
    assert hideout.found_in(envoy.log()) == set()
    for path in ("/stats", "/stats?format=prometheus", "/stats/prometheus", "/stats?format=json"):
        assert hideout.found_in(envoy.admin(path)) == set(), path
    met = {word for request in scene.receiver.requests for word in check_doors(hideout, paths[request.path], request)}
    assert hideout.words["fine", "path"] | hideout.words["rescue", "path"] <= met
    for name in FORMATS:
        assert hideout.words[name, "body"] <= met, name


def check_doors(hideout: Hideout, name: str, request: Request) -> set[str]:
    """Nothing leaves by another door than its own, be it one of the same webhook; what has left."""
    through = {
        "path": request.path,
        "headers": "\n".join(request.headers.values()),
        "body": request.body.decode(),
    }
    met = set()
    for door, text in through.items():
        found = hideout.found_in(text)
        strays = found - hideout.words[name, door]
        assert strays == set(), f"{name}: {strays} in its {door}"
        met |= found
    assert met & hideout.words[name, "path"]
    assert met & hideout.words[name, "headers"]
    return met


WORD = f"zq{secrets.token_hex(10)}"
MISTAKES: dict[str, dict[str, Any]] = {
    "url with another scheme": {"url": f"ftp://hooks.example.com/{WORD}"},
    "url with credentials": {"url": f"http://edge:{WORD}@hooks.example.com/"},
    "url with a fragment": {"url": f"http://hooks.example.com/{WORD}?{WORD}#x"},
    "url that is none": {"url": [WORD]},
    "header with a line break": {"headers": {"X-Token": f"{WORD}\n"}},
    "header with a half variable": {"headers": {"X-Token": f"{WORD}${{"}},
    "header with an unknown field": {"headers": {"X-Token": f"{WORD} {{{{ no_such_field }}}}"}},
    "header that is a number": {"headers": {"X-Token": {WORD: 1}}},
    "bearer and basic": {"authorization": {"bearer": WORD, "basic": f"edge:{WORD}"}},
    "bearer with a half variable": {"authorization": {"bearer": f"{WORD}${{"}},
    "bearer that is a list": {"authorization": {"bearer": [WORD]}},
    "secret of no scheme": {"signing": {"secrets": [WORD]}},
    "several secrets for one signature": {"signing": {"scheme": "sha256", "secrets": [WORD, WORD]}},
    "secret with a half variable": {"signing": {"scheme": "sha256", "secrets": [f"{WORD}${{"]}},
    "secret that is a list": {"signing": {"scheme": "sha256", "secrets": [[WORD]]}},
    "secret that is no list": {"signing": {"scheme": "sha256", "secrets": WORD}},
    "option with a half variable": {"format": "ntfy", "format_options": {"topic": f"{WORD}${{"}},
    "option that is a list": {"format": "pagerduty", "format_options": {"routing_key": [WORD]}},
    "option of another format": {"format": "slack", "format_options": {"routing_key": WORD}},
    "option beside a template": {"template": "{}", "format_options": {"routing_key": WORD}},
}


def test_what_is_wrong_with_a_secret_is_said_without_it(scene: Scene) -> None:
    scene.plugin["webhooks"] = [webhook(f"w{number}", **mistake) for number, mistake in enumerate(MISTAKES.values())]
    status, said = scene.validate()
    assert status != 0
    for number, what in enumerate(MISTAKES):
        assert f"Invalid configuration: webhooks[{number}]." in said, what
    assert WORD not in said
