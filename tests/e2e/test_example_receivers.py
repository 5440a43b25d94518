"""What all receivers in examples/receivers have in common, over real HTTP: what they take, and what they refuse."""

import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.examples import (
    HOSTILE,
    JOB,
    OTHER_SECRET,
    RECEIVERS,
    SECRET,
    Example,
    MailSink,
    counts,
    event,
    jobs_told,
    mail_relay,
    new_id,
    renewal,
    signed,
)
from lab import wait


@dataclass
class Subject:
    """A receiver that asks for signatures, and how often it has done what it does."""

    example: Example
    deeds: Callable[[], int]

    def has_done(self, deeds: int) -> bool:
        wait.until(lambda: self.deeds() >= deeds, f"{deeds} deeds")
        return self.deeds() == deeds


@pytest.fixture
def sink() -> Iterator[MailSink]:
    with MailSink() as sink:
        yield sink


@pytest.fixture(params=["e-mail", "renewal", "metrics"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    secrets = {"WEBHOOK_SECRETS": f"{OTHER_SECRET} {SECRET}"}
    match request.param:
        case "e-mail":
            sink = request.getfixturevalue("sink")
            sink.start()
            with mail_relay(tmp_path, sink, **secrets) as example:
                yield Subject(example, lambda: len(sink.mails))
        case "renewal":
            told = tmp_path / "told"
            with renewal(tmp_path, "--jobs", "50", "--", sys.executable, "-c", JOB, str(told), **secrets) as example:
                yield Subject(example, lambda: len(jobs_told(told)))
        case _:
            with Example(tmp_path, "metrics_counter.py", **secrets) as example:
                yield Subject(example, lambda: sum(counts(example).values()))


def test_an_event_is_taken(subject: Subject) -> None:
    assert subject.example.post(event()).status == 204
    assert subject.has_done(1)


def test_every_event_of_a_batch_is_taken(subject: Subject) -> None:
    assert subject.example.post([event(), event(), event(api_id=None)]).status == 204
    assert subject.has_done(3)


def test_a_double_changes_nothing(subject: Subject) -> None:
    for content in (event(), [event(), event()]):
        body = json.dumps(content).encode()
        identity = new_id()
        for age in (30, 20, 10):  # signed anew for each try
            assert subject.example.post(body, signed(body, identity=identity, age=age)).status == 204
    assert subject.has_done(3)


def test_another_event_about_the_same_certificate_is_no_double(subject: Subject) -> None:
    body = event()
    assert [subject.example.post(body).status for _ in range(2)] == [204, 204]
    assert subject.has_done(2)


def test_what_is_not_signed_rightly_is_refused(subject: Subject) -> None:
    body = json.dumps(event("forged")).encode()
    good = signed(body)
    forgeries = [
        {},
        {"idempotency-key": f'"{new_id()}"'},
        good | {"webhook-id": new_id()},
        good | {"webhook-signature": "v1,"},
        signed(b" " + body),
        signed(body, "whsec_" + "A" * 32),
        signed(body, age=400),
        signed(body, age=-400),
    ]
    assert [subject.example.post(body, headers).status for headers in forgeries] == [401] * len(forgeries)
    assert subject.example.post(event()).status == 204
    assert subject.has_done(1)


def test_while_a_secret_changes_either_will_do(subject: Subject) -> None:
    for secrets in ([SECRET], [OTHER_SECRET], ["whsec_" + "A" * 32, SECRET]):
        body = json.dumps(event()).encode()
        assert subject.example.post(body, signed(body, *secrets)).status == 204
    assert subject.has_done(3)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"hello", b"null", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000, b"9" * 10_000),
        *(b'{"event": "CertificateExpired"}', b'{"event": 1, "message": "x"}', b'{"event": [], "message": "x"}'),
        json.dumps([event(), "no event"]).encode(),
        json.dumps([event()] * 51).encode(),
    ],
    ids=lambda body: body[:12].decode(errors="replace"),
)
def test_what_is_no_event_is_refused_as_a_whole(subject: Subject, body: bytes) -> None:
    assert subject.example.post(body).status == 400
    assert subject.example.post(event()).status == 204
    assert subject.has_done(1)


def test_a_body_that_is_too_large_is_not_read(subject: Subject) -> None:
    for length in (str(1 << 21), "9" * 5000):
        assert subject.example.request("POST", "/", headers={"content-length": length}).status == 413
    assert subject.example.request("POST", "/", headers={"content-length": "-1"}).status == 400


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_name_does_no_harm(subject: Subject, name: str) -> None:
    hostile = event(name, api_id=name, cert_role=name, timestamp=name)
    assert [subject.example.post(body).status for body in (hostile, event())] == [204, 204]
    assert subject.has_done(2)
    assert not list(Path.cwd().glob("hacked"))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e\u2028]", subject.example.log)
    assert "Traceback" not in subject.example.log


def test_secrets_that_are_set_and_useless_do_not_mean_none(tmp_path: Path) -> None:
    for secrets in ("", " ", "whsec_", "whsec_!", f"{SECRET} whsec_"):
        with Example(tmp_path, "metrics_counter.py", WEBHOOK_SECRETS=secrets) as example:
            assert example.process.wait(10) == 1
            assert "WEBHOOK_SECRETS: expected" in example.log


def test_without_a_secret_doubles_are_known_by_the_idempotency_key(tmp_path: Path) -> None:
    with Example(tmp_path, "metrics_counter.py") as example:
        assert "whoever reaches this port can send events" in example.log
        identity = new_id()
        for key in (f'"{identity}"', identity, f'"{new_id()}"'):
            assert example.post(event(cert_id="00"), {"idempotency-key": key}).status == 204
        assert sum(counts(example).values()) == 2
        assert [example.post(event(cert_id="00"), {}).status for _ in range(2)] == [204, 204]
        assert sum(counts(example).values()) == 4


def test_the_oldest_ids_are_forgotten_and_what_failed_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(RECEIVERS))
    receiver = importlib.import_module("receiver")
    monkeypatch.setattr(receiver, "IDS_REMEMBERED", 2)
    doubles = receiver.Doubles()

    def is_first(key: str) -> bool:
        with doubles.once(key) as first:
            return first

    with pytest.raises(ZeroDivisionError), doubles.once("a"):
        _ = 1 / 0
    assert [is_first(key) for key in "aabcbca"] == [True, False, True, True, False, False, True]
    assert (len(doubles.done), doubles.under_way) == (2, set())
