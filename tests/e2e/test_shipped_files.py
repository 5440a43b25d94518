"""The files below envoy/: they boot, and differ in what they say they do."""

import os
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import release
from lab.config import INGRESS, OLDER, PROBES, PROBING, SHIPPED, named
from lab.envoy import validate
from lab.scene import PLUGIN, Cast, Scene

CLIENT, UPSTREAM = "cert-expiry-client-certificate", "cert-expiry-upstream-certificate"


@pytest.mark.parametrize(("shipped", "version"), [(OLDER, "1.36.2"), (SHIPPED, "1.37.0"), (SHIPPED, "1.40.0")])
def test_they_boot_with_everything_in_them(tmp_path: Path, shipped: Path, version: str) -> None:
    with Scene(tmp_path, shipped) as scene:
        scene.discover()
        scene.log_connections()
        scene.probe()
        scene.start(version)
        assert scene.client().get() == 200


@pytest.mark.parametrize(("shipped", "version"), [(OLDER, "1.36.2"), (OLDER, "1.40.0"), (SHIPPED, "1.37.0")])
def test_they_are_valid_to_the_letter(tmp_path: Path, shipped: Path, version: str) -> None:
    Cast().write(tmp_path / "certs")
    (tmp_path / "cert_expiry_monitor.wasm").symlink_to(os.environ.get("PLUGIN", PLUGIN))
    (tmp_path / shipped.name).write_text(shipped.read_text())
    status, said = validate(release.envoy_binary(version), tmp_path / shipped.name)
    assert status == 0, said


def test_the_one_for_older_envoys_differs_in_what_it_says() -> None:
    newer, older = (yaml.safe_load(path.read_text()) for path in (SHIPPED, OLDER))
    # (a)
    assert newer["admin"].pop("allow_paths")
    # (b), (c)
    filters = http_filters(older)
    assert [named_filter["name"] for named_filter in filters[:3]] == [UPSTREAM, CLIENT, "cert-expiry-observer"]
    del filters[:2]
    options = named("orders", older["static_resources"]["clusters"]).pop("typed_extension_protocol_options")
    [options] = options.values()
    assert [named_filter["name"] for named_filter in options["http_filters"]] == [
        UPSTREAM,
        "envoy.filters.http.upstream_codec",
    ]
    assert older == newer


def test_the_cluster_of_probes_is_the_one_that_is_probed_with_a_handshake_for_each_request() -> None:
    clusters = yaml.safe_load(SHIPPED.read_text() + PROBING.read_text())
    probed, probing = named("orders", clusters["static_resources"]["clusters"]), clusters["clusters"][1]
    expected = deepcopy(probed)
    expected["name"] = expected["load_assignment"]["cluster_name"] = "orders-probe"
    expected["transport_socket"]["typed_config"]["max_session_keys"] = 0
    [options] = probing.pop("typed_extension_protocol_options").values()
    assert options["common_http_protocol_options"] == {"max_requests_per_connection": 1}
    assert probing == expected


def test_the_listener_of_probes_is_reached_from_this_machine_alone() -> None:
    documents = yaml.safe_load(SHIPPED.read_text() + PROBING.read_text())
    [listener], [cluster, _] = documents["listeners"], documents["clusters"]
    [endpoint] = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert listener["name"] == cluster["name"] == PROBES
    assert listener["address"] == endpoint["endpoint"]["address"]
    assert listener["address"]["socket_address"]["address"] == "127.0.0.1"


def http_filters(document: dict[str, Any]) -> list[dict[str, Any]]:
    listener = named(INGRESS, document["static_resources"]["listeners"])
    [manager] = listener["filter_chains"][0]["filters"]
    return manager["typed_config"]["http_filters"]
