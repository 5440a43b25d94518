"""What people read of real events, in chats, on pagers and on screens."""

import json
from datetime import timedelta

import pytest

from e2e import formats
from e2e.contract import EXPIRED, SOON, moment
from e2e.formats import VIEW_URL, Json, shown
from e2e.story import RESOLVED, SEVERITIES, Story, seconds, tyks_body
from lab.alertmanager import Alertmanager


def facts(event: Json) -> dict[str, str]:
    """What a message shows in fields, by their titles; of these, what an event has."""
    shown = {
        "Role": event["cert_role"],
        "API": event["api_id"],
        "Valid until": event["not_after"],
        "Days left": str(event["data"]["days_remaining"]),
        "Issuer": event["issuer"],
        "Serial number": event["serial_number"],
    }
    return {title: value for title, value in shown.items() if value is not None}


def test_slack_attachments(story: Story) -> None:
    colors = {}
    for event, request in story.told("slack"):
        message = request.event
        [attachment] = message["attachments"]
        assert (message["channel"], message["username"]) == ("#certificates", "envoy")
        assert message["text"] == attachment["fallback"] == event["message"]
        assert (attachment["title"], attachment["title_link"]) == (event["event"], VIEW_URL)
        fields = {field["title"]: shown("slack", field["value"]) for field in attachment["fields"]}
        assert fields == {"Name": event["cert_name"], **facts(event)}
        assert attachment["ts"] == seconds(event["timestamp"])
        colors[event["severity"]] = attachment["color"]
    assert len(set(colors.values())) == 3


def test_slack_blocks(story: Story) -> None:
    for event, request in story.told("slack-blocks"):
        [attachment] = request.event["attachments"]
        section, actions = sorted(attachment["blocks"], key=lambda block: block["type"], reverse=True)
        fields = [shown("slack", field["text"]) for field in section["fields"]]
        assert dict(field.split(": ", 1) for field in fields) == {"Name": event["cert_name"], **facts(event)}
        assert request.event["text"] == event["message"]
        assert [element["url"] for element in actions["elements"]] == [VIEW_URL]


def test_teams_card(story: Story) -> None:
    for event, request in story.told("teams"):
        card = request.event["attachments"][0]["content"]
        title, *rows = ["".join(run["text"] for run in block["inlines"]) for block in card["body"]]
        assert (title, card["fallbackText"], card["version"]) == (event["message"], event["message"], "1.4")
        said = dict(shown("teams", row).split(": ", 1) for row in rows)
        assert said == {**facts(event), "SHA-256": event["cert_id"]}
        assert [action["url"] for action in card["actions"]] == [VIEW_URL]


def test_discord_embed(story: Story) -> None:
    colors = {}
    for event, request in story.told("discord"):
        [embed] = request.event["embeds"]
        assert shown("discord", embed["description"]) == event["message"]
        fields = {field["name"]: shown("discord", field["value"]) for field in embed["fields"]}
        assert fields == {**facts(event), "SHA-256": event["cert_id"]}
        assert embed["title"] == event["event"]
        assert embed["timestamp"] == event["timestamp"]
        colors[event["severity"]] = embed["color"]
    assert len(set(colors.values())) == 3


@pytest.mark.parametrize("name", ["google-chat", "ntfy", "telegram", "datadog"])
def test_messages_of_text(story: Story, name: str) -> None:
    for event, request in story.told(name):
        text = request.event.get("text") or request.event["message"]
        first, *lines = shown(name, text).split("\n")
        assert first == event["message"]
        said = dict(line.split(": ", 1) for line in lines)
        assert said.items() <= {**facts(event), "SHA-256": event["cert_id"]}.items()
        assert {"Valid until", "Issuer", "Serial number"} <= said.keys()
        # Datadog has tags for these two.
        assert name == "datadog" or said.get("API") == event["api_id"]
        assert name == "datadog" or said["Role"] == event["cert_role"]


def test_what_messages_say_beside_their_text(story: Story) -> None:
    ntfy = {event["severity"]: request.event["priority"] for event, request in story.told("ntfy")}
    assert ntfy["critical"] > ntfy["warning"] > ntfy["info"]
    for _, request in story.told("google-chat"):
        assert request.event["thread"] == {"threadKey": "certificates"}
    for _, request in story.told("telegram"):
        assert request.event["chat_id"] == "-1001234567890"
    types = {SOON: "warning", EXPIRED: "error", RESOLVED: "success"}
    for event, request in story.told("datadog"):
        said = request.event
        assert (said["title"], said["alert_type"]) == (event["message"], types[event["event"]])
        assert (said["aggregation_key"], said["date_happened"]) == (event["alert"]["key"], seconds(event["timestamp"]))
        assert set(said["tags"]) >= {"team:edge", f"cert_role:{event['cert_role']}", f"event:{event['event']}"}
        assert not event["api_id"] or f"api_id:{event['api_id']}" in said["tags"]


def test_pagerduty_opens_and_closes_one_incident(story: Story) -> None:
    for event, request in story.told("pagerduty"):
        page = request.event
        payload = page.pop("payload")
        assert page == {
            "routing_key": formats.ROUTING_KEY,
            "event_action": "resolve" if event["resolved"] else "trigger",
            "dedup_key": event["alert"]["key"],
            "client": "Envoy",
            "client_url": VIEW_URL,
        }
        more = {name: event[name] for name in ("rule", "places", "serial_number", "issuer")}
        assert payload == {
            "summary": event["message"],
            "source": "edge",
            "severity": event["severity"],
            "timestamp": event["timestamp"],
            "component": event["cert_role"],
            **({"group": event["api_id"]} if event["api_id"] else {}),
            "class": event["event"],
            "custom_details": {**tyks_body(event), **more},
        }
    for request in story.tests("pagerduty"):
        assert request.event["event_action"] == "resolve", "a test opens nothing"


def test_alerts_have_the_labels_of_the_alert_until_they_end(story: Story) -> None:
    for event, request in story.told("alertmanager"):
        [alert] = json.loads(request.body)
        one = story.of(event)
        assert alert["labels"] == {
            "team": "edge",
            "alertname": one.kind,
            "severity": SEVERITIES[one.kind],
            "cert_id": event["cert_id"],
            "cert_role": one.role,
            "cert_name": event["cert_name"],
            **({"api_id": one.api_id} if one.api_id else {}),
        }
        annotations = {key: value for key, value in alert["annotations"].items() if key != "description"}
        assert annotations == {
            "summary": event["message"],
            "days_remaining": str(event["data"]["days_remaining"]),
            "rule": one.rule,
            "serial_number": event["serial_number"],
            "issuer": event["issuer"],
        }
        crossed = one.identity.ends - timedelta(days=0 if one.kind == EXPIRED else 30)
        assert moment(alert["startsAt"]) == crossed
        # Three check intervals of an hour each, or now.
        lasts = timedelta() if event["resolved"] else timedelta(hours=3)
        assert abs(moment(alert["endsAt"]) - moment(event["timestamp"]) - lasts) < timedelta(seconds=10)
        assert alert["generatorURL"] == VIEW_URL


def test_an_alertmanager_takes_all_of_them(story: Story, alertmanager: Alertmanager) -> None:
    for name in ("alertmanager", "alertmanager-batched"):
        for request in story.requests(name):
            assert alertmanager.post(json.loads(request.body)) == (200, "")
    stay = {identity for identity, one in story.watched.items() if not one.goes}
    assert {alert["labels"]["cert_id"] for alert in alertmanager.alerts(team="edge")} >= stay
