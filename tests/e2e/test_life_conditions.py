"""What is true of a certificate beside its end: new, not begun, weak, or outlived by what it depends on."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from e2e.contract import moment, wait_for_checks
from e2e.discovered import wait_asked, wait_known
from e2e.life import (
    CHAIN,
    DAY,
    DISCOVERED,
    EARLY,
    RESOLVED,
    WEAK,
    check_facts,
    check_names,
    in_brief,
    look_often,
    told_of,
    wait_told_of,
)
from lab.certificates import Authority, chain
from lab.config import INGRESS
from lab.scene import Scene
from lab.secret import Secret

EDGE = ["secret/edge", f"listener/{INGRESS}"]


def test_whatever_is_seen_for_the_first_time_is_told_once(scene: Scene) -> None:
    look_often(scene, event_cooldown_seconds=1)
    scene.webhook["events"] = [DISCOVERED]
    scene.discover()
    listed = scene.cast.authority.issue("listed.example.com", ends=400 * DAY)
    scene.watch("client", listed, api_id="orders-api", name="vault")
    envoy = scene.start()
    assert scene.client().get() == 200

    event = scene.receiver.event(cert_id=listed.cert_id)
    check_facts(event, listed, "config", "info", "discovered")
    assert (event["cert_role"], event["api_id"], event["places"]) == ("client", "orders-api", ["config/vault"])
    assert event["first_seen"] == event["last_seen"]
    assert event["message"] == (
        "Certificate listed.example.com was met for the first time as client, and ends in 399 days and 23 hours"
    )
    event = scene.receiver.event(cert_id=scene.cast.client.cert_id)
    check_facts(event, scene.cast.client, "peer", "info", "discovered")
    for identity in (scene.cast.upstream, scene.cast.client):
        scene.receiver.wait_for(1, cert_id=identity.cert_id)

    # The server's, the authority's and our own certificate for the upstream are held in files.
    scene.receiver.wait_for(6, within=30)
    wait_known(envoy, 2)
    assert scene.client().get() == 200
    wait_for_checks(envoy, 3)
    told = [(event["cert_id"], event["cert_role"], event.get("api_id")) for event in scene.receiver.events()]
    assert len(set(told)) == len(told) == 6
    assert told_of(envoy, DISCOVERED) == 6


def test_a_certificate_that_is_used_before_its_time_is_told_until_its_time_comes(scene: Scene) -> None:
    look_often(scene)
    scene.webhook.update(events=[EARLY], send_resolved=True)
    begins = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=20)
    early = scene.cast.authority.issue("early.example.com", ends=400 * DAY, starts=begins, sans=["early.example.com"])
    scene.watch("server", early)
    scene.watch("server", scene.cast.server)
    envoy = scene.start()

    event = scene.receiver.event(event=EARLY)
    check_facts(event, early, "config", "warning", "not_yet_valid")
    assert event["message"].startswith(
        "Certificate early.example.com is not valid yet: it begins in less than a minute"
    )
    assert moment(event["timestamp"]) < begins
    resolved = scene.receiver.wait_for(1, within=40, event=RESOLVED)[0]
    assert (resolved["cert_id"], resolved["severity"], resolved["rule"]) == (early.cert_id, "info", "not_yet_valid")
    # To the second; but on a busy machine Envoy may stand still for some.
    assert timedelta() <= moment(resolved["timestamp"]) - begins <= timedelta(seconds=5)
    wait_for_checks(envoy, 3)
    assert len(scene.receiver.requests) == 2
    assert told_of(envoy, EARLY) == 1


def test_a_weak_certificate_is_told_with_all_that_is_wrong(scene: Scene) -> None:
    look_often(scene, policies={"max_lifetime": "398d"})
    scene.webhook["events"] = [WEAK]
    issue = scene.cast.authority.issue
    authority = Authority.named("Old CA", key=rsa.generate_private_key(65537, 2048))
    short_key = rsa.generate_private_key(65537, 1024)
    names = ["weak.example.com"]
    wrong = authority.issue("all.example.com", ends=40 * DAY, key=short_key).claiming_sha1()
    weak = {
        wrong: ["RSA key of 1024 bits", "SHA-1 signature", "valid for 405 days", "no subject alternative name"],
        issue("key.example.com", sans=names, key=short_key): ["RSA key of 1024 bits"],
        authority.issue("signature.example.com", sans=names).claiming_sha1(): ["SHA-1 signature"],
        issue("long.example.com", sans=names, ends=40 * DAY): ["valid for 405 days"],
        issue("nameless.example.com"): ["no subject alternative name"],
    }
    rules = ["min_rsa_bits", "min_rsa_bits", "forbid_signatures", "max_lifetime", "require_san"]
    strong = issue("strong.example.com", sans=names)
    for identity in [*weak, strong, authority]:
        scene.watch("server", identity)
    envoy = scene.start()

    scene.receiver.wait_for(len(weak))
    for (identity, texts), rule in zip(weak.items(), rules, strict=True):
        event = scene.receiver.event(cert_id=identity.cert_id)
        check_facts(event, identity, "config", "warning", rule)
        said = event["detail"].split("; ")
        assert len(said) == len(texts)
        assert all(one.startswith(text) for one, text in zip(said, texts, strict=True))
        assert event["key"] == ("RSA-1024" if identity.key is short_key else "EC-P256")
    wait_for_checks(envoy, 3)
    assert len(scene.receiver.requests) == len(weak)
    wait_told_of(envoy, WEAK, len(weak))


@pytest.mark.parametrize("version", ["1.36.2", "1.40.0"])
def test_a_chain_that_ends_before_its_leaf_is_told_until_it_is_renewed(scene: Scene, version: str) -> None:
    look_often(scene)
    scene.webhook.update(events=[CHAIN], send_resolved=True)
    root = Authority.named("Root CA", ends=4_000 * DAY)
    issuing = root.intermediate("Issuing CA", ends=100 * DAY)
    leaf = issuing.issue("localhost", ends=300 * DAY, sans=["localhost"])
    secret = Secret(scene.directory, "edge", leaf, issuing)
    secret.serve(scene.configuration.listener(INGRESS))
    admin = scene.discover()
    envoy = scene.start(version)

    event = scene.receiver.event(event=CHAIN)
    check_facts(event, leaf, "admin", "warning", "chain")
    check_names(event, "localhost")
    assert (event["position"], event["places"], event["key"]) == ("leaf", EDGE, "EC-P256")
    assert event["ends_first"] == in_brief(issuing)
    assert event["message"] == "Certificate localhost depends on Issuing CA, which ends 200 days before it"
    wait_asked(admin)
    wait_for_checks(envoy, 2)
    assert len(scene.receiver.requests) == told_of(envoy, CHAIN) == 1

    # The same authority with the same key, for longer: it has signed the same leaf.
    renewed = root.intermediate("Issuing CA", ends=1_000 * DAY, key=issuing.key)
    secret.put(leaf, renewed)
    resolved = scene.receiver.wait_for(1, within=30, event=RESOLVED)[0]
    assert (resolved["cert_id"], resolved["rule"]) == (leaf.cert_id, "chain")
    wait_for_checks(envoy, 2)
    assert len(scene.receiver.requests) == 2


def test_a_listed_chain_counts_as_one_that_is_served(scene: Scene) -> None:
    scene.webhook["events"] = [CHAIN]
    root = Authority.named("Root CA", ends=100 * DAY)
    issuing = root.intermediate("Issuing CA", ends=200 * DAY)
    leaf = issuing.issue("chained.example.com", ends=150 * DAY, sans=["chained.example.com"])
    scene.watch("server", chain(leaf, issuing))
    scene.watch("ca", root)
    scene.start()
    event = scene.receiver.event()
    check_facts(event, leaf, "config", "warning", "chain")
    assert event["ends_first"] == in_brief(root)
