"""What is told of certificates that nobody has listed, and what OpenSSL says of them."""

import subprocess
from datetime import UTC, datetime
from typing import Any

from e2e.deliveries import PREFIX
from lab import wait
from lab.admin import Admin
from lab.envoy import Envoy
from lab.scene import Scene

Json = dict[str, Any]

FIELDS = [
    *("event", "cert_id", "cert_id_source", "cert_name", "position", "cert_role", "api_id", "place", "places"),
    *("subject", "serial_number", "not_before", "not_after", "days_remaining", "rule", "resolved", "severity", "held"),
]
TEMPLATE = "{" + ", ".join(f'"{field}": {{{{ {field} }}}}' for field in FIELDS) + "}"


def tell_everything(scene: Scene, *events: str) -> None:
    """Have the webhook told of all that is known of a certificate."""
    scene.webhook.update(template=TEMPLATE, **({"events": list(events)} if events else {}))


def wait_asked(admin: Admin, within: float = 30.0) -> None:
    """Wait for the last answer of a round that begins from now on."""
    now = datetime.now(UTC)
    wait.until(lambda: any(questions[0].at > now for questions in admin.rounds()), "a round of discovery", within)


def rounds(envoy: Envoy, outcome: str = "complete") -> int:
    """How many rounds of discovery ended so."""
    # There are no metrics before there is a monitor.
    return int(envoy.metrics().get(f'{PREFIX}discoveries_total{{outcome="{outcome}"}}', 0))


def wait_known(envoy: Envoy, count: int = 1, within: float = 30.0) -> None:
    """Wait until so many rounds have ended well, and what they found is in the inventory."""
    wait.until(lambda: rounds(envoy) >= count, f"{count} complete rounds of discovery", within)


def watched(envoy: Envoy, role: str) -> int:
    return int(envoy.metrics()[f'{PREFIX}certificates{{role="{role}"}}'])


def earliest_end(envoy: Envoy, role: str) -> int:
    return int(envoy.metrics()[f'{PREFIX}not_after_seconds{{role="{role}"}}'])


def openssl(pem: str) -> dict[str, str]:
    """What the program says of a certificate, in the words of events."""
    asked = ["-noout", "-subject", "-nameopt", "RFC2253", "-serial", "-dates", "-fingerprint", "-sha256"]
    answer = subprocess.run(["openssl", "x509", *asked], input=pem, capture_output=True, text=True, check=True).stdout
    said = {name.lower(): value for name, value in (line.split("=", 1) for line in answer.splitlines())}
    return {
        "cert_id": said["sha256 fingerprint"].replace(":", "").lower(),
        "subject": said["subject"],
        "serial_number": said["serial"],
        "not_before": _time(said["notbefore"]),
        "not_after": _time(said["notafter"]),
    }


def _time(text: str) -> str:
    moment = datetime.strptime(text, "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
