"""What receivers do that others have published: the logic of their documents, as functions of one body.

Tyk's document prints three relays, VaulTLS's and Infisical's print how to verify a signature.
"""

import hashlib
import hmac
from email.mime.text import MIMEText
from typing import Any

Body = dict[str, Any]


def tyk_pagerduty(event: Body, routing_key: str) -> Body:
    """What Tyk's relay sends to PagerDuty."""
    is_warning = event["event"] == "CertificateExpiringSoon"
    return {
        "routing_key": routing_key,
        "event_action": "trigger",
        "payload": {
            "summary": event["message"],
            "severity": "warning" if is_warning else "error",
            "source": "tyk-gateway",
            "custom_details": event,
        },
    }


def tyk_slack(event: Body) -> Body:
    """What Tyk's relay sends to Slack."""
    fields = {"Certificate": event["cert_name"], "Role": event["cert_role"]}
    if "api_id" in event:
        fields["API ID"] = event["api_id"]
    attachment = {
        "color": "warning" if event["event"] == "CertificateExpiringSoon" else "danger",
        "title": event["event"],
        "text": event["message"],
        "fields": [{"title": title, "value": value, "short": True} for title, value in fields.items()],
    }
    return {"attachments": [attachment]}


def tyk_mail(event: Body) -> MIMEText:
    """The e-mail that Tyk's relay sends."""
    lines = [
        f"Event: {event['event']}",
        f"Certificate: {event['cert_name']} (ID: {event['cert_id']})",
        f"Role: {event['cert_role']}",
        f"Message: {event['message']}",
        f"API ID: {event.get('api_id', 'N/A')}",
        f"Timestamp: {event['timestamp']}",
    ]
    mail = MIMEText("\n".join(lines))
    mail["Subject"] = f"[Tyk] {event['event']}: {event['cert_name']}"
    mail["From"] = "alerts@example.com"
    mail["To"] = "ops@example.com"
    return mail


def vaultls_slack(payload: Body) -> Body | None:
    """What VaulTLS's example makes of a certificate that is expiring; nothing of everything else."""
    if payload["event"] != "CertificateExpiring":
        return None
    data = payload["data"]
    values = {
        "Certificate": data["certificate_name"],
        "Expires": f"<t:{data['valid_until']}:R>",
        "Serial": data["serial_number"],
    }
    fields = [{"title": title, "value": value, "short": True} for title, value in values.items()]
    return {"text": f"{values['Certificate']} expires soon", "attachments": [{"color": "warning", "fields": fields}]}


def vaultls_verifies(payload: str, signature: str, secret: str) -> bool:
    """VaulTLS's verifier: the whole header is compared."""
    expected = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(f"sha256={expected}", signature)


def infisical_verifies(header: str, body: str, secret: str) -> bool:
    """Infisical's verifier: the first part is the time, the second one the signature, and no other is looked at."""
    timestamp, signature, *_ = header.split(",")
    timestamp, signature = timestamp.replace("t=", "", 1), signature.replace("v1=", "", 1)
    expected = hmac.new(secret.encode(), f"{timestamp}.{body}".encode(), hashlib.sha256).hexdigest()
    # Node's comparison throws where the lengths differ.
    return len(signature) == len(expected) and hmac.compare_digest(signature, expected)
