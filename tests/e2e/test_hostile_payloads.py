"""What a stranger writes into a certificate is a text in every body and in every header.

It calls nobody, links nowhere, asks for nothing and breaks nothing.
"""

import json
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote

import pytest
from cryptography import x509

from e2e import checkers, formats
from e2e.formats import CHATS, FORMATS, Json, shown, strings
from lab.alertmanager import Alertmanager
from lab.certificates import Authority, Identity
from lab.receiver import Request
from lab.scene import Scene

SECRET = "s3cret"
LONGEST = 256

NAMES = {
    "an ordinary one": "api.example.com",
    "all in Slack": "<!channel> <!here> <!subteam^S123>",
    "somebody in Slack": "<@U024BE7LR>",
    "a link in Slack": "<http://evil.example|docs.example.com>",
    "escaped for Slack": "&lt;!channel&gt; &amp;lt;!here&amp;gt;",
    "all in Discord and Mattermost": "@everyone @here @all @channel",
    "somebody in Discord": "<@86890631690977280> <@&165511591545143296> <#103735883630395392>",
    "more of Discord": "<t:1618953630:R> </airhorn:81> <a:wave:28> <id:guide>",
    "all in Teams": "<at>all</at>",
    "all in Google Chat": "<users/all> <users/123456789012345678901>",
    "somebody in Datadog": "@pagerduty @slack-ops @all",
    "Markdown in Datadog": "%%% # head %%%",
    "a command in Telegram": "/start@some_bot #tag @durov",
    "the end of a string": '"}]}',
    "another field": '", "event": "Nothing", "x": "',
    "a backslash at the end": "a\\",
    "a template": "{{ 7*7 }}{% raw %}{# x #}",
    "a Go template": "{{.Meta.CertName}}{{template `x`}}",
    "a secret": "${WEBHOOK_TOKEN} $WEBHOOK_TOKEN ${HOME}",
    "headers": "first\r\nX-Injected: yes\r\n\r\n{}",
    "headers in percent": "100%0d%0aX-Injected: yes%",
    "right to left": "abc\u202egpj.exe\u202c\u200f\u2066",
    "other line breaks": "a\u2028b\u2029c\x85d\x0be",
    "half a link": "](http://evil.example)",
    "a link": "[docs.example.com](http://evil.example) ![x](http://evil.example/x.png)",
    "a link within a link": "[a]([b](http://evil.example))",
    "markup": "*bold* _italic_ ~gone~ __u__ **b** ~~s~~ ||spoiler|| # head > quote - list",
    "code": "`code` ```\nblock\n``` ``",
    "HTML": "<script>alert(1)</script><img src=x onerror=alert(1)>&nbsp;&#x40;everyone",
    "another script": "Zoë — 東京 🔒",
    "ten kilobytes": "x" * 10_000,
    "long in bytes": "🔒" * 300,
    "long when Slack escapes it": "&" * 300,
    "long when everybody parts it": "<" * 300,
    "long when Discord escapes it": "*" * 300,
    "long when JSON escapes it": '"' * 300,
    "long when JSON and Discord escape it": "\\" * 300,
    "long mentions": "@" * 300,
    "long links": "](" * 150,
}


def kept(name: str) -> str:
    """What is left of a name by design."""
    text = "".join(c for c in name if unicodedata.category(c) not in ("Cc", "Cf", "Zl", "Zp"))
    return (text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…").strip()


def named(name: str) -> Identity:
    """A certificate whose name, alternative name and issuer are all called so."""
    # No A-label, as no authority would sign it.
    san = x509.DNSName._init_without_validation(name)
    return Authority.named(name).issue(name, sans=[san])


class Hostile(Scene):
    """All these certificates have been told of, through every webhook."""

    def play(self) -> None:
        self.names = {}
        for name in NAMES.values():
            identity = named(name)
            self.names[identity.cert_id] = name
            self.watch("client", identity, api_id=name)
        headers = {"X-Certificate": "{{ cert_name }}", "X-Names": "{{ sans|join(' ') }}", "X-After": "ok"}
        self.plugin["webhooks"] = formats.webhooks(headers=headers)
        # Envoy's YAML has a mind of its own about line breaks of other kinds.
        self.configuration.hand_over_json()
        formats.wait_delivered(self.start(environment={"WEBHOOK_TOKEN": SECRET}), len(NAMES))

    def requests(self, name: str) -> list[Request]:
        return self.receiver.requests_to(f"/{name}")

    def told(self, name: str) -> list[tuple[str, Request]]:
        """What each certificate is called, and the request about it."""
        names = {event["id"]: self.names[event["cert_id"]] for event in self.events()}
        told = [(names[json.loads(request.key)], request) for request in self.requests(name)]
        assert len(told) == len(NAMES)
        return told

    def events(self) -> list[Json]:
        return [request.event for request in self.requests("everything")]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    with Hostile(tmp_path_factory.mktemp("hostile")) as hostile:
        hostile.play()
        yield hostile


def test_names_are_what_is_kept_of_them(hostile: Hostile) -> None:
    for event in hostile.events():
        name = kept(hostile.names[event["cert_id"]])
        assert (event["cert_name"], event["sans"], event["api_id"]) == (name, [name], name)
        assert event["subject"] == event["issuer"]
        assert len(event["issuer"]) <= LONGEST


@pytest.mark.parametrize("name", FORMATS)
def test_bodies_stay_what_others_take(hostile: Hostile, name: str) -> None:
    checkers.check(name, hostile.requests(name))


@pytest.mark.parametrize("name", FORMATS)
def test_no_variable_is_looked_up(hostile: Hostile, name: str) -> None:
    for request in hostile.requests(name):
        assert SECRET not in request.body.decode() + str(request.headers)


# What a receiver takes for a mention, or for markup that becomes one.
MENTIONS = {
    "slack": r"<|>|@\w",  # the second one is Mattermost's and Rocket.Chat's, who take the same message
    "teams": r"<at",
    "discord": r"@(everyone|here)|<(@|#|/|t:|a?:|id:)",
    "google-chat": rf"<[^{formats.PARTED}]",
    "ntfy": r"(?!)",
    "telegram": r"@\w",
    "datadog": r"@\w|^%%%",
}


def test_all_that_would_be_a_mention_is_among_the_names() -> None:
    for receiver, mention in MENTIONS.items():
        assert receiver == "ntfy" or any(re.search(mention, name) for name in NAMES.values()), receiver


@pytest.mark.parametrize("name", CHATS)
def test_nobody_is_mentioned_and_nothing_is_linked(hostile: Hostile, name: str) -> None:
    mention = MENTIONS[checkers.kind(name)]
    for request in hostile.requests(name):
        for text in strings(request.event):
            assert not re.search(mention, text), text
            assert "](" not in text


@pytest.mark.parametrize("name", CHATS)
def test_people_read_the_name_as_it_was_written(hostile: Hostile, name: str) -> None:
    for written, request in hostile.told(name):
        texts = [shown(name, text) for text in strings(request.event)]
        assert any(f"Certificate {kept(written)} is expiring in 2 days" in text for text in texts), texts


def test_discord_sees_no_markup(hostile: Hostile) -> None:
    for request in hostile.requests("discord"):
        [embed] = request.event["embeds"]
        for text in [embed["description"], *(field["value"] for field in embed["fields"])]:
            bare = re.sub(formats.ESCAPED_IN_DISCORD, "", text)
            assert not re.search(r"[\\*_~`|\[\]()#>]", bare), text


def test_programs_get_the_name_as_it_was_written(hostile: Hostile) -> None:
    where = {
        "default": lambda body: body["cert_name"],
        "cloudevents": lambda body: body["subject"],
        "vaultls": lambda body: body["data"]["certificate_name"],
        "infisical": lambda body: body["data"]["certificates"][0]["commonName"],
        "alertmanager": lambda body: body[0]["labels"]["cert_name"],
        "pagerduty": lambda body: body["payload"]["custom_details"]["cert_name"],
        "netbox": lambda body: body["attachments"][0]["fields"][0]["value"],
    }
    for name, find in where.items():
        for written, request in hostile.told(name):
            assert find(json.loads(request.body)) == kept(written)
    for written, request in hostile.told("infisical"):
        assert request.event["data"]["certificates"][0]["san"] == [kept(written)]
    for written, request in hostile.told("text"):
        name = kept(written)
        assert request.body.decode().startswith(f"warning: {name} ({name})\nAPI {name}\nCertificate {name} ")
    for written, request in hostile.told("cloudevents-binary"):
        assert unquote(request.headers["ce-subject"], errors="strict") == kept(written)


def test_an_alertmanager_shows_the_names_as_they_were_written(hostile: Hostile, alertmanager: Alertmanager) -> None:
    for name in ("alertmanager", "alertmanager-batched"):
        for request in hostile.requests(name):
            assert alertmanager.post(json.loads(request.body)) == (200, "")
    shown = {alert["labels"]["cert_id"]: alert["labels"]["cert_name"] for alert in alertmanager.alerts(team="edge")}
    assert shown == {identity: kept(name) for identity, name in hostile.names.items()}


@pytest.mark.parametrize("name", ["default", "cloudevents-binary"])
def test_headers_stay_headers(hostile: Hostile, name: str) -> None:
    [usual] = {frozenset(request.headers) for written, request in hostile.told(name) if written == "api.example.com"}
    for written, request in hostile.told(name):
        assert request.headers.keys() == usual
        assert request.headers["x-after"] == "ok"
        for header, value in request.headers.items():
            assert value.isascii(), header
            assert value.isprintable(), header
        for header in ("x-certificate", "x-names"):
            value = request.headers[header]
            assert len(value) <= 1024
            # A percent sign of the name's own is not escaped.
            assert "%" in written or unquote(value, errors="strict") == kept(written)[: len(unquote(value))]


def test_nothing_was_refused_on_the_way(hostile: Hostile) -> None:
    assert not hostile.envoy.log_lines("template error|Request to webhook failed")
