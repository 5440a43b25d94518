"""What the receivers in examples/receivers do with an event: send an e-mail, start a job, count."""

import os
import ssl
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from aiosmtpd.smtp import AuthResult

from e2e.contract import EXPIRED, SOON
from e2e.examples import (
    HOSTILE,
    JOB,
    MAIL,
    SECRET,
    Example,
    MailSink,
    counts,
    event,
    jobs_told,
    mail_relay,
    new_id,
    renewal,
)
from lab import wait
from lab.certificates import Authority


@pytest.fixture
def sink() -> Iterator[MailSink]:
    with MailSink() as sink:
        yield sink


def test_an_e_mail_says_what_the_event_says(tmp_path: Path, sink: MailSink) -> None:
    sink.start()
    with mail_relay(tmp_path, sink) as relay:
        told = event("Zoë — 東京")
        assert relay.post(told, {}).status == 204
    [mail] = sink.mails
    assert mail["subject"] == "[certificates] CertificateExpiringSoon: Zoë — 東京"
    assert (mail["from"], mail["to"]) == (MAIL[1], MAIL[3])
    lines = mail.get_content().splitlines()
    assert lines[0] == told["message"]
    assert set(lines[2:]) == {f"{field}: {value}" for field, value in told.items() if field != "message"}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_name_makes_no_header_and_no_recipient(tmp_path: Path, sink: MailSink, name: str) -> None:
    sink.start()
    with mail_relay(tmp_path, sink) as relay:
        ordinary, hostile = event(), event(name, event=f"CertificateExpired{name}")
        assert [relay.post(body, {}).status for body in (ordinary, hostile)] == [204, 204]
    first, second = sink.mails
    # How a body is encoded depends on what is in it.
    assert {*second.keys()} - {*first.keys()} <= {"Content-Transfer-Encoding"}
    assert second["to"] == MAIL[3]
    assert len(second["subject"]) < 600
    assert [envelope.rcpt_tos for envelope in sink.envelopes] == [["ops@example.com", "night@example.com"]] * 2


def test_while_the_mail_server_is_down_the_event_is_asked_for_again(tmp_path: Path, sink: MailSink) -> None:
    headers = {"idempotency-key": f'"{new_id()}"'}
    batch = [event(), event()]
    with mail_relay(tmp_path, sink) as relay:
        for _ in range(2):
            answer = relay.post(batch, headers)
            assert (answer.status, answer.headers["retry-after"]) == (503, "30")
        sink.start()
        sink.answer = "451 later"
        assert relay.post(batch, headers).status == 503
        sink.answer = "250 taken"
        assert [relay.post(batch, headers).status for _ in range(2)] == [204, 204]
        assert [mail.get_content().splitlines()[4] for mail in sink.mails] == [
            f"cert_id: {told['cert_id']}" for told in batch
        ]


def test_what_was_mailed_of_a_batch_is_not_mailed_again(tmp_path: Path, sink: MailSink) -> None:
    headers = {"idempotency-key": f'"{new_id()}"'}
    batch = [event("first"), event("second")]
    sink.start()
    sink.answers = ["250 taken", "451 later"]
    with mail_relay(tmp_path, sink) as relay:
        assert [relay.post(batch, headers).status for _ in range(2)] == [503, 204]
    assert [mail["subject"].split()[-1] for mail in sink.mails] == ["first", "second"]


def test_a_mail_that_was_taken_is_not_mailed_again_for_what_happens_beside_it(tmp_path: Path, sink: MailSink) -> None:
    sink.start()
    sink.unknown, sink.farewell = {"night@example.com"}, "421 no"
    with mail_relay(tmp_path, sink) as relay:
        assert relay.post(event(), {}).status == 204
        assert "refused by the mail server: 1 of the recipients" in relay.log
        sink.unknown = {"night@example.com", "ops@example.com"}
        assert relay.post(event(), {}).status == 503
    assert len(sink.mails) == 1


def test_the_same_event_at_the_same_time_is_mailed_once(tmp_path: Path, sink: MailSink) -> None:
    sink.start()
    sink.gate.clear()
    headers = {"idempotency-key": f'"{new_id()}"'}
    with mail_relay(tmp_path, sink) as relay, ThreadPoolExecutor(1) as pool:
        told = event()
        first = pool.submit(relay.post, told, headers)
        wait.until(lambda: sink.envelopes, "the mail is on its way")
        assert relay.post(told, headers).status == 409
        sink.gate.set()
        assert first.result(10).status == 204
        assert relay.post(told, headers).status == 204
    assert len(sink.mails) == 1


def test_a_password_goes_to_a_mail_server_with_a_good_certificate_only(tmp_path: Path) -> None:
    logins: list[tuple[bytes, bytes]] = []

    def authenticate(_server: object, _session: object, _envelope: object, _mechanism: str, data: object) -> object:
        logins.append((data.login, data.password))
        return AuthResult(success=True)

    authority = Authority.named("Mail CA")
    authority.write(tmp_path, "ca")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue("127.0.0.1", sans=["127.0.0.1"]).load_into(context)
    login = {"SMTP_USER": "certs", "SMTP_PASSWORD": "s3cret"}
    with MailSink(tls_context=context, authenticator=authenticate, auth_required=True) as sink:
        sink.start()
        with mail_relay(tmp_path, sink, "--starttls", **login) as relay:
            assert relay.post(event(), {}).status == 503
        assert not logins
        trusted = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}
        with mail_relay(tmp_path, sink, "--starttls", **login, **trusted) as relay:
            assert relay.post(event(), {}).status == 204
        with mail_relay(tmp_path, sink, **login) as relay:
            assert relay.process.wait(10) == 2
    assert logins == [(b"certs", b"s3cret")]
    assert len(sink.mails) == 1


def test_a_job_learns_what_to_renew_from_its_environment_alone(tmp_path: Path) -> None:
    told = tmp_path / "told"
    command = (sys.executable, "-c", JOB, str(told), "--now")
    with renewal(tmp_path, "--", *command, WEBHOOK_SECRETS=SECRET, ACME="kept") as example:
        soon = event("$(id); x\ny")
        for body in (event(event=EXPIRED), event(event="CertificateResolved"), soon):
            assert example.post(body).status == 204
        [(environment, arguments)] = wait.until(lambda: jobs_told(told), "the job has run")
        wait.until(lambda: "the job for $(id); x\ufffdy ended with 0" in example.log, "the job's end is in the log")
    assert arguments == ["--now"]
    assert environment["CERT_NAME"] == "$(id); x\ufffdy"
    names = ["cert_id", "cert_role", "api_id", "expires_at", "days_remaining"]
    assert [environment[name.upper()] for name in names] == [str(soon[name]) for name in names]
    assert environment["ACME"] == "kept"
    assert "WEBHOOK_SECRETS" not in environment


def test_no_more_jobs_run_at_a_time_than_allowed(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    one_line = ("sh", "-c", 'read line < "$0"', str(gate))
    with gate.open("r+b", buffering=0) as lines, renewal(tmp_path, "--jobs", "1", "--", *one_line) as example:
        assert example.post(event(), {}).status == 204
        second, headers = event(), {"idempotency-key": f'"{new_id()}"'}
        answer = example.post(second, headers)
        assert (answer.status, answer.headers["retry-after"]) == (503, "30")
        lines.write(b"\n")
        wait.until(lambda: example.post(second, headers).status == 204, "there is room again")


def test_a_command_that_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    command, told = tmp_path / "renew", tmp_path / "told"
    with renewal(tmp_path, "--jobs", "1", "--", str(command)) as example:
        headers = {"idempotency-key": f'"{new_id()}"'}
        assert [example.post(event(cert_id="00"), headers).status for _ in range(2)] == [503, 503]
        command.write_text(f'#!/bin/sh\necho "$CERT_ID" >> {told}\n')
        command.chmod(0o755)
        assert example.post(event(cert_id="00"), headers).status == 204
        wait.until(lambda: told.exists() and told.read_text() == "00\n", "the command has run")


def test_counts_are_by_event_and_role_and_nothing_else_makes_a_series(tmp_path: Path) -> None:
    with Example(tmp_path, "metrics_counter.py") as example:
        everything = example.request("GET", "/metrics").body
        assert everything.count('event="CertificateExpired"') == 5
        bodies = [event(), event(), event(event=EXPIRED, cert_role="server"), event(event='x"} 1\n', cert_role=["ca"])]
        for body in bodies:
            assert example.post(body, {}).status == 204
        assert counts(example) == {
            f'certificate_events_total{{event="{SOON}",role="upstream"}}': 2,
            f'certificate_events_total{{event="{EXPIRED}",role="server"}}': 1,
            'certificate_events_total{event="other",role="other"}': 1,
        }
        assert len(example.request("GET", "/metrics").body.splitlines()) == len(everything.splitlines())
        assert example.request("GET", "/other").status == 404
