"""What a monitoring system reads of the server, in Prometheus' format."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counts of this server; labels are the routes' own templates, never what a client sent."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter(
            "motiongpt3_requests", "answered requests", labels, registry=self.registry
        )
        self.seconds = Histogram(
            "motiongpt3_request_seconds",
            "from the head of a request to the end of its answer",
            ("method", "route"),
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100),
            registry=self.registry,
        )
        self.batch = Histogram(
            "motiongpt3_batch_requests",
            "requests that were done together",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )
        self.deaths = Counter(
            "motiongpt3_process_deaths", "ended processes", ("process",), registry=self.registry
        )

    def gauge(self, name: str, about: str, value: Callable[[], float]) -> None:
        """A figure that is asked for when it is read."""
        Gauge(f"motiongpt3_{name}", about, registry=self.registry).set_function(value)

    def text(self) -> bytes:
        """All of them."""
        return generate_latest(self.registry)
