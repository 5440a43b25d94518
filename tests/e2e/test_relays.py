"""Receivers whose logic others have published understand the bodies that are meant for them."""

import hmac

from e2e import relays
from e2e.contract import EXPIRED, SOON
from e2e.examples import event

ALERTS = [event(), event(event=EXPIRED)]


def test_tyks_relay_for_pagerduty_understands_the_default_body() -> None:
    soon, expired = (relays.tyk_pagerduty(alert, "key") for alert in ALERTS)
    assert (soon["payload"]["severity"], expired["payload"]["severity"]) == ("warning", "error")
    assert soon["payload"]["summary"] == ALERTS[0]["message"]
    assert soon["payload"]["custom_details"] == ALERTS[0]


def test_tyks_relay_for_slack_understands_the_default_body() -> None:
    server = {field: value for field, value in event(cert_role="server").items() if field != "api_id"}
    [with_api], [without] = (relays.tyk_slack(alert)["attachments"] for alert in (ALERTS[0], server))
    assert (with_api["color"], with_api["title"]) == ("warning", SOON)
    assert [field["value"] for field in with_api["fields"]] == ["api.example.com", "upstream", "orders-api"]
    assert [field["value"] for field in without["fields"]] == ["api.example.com", "server"]


def test_tyks_relay_for_e_mail_understands_the_default_body() -> None:
    mail = relays.tyk_mail(ALERTS[0])
    assert mail["Subject"] == f"[Tyk] {SOON}: api.example.com"
    assert f"ID: {ALERTS[0]['cert_id']}" in mail.get_payload()
    assert "API ID: orders-api" in mail.get_payload()


def test_vaultlss_example_understands_vaultlss_body() -> None:
    data = {"certificate_name": "api.example.com", "valid_until": 1_672_531_200, "serial_number": "1A2B"}
    message = relays.vaultls_slack({"event": "CertificateExpiring", "data": data})
    assert [field["value"] for field in message["attachments"][0]["fields"]] == [
        *("api.example.com", "<t:1672531200:R>", "1A2B"),
    ]
    assert relays.vaultls_slack({"event": "CertificateRenewed", "data": data}) is None


def test_the_verifiers_take_what_is_signed_and_nothing_else() -> None:
    def mac(text: str, secret: str = "secret") -> str:
        return hmac.digest(secret.encode(), text.encode(), "sha256").hex()

    assert relays.vaultls_verifies("body", f"sha256={mac('body')}", "secret")
    assert not relays.vaultls_verifies("body", mac("body"), "secret")
    assert relays.infisical_verifies(f"t=7,v1={mac('7.body')}", "body", "secret")
    # The document's verifier knows of one signature only: with several, the first has to be its own.
    assert relays.infisical_verifies(f"t=7,v1={mac('7.body')},v1={mac('7.body', 'new')}", "body", "secret")
    assert not relays.infisical_verifies(f"t=7,v1={mac('7.body', 'new')},v1={mac('7.body')}", "body", "secret")
