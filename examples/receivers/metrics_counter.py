"""Counts events, and shows the counts to Prometheus at /metrics.

    python3 metrics_counter.py --port 8080

WEBHOOK_SECRETS: secrets of signing.scheme standard-webhooks, separated by spaces.
"""

import threading
from collections import Counter

import receiver
from receiver import Event

# Labels come from these lists only: what a stranger writes makes no time series.
EVENTS = [
    "CertificateExpiringSoon",
    "CertificateExpired",
    "CertificateResolved",
    "CertificateStale",
    "CertificateRejected",
    "CertificateRenewed",
    "CertificateRenewalOverdue",
    "CertificateDiscovered",
    "CertificateNotYetValid",
    "ChainExpiresFirst",
    "CertificateWeak",
    "ExpiryStorm",
    "MonitorHeartbeat",
    "ClockSkewSuspected",
    "WebhookTest",
    "other",
]
ROLES = ["server", "ca", "client", "upstream", "other"]
METRIC = "certificate_events_total"


class Counts:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        # All are there at zero from the start: an increase from nothing is none for Prometheus.
        self.counts = Counter({(event, role): 0 for event in EVENTS for role in ROLES})

    def count(self, event: Event) -> None:
        with self.lock:
            self.counts[known(event["event"], EVENTS), known(event.get("cert_role"), ROLES)] += 1

    def page(self) -> str:
        with self.lock:
            counts = list(self.counts.items())
        lines = [f'{METRIC}{{event="{event}",role="{role}"}} {count}' for (event, role), count in counts]
        return "\n".join([f"# HELP {METRIC} Events received, doubles left out.", f"# TYPE {METRIC} counter", *lines])


def known(word: object, words: list[str]) -> str:
    return word if word in words else "other"


def main() -> None:
    options = receiver.arguments("Count events for Prometheus.").parse_args()
    counts = Counts()
    receiver.serve(options, counts.count, {"/metrics": counts.page})


if __name__ == "__main__":
    main()
