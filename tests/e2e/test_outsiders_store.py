"""What Redis and Webdis answer to the few words that the plugin has for them."""

from threading import Thread

import pytest

from lab import wait
from lab.store import USER, Redis, Webdis, request_body

KEY = "cert-cooldown:event:8c31605b:client:orders/v1.2:CertificateExpiringSoon:30d:ops"


def claim(webdis: Webdis, node: str) -> object:
    status, answer = webdis.ask("SET", KEY, node, "NX", "GET", "EX", "60")
    assert status == 200
    return answer["SET"]


def test_a_claim_is_won_by_one_and_says_to_others_whose_it_is(redis: Redis, webdis: Webdis) -> None:
    assert claim(webdis, "edge-1") is None
    assert claim(webdis, "edge-2") == "edge-1"
    assert claim(webdis, "edge-1") == "edge-1"
    assert redis.find() == [KEY]
    assert 50 < redis.ttl(KEY) <= 60

    assert webdis.ask("SET", KEY, "done", "EX", "1000") == (200, {"SET": [True, "OK"]})
    assert claim(webdis, "edge-1") == "done"
    assert 990 < redis.ttl(KEY) <= 1000


def test_of_many_that_claim_at_once_one_wins(webdis: Webdis) -> None:
    answers: list[object] = []
    claimants = [Thread(target=lambda node=f"edge-{n}": answers.append(claim(webdis, node))) for n in range(50)]
    for claimant in claimants:
        claimant.start()
    for claimant in claimants:
        claimant.join()
    assert answers.count(None) == 1
    [winner] = set(answers) - {None}
    assert winner.startswith("edge-")


def test_an_error_of_redis_is_an_answer_with_200(redis: Redis, webdis: Webdis) -> None:
    redis.cli("CONFIG", "SET", "min-replicas-to-write", "1")
    status, answer = webdis.ask("SET", KEY, "edge-1", "NX", "GET", "EX", "60")
    assert status == 200
    assert answer == {"SET": [False, "NOREPLICAS Not enough good replicas to write."]}


@pytest.mark.parametrize("user", [None, "envoy:wrong", "envoy:$WEBDIS"])
def test_who_has_no_password_is_denied(redis: Redis, webdis: Webdis, user: str | None) -> None:
    assert webdis.ask("SET", KEY, "done", user=user) == (403, None)
    assert redis.find() == []


def test_this_one_takes_no_variables_and_no_pair_of_more_than_53_characters(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER", "envoy:from-the-environment")
    fits, is_too_long = ("envoy:".ljust(length, "x") for length in (53, 54))
    webdis = Webdis(redis)
    for pair in ("$OTHER", fits, is_too_long):
        webdis.configuration["acl"].append({"http_basic_auth": pair, "enabled": ["SET"]})
    with webdis:
        pairs = ("$OTHER", "envoy:from-the-environment", fits, is_too_long)
        assert [webdis.ask("SET", KEY, "edge-1", user=pair)[0] for pair in pairs] == [200, 403, 200, 403]


@pytest.mark.parametrize(
    "command", [["GET", KEY], ["DEL", KEY], ["KEYS", "*"], ["FLUSHALL"], ["EVAL", "return 1", "0"]]
)
def test_who_has_the_password_may_set_and_nothing_else(redis: Redis, webdis: Webdis, command: list[str]) -> None:
    assert claim(webdis, "edge-1") is None
    assert webdis.ask(*command, user=USER) == (403, None)
    assert redis.find() == [KEY]


def test_redis_itself_can_keep_webdis_to_these_keys(redis: Redis, webdis: Webdis) -> None:
    redis.cli(
        "ACL", "SETUSER", "default", "reset", "on", "nopass", "~cert-cooldown:*", "+set", "+ttl", "+keys", "+ping"
    )
    assert claim(webdis, "edge-1") is None
    assert claim(webdis, "edge-2") == "edge-1"
    status, answer = webdis.ask("SET", "session:1", "edge-1")
    assert status == 200
    assert answer["SET"][0] is False
    assert "NOPERM" in answer["SET"][1]


def test_without_redis_it_answers_503_and_finds_it_again(redis: Redis, webdis: Webdis) -> None:
    assert claim(webdis, "edge-1") is None
    redis.kill()
    assert webdis.ask("SET", KEY, "edge-1", "NX", "GET", "EX", "60") == (503, None)
    redis.start()
    wait.until(webdis.is_ready, "Webdis has found Redis again")
    # A claim, and what it has left, outlive Redis.
    assert claim(webdis, "edge-2") == "edge-1"
    assert 0 < redis.ttl(KEY) <= 60


def test_what_is_set_is_what_was_meant_whatever_is_in_it(redis: Redis, webdis: Webdis) -> None:
    odd = 'a/b.c%d:e f\r\nFLUSHALL "ü" .json'
    assert webdis.ask("SET", odd, odd) == (200, {"SET": [True, "OK"]})
    assert redis.cli("EXISTS", odd) == ["1"]
    # A dot begins an extension, and a slash the next word.
    assert request_body(["SET", "a/b.c"]) == "SET/a%2Fb%2Ec"
