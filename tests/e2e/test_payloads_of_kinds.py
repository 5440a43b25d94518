"""Every body about something else than an end is what its receiver takes, too, and so is one about many."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from e2e import checkers, formats
from e2e.contract import SOON
from e2e.deliveries import outcomes
from e2e.formats import CHATS, FORMATS, Json, shown, strings
from e2e.life import threshold_days
from lab import wait
from lab.receiver import Request
from lab.scene import Scene

# What a document and its certificates bring about, without anybody who connects.
KINDS = [
    *("CertificateDiscovered", "CertificateNotYetValid", "CertificateWeak", "ChainExpiresFirst"),
    *("ExpiryStorm", "MonitorHeartbeat"),
]
OF_PROXY = ["ExpiryStorm", "MonitorHeartbeat"]
# Formats that were made for others, and what they have a place for.
CARRIED = {"vaultls": OF_PROXY, "infisical": [], "infisical-batched": []}
DIGESTING = [
    name for name in FORMATS if checkers.kind(name) not in ("alertmanager", "pagerduty", "vaultls", "infisical")
]


class Kinds(Scene):
    """One certificate that is weak, begins tomorrow and ends after its authority, and another that ends with it."""

    def play(self) -> None:
        issue = self.cast.authority.issue
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        self.watch("ca", self.cast.authority)
        self.watch("server", issue("weak.example.com", ends=timedelta(days=90), starts=tomorrow))
        self.watch("client", issue("Client", ends=timedelta(days=90), sans=["client"]), api_id="orders")
        threshold_days(self, 0)
        self.monitor.update(expiry_storm=2, heartbeat_seconds=10)
        self.plugin["webhooks"] = formats.webhooks(events=KINDS)
        self.start()
        wait.until(lambda: {event["event"] for event in self.events()} == set(KINDS), "an event of each kind", 30)
        for name in FORMATS:
            # A heartbeat is the last, and there may be two of some.
            least = len(CARRIED.get(name, self.events()))
            wait.until(lambda name=name, least=least: outcomes(self.envoy, name)["delivered"] >= least, name, 30)

    def requests(self, name: str) -> list[Request]:
        return self.receiver.requests_to(f"/{name}")

    def events(self) -> list[Json]:
        return [request.event for request in self.requests("everything")]


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kinds]:
    with Kinds(tmp_path_factory.mktemp("kinds")) as kinds:
        kinds.play()
        yield kinds


@pytest.mark.parametrize("name", FORMATS)
def test_what_others_have_to_say_of_each_kind(kinds: Kinds, name: str) -> None:
    requests = kinds.requests(name)
    assert bool(requests) is (CARRIED.get(name) != [])
    checkers.check(name, requests)


@pytest.mark.parametrize("name", CHATS)
def test_people_read_the_message_of_each_kind(kinds: Kinds, name: str) -> None:
    messages = {json.loads(request.key): request.event for request in kinds.requests(name)}
    for event in kinds.events():
        texts = [shown(name, text) for text in strings(messages.get(event["id"], {}))]
        assert not texts or any(text.startswith(event["message"]) for text in texts), event["event"]
    assert len(messages) >= len(KINDS)


def test_no_news_wakes_anybody(kinds: Kinds) -> None:
    lasting = {"CertificateNotYetValid", "CertificateWeak", "ChainExpiresFirst"}
    actions = {(page["payload"]["class"], page["event_action"]) for page in map(event_of, kinds.requests("pagerduty"))}
    assert actions == {(kind, "trigger" if kind in lasting else "resolve") for kind in KINDS}


def test_what_a_format_has_no_place_for_is_a_warning(kinds: Kinds) -> None:
    assert len(kinds.envoy.log_lines("this event is not sent here: the format has no place for it")) > 0
    assert {event_of(request)["event"] for request in kinds.requests("vaultls")} == {"SystemAlert"}


def event_of(request: Request) -> Json:
    return request.event


class Digests(Scene):
    """Twelve certificates that end soon, and digests of them."""

    def play(self, *names: str) -> None:
        for number in range(12):
            identity = self.cast.authority.issue(f"host-{number:02}", ends=timedelta(days=2, hours=number + 1))
            self.watch("server", identity)
        self.monitor["digest"] = {"interval_seconds": 60}
        self.plugin["webhooks"] = [hook for hook in formats.webhooks() if hook["name"] in names]
        self.start()
        for name in names:
            wait.until(lambda name=name: outcomes(self.envoy, name)["delivered"] >= 12, f"all is told to {name}", 30)

    def requests(self, name: str) -> list[Request]:
        return self.receiver.requests_to(f"/{name}")


@pytest.fixture(scope="module")
def digests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Digests]:
    """One in each format that has a place for it."""
    with Digests(tmp_path_factory.mktemp("digests")) as digests:
        digests.play(*DIGESTING)
        yield digests


@pytest.fixture(scope="module")
def digest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Digests]:
    with Digests(tmp_path_factory.mktemp("digest")) as digest:
        digest.play("default", "telegram", "pagerduty")
        yield digest


@pytest.mark.parametrize("name", DIGESTING)
def test_a_digest_is_what_its_receiver_takes(digests: Digests, name: str) -> None:
    requests = digests.requests(name)
    # Where many webhooks are told at the same time, a part may go a moment earlier.
    assert len(requests) < 6
    checkers.check(name, requests)
    if name in CHATS:
        texts = "\n".join(shown(name, text) for request in requests for text in strings(request.event))
        assert "Certificate host-00 is expiring" in texts
        assert "and there is news of " in texts


def test_a_digest_lists_the_worst_first(digest: Digests) -> None:
    [request] = digest.requests("default")
    body = request.event
    assert (body["event"], body["cert_name"], body["certificates_count"]) == (SOON, "host-00", 12)
    assert [entry["cert_name"] for entry in body["certificates"]] == [f"host-{number:02}" for number in range(12)]
    assert {entry["event"] for entry in body["certificates"]} == {SOON}
    assert len({entry["id"] for entry in body["certificates"]} | {body["id"]}) == 13
    assert json.loads(request.key) == body["id"]


def test_people_read_its_first_ten_lines(digest: Digests) -> None:
    [request] = digest.requests("telegram")
    first, *lines, last = request.event["text"].split("\n")
    assert first.endswith("and there is news of 11 other certificates")
    assert [line.split()[1] for line in lines] == [f"host-{number:02}" for number in range(10)]
    assert last == "and 2 more"


def test_pages_are_opened_one_by_one(digest: Digests) -> None:
    pages = digest.requests("pagerduty")
    assert len({page.event["dedup_key"] for page in pages}) == len(pages) == 12
