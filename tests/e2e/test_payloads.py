"""Every body of real events is what its receiver takes, and its values are those that OpenSSL prints."""

import json
import subprocess
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from e2e import checkers
from e2e.contract import EXPIRED, SOON, check_expired, check_soon, moment
from e2e.formats import FORMATS, Json
from e2e.story import RESOLVED, SEVERITIES, TEST, Story, default_body
from lab import outsiders
from lab.certificates import Identity

CLOUD_TYPES = {SOON: "certificate.expiring_soon", EXPIRED: "certificate.expired", RESOLVED: "certificate.resolved"}


@pytest.mark.parametrize("name", FORMATS)
def test_what_others_have_to_say(story: Story, name: str) -> None:
    checkers.check(name, story.requests(name))


def test_nothing_is_said_twice_and_nothing_is_left_out(story: Story) -> None:
    expected = {(identity, one.kind) for identity, one in story.watched.items()}
    expected |= {(identity, RESOLVED) for identity, one in story.watched.items() if one.goes}
    events = story.events()
    assert sorted((event["cert_id"], event["event"]) for event in events) == sorted(expected)
    assert len({event["id"] for event in events}) == len(events)
    for name in FORMATS:
        if not name.endswith("-batched"):
            assert len({request.key for request in story.requests(name)}) == len(events) + 2, name
    assert not story.envoy.log_lines("template error|Request to webhook failed")


def test_the_facts_are_those_that_openssl_prints(story: Story) -> None:
    for event in story.events():
        identity = story.of(event).identity
        said = openssl(identity, "-serial", "-subject", "-issuer", "-startdate", "-enddate", "-fingerprint", "-sha256")
        assert event["serial_number"] == said["serial"]
        assert event["subject"] == said["subject"]
        assert event["issuer"] == said["issuer"]
        assert event["not_before"] == said["notBefore"].replace(" ", "T")
        assert event["not_after"] == said["notAfter"].replace(" ", "T")
        assert event["cert_id"] == said["sha256 Fingerprint"].replace(":", "").lower()
        assert event["fingerprint_sha256"] == event["cert_id"]
        assert event["sans"] == alternative_names(identity)
        assert event["sans_count"] == (len(event["sans"]) or None)
        assert event["key"] == key_of(identity)


def openssl(identity: Identity, *options: str) -> dict[str, str]:
    """What the command says of a certificate."""
    command = ["openssl", "x509", "-noout", "-nameopt", "RFC2253,-esc_msb,utf8", "-dateopt", "iso_8601", *options]
    said = subprocess.run(command, input=identity.pem, capture_output=True, text=True, check=True).stdout
    return dict(line.split("=", 1) for line in said.splitlines())


def key_of(identity: Identity) -> str:
    """Kind and size of the key, by OpenSSL's library."""
    key = identity.certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return {"secp256r1": "EC-P256", "secp384r1": "EC-P384"}[key.curve.name]
    assert isinstance(key, rsa.RSAPublicKey)
    return f"RSA-{key.key_size}"


def alternative_names(identity: Identity) -> list[str]:
    """What OpenSSL's library reads."""
    try:
        names = identity.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names]


def test_everything_that_a_template_may_name(story: Story) -> None:
    for event in story.events():
        one = story.of(event)
        left = one.identity.ends - moment(event["timestamp"])
        assert event["cert_name"] in one.identity.certificate.subject.rfc4514_string()
        assert (event["cert_role"], event["api_id"], event["rule"]) == (one.role, one.api_id, one.rule)
        assert event["severity"] == SEVERITIES[event["event"]]
        assert event["resolved"] is (event["event"] == RESOLVED)
        assert (event["position"], event["source"]) == ("root" if one.role == "ca" else "leaf", "config")
        # The time is written in whole seconds, and what is left is told exactly.
        assert event["seconds_remaining"] in (left // timedelta(seconds=1), left // timedelta(seconds=1) - 1)
        assert event["first_seen"] <= event["last_seen"] <= event["timestamp"]
        assert event["alert"]["name"] == one.kind
        is_expired = event["event"] == EXPIRED
        days = (event["days_remaining"], event["days_since_expiry"])
        assert days == ((None, -left // timedelta(days=1)) if is_expired else (max(left, timedelta()).days, None))
        assert (event["expires_at"], event["expired_at"]) == ((None, one.ends) if is_expired else (one.ends, None))
        assert event["data"] == {
            "common_name": event["cert_name"],
            "valid_to": one.ends,
            "issuer": event["issuer"],
            "days_remaining": left // timedelta(days=1),
            "threshold": 0 if one.kind == EXPIRED else 30,
            "assignment_count": 1,
            "serial_number": event["serial_number"],
            "subject": event["subject"],
            "sans": event["sans"],
        }


def test_the_key_names_the_alert_from_its_beginning_to_its_end(story: Story) -> None:
    keys = {(event["cert_id"], event["alert"]["key"]) for event in story.events()}
    assert len(keys) == len(story.watched)
    assert len({key for _, key in keys}) == len(story.watched)
    assert all(len(key) == 32 for _, key in keys)


def test_a_template_makes_plain_text_too(story: Story) -> None:
    for event, request in story.told("text"):
        api = f"API {event['api_id']}\n" if event["api_id"] else ""
        first = f"{event['severity']}: {event['cert_name']} ({', '.join(event['sans'])})\n"
        assert request.body.decode() == f"{first}{api}{event['message']}"


def test_the_default_body(story: Story) -> None:
    for event, request in story.told("default"):
        assert request.event == default_body(event)
        assert list(request.event) == list(default_body(event))
    [authority] = [one for one in story.watched.values() if one.role == "ca"]
    [client] = [one for one in story.watched.values() if one.kind == EXPIRED and not one.goes]
    told = {event["cert_id"]: request.event for event, request in story.told("default") if not event["resolved"]}
    check_soon(told[authority.identity.cert_id], authority.identity, "Example CA", "ca")
    check_expired(told[client.identity.cert_id], client.identity, "Client", "client", "orders-api")
    assert {request.event["event"] for request in story.tests("default")} == {TEST}


def test_default_bodies_in_a_batch_are_a_list_of_the_same(story: Story) -> None:
    bodies = [body for request in story.requests("default-batched") for body in json.loads(request.body)]
    assert len(story.requests("default-batched")) < len(bodies)
    told = [body for body in bodies if body["event"] != TEST]
    expected = [default_body(event) for event in story.events()]
    assert sorted(told, key=json.dumps) == sorted(expected, key=json.dumps)


def test_cloud_events_of_both_modes_are_the_same(story: Story) -> None:
    for name in ("cloudevents", "cloudevents-binary"):
        events, requests = zip(*story.told(name), strict=True)
        for event, understood in zip(events, outsiders.cloud_events(*requests), strict=True):
            expected = cloud_event(event, "/cert-expiry-monitor")
            if name == "cloudevents-binary":
                # The library leaves it as it stands in the header.
                expected["subject"] = expected["subject"].replace(" ", "%20")
            assert understood == expected
        tests = outsiders.cloud_events(*story.tests(name))
        assert {event["type"] for event in tests} == {"cert-expiry-monitor.webhook_test"}
    for event, request in story.told("cloudevents"):
        assert request.event == cloud_event(event, "/cert-expiry-monitor")
    for event, request in story.told("cloudevents-binary"):
        assert request.event == default_body(event)
        assert "ce-datacontenttype" not in request.headers


def test_cloud_events_of_a_batch_have_the_source_of_the_options(story: Story) -> None:
    told = outsiders.cloud_events(*story.requests("cloudevents-batched"))
    assert len(told) > len(story.requests("cloudevents-batched"))
    expected = {event["id"]: cloud_event(event, "/edge") for event in story.events()}
    assert {event["id"]: event for event in told if not event["type"].endswith("test")} == expected


def cloud_event(event: Json, source: str) -> Json:
    return {
        "specversion": "1.0",
        "id": event["id"],
        "source": source,
        "type": f"cert-expiry-monitor.{CLOUD_TYPES[event['event']]}",
        "subject": event["cert_name"],
        "time": event["timestamp"].replace("Z", ".000Z"),
        "datacontenttype": "application/json",
        "severity": event["severity"],
        "data": default_body(event),
    }
