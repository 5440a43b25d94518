"""Sends an e-mail for each event, and answers 2xx when the mail server has taken it.

    python3 email_relay.py --smtp mail.example.com:587 --starttls --from certs@example.com --to ops@example.com

WEBHOOK_SECRETS: secrets of signing.scheme standard-webhooks, separated by spaces. SMTP_USER, SMTP_PASSWORD: login.
"""

import argparse
import os
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import localtime

import receiver
from receiver import Event, text

TIMEOUT_SECONDS = 8  # below the 10 that the sender waits
FIELDS = [
    *("event", "cert_name", "cert_id", "cert_role", "api_id"),
    *("expires_at", "days_remaining", "expired_at", "days_since_expiry", "timestamp"),
]


def mail(event: Event, sender: str, recipients: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = recipients
    subject = f"[certificates] {text(event, 'event')}: {text(event, 'cert_name')}"
    # EmailMessage decodes =?utf-8?q?=0D=0A?=, and Python before autumn 2024 then sends a real line break.
    message["Subject"] = subject.replace("=?", "= ?")
    message["Date"] = localtime()
    message["Auto-Submitted"] = "auto-generated"  # so that no holiday notice comes back
    lines = [f"{field}: {text(event, field)}" for field in FIELDS if text(event, field)]
    message.set_content("\n".join([text(event, "message", 1000), "", *lines]) + "\n")
    return message


def send(message: EmailMessage, options: argparse.Namespace) -> None:
    host, _, port = options.smtp.rpartition(":")
    refused = None
    try:
        with smtplib.SMTP(host, int(port), timeout=TIMEOUT_SECONDS) as server:
            if options.starttls:
                server.starttls(context=ssl.create_default_context())
            if options.user:
                server.login(options.user, options.password)
            refused = server.send_message(message)
    except (OSError, smtplib.SMTPException) as problem:
        if refused is None:  # else it was only the farewell that failed
            raise receiver.TryAgainError(f"the mail server did not take it: {type(problem).__name__}") from problem
    if refused:
        # The others have it, and a second try would be a double for them.
        receiver.say(f"refused by the mail server: {len(refused)} of the recipients")


def main() -> None:
    parser = receiver.arguments("Send an e-mail for each event.")
    parser.add_argument("--smtp", default=os.environ.get("SMTP", "localhost:25"), help="host:port of the mail server")
    parser.add_argument("--starttls", action="store_true", help="encrypt, and check the server's certificate")
    parser.add_argument("--from", dest="sender", default=os.environ.get("MAIL_FROM"), help="or MAIL_FROM")
    parser.add_argument("--to", default=os.environ.get("MAIL_TO"), help="or MAIL_TO; several with commas")
    options = parser.parse_args()
    options.user, options.password = os.environ.get("SMTP_USER"), os.environ.get("SMTP_PASSWORD", "")
    if not (options.sender and options.to):
        parser.error("--from and --to are needed")
    if not options.smtp.rpartition(":")[2].isdigit():
        parser.error("--smtp is host:port")
    if options.user and not options.starttls:
        parser.error("a password needs --starttls")

    def act(event: Event) -> None:
        send(mail(event, options.sender, options.to), options)
        receiver.say(f"mailed: {text(event, 'event')} of {text(event, 'cert_name')}")

    receiver.serve(options, act)


if __name__ == "__main__":
    main()
