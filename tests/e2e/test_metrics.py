"""The metrics, as Prometheus scrapes them: with labels where the plugin put them into the name."""

import time
from collections.abc import Iterator

import pytest

from e2e.contract import EXPIRED, SOON, wait_for_checks
from lab import wait
from lab.scene import Scene

PREFIX = "cert_expiry_monitor_"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with Scene(tmp_path_factory.mktemp("metrics")) as scene:
        broken = {**scene.webhook, "name": "broken", "cluster": "no_such_cluster"}
        scene.plugin["webhooks"].append(broken)
        scene.plugin["certificates"] = scene.cast.entries()
        scene.monitor["check_interval_seconds"] = 1
        scene.start()
        scene.client().get("/orders")
        scene.receiver.wait_for(5)
        wait_for_checks(scene.envoy, 1)
        yield scene


@pytest.mark.parametrize(
    ("sample", "value"),
    [
        ('certificates{role="server"}', 1),
        ('certificates{role="ca"}', 1),
        ('certificates{role="client"}', 1),
        ('certificates{role="upstream"}', 2),
        (f'events_total{{event="{SOON}"}}', 5),
        (f'events_total{{event="{EXPIRED}"}}', 0),
        ('observations_total{role="client"}', 1),
        ('observations_total{role="upstream"}', 1),
    ],
)
def test_what_was_seen_and_told_is_counted(scene: Scene, sample: str, value: int) -> None:
    assert scene.envoy.metrics()[PREFIX + sample] == value


def test_deliveries_are_counted_for_each_webhook_and_outcome(scene: Scene) -> None:
    metrics = scene.envoy.metrics()
    deliveries = {name: value for name, value in metrics.items() if name.startswith(f"{PREFIX}deliveries_total{{")}
    delivered = dict.fromkeys(("ops", "broken"), 0.0)
    for name, value in deliveries.items():
        [webhook] = [webhook for webhook in delivered if f'webhook="{webhook}"' in name]
        delivered[webhook] += value
        assert "outcome=" in name
    assert delivered["ops"] == 5
    assert delivered["broken"] >= 5


def test_the_earliest_end_of_each_role_is_a_unix_time(scene: Scene) -> None:
    ends = scene.envoy.metrics()[f'{PREFIX}not_after_seconds{{role="upstream"}}']
    both = (scene.cast.upstream, scene.cast.upstream_client)
    assert ends == min(identity.ends.timestamp() for identity in both)


def test_the_last_tick_moves_on_while_the_monitor_lives(scene: Scene) -> None:
    def last_tick() -> float:
        return scene.envoy.metrics()[f"{PREFIX}last_tick_seconds"]

    before = last_tick()
    assert abs(before - time.time()) < 10
    wait.until(lambda: last_tick() > before, "a later tick")


def test_no_label_is_left_in_a_name(scene: Scene) -> None:
    names = [name for name in scene.envoy.metrics() if PREFIX in name]
    assert names
    assert not [name for name in names if ";" in name or "=." in name]
