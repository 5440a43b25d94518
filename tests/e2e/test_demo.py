"""The demo and the files of docker-compose.yml, which newcomers meet first."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lab import REPOSITORY, release
from lab.config import FLEET, SHIPPED, join_fleet
from lab.envoy import validate
from lab.scene import PLUGIN
from lab.store import SHIPPED as WEBDIS

COMPOSE = REPOSITORY / "docker-compose.yml"


def demo(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "lab.demo", *arguments]
    variables = {**os.environ, "PYTHONPATH": str(REPOSITORY / "tests"), **environment}
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120)


def test_the_demo_shows_every_role_and_ends_by_itself() -> None:
    result = demo()
    assert result.returncode == 0, result.stdout + result.stderr
    for role in ("server", "ca", "client", "upstream"):
        assert f'"cert_role": "{role}"' in result.stdout


def test_a_demo_that_fails_says_what_is_missing_and_shows_the_log(tmp_path: Path) -> None:
    broken = tmp_path / "broken.wasm"
    broken.write_bytes(b"\0asm\1\0\0\0")
    result = demo(PLUGIN=str(broken))
    assert result.returncode != 0
    assert "no event: server certificate localhost" in result.stderr
    assert "[critical]" in result.stderr


def test_the_files_for_compose_are_the_shipped_configuration_and_what_it_names(tmp_path: Path) -> None:
    assert demo("--files", str(tmp_path)).returncode == 0
    assert (tmp_path / "envoy.yaml").read_text() == SHIPPED.read_text()
    fleet = yaml.safe_load((tmp_path / "fleet.yaml").read_text())
    shipped = yaml.safe_load(SHIPPED.read_text())
    join_fleet(shipped)
    assert fleet == shipped
    (tmp_path / "cert_expiry_monitor.wasm").symlink_to(PLUGIN)
    for name in ("envoy.yaml", "fleet.yaml"):
        status, said = validate(release.envoy_binary(), tmp_path / name)
        assert status == 0, said


def test_compose_mounts_what_there_is_and_names_what_envoy_looks_for() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    reachable = [*services, "127.0.0.1"]  # Envoy calls the standby in its own container
    clusters = yaml.safe_load(SHIPPED.read_text())["static_resources"]["clusters"]
    clusters += yaml.safe_load(FLEET.read_text())["clusters"]
    for cluster in clusters:
        [locality] = cluster["load_assignment"]["endpoints"]
        [endpoint] = locality["lb_endpoints"]
        assert endpoint["endpoint"]["address"]["socket_address"]["address"] in reachable
    sources = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    made = ("./target/", "./dist/")
    assert [source for source in sources if not source.startswith(made) and not (REPOSITORY / source).exists()] == []


def test_compose_has_a_fleet_whose_envoys_have_names_of_their_own_and_share_what_they_need() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    fleet = [services[name] for name in ("edge-1", "edge-2")]
    assert [envoy["command"][-2:] for envoy in fleet] == [["--service-node", name] for name in ("edge-1", "edge-2")]
    for envoy in fleet:
        assert "./target/demo/fleet.yaml:/etc/envoy/envoy.yaml:ro" in envoy["volumes"]
        assert envoy["environment"] == services["webdis"]["environment"]
    webdis = json.loads(WEBDIS.read_text())
    assert webdis["redis_host"] in services
    [cluster] = yaml.safe_load(FLEET.read_text())["clusters"]
    [endpoint] = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert endpoint["endpoint"]["address"]["socket_address"] == {"address": "webdis", "port_value": webdis["http_port"]}


def test_docker_compose_config_accepts_the_file() -> None:
    clients = [["docker", "compose"], ["docker-compose"]]
    client = next((client for client in clients if answers([*client, "version"])), None)
    if client is None:
        pytest.skip("docker compose is not here: nothing has checked docker-compose.yml against its own rules")
    result = subprocess.run([*client, "-f", str(COMPOSE), "config", "--quiet"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def answers(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False
