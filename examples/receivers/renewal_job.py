"""Starts a command for each CertificateExpiringSoon, and answers 2xx when it has started.

    python3 renewal_job.py --jobs 2 -- /usr/local/bin/renew --quietly

No shell is involved. The command finds out from its environment what to do: CERT_NAME, CERT_ID, CERT_ROLE, API_ID,
EXPIRES_AT, DAYS_REMAINING. Whoever presents a certificate chooses its name: look it up in a list of your own.
WEBHOOK_SECRETS: secrets of signing.scheme standard-webhooks, separated by spaces; the command does not see them.
"""

import os
import subprocess
import threading

import receiver
from receiver import Event, text

FIELDS = ["cert_name", "cert_id", "cert_role", "api_id", "expires_at", "days_remaining"]


class Jobs:
    """At most so many commands at a time."""

    def __init__(self, command: list[str], at_once: int) -> None:
        self.command = command
        self.free = threading.Semaphore(at_once)

    def start(self, event: Event) -> None:
        if event["event"] != "CertificateExpiringSoon":
            return
        if not self.free.acquire(blocking=False):
            raise receiver.TryAgainError("as many jobs are running as may")
        environment = {name: value for name, value in os.environ.items() if name != "WEBHOOK_SECRETS"}
        environment |= {field.upper(): text(event, field) for field in FIELDS}
        try:
            process = subprocess.Popen(self.command, env=environment, stdin=subprocess.DEVNULL)
        except OSError as problem:
            self.free.release()
            raise receiver.TryAgainError(f"the command does not start: {problem.strerror}") from problem
        threading.Thread(target=self.watch, args=(process, text(event, "cert_name")), daemon=True).start()

    def watch(self, process: subprocess.Popen[bytes], name: str) -> None:
        status = process.wait()
        self.free.release()
        receiver.say(f"the job for {name} ended with {status}")


def main() -> None:
    parser = receiver.arguments("Start a command for each certificate that is expiring soon.")
    parser.add_argument("--jobs", type=int, default=4, help="how many may run at a time")
    parser.add_argument("command", nargs="+", help="the command and its arguments, after --")
    options = parser.parse_args()
    receiver.serve(options, Jobs(options.command, options.jobs).start)


if __name__ == "__main__":
    main()
