"""What a CA says of renewals (RFC 9773): its windows are believed, and it is asked no more often than it likes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from e2e.deliveries import pauses
from e2e.life import DAY, OVERDUE, RESOLVED, check_facts, look_often, told_of, written
from lab import wait
from lab.certificates import Identity
from lab.receiver import Answer, Receiver, Request
from lab.scene import Scene

PATH = "/acme/renewal-info"
# The example of RFC 9773, section 4.1; the others differ in the last byte of the serial number.
KEY_ID = bytes.fromhex("69885b6b87464041e1b37b847ba0ae2cde01c8d4")
SERIAL = 0x87654321
IDENTIFIERS = [f"aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQy{last}" for last in "EIMQ"]
# The least that a CA can ask for: what is less is taken for this.
RETRY_AFTER_SECONDS = 60
# The first question may wait for a minute, so that a fleet does not ask at once; and the second one for more than that.
FIRST_SECONDS, SECOND_SECONDS = 90.0, 180.0
EXPLANATION = "https://acme.example.com/docs/ari"


@dataclass(frozen=True)
class Window:
    """When a CA wants a certificate renewed."""

    start: datetime
    end: datetime

    def answer(self, **more: str) -> Answer:
        body = {"suggestedWindow": {"start": self.start.isoformat(), "end": self.end.isoformat()}, **more}
        headers = {"content-type": "application/json", "retry-after": str(RETRY_AFTER_SECONDS)}
        return Answer(200, headers, json.dumps(body).encode())

    def __str__(self) -> str:
        return f"{written(self.start)} to {written(self.end)}"


NOW = datetime.now(UTC).replace(microsecond=0)
OVER = Window(NOW - 5 * DAY, NOW - 3 * DAY)
MONTH = Window(NOW + 30 * DAY, NOW + 32 * DAY)
SOONER = Window(NOW + DAY, NOW + 2 * DAY)
NONSENSE = Answer(200, body=b'{"suggestedWindow": {"start": "tomorrow"}}')

# What the CA answers about each, one after the other.
ANSWERS = {
    "late": [OVER.answer()],
    "revoked": [MONTH.answer(), SOONER.answer(explanationURL=EXPLANATION)],
    "forgiven": [OVER.answer(), MONTH.answer()],
    "unclear": [NONSENSE],
}


@dataclass(frozen=True)
class Asking:
    """A scene in which a CA is asked about these certificates."""

    scene: Scene
    acme: Receiver
    certificates: dict[str, Identity]

    def questions(self, name: str) -> list[Request]:
        return self.acme.requests_to(path_of(name))

    def questions_before(self, name: str, kind: str) -> list[Request]:
        """Those before an event: there is a minute between two, and other tests may have waited for as long."""
        cert_id, requests = self.certificates[name].cert_id, list(self.scene.receiver.requests)
        [told] = [each for each in requests if (each.event["cert_id"], each.event["event"]) == (cert_id, kind)]
        return [question for question in self.questions(name) if question.arrived < told.arrived]

    def told(self, name: str) -> list[str]:
        events = self.scene.receiver.events(cert_id=self.certificates[name].cert_id)
        return [event["event"] for event in events]


def path_of(name: str) -> str:
    return f"{PATH}/{IDENTIFIERS[list(ANSWERS).index(name)]}"


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    """One for all: between two questions there is a minute."""
    with Scene(tmp_path_factory.mktemp("asking")) as scene, Receiver() as acme:
        info = {"issuer": "CN=test ca", "cluster": "acme", "path": f"{PATH}/", "authority": "acme.example.com"}
        look_often(scene, renewal_info=[info])
        scene.webhook.update(events=[OVERDUE], send_resolved=True)
        scene.configuration.place("acme", acme.port)
        acme.answer = 404
        acme.answers = {path_of(name): list(answers) for name, answers in ANSWERS.items()}
        key_id = x509.AuthorityKeyIdentifier(KEY_ID, None, None)
        issue = scene.cast.authority.issue
        certificates = {
            name: issue(name, ends=100 * DAY, sans=[name], serial=SERIAL + number, extensions=[key_id])
            for number, name in enumerate(ANSWERS)
        }
        for identity in certificates.values():
            scene.watch("server", identity, name="vault")
        # Nobody can name these to a CA.
        scene.watch("server", issue("anonymous.example.com", ends=100 * DAY))
        scene.watch("client", scene.cast.client)
        scene.start()
        yield Asking(scene, acme, certificates)


def test_a_window_that_has_passed_is_told(asking: Asking) -> None:
    late = asking.certificates["late"]
    event = asking.scene.receiver.wait_for(1, FIRST_SECONDS, cert_id=late.cert_id)[0]
    check_facts(event, late, "config", "warning", "renewal_info")
    assert (event["event"], event["expected_at"]) == (OVERDUE, written(OVER.end))
    assert str(OVER) in event["detail"]
    question = asking.questions("late")[0]
    assert (question.method, question.headers["host"]) == ("GET", "acme.example.com")


def test_a_window_that_moves_forward_is_told(asking: Asking) -> None:
    revoked = asking.certificates["revoked"]
    event = asking.scene.receiver.wait_for(1, FIRST_SECONDS + SECOND_SECONDS, cert_id=revoked.cert_id)[0]
    # What it said first was nothing to tell.
    assert len(asking.questions_before("revoked", OVERDUE)) == 2
    check_facts(event, revoked, "config", "warning", "renewal_info_moved")
    assert (event["event"], event["expected_at"]) == (OVERDUE, written(SOONER.start))
    for text in (written(MONTH.start), str(SOONER), EXPLANATION):
        assert text in event["detail"]


def test_a_ca_that_takes_its_word_back_ends_the_alert(asking: Asking) -> None:
    wait.until(lambda: len(asking.told("forgiven")) == 2, "the end of the alert", FIRST_SECONDS + SECOND_SECONDS)
    assert asking.told("forgiven") == [OVERDUE, RESOLVED]
    assert len(asking.questions_before("forgiven", RESOLVED)) == 2


def test_an_answer_that_says_nothing_is_complained_of_once(asking: Asking) -> None:
    wait.until(lambda: len(asking.questions("unclear")) >= 2, "another try", FIRST_SECONDS + SECOND_SECONDS)
    complaint = r"\]\[warning\]\[wasm\].* An authority was asked in vain .*: the answer names no window of time"
    [line] = asking.scene.envoy.log_lines(complaint)
    assert f" cluster=acme cert_id={asking.certificates['unclear'].cert_id[:8]} " in line
    assert asking.told("unclear") == []


def test_the_ca_is_asked_one_thing_at_a_time_and_not_before_it_likes(asking: Asking) -> None:
    for name in ANSWERS:
        wait.until(lambda name=name: len(asking.questions(name)) >= 2, f"{name}: another question", SECOND_SECONDS)
        between = [timedelta(seconds=pause) for pause in pauses(asking.questions(name))]
        # Envoy's clock and the one here are read at different ends of a request.
        assert min(between) >= timedelta(seconds=RETRY_AFTER_SECONDS - 1), name
    assert {request.path for request in asking.acme.requests} == {path_of(name) for name in ANSWERS}
    assert set(asking.acme.most_at_once.values()) == {1}
    assert told_of(asking.scene.envoy, OVERDUE) == 3
