"""Six certificates, and what every webhook is told of them."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from e2e import formats
from e2e.contract import EXPIRED, FIELDS, SOON
from e2e.formats import Json
from lab.certificates import THREE_DAYS, Authority, Identity
from lab.config import INGRESS, STANDBY
from lab.receiver import Request
from lab.scene import Scene

RESOLVED, TEST = "CertificateResolved", "WebhookTest"
SEVERITIES = {SOON: "warning", EXPIRED: "critical", RESOLVED: "info", TEST: "info"}

# One of every kind that is read.
SANS = [
    *("api.example.com", "*.api.example.com", "10.0.0.1", "2001:db8::1"),
    x509.RFC822Name("ops@example.com"),
    x509.UniformResourceIdentifier("spiffe://example.com/api"),
]
AUTHORITY = x509.Name(
    [
        x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "example"),
        x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
        x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "Bayern"),
        x509.NameAttribute(NameOID.LOCALITY_NAME, "München"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, 'Example, "Corp" + Sons'),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "東京"),
        x509.NameAttribute(NameOID.COMMON_NAME, "Example CA"),
    ]
)
# Its first bit is set: in DER a zero byte stands before it.
LARGE_SERIAL = 0xF00D_F00D_F00D_F00D


@dataclass(frozen=True)
class Watched:
    """A certificate in one usage, and the alert about it."""

    identity: Identity
    role: str
    kind: str
    api_id: str | None = None
    goes: bool = False

    @property
    def entry(self) -> Json:
        return {"role": self.role, "pem": self.identity.pem, **({"api_id": self.api_id} if self.api_id else {})}

    @property
    def rule(self) -> str:
        return "expired" if self.kind == EXPIRED else "30d"

    @property
    def ends(self) -> str:
        return f"{self.identity.ends:%Y-%m-%dT%H:%M:%SZ}"


class Story(Scene):
    """Each webhook is tested and told of all certificates. Under a second document, without two of them, each is tested
    again and told that these two are gone."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.authority = Authority.named(AUTHORITY)
        issue = self.authority.issue
        upstream = issue("Upstream Service", timedelta(hours=5), serial=LARGE_SERIAL)
        watched = [
            Watched(issue("api.example.com", timedelta(days=5), SANS), "server", SOON),
            Watched(self.authority, "ca", SOON),
            Watched(issue("Client", -THREE_DAYS), "client", EXPIRED, "orders-api"),
            Watched(upstream, "upstream", SOON, "billing-api"),
            Watched(issue("old.example.com", timedelta(days=20), ["old.example.com"]), "server", SOON, goes=True),
            Watched(issue("gone.example.com", timedelta(hours=-30)), "client", EXPIRED, "orders-api", goes=True),
        ]
        # By their cert_id.
        self.watched = {one.identity.cert_id: one for one in watched}
        self.alerts = len(watched)
        self.closings = sum(one.goes for one in watched)

    def play(self) -> None:
        self.configuration.follow_listeners()
        self.plugin["certificates"] = [one.entry for one in self.watched.values()]
        self.plugin["webhooks"] = formats.webhooks(events=[SOON, EXPIRED, RESOLVED], test_on_start=True)
        self._add_tyk_handlers()
        envoy = self.start()
        formats.wait_delivered(envoy, self.alerts + 1)

        stays = [one.entry for one in self.watched.values() if not one.goes]
        self.configuration.hand_over_separately(INGRESS, STANDBY)["certificates"] = stays
        self.update_listeners()
        formats.wait_delivered(envoy, self.alerts + self.closings + 2)
        self.receiver.wait_requests("/tyk", self.alerts)

    def _add_tyk_handlers(self) -> None:
        meta = {"target_path": f"{formats.ORIGIN}/tyk", "template_path": "templates/tyk.json"}
        handlers = [{"handler_name": "eh_web_hook_handler", "handler_meta": meta}]
        self.plugin.update(
            event_handlers={"events": {SOON: handlers, EXPIRED: handlers}},
            templates={"templates/tyk.json": formats.TYK},
            target_clusters={"receivers.example.com": "webhook_receiver"},
        )

    def requests(self, name: str) -> list[Request]:
        return self.receiver.requests_to(f"/{name}")

    def told(self, name: str) -> list[tuple[Json, Request]]:
        """What a webhook was told of certificates: all that there is to say of an event, and the request about it."""
        known = {event["id"]: event for event in self.events()}
        found = [(known.get(json.loads(request.key)), request) for request in self.requests(name)]
        told = [(event, request) for event, request in found if event]
        assert {event["id"] for event, _ in told} == known.keys()
        return told

    def tests(self, name: str) -> list[Request]:
        """The requests in which it was tested."""
        told = [request.key for _, request in self.told(name)]
        tests = [request for request in self.requests(name) if request.key not in told]
        assert len(tests) == 2
        return tests

    def events(self, *kinds: str) -> list[Json]:
        """All that there is to say of the events about certificates."""
        events = [request.event for request in self.requests("everything")]
        return [event for event in events if event["event"] in (kinds or (SOON, EXPIRED, RESOLVED))]

    def of(self, event: Json) -> Watched:
        return self.watched[event["cert_id"]]


def tyks_body(event: Json) -> Json:
    """What Tyk's own body says about an event, its fields in their order."""
    names = [*FIELDS.get(event["event"], FIELDS[SOON]), *(["api_id"] if event["api_id"] else []), "timestamp"]
    return {name: event[name] for name in names}


# What follows Tyk's fields, where it is known.
MORE = [
    *("id", "severity", "rule", "seconds_remaining", "serial_number", "issuer", "subject", "sans", "sans_count"),
    *("not_before", "fingerprint_sha256", "key", "position", "source", "places", "api_ids", "first_seen", "last_seen"),
    "proxy",
]


def default_body(event: Json) -> Json:
    """The default body: Tyk's, and behind it what else is known."""
    more = [name for name in MORE if event[name] not in (None, [])]
    return {**tyks_body(event), **{name: event[name] for name in more}}


def seconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp())
