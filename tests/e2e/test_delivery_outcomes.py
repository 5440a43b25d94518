"""Every way in which a receiver can answer, or not: what it sees, what the log says, what is counted."""

import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from e2e.contract import wait_for_checks
from e2e.deliveries import dropped, failed, outcomes, pauses, version, wait_outcomes, webhook
from e2e.monitors import leases, trap, wait_for_holder, wait_for_lease
from lab import wait
from lab.config import INGRESS, STANDBY
from lab.receiver import Answer, Fault, Receiver, Reply, Request, Script
from lab.scene import TRAP, Scene

MEGABYTE = 1 << 20
# A pause of a second is a fifth longer or shorter by chance; a busy machine adds to it.
LEAST_PAUSE, MOST_PAUSE, LATE = 0.8, 1.2, 5.0


def in_three_seconds(_: Request) -> Reply:
    """Asks to be left alone until a moment."""
    return Answer(429, {"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)})


@dataclass(frozen=True)
class Case:
    """A webhook, how its receiver answers, and what comes of it."""

    # None: there is no receiver.
    answers: Script | None
    # Of the line about the first try, if it fails.
    status: str | None
    counted: dict[str, int]
    # Further keys of the webhook.
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        return sum(self.counted.values()) if self.answers else 0

    @property
    def first_outcome(self) -> str:
        return next(iter(self.counted))


WELCOME = threading.Event()
DELIVERED = {"delivered": 1}
REFUSED = {"refused": 1}
# Time enough for the answers that are given, on a busy machine too.
SHORT = {"timeout_seconds": 4}


def through(cluster: str) -> dict[str, Any]:
    return {"cluster": cluster, "retry_attempts": 1}


CASES = {
    "fine": Case(200, None, DELIVERED),
    "taciturn": Case(204, None, DELIVERED),
    "failing": Case([500, 500, 500, 200], "500", {"status": 3} | DELIVERED),
    # Envoy has the same answers of its own; these are the receiver's.
    "behind-a-proxy": Case([503, 504, 502, 200], "503", {"status": 3} | DELIVERED),
    "patient": Case([Answer(429, {"retry-after": "2"}), 200], "429", {"status": 1} | DELIVERED),
    "punctual": Case([in_three_seconds, 200], "429", {"status": 1} | DELIVERED),
    "moved": Case(301, "301", REFUSED),
    "unknown": Case(404, "404", REFUSED),
    "closed": Case(401, "401", REFUSED),
    "chatty": Case(Answer(body=bytes(10 * MEGABYTE)), None, DELIVERED),
    # Envoy takes no more than 32 MiB: then the answer is lost, whatever it was.
    "endless": Case([Answer(body=bytes(33 * MEGABYTE)), 200], "none", {"no_response": 1} | DELIVERED),
    "rude": Case([Fault.CLOSE, 200], "503", {"unreachable": 1} | DELIVERED),
    # Envoy makes an answer of its own of half the headers.
    "cut-in-headers": Case([Fault.CUT_HEADERS, 200], "502", {"no_response": 1} | DELIVERED),
    "cut-in-body": Case([Fault.CUT_BODY, 200], "none", {"no_response": 1} | DELIVERED),
    "silent": Case([Fault.HANG, 200], "504", {"timeout": 1} | DELIVERED, SHORT),
    "late": Case([Answer(when=WELCOME), 200], "504", {"timeout": 1} | DELIVERED, SHORT),
    "unheard": Case(None, "503", {"unreachable": 2}, through("unheard")),
    "encrypted": Case(None, "503", {"unreachable": 2}, through("encrypted")),
    "nowhere": Case(None, "none", {"no_cluster": 2}, through("nowhere")),
    "empty": Case(None, "none", {"no_host": 2}, through("empty")),
    "empty-eds": Case(None, "none", {"no_host": 2}, through("empty-eds")),
    "empty-dns": Case(None, "none", {"no_host": 2}, through("empty-dns")),
}
FAILING = [name for name, case in CASES.items() if case.status]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Receiver]:
    """Where a redirection leads to."""
    with Receiver() as elsewhere:
        yield elsewhere


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, elsewhere: Receiver) -> Iterator[Scene]:
    """One webhook for each case, and each of them is told of one certificate."""
    directory: Path = tmp_path_factory.mktemp("outcomes")
    with Scene(directory) as scene, socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))  # never listens, and nobody else gets the port
        scene.configuration.place("unheard", unheard.getsockname()[1])
        add_cluster_with_tls(scene)
        add_clusters_without_hosts(scene)
        scene.plugin["webhooks"] = [webhook(name, **case.more) for name, case in CASES.items()]
        scene.receiver.answers = {f"/{name}": case.answers for name, case in CASES.items() if case.answers}
        location = f"http://127.0.0.1:{elsewhere.port}/moved"
        scene.receiver.answers["/moved"] = Answer(301, {"location": location})
        scene.watch("server", scene.cast.server)
        scene.start()
        yield scene


def add_cluster_with_tls(scene: Scene) -> None:
    """The receiver knows of no TLS."""
    scene.configuration.place("encrypted", scene.receiver.port)
    kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
    tls = {"name": "envoy.transport_sockets.tls", "typed_config": {"@type": kind}}
    scene.configuration.cluster("encrypted")["transport_socket"] = tls


def add_clusters_without_hosts(scene: Scene) -> None:
    name = {"socket_address": {"address": "no-such-host.invalid", "port_value": 80}}
    unresolved = [{"lb_endpoints": [{"endpoint": {"address": name}}]}]
    eds = scene.directory / "eds.yaml"
    kind = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
    eds.write_text(f'resources: [{{"@type": {kind}, cluster_name: empty-eds}}]\n')
    followed = {"eds_config": {"path_config_source": {"path": f"./{eds.name}"}}}
    scene.configuration.document["static_resources"]["clusters"] += [
        {"name": "empty", "type": "STATIC", "load_assignment": {"cluster_name": "empty"}},
        {"name": "empty-eds", "type": "EDS", "eds_cluster_config": followed},
        {
            "name": "empty-dns",
            "type": "STRICT_DNS",
            "wait_for_warm_on_init": False,
            "load_assignment": {"cluster_name": "empty-dns", "endpoints": unresolved},
        },
    ]


@pytest.mark.parametrize("name", CASES)
def test_every_try_is_counted_with_what_became_of_it(scene: Scene, name: str) -> None:
    if name == "late":
        scene.receiver.wait_requests("/late", 2)
        WELCOME.set()
    wait_outcomes(scene.envoy, name, CASES[name].counted)
    assert len(scene.receiver.requests_to(f"/{name}")) == CASES[name].requests


@pytest.mark.parametrize("name", FAILING)
def test_the_log_says_what_happened(scene: Scene, name: str) -> None:
    case = CASES[name]
    line = scene.envoy.wait_log(failed(name))[0]
    cluster = case.more.get("cluster", "webhook_receiver")
    status, outcome = case.status, case.first_outcome
    words = rf"webhook={name} status={status} attempt=1 next_in_seconds=\d+ outcome={outcome} cluster={cluster}$"
    assert re.search(words, line)


@pytest.mark.parametrize("name", ["moved", "unknown", "closed", "unheard", "nowhere", "empty"])
def test_what_is_given_up_is_said_once(scene: Scene, name: str) -> None:
    case, cert_id = CASES[name], scene.cast.server.cert_id
    attempts, outcome = sum(case.counted.values()), case.first_outcome
    [line] = scene.envoy.wait_log(rf"\]\[error\].* DeliveryFailed webhook={name} ")
    assert f"attempts={attempts} outcome={outcome} cert_id={cert_id[:8]} " in line
    assert "event_type=CertificateExpiringSoon rule=30d" in line


def test_what_is_given_up_is_counted_as_dropped(scene: Scene) -> None:
    given_up = sum("delivered" not in case.counted for case in CASES.values())
    wait.until(lambda: dropped(scene.envoy, "delivery_failed") == given_up, f"{given_up} deliveries have failed")


def test_a_redirection_leads_nowhere(scene: Scene, elsewhere: Receiver) -> None:
    wait_outcomes(scene.envoy, "moved", REFUSED)
    wait_outcomes(scene.envoy, "failing", CASES["failing"].counted)  # time enough for what must not happen
    assert elsewhere.requests == []
    assert len(scene.receiver.requests_to("/moved")) == 1


def test_every_try_has_the_same_key_and_trace_and_a_span_of_its_own(scene: Scene) -> None:
    tries = scene.receiver.wait_requests("/failing", 4)
    [key] = {request.key for request in tries}
    [event_id] = re.fullmatch('"([0-9a-f]{32})"', key).groups()
    traces = [re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01", try_.headers["traceparent"]) for try_ in tries]
    assert {trace.group(1) for trace in traces} == {event_id}
    spans = {trace.group(2) for trace in traces}
    assert len(spans) == 4
    assert "0" * 16 not in spans


def test_every_try_says_who_is_calling(scene: Scene) -> None:
    tries = scene.receiver.wait_requests("/failing", 4)
    assert {request.headers["user-agent"] for request in tries} == {f"cert-expiry-monitor/{version()}"}
    assert {request.headers["content-type"] for request in tries} == {"application/json"}


def test_the_pauses_are_those_of_the_schedule_but_for_a_fifth(scene: Scene) -> None:
    names = ["failing", "behind-a-proxy"]
    between = [pause for name in names for pause in pauses(scene.receiver.wait_requests(f"/{name}", 4))]
    print("pauses:", between)
    assert all(LEAST_PAUSE <= pause <= MOST_PAUSE + LATE for pause in between)
    assert len({round(pause, 2) for pause in between}) > 1  # by chance
    # However late they were: what was meant.
    planned = [line for name in names for line in scene.envoy.log_lines(failed(name))]
    assert len(planned) == len(between)
    assert all(re.search("next_in_seconds=[12] ", line) for line in planned)


def test_a_receiver_that_asks_for_two_seconds_is_left_alone_for_two_seconds(scene: Scene) -> None:
    [pause] = pauses(scene.receiver.wait_requests("/patient", 2))
    assert 2 <= pause <= 2 + LATE
    assert "next_in_seconds=2 " in scene.envoy.log_lines(failed("patient"))[0]


def test_a_receiver_that_names_a_moment_is_left_alone_until_then(scene: Scene) -> None:
    first, second = scene.receiver.wait_requests("/punctual", 2)
    moment = parsedate_to_datetime(first.answer.headers["retry-after"])
    assert moment <= second.arrived <= moment + timedelta(seconds=LATE)


def test_an_answer_that_comes_too_late_costs_a_double_with_the_same_key(scene: Scene) -> None:
    first, second = scene.receiver.wait_requests("/late", 2)
    WELCOME.set()
    wait_outcomes(scene.envoy, "late", CASES["late"].counted)
    assert scene.receiver.requests_to("/late") == [first, second]
    assert first.key == second.key
    assert first.event["cert_id"] == second.event["cert_id"]


@pytest.fixture
def second_scene(tmp_path: Path) -> Iterator[Scene]:
    """Its rounds come every second, and its listeners can be changed."""
    with Scene(tmp_path) as scene:
        scene.configuration.follow_listeners()
        scene.monitor["check_interval_seconds"] = 1
        scene.watch("server", scene.cast.server)
        scene.watch("ca", scene.cast.authority)
        yield scene


def test_a_wish_to_be_left_alone_holds_for_every_event(second_scene: Scene) -> None:
    scene = second_scene
    scene.plugin["webhooks"] = [webhook("patient", max_in_flight=1)]
    scene.receiver.answers["/patient"] = [Answer(429, {"retry-after": "2"}), 200]
    scene.start()

    first, *others = scene.receiver.wait_requests("/patient", 3)
    assert {other.event["cert_role"] for other in others} == {"server", "ca"}
    assert all(first.arrived + timedelta(seconds=2) <= other.arrived for other in others)
    wait_outcomes(scene.envoy, "patient", {"status": 1, "delivered": 2})


def test_a_webhook_that_is_gone_is_left_alone_until_there_is_a_new_configuration(second_scene: Scene) -> None:
    scene = second_scene
    scene.plugin_file = TRAP
    scene.plugin["webhooks"] = [webhook("gone", max_in_flight=1), webhook("ops")]
    scene.receiver.answers["/gone"] = 410
    envoy = scene.start()

    envoy.wait_log(r"\]\[error\].*Webhook is gone \(410\) and disabled until the next configuration webhook=gone$")
    assert re.search("status=410 attempt=1 .* outcome=gone ", envoy.wait_log(failed("gone"))[0])
    tell_of_newcomer(scene)
    assert len(scene.receiver.requests_to("/gone")) == 1

    # Whoever becomes the monitor under the same configuration knows.
    wait_for_holder(envoy, "monitor", within=30)
    lease = leases(envoy)[-1]
    trap(scene, "monitor")
    wait_for_lease(envoy, lease, within=30)
    wait_for_holder(envoy, "standby", within=30)
    newcomer = tell_of_newcomer(scene)
    assert len(scene.receiver.requests_to("/gone")) == 1
    assert outcomes(envoy, "gone") == {"gone": 1}

    scene.receiver.answers["/gone"] = 200
    scene.configuration.hand_over_separately(INGRESS, STANDBY)["webhooks"][0]["timeout_seconds"] = 5
    scene.update_listeners()
    told = {scene.cast.server.cert_id, scene.cast.authority.cert_id, newcomer}
    wait.until(
        lambda: told <= {event["cert_id"] for event in scene.receiver.accepted("/gone")}, "it is told what it missed"
    )


def tell_of_newcomer(scene: Scene) -> str:
    """Somebody new is told of at the webhook that works; who. Time enough for what must not happen."""
    newcomer = scene.cast.authority.issue("Newcomer")
    assert scene.client(newcomer).get() == 200
    wait.until(
        lambda: newcomer.cert_id in (event["cert_id"] for event in scene.receiver.accepted("/ops")),
        "the webhook that works hears of a new client",
    )
    wait_for_checks(scene.envoy, 2)
    return newcomer.cert_id
