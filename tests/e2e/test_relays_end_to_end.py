"""What was written for Tyk, VaulTLS, Infisical and NetBox SSL understands real events, and no word of it is changed."""

import json

from e2e import formats, relays
from e2e.contract import EXPIRED, SOON
from e2e.formats import VIEW_URL, Json
from e2e.story import Story, default_body, seconds, tyks_body
from lab import outsiders, schemas


def test_tyks_relays_understand_real_events(story: Story) -> None:
    kinds = set()
    for event, request in story.told("default"):
        if event["resolved"]:
            continue
        body = request.event
        page = relays.tyk_pagerduty(body, formats.ROUTING_KEY)
        severity = {SOON: "warning", EXPIRED: "error"}[event["event"]]
        assert page["payload"] == {
            "summary": event["message"],
            "severity": severity,
            "source": "tyk-gateway",
            "custom_details": default_body(event),
        }
        schemas.check_pagerduty(page)
        message = relays.tyk_slack(body)
        outsiders.slack_attachments(message["attachments"])
        [attachment] = message["attachments"]
        assert attachment["color"] == {SOON: "warning", EXPIRED: "danger"}[event["event"]]
        values = [field["value"] for field in attachment["fields"]]
        assert values == [event["cert_name"], event["cert_role"], *([event["api_id"]] if event["api_id"] else [])]
        mail = relays.tyk_mail(body)
        assert mail["Subject"] == f"[Tyk] {event['event']}: {event['cert_name']}"
        assert f"API ID: {event['api_id'] or 'N/A'}\n" in mail.get_payload()
        kinds.add(event["event"])
    assert kinds == {SOON, EXPIRED}


def test_a_body_that_was_written_for_tyk_works_unchanged(story: Story) -> None:
    told = [request.event for request in story.requests("tyk")]
    expected = [tyks_body(event) for event in story.events(SOON, EXPIRED)]
    assert sorted(told, key=json.dumps) == sorted(expected, key=json.dumps)


def test_netbox_ssls_body_works_unchanged(story: Story) -> None:
    for event, request in story.told("netbox"):
        [attachment] = request.event["attachments"]
        assert attachment["color"] == "#FFA500"
        assert {field["title"]: field["value"] for field in attachment["fields"]} == {
            "Common Name": event["cert_name"],
            "Days remaining": str(event["data"]["days_remaining"]),
            "Issuer": event["issuer"],
            "Valid to": event["not_after"],
            "Assignments": "1",
        }


def test_vaultls_body_is_that_of_its_document(story: Story) -> None:
    statuses = {SOON: ("CertificateExpiring", "active"), EXPIRED: ("CertificateExpiring", "expired")}
    for event, request in story.told("vaultls"):
        name, status = statuses.get(event["event"], ("CertificateRenewed", "replaced"))
        one = story.of(event)
        assert request.event == {
            "event": name,
            "timestamp": seconds(event["timestamp"]),
            "tenant_id": "tenant-uuid",
            "webhook_id": "webhook-uuid",
            "data": {
                "certificate_id": None,
                "certificate_name": event["cert_name"],
                "certificate_type": {"ca": "CA"}.get(one.role, one.role.title()),
                "serial_number": event["serial_number"],
                "subject": event["subject"],
                "issuer": event["issuer"],
                "valid_until": seconds(one.ends),
                "status": status,
                "user_id": None,
                "ca_id": None,
                "profile_id": None,
                "metadata": {
                    "service": "api",
                    "cert_id": event["cert_id"],
                    "cert_role": one.role,
                    **({"api_id": one.api_id} if one.api_id else {}),
                    "rule": one.rule,
                    "severity": event["severity"],
                },
            },
        }
    for request in story.tests("vaultls"):
        assert request.event == {
            "event": "SystemAlert",
            "timestamp": request.event["timestamp"],
            "tenant_id": "tenant-uuid",
            "webhook_id": "webhook-uuid",
            "data": {
                "alert_type": "webhook_test",
                "severity": "info",
                "message": request.event["data"]["message"],
                "details": {},
            },
        }


def test_what_was_written_for_vaultls_understands_it(story: Story) -> None:
    for request in story.requests("vaultls"):
        signature = request.headers["x-vaultls-signature"]
        assert relays.vaultls_verifies(request.body.decode(), signature, formats.VAULTLS_SECRET)
    for event, request in story.told("vaultls"):
        message = relays.vaultls_slack(request.event)
        if event["resolved"]:
            assert message is None
            continue
        [attachment] = message["attachments"]
        assert [field["value"] for field in attachment["fields"]] == [
            *(event["cert_name"], f"<t:{seconds(event['not_after'])}:R>", event["serial_number"])
        ]


def test_infisical_body_is_that_of_its_document(story: Story) -> None:
    for event, request in story.told("infisical"):
        kind = "renewal" if event["resolved"] else "expiration"
        before = {} if event["resolved"] else {"alertBefore": {"expired": "0d"}.get(event["rule"], event["rule"])}
        assert request.event == {
            "specversion": "1.0",
            "type": f"com.infisical.pki.certificate.{kind}",
            "source": "/applications/app-uuid/alerts/alert-uuid",
            "id": event["id"],
            "time": event["timestamp"].replace("Z", ".000Z"),
            "datacontenttype": "application/json",
            "subject": f"certificate-{kind}-alert",
            "data": {
                "alert": {
                    "id": "alert-uuid",
                    "name": "tls-expiry-alert",
                    **before,
                    "applicationId": "app-uuid",
                },
                "certificates": [infisical_certificate(event, "TLS Server")],
                "metadata": {"totalCertificates": 1, "viewUrl": VIEW_URL},
            },
        }


def test_an_infisical_test_looks_like_any_other_alert(story: Story) -> None:
    for request in story.tests("infisical"):
        data = request.event["data"]
        assert request.event["type"] == "com.infisical.pki.certificate.expiration"
        assert data["alert"]["alertBefore"].removesuffix("d").isdecimal()
        [certificate] = data["certificates"]
        assert certificate["status"] == "active"
        assert certificate["daysUntilExpiry"] >= 0


def test_infisical_bodies_of_a_batch_hold_all_certificates_of_a_rule(story: Story) -> None:
    alerts = {}
    for request in story.requests("infisical-batched"):
        data = request.event["data"]
        assert data["metadata"]["totalCertificates"] == len(data["certificates"])
        if data["certificates"][0]["commonName"] == "cert-expiry-monitor":
            continue  # the test of the webhook, which looks like a warning
        alerts.setdefault(data["alert"].get("alertBefore"), []).append(data["certificates"])
    [soon], [expired], renewed = alerts["30d"], alerts["0d"], alerts[None]
    by_id = {event["cert_id"]: infisical_certificate(event, None) for event in story.events(SOON, EXPIRED)}
    for kind, certificates in ((SOON, soon), (EXPIRED, expired)):
        assert {certificate["id"]: certificate for certificate in certificates} == {
            identity: by_id[identity] for identity, one in story.watched.items() if one.kind == kind
        }
    assert [len(certificates) for certificates in renewed] == [1] * story.closings


def infisical_certificate(event: Json, profile: str | None) -> Json:
    days = event["data"]["days_remaining"]
    return {
        "id": event["cert_id"],
        "serialNumber": event["serial_number"],
        "commonName": event["cert_name"],
        "san": event["sans"],
        "profileName": profile,
        "notBefore": event["not_before"].replace("Z", ".000Z"),
        "notAfter": event["not_after"].replace("Z", ".000Z"),
        "status": "active" if days >= 0 else "expired",
        "daysUntilExpiry": days,
    }


def test_what_was_written_for_infisical_verifies_it(story: Story) -> None:
    for request in story.requests("infisical"):
        signature, body = request.headers["x-infisical-signature"], request.body.decode()
        assert relays.infisical_verifies(signature, body, formats.INFISICAL_SECRET)
        assert not relays.infisical_verifies(signature, f"{body} ", formats.INFISICAL_SECRET)
