"""The Alertmanager that our alerts are sent to, tried itself: what it takes, whom it tells, and what it forgets."""

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lab import wait
from lab.alertmanager import Alertmanager
from lab.receiver import Receiver


def alert(name: str, ends_in: timedelta = timedelta(hours=1)) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {"labels": {"alertname": name}, "startsAt": now.isoformat(), "endsAt": (now + ends_in).isoformat()}


def told(people: Receiver, status: str = "firing") -> list[str]:
    """The names of the alerts that people were told of."""
    bodies = [request.event for request in list(people.requests)]
    return [body["groupLabels"]["alertname"] for body in bodies if body["status"] == status]


def test_alertmanager_takes_alerts_shows_them_and_tells_people(alertmanager: Alertmanager, people: Receiver) -> None:
    assert alertmanager.post([alert("expired")]) == (200, "")
    [shown] = alertmanager.wait_for(alertname="expired")
    assert shown["labels"] == {"alertname": "expired"}
    assert [alert["fingerprint"] for alert in alertmanager.api_alerts()] == [shown["fingerprint"]]
    assert alertmanager.alerts(alertname="another") == []
    wait.until(lambda: told(people) == ["expired"], "people are told")

    alertmanager.post([alert("expired", ends_in=timedelta(0))])
    assert alertmanager.wait_for(0) == []
    wait.until(lambda: told(people, "resolved") == ["expired"], "people are told that it is over")


def test_alertmanager_refuses_what_is_no_alert(alertmanager: Alertmanager) -> None:
    status, words = alertmanager.post([{"labels": {}}])
    assert status == 400
    assert "at least one label pair required" in words


def test_alertmanager_forgets_alerts_when_it_restarts_but_not_whom_it_told(
    alertmanager: Alertmanager, people: Receiver
) -> None:
    alertmanager.post([alert("first")])
    wait.until(lambda: told(people) == ["first"], "people are told")
    # It asks its notes the next time when the first time is over: when what it told is noted.
    wait.until(lambda: alertmanager.metric("alertmanager_nflog_queries_total") > 1, "it has noted that")
    alertmanager.restart()
    assert alertmanager.alerts() == []
    alertmanager.post([alert("first")])
    alertmanager.wait_for(1)
    alertmanager.post([alert("second")])
    wait.until(lambda: "second" in told(people), "people are told of what is new")
    assert told(people) == ["first", "second"]


def test_alertmanager_that_is_killed_comes_back_at_the_same_port(alertmanager: Alertmanager, people: Receiver) -> None:
    alertmanager.post([alert("first")])
    wait.until(lambda: told(people) == ["first"], "people are told")
    alertmanager.kill()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", alertmanager.port))
    alertmanager.start()
    alertmanager.post([alert("first")])
    wait.until(lambda: told(people) == ["first", "first"], "people are told again: it had written nothing down")


def test_alertmanager_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(ChildProcessError, match="default receiver"), Alertmanager(tmp_path, {"route": {}}):
        pass
