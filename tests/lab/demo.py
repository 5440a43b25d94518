"""The plugin at work: a real Envoy, certificates that end in three days, and every event as it arrives.

python -m lab.demo                plays the scene and ends by itself; with DEMO_KEEP=1 it stays up
python -m lab.demo --files DIR    only writes the certificates and the configuration for docker-compose.yml
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import yaml

from lab import wait
from lab.config import SHIPPED, join_fleet
from lab.receiver import Request
from lab.scene import Cast, Scene

# role, name, API. Of a file Envoy tells no subject, so one without further names is called by its file.
EXPECTED = [
    ("server", "localhost", None),
    ("ca", "ca.pem", None),
    ("upstream", "upstream-client.pem", "orders"),
    ("client", "Test Client", "orders-api"),
    ("upstream", "orders.internal", "orders-api"),
]
REQUESTS = 20
WITHIN_SECONDS = 30.0


class Audience:
    """Shows every webhook request once, in the order of arrival, and knows what is still to come."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.seen = 0

    def watch(self) -> None:
        arrived = self.scene.receiver.requests[self.seen :]
        for request in arrived:
            show(request)
        self.seen += len(arrived)

    def missing(self) -> list[tuple[str, str, str | None]]:
        told = {identify(request) for request in self.scene.receiver.requests[: self.seen]}
        return [expected for expected in EXPECTED if expected not in told]

    def is_satisfied(self) -> bool:
        self.watch()
        return not self.missing()

    def is_never_satisfied(self) -> bool:
        self.watch()
        return False


def identify(request: Request) -> tuple[str, str, str | None]:
    event = request.event
    return event["cert_role"], event["cert_name"], event.get("api_id")


def show(request: Request) -> None:
    role, name, api_id = identify(request)
    of_api = f", API {api_id}" if api_id else ""
    print(f"\n{request.arrived:%H:%M:%SZ}  {request.event['event']}: {role} certificate {name}{of_api}")
    print(f"           {request.method} {request.path}")
    print(json.dumps(request.event, indent=2, ensure_ascii=False))


def main() -> int:
    sys.stdout.reconfigure(line_buffering=True)  # an event is shown as it arrives, in a pipe too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # leaves the scene, and so ends Envoy
    parser = argparse.ArgumentParser(prog="python -m lab.demo", description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=Path, metavar="DIR", help="write the files of docker-compose.yml and stop")
    if directory := parser.parse_args().files:
        return write_files(directory)
    with tempfile.TemporaryDirectory(prefix="cert-expiry-demo-") as directory:
        return play(Path(directory), keep=os.environ.get("DEMO_KEEP") == "1")


def write_files(directory: Path) -> int:
    cast = Cast()
    cast.write(directory / "certs")
    (directory / "envoy.yaml").write_text(SHIPPED.read_text())
    fleet = yaml.safe_load(SHIPPED.read_text())
    join_fleet(fleet)
    (directory / "fleet.yaml").write_text(yaml.safe_dump(fleet, sort_keys=False))
    print(f"{directory}: certificates for three more days, envoy.yaml as it is shipped, and fleet.yaml with a store")
    return 0


def play(directory: Path, keep: bool) -> int:
    began = time.monotonic()
    with Scene(directory) as scene:
        audience = Audience(scene)
        scene.discover()
        scene.log_connections()
        try:
            scene.start(concurrency=2)
            print("Envoy is up. The plugin asks it for the server's, the CA's and our own upstream certificate.")
            send_traffic(scene)
            wait.until(audience.is_satisfied, "an event about every certificate", WITHIN_SECONDS)
        except (TimeoutError, OSError) as problem:
            report(scene, audience, problem)
            return 1
        print(
            f"\n{audience.seen} events about certificates in all four roles, {time.monotonic() - began:.1f} s in all."
        )
        if keep:
            stay(scene, audience)
    return 0


def send_traffic(scene: Scene) -> None:
    statuses = scene.client().get_all(["/orders"] * REQUESTS, connections=4)
    if statuses != [200] * REQUESTS:
        raise OSError(f"requests were answered with {statuses}")
    print(f"{REQUESTS} requests over mutual TLS have shown it the client's and the upstream server's.")


def report(scene: Scene, audience: Audience, problem: Exception) -> None:
    print(f"\nThe demo failed: {problem}", file=sys.stderr)
    for role, name, api_id in audience.missing():
        print(f"  no event: {role} certificate {name}{f', API {api_id}' if api_id else ''}", file=sys.stderr)
    if scene.envoy:
        print(f"\nThe end of Envoy's log:\n{scene.envoy.tail()}", file=sys.stderr)


def stay(scene: Scene, audience: Audience) -> None:
    certs = scene.directory / "certs"
    url = f"https://localhost:{scene.envoy.port('ingress')}"
    print(
        f"\nIt stays up until Ctrl-C.\n"
        f"  APIs      {url}/orders  {url}/billing\n"
        f"  metrics   http://{scene.envoy.admin_address}/stats?format=prometheus&filter=cert_expiry\n"
        f"  log       {scene.envoy.log_file}\n"
        f"  request   curl --cacert {certs}/ca.pem --cert {certs}/client.pem --key {certs}/client.key {url}/billing"
    )
    try:
        wait.until(audience.is_never_satisfied, "Ctrl-C", float("inf"))
    except KeyboardInterrupt:
        print("\nThe end.")


if __name__ == "__main__":
    sys.exit(main())
