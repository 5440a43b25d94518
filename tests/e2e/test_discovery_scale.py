"""Thousands of certificates are discovered, and Envoy does not notice."""

import re

from e2e.discovered import rounds, watched
from lab import wait
from lab.crowd import Crowd
from lab.pulse import Pulse
from lab.scene import Scene

SECRETS, FOLLOWED = 5_000, 50
MOST_REQUESTS = 30
LONGEST_SECONDS = 0.25
DISCOVERED = r"Discovered (\d+) certificates in use, (\d+) of them new, in ([\d.]+) s with (\d+) admin requests"


def test_five_thousand_secrets_are_found_while_envoy_stays_ready(scene: Scene) -> None:
    crowd = Crowd()
    crowd.add(SECRETS)
    crowd.add_followed(FOLLOWED, scene.directory)
    crowd.gather(scene.configuration)
    scene.wasm_level = "info"
    admin = scene.discover()
    envoy = scene.launch()
    envoy.wait_ready(within=120)
    with Pulse(envoy) as first:
        [line] = envoy.wait_log(DISCOVERED, within=180)
    memory = envoy.resident_bytes
    with Pulse(envoy) as second:
        # The metrics cost more than discovery does: not before it has read everything.
        wait.until(lambda: len(admin.rounds()) == 2, "the questions of a second round", 120)
    wait.until(lambda: rounds(envoy) == 2, "a second round", 60)

    counts = [int(number) for number in re.search(DISCOVERED, line).group(1, 2, 4)]
    links = 3 * (SECRETS + FOLLOWED)
    rest = {"server": 1, "ca": 1, "upstream": 1}
    assert counts == [links + len(rest), links + len(rest), len(admin.rounds()[0])]
    assert {role: watched(envoy, role) for role in rest} == {**rest, "server": links + 1}
    assert all(len(questions) <= MOST_REQUESTS for questions in admin.rounds()[:2])
    took = [questions[-1].at - questions[0].at for questions in admin.rounds()[:2]]
    assert first.longest.busy < LONGEST_SECONDS
    assert second.longest.busy < LONGEST_SECONDS
    # All that it reads it knows.
    assert took[1] < took[0]  # nothing is parsed again
    assert envoy.resident_bytes < 1.2 * memory
