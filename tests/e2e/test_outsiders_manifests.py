"""The resources below envoy/gateway/ are what their kinds allow, and the checks refuse what is wrong."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from lab import gateway, outsiders
from lab.verdict import RefusedError

Json = dict[str, Any]


def test_every_resource_is_taken() -> None:
    assert len(gateway.manifests()) == 7
    outsiders.manifests(*gateway.manifests())


WRONG: dict[str, tuple[Callable[[Json], object], str]] = {
    "an unknown key": (lambda spec: spec.update(wasms=[]), "wasms"),
    "an unknown key in a list": (lambda spec: spec["wasm"][0].update(failopen=True), "failopen"),
    "an unknown key far below": (lambda spec: spec["wasm"][0]["code"]["image"].update(uri="x"), "uri"),
    "another type": (lambda spec: spec["wasm"][0].update(failOpen="yes"), "boolean"),
    "an unknown word": (lambda spec: spec["wasm"][0]["code"].update(type="Local"), "Local"),
    "a missing key": (lambda spec: spec["wasm"][0].pop("code"), "code"),
    "an empty name": (lambda spec: spec["targetRefs"][0].update(name=""), "shorter than 1"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_resource_is_refused_for(what: str) -> None:
    spoil, complaint = WRONG[what]
    spoilt = copy.deepcopy(gateway.policy())
    spoil(spoilt["spec"])
    with pytest.raises(RefusedError, match=complaint):
        outsiders.manifests(gateway.policy(), spoilt)


def test_a_resource_is_refused_for_a_kind_that_there_is_not() -> None:
    with pytest.raises(RefusedError, match="EnvoyPluginPolicy"):
        outsiders.manifests({**gateway.policy(), "kind": "EnvoyPluginPolicy"})
