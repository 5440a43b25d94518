"""What receivers and operators may rely on, as checks that several tests share."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from e2e.monitors import LOST
from lab.certificates import Identity
from lab.envoy import Envoy

SOON = "CertificateExpiringSoon"
EXPIRED = "CertificateExpired"
# What is told of certificates that end, that are not taken and that are refused, and of the end of that.
ALERTS = [SOON, EXPIRED, "CertificateResolved", "CertificateStale", "CertificateRejected"]

FIELDS = {
    SOON: ["event", "message", "cert_id", "cert_name", "expires_at", "days_remaining", "cert_role"],
    EXPIRED: ["event", "message", "cert_id", "cert_name", "expired_at", "days_since_expiry", "cert_role"],
}


def check_soon(event: dict[str, Any], identity: Identity, name: str, role: str, api_id: str | None = None) -> None:
    """The default body about a certificate of three days, made a few seconds ago."""
    _check_fields(event, SOON, identity, name, role, api_id)
    assert event["message"] == f"Certificate {name} is expiring in 2 days and 23 hours"
    assert moment(event["expires_at"]) == identity.ends
    assert event["days_remaining"] == 2


def check_expired(event: dict[str, Any], identity: Identity, name: str, role: str, api_id: str | None = None) -> None:
    """The default body about a certificate that ended three days ago."""
    _check_fields(event, EXPIRED, identity, name, role, api_id)
    assert event["message"] == f"Certificate {name} expired 3 days ago"
    assert moment(event["expired_at"]) == identity.ends
    assert event["days_since_expiry"] == 3


def _check_fields(
    event: dict[str, Any], kind: str, identity: Identity, name: str, role: str, api_id: str | None
) -> None:
    fields = [*FIELDS[kind], *(["api_id"] if api_id else []), "timestamp"]
    assert list(event)[: len(fields)] == fields
    assert event["event"] == kind
    assert event["cert_id"] == identity.cert_id
    assert event["cert_name"] == name
    assert event["cert_role"] == role
    assert event.get("api_id") == api_id
    assert abs(moment(event["timestamp"]) - datetime.now(UTC)).total_seconds() < 60


def moment(text: str) -> datetime:
    """A time as events write it: in UTC, and with the letter that says so."""
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


def logged_at(line: str) -> datetime:
    """When Envoy wrote a line."""
    return datetime.strptime(line[1:24], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)


def wait_for_checks(envoy: Envoy, count: int) -> None:
    """Let so many further periodic checks go by: time enough for what must not happen."""
    pattern = r"Checked \d+ certificates for expiry"
    envoy.wait_log(pattern, len(envoy.log_lines(pattern)) + count, within=15.0 + 5.0 * count)


def plugin_lines(envoy: Envoy, levels: str = "warning|error|critical") -> list[str]:
    """What the plugin itself said at one of these levels, but of who is the monitor: that changes on a busy machine."""
    lines = envoy.log_lines(rf"\]\[({levels})\]\[wasm\].* wasm log ")
    return [line for line in lines if LOST not in line and "Taking over as monitor" not in line]


def check_each_once(events: list[dict[str, Any]]) -> None:
    """What the laboratory's certificates are told as, once their two APIs were called: each once."""
    told = Counter((event["cert_role"], event["cert_name"], event.get("api_id")) for event in events)
    assert told == {
        ("server", "localhost", None): 1,
        ("ca", "Test CA", None): 1,
        ("upstream", "Upstream Service", "orders-api"): 1,
        ("upstream", "orders.internal", "orders-api"): 1,
        ("upstream", "orders.internal", "billing-api"): 1,
        ("client", "Test Client", "orders-api"): 1,
        ("client", "Test Client", "billing-api"): 1,
    }
