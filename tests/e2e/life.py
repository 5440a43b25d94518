"""Certificates at some point of their lives, and what events say of them beside what has happened."""

from datetime import UTC, datetime, timedelta
from typing import Any

from e2e.contract import moment
from e2e.deliveries import PREFIX
from e2e.discovered import openssl
from lab import wait
from lab.certificates import Identity
from lab.envoy import Envoy
from lab.scene import Scene

Json = dict[str, Any]

RESOLVED, RENEWED, OVERDUE = "CertificateResolved", "CertificateRenewed", "CertificateRenewalOverdue"
DISCOVERED, EARLY, WEAK = "CertificateDiscovered", "CertificateNotYetValid", "CertificateWeak"
CHAIN, STALE = "ChainExpiresFirst", "CertificateStale"
STORM, HEARTBEAT, SKEW = "ExpiryStorm", "MonitorHeartbeat", "ClockSkewSuspected"

# As the shipped file has it.
PROXY = {"node": "edge-1", "cluster": "edge"}
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def look_often(scene: Scene, **keys: object) -> None:
    """Have everything looked at every second."""
    scene.monitor.update(check_interval_seconds=1, check_cooldown_seconds=0, **keys)


def threshold_days(scene: Scene, days: int) -> None:
    """Have the document speak of thresholds as Tyk's does: it means what it says for every certificate."""
    del scene.monitor["thresholds"]
    scene.monitor["warning_threshold_days"] = days


def aged(scene: Scene, name: str, age: timedelta, left: timedelta, **more: Any) -> Identity:
    """A certificate that has lived for so long and has so much left."""
    now = datetime.now(UTC).replace(microsecond=0)
    return scene.cast.authority.issue(name, ends=now + left, starts=now - age, **more)


def told_of(envoy: Envoy, kind: str) -> int:
    """How many events of a kind there were, by the metrics."""
    return int(envoy.metrics()[f'{PREFIX}events_total{{event="{kind}"}}'])


def wait_told_of(envoy: Envoy, kind: str, count: int) -> None:
    """Wait until there were so many events of a kind, and no more."""
    wait.until(lambda: told_of(envoy, kind) >= count, f"{count} events {kind} in the metrics")
    assert told_of(envoy, kind) == count


def in_brief(identity: Identity) -> Json:
    """What an event says of another certificate than its own."""
    name = identity.certificate.subject.rfc4514_string().removeprefix("CN=")
    return {"cert_id": identity.cert_id, "cert_name": name, "expires_at": written(identity.ends)}


def written(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def check_facts(event: Json, identity: Identity, source: str, severity: str, rule: str) -> None:
    """All that an event says of a certificate that has not ended, whatever has happened to it."""
    truth = openssl(identity.pem)
    certificate = identity.certificate
    assert (event["severity"], event["rule"], event["source"]) == (severity, rule, source)
    assert event["cert_id"] == event["fingerprint_sha256"] == truth["cert_id"] == identity.cert_id
    assert (event["subject"], event["not_before"]) == (truth["subject"], truth["not_before"])
    assert (event["expires_at"], event["issuer"]) == (truth["not_after"], certificate.issuer.rfc4514_string())
    assert int(event["serial_number"], 16) == certificate.serial_number
    told = moment(event["timestamp"])
    # The time of the event is cut to seconds, what is left is cut afterwards.
    assert (identity.ends - told).total_seconds() - event["seconds_remaining"] in (0, 1)
    assert event["days_remaining"] == event["seconds_remaining"] // 86_400
    assert event["proxy"] == PROXY
    assert event["id"]
    # What the document lists and Envoy holds is there whenever somebody looks.
    first, last = moment(event["first_seen"]), moment(event["last_seen"])
    assert told - timedelta(minutes=5) < first <= last <= told


def check_names(event: Json, *names: str) -> None:
    """The alternative names that an event has of a certificate."""
    assert (event["sans"], event["sans_count"]) == (list(names), len(names))


def check_of_proxy(event: Json, severity: str) -> None:
    """What an event says that is about no certificate in particular."""
    assert (event["severity"], event["proxy"]) == (severity, PROXY)
    assert event["id"]
    assert not [name for name in event if name.startswith("cert_") or name in ("api_id", "places", "subject", "key")]
    assert abs(moment(event["timestamp"]) - datetime.now(UTC)) < timedelta(minutes=1)
